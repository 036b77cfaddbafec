"""The next batch is prepared while the device computes; evidence is the same to the last byte."""

import threading

import pytest
from PIL import Image

from ml.engine import predict, segment
from ml.engine.ahead import ahead
from ml.engine.device import CPU, Device, looks_ahead
from ml.engine.predict import predict_job
from tests.ml.engine.test_device import PASSED, fake, job  # noqa: F401 - fixtures
from tests.ml.engine.test_segment import MANIFEST as SEGMENTS
from tests.ml.engine.test_segment import Spots, exported
from tests.ml.intake.build import QUIET


@pytest.mark.parametrize("on", [True, False])
def test_items_come_in_order_each_with_its_own(on):
    found = list(ahead([3, 1, 2], lambda item: item * 10, on=on))
    assert found == [(3, 30), (1, 10), (2, 20)]
    assert list(ahead([], lambda item: item, on=on)) == []


def test_one_is_prepared_ahead_and_no_more():
    begun, names = [], set()

    def prepare(item):
        begun.append(item)
        names.add(threading.current_thread().name)
        return item

    for at, (item, _) in enumerate(ahead(range(6), prepare, on=True)):
        assert item == at
        assert len(begun) <= at + 2, "memory holds two batches"
    assert begun == [0, 1, 2, 3, 4, 5]
    assert all(name.startswith("ahead") for name in names)


def test_the_next_is_prepared_while_one_is_computed():
    second = threading.Event()
    items = ahead([1, 2], lambda item: second.set() if item == 2 else None, on=True)
    next(items)
    assert second.wait(10), "whoever computes waits for nothing"
    assert [item for item, _ in items] == [2]


@pytest.mark.parametrize("on", [True, False])
def test_what_goes_wrong_is_raised_when_its_turn_comes(on):
    def prepare(item):
        if item == 2:
            raise ZeroDivisionError("of the second")
        return item

    seen = []
    with pytest.raises(ZeroDivisionError, match="of the second"):
        seen.extend(item for item, _ in ahead([0, 1, 2, 3], prepare, on=on))
    assert seen == [] or seen == [0, 1]


def test_who_stops_early_leaves_no_thread_behind():
    before = threading.active_count()
    items = ahead(range(100), lambda item: item, on=True)
    next(items)
    items.close()
    assert threading.active_count() == before


def test_only_a_gpu_has_its_input_prepared_ahead():
    assert not looks_ahead(CPU)
    assert not looks_ahead(Device("cpu", "cuda", "There is none."))
    assert looks_ahead(Device("cuda:0", "cuda:0"))


@pytest.mark.parametrize("name", ["predict", "corrupt", "samples"])
def test_evidence_is_the_same_with_and_without(name, job, tmp_path, monkeypatch):  # noqa: F811
    run, params = PASSED[name]
    asked = job("densenet", **params, device="cpu")
    broken = tmp_path / "broken.png"
    broken.write_bytes(b"no picture")
    asked["cases"][3]["images"] = [str(broken)]

    results = {}
    for on in (False, True):
        monkeypatch.setattr(predict, "looks_ahead", lambda device, on=on: on)
        results[on] = run(asked, tmp_path, QUIET)
    assert results[True]["sha256"] == results[False]["sha256"]
    assert results[True]["failed"] == 2
    assert list(results[True]["seconds"]) == [one["case_id"] for one in asked["cases"]]


def test_masks_are_the_same_with_and_without(tmp_path, monkeypatch):
    exported(tmp_path / "model.pt2", Spots(2), (16, 16))
    cases = []
    for number in range(3):
        path = tmp_path / f"{number}.png"
        Image.new("L", (20 + number, 16), 80 * number).save(path)
        cases.append({"case_id": f"c{number}", "images": [str(path)]})
    cases[1]["images"] = []
    model = {"path": str(tmp_path / "model.pt2"), "manifest": SEGMENTS}

    results = []
    for on in (False, True):
        monkeypatch.setattr(segment, "looks_ahead", lambda device, on=on: on)
        results.append(predict_job({"model": model, "cases": cases}, tmp_path, QUIET))
    assert results[0]["sha256"] == results[1]["sha256"]
    assert results[1]["failed"] == 1


def test_batches_for_a_gpu_are_pinned(fake, job, tmp_path):  # noqa: F811
    predict_job(job("densenet"), tmp_path, QUIET)
    assert fake.pins == 3, "five cases by two"
    predict_job(job("densenet", device="cpu"), tmp_path, QUIET)
    assert fake.pins == 3
