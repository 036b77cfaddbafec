"""The pass over images: one row for each case, the same in any shard, and no model in its key."""

import numpy as np
import pytest
from PIL import Image

from ml.checks.registry import CheckResult, State, audit_check
from ml.engine import describe, images
from ml.engine.describe import describe_job
from ml.engine.images import DESCRIBE, FORM, job_of_images, key_of_images
from ml.engine.passes import cost_of
from ml.engine.plan import PREDICT, plan
from ml.evidence import store
from ml.evidence.checked import EvidenceError
from ml.evidence.described import case_images_of
from ml.protocol import Protocol
from tests.ml.intake.build import QUIET


@pytest.fixture
def files(tmp_path):
    rng = np.random.default_rng(3)
    for at in range(4):
        pixels = rng.integers(0, 256, (10, 12), dtype=np.uint8)
        Image.fromarray(pixels).save(tmp_path / f"{at}.png")
    (tmp_path / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\nnothing more")
    found = {f"c{at}": [tmp_path / f"{at}.png"] for at in range(4)}
    return found | {"bad": [tmp_path / "broken.png"], "gone": [tmp_path / "gone.png"]}


def run(files, case_ids, out):
    out.mkdir()
    job = job_of_images(case_ids, files, out)
    result = describe_job(job.inputs, out, QUIET)
    return result, (out / str(result["table"])).read_bytes()


def test_a_shard_leaves_what_was_asked_for(files, tmp_path):
    ids = ["c0", "bad", "c1"]
    result, data = run(files, ids, tmp_path / "out")
    FORM.check(data, ids)
    assert (result["failed"], result["reusable"]) == (1, True)
    assert set(result["seconds"]) == set(ids)

    found = case_images_of(store.table(data), ["c1", "c0", "bad", "never seen"])
    assert found.known.tolist() == [True, True, False, False]
    assert found.failures == {"bad": "image_unreadable"}
    assert found.numbers.shape == (4, len(found.names))
    assert np.isnan(found.numbers[2:]).all()
    assert np.isnan(found.thumbnails[2:]).all()
    mean = found.numbers[1, found.names.index("mean")]
    assert mean == pytest.approx(np.asarray(Image.open(files["c0"][0])).mean() / 255)
    assert found.pixels[0] != found.pixels[1]


def test_the_cut_into_shards_changes_nothing(files, tmp_path):
    ids = ["c0", "c1", "c2", "c3"]
    _, whole = run(files, ids, tmp_path / "whole")
    pieces = [run(files, [one], tmp_path / one)[1] for one in ids]
    joined = store.joined(pieces)
    assert joined.equals(store.table(whole))


def test_a_shard_of_failures_joins_with_others(files, tmp_path):
    pieces = [run(files, [one], tmp_path / one)[1] for one in ("bad", "c0")]
    assert store.joined(pieces).num_rows == 2


def test_a_missing_file_says_nothing_of_the_image(files, tmp_path):
    result, _ = run(files, ["gone"], tmp_path / "out")
    assert (result["failed"], result["reusable"]) == (1, False)


def test_a_table_of_other_cases_is_refused(files, tmp_path):
    _, data = run(files, ["c0"], tmp_path / "out")
    with pytest.raises(EvidenceError, match="cases"):
        FORM.check(data, ["c1"])


def test_the_key_hangs_on_the_images_alone():
    known = {"a": ["1" * 64], "b": ["2" * 64]}
    key = key_of_images(["a", "b"], known)
    assert key == key_of_images(["a", "b"], dict(known))
    assert key != key_of_images(["b", "a"], known)
    assert key != key_of_images(["a", "b"], known | {"b": ["3" * 64]})


def test_it_is_planned_where_a_check_needs_it_with_a_model_or_without(monkeypatch):
    from ml.checks import registry

    monkeypatch.setattr(registry, "_checks", {})
    check = audit_check("x", title="X", question="?", needs=("prediction", images.NEED))(
        lambda evidence, protocol: CheckResult(State.INFO, "?", ".")
    )
    asked = Protocol.parse({"checks": ["x"]})

    def names(**more):
        return [one.name for one in plan(asked, [check], **more)]

    assert names(has_model=True) == [PREDICT, DESCRIBE]
    assert names(has_model=False) == [DESCRIBE]
    assert names(has_model=True, pictures=False) == [PREDICT, DESCRIBE]
    assert names(has_model=True, has_images=False) == []
    assert DESCRIBE not in names(has_model=True, has_masks=True)
    other = Protocol.parse({"checks": ["y"]})
    assert plan(other, [check], has_model=True) == ()


def test_it_costs_no_forward_and_its_bytes_are_declared():
    found = cost_of(DESCRIBE, {}, None)
    assert (found.forwards, found.backwards) == (0, 0)
    assert found.bytes > 4096
    assert describe.TABLE.startswith(DESCRIBE)
