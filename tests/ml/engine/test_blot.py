"""The blot pass: what it changes, and that each number is the model's answer to it."""

from pathlib import Path

import numpy as np
import pytest
import yaml
from PIL import Image

from ml.engine.blot import (
    blot_job,
    boxes_of,
    changes_of,
    elsewhere,
    found_in,
    given,
    seen_of,
    with_mean,
)
from ml.engine.blot_form import BLOT, MOST_PLACES, blot_rows
from ml.engine.cases import Case, prepare_case
from ml.engine.cost import Sizes
from ml.engine.passes import PASSES, check_of, cost_of, most_bytes_of
from ml.engine.plan import plan
from ml.engine.session import open_session
from ml.evidence.blotted import CHANGES, ELSEWHERE, FILL, GIVEN, MEAN, blotted_of
from ml.evidence.store import table
from ml.imaging.harmonic import harmonic_fill
from ml.imaging.intensity import from_unit, to_unit
from ml.intake.model_manifest import ModelManifest
from ml.protocol import Protocol, ProtocolError
from ml.zoo.rulers import drawn_into
from ml.zoo.shades import model_folder
from tests.ml.imaging.test_recurring import heads
from tests.ml.intake.build import QUIET

N = 24
SIDE = 32  # of what the network takes

OF_PICTURES = ModelManifest.model_validate(
    {"name": "m", "version": "1", "format": "onnx", "file": "m.onnx",
     "input": {"size": [64, 64], "colour": "gray", "intensity": {"scale": 255}},
     "output": {"kind": "logits", "classes": ["a", "b"], "activation": "softmax",
                "positive": ["b"]}}
)  # fmt: skip


@pytest.fixture(scope="module")
def setting(tmp_path_factory):
    """Pictures of which every other one has a ruler, a case without an image, and a network."""
    folder = tmp_path_factory.mktemp("blot")
    has = np.arange(N) % 2 == 0
    pixels = drawn_into(heads(3, N), has, "ruler", seed=1)
    cases = []
    for number, one in enumerate(pixels):
        path = folder / f"{number}.png"
        Image.fromarray(one).save(path)
        cases.append({"case_id": f"c{number:02d}", "images": [str(path)]})
    cases.insert(5, {"case_id": "gone", "images": []})
    model = model_folder(folder / "m", channels=4)
    manifest = yaml.safe_load((model / "model.yaml").read_text())
    manifest["input"]["size"] = manifest["input"].get("size") or [SIDE, SIDE]
    inputs = {
        "model": {"path": str(model / manifest["file"]), "manifest": manifest}, "cases": cases,
        **PASSES[BLOT].params,
        "regions": [{"name": "tag", "box": [0.1, 0.0, 0.75, 0.2]}], "seed": 7,
    }  # fmt: skip
    return inputs, has


def left(inputs, folder):
    folder.mkdir(exist_ok=True)
    result = blot_job(inputs, folder, QUIET)
    data = (folder / result["table"]).read_bytes()
    ids = [one["case_id"] for one in inputs["cases"]]
    check_of(BLOT, inputs, 2)(data, ids)
    assert len(data) < most_bytes_of(BLOT, inputs, 2, len(ids))
    return blotted_of(table(data), ids), result


def test_every_number_is_the_models_answer_to_the_change_that_it_names(setting, tmp_path):
    inputs, has = setting
    found, result = left(inputs, tmp_path)
    manifest = ModelManifest.model_validate(inputs["model"]["manifest"])
    session = open_session(Path(inputs["model"]["path"]), manifest)
    declared, sides = manifest.input, manifest.input.sides
    rows = [at for at, one in enumerate(inputs["cases"]) if one["images"]]
    cases = [Case(one["case_id"], (Path(one["images"][0]),)) for one in inputs["cases"]
             if one["images"]]  # fmt: skip
    units = {at: to_unit(prepare_case(case, declared), declared)
             for at, case in zip(rows, cases, strict=True)}  # fmt: skip

    region = found.places[0]
    assert (region.kind, region.name, region.attention) == ("region", "tag", None)
    ((_, box),) = boxes_of(inputs, sides)
    assert np.array_equal(found.has[rows, 0] == 1, has)
    assert found.failures == {"gone": "no_image"}
    assert not found.ran[5]
    assert result["failed"] == 1

    def answer(unit):
        return session.run(from_unit(unit, declared)[None])[0]

    for at in rows:
        here = found.outputs[at, 0]
        if found.has[at, 0]:
            for name, copy in ((MEAN, with_mean(units[at], box)),
                               (FILL, harmonic_fill(units[at], box))):  # fmt: skip
                assert here[CHANGES.index(name)] == pytest.approx(answer(copy), abs=1e-5)
            assert np.isnan(here[CHANGES.index(GIVEN)]).all()
        else:
            donors = [answer(given(units[at], units[other], box))
                      for other in rows if found.has[other, 0]]  # fmt: skip
            own = here[CHANGES.index(GIVEN)]
            assert any(np.allclose(own, one, atol=1e-5) for one in donors)
            assert np.isnan(here[CHANGES.index(FILL)]).all()


def test_nothing_hangs_on_the_batch_or_on_the_order_of_the_cases(setting, tmp_path):
    inputs, _ = setting
    whole, _ = left(inputs, tmp_path / "whole")
    alone, _ = left({**inputs, "batch": 3}, tmp_path / "three")
    assert np.allclose(whole.outputs, alone.outputs, atol=1e-5, equal_nan=True)
    assert np.array_equal(whole.has, alone.has, equal_nan=True)
    turned, _ = left({**inputs, "cases": inputs["cases"][::-1]}, tmp_path / "turned")
    assert np.allclose(turned.outputs[::-1], whole.outputs, atol=1e-5, equal_nan=True)
    other, _ = left({**inputs, "seed": 8}, tmp_path / "seed")
    assert not np.allclose(other.outputs, whole.outputs, atol=1e-5, equal_nan=True)


def test_of_no_case_that_can_be_read_there_is_no_place(setting, tmp_path):
    inputs, _ = setting
    gone = [{"case_id": one, "images": []} for one in ("a", "b")]

    found, result = left({**inputs, "cases": gone}, tmp_path)

    assert found.places == ()
    assert found.outputs.shape[:2] == (2, 0)
    assert result["failed"] == 2


def test_places_are_as_many_as_there_is_room_for_and_drawn_ones_first():
    pixels = drawn_into(heads(1, 20), np.arange(20) % 2 == 0, "letter", seed=1)
    arrays = (pixels[:, None] / 255).astype(np.float32)
    looked = seen_of(OF_PICTURES.input, None)([], arrays)
    seen = {f"c{at}": one for at, one in enumerate(looked)}

    found = found_in(seen, [("tag", (0, 0, 5, 5))], most=3)

    assert [one.kind for one in found.places][:2] == ["region", "mark"]
    assert len(found.places) == 4
    assert len(blot_rows({"regions": [{}]})) == (MOST_PLACES + 1) * len(CHANGES)


def test_as_large_a_place_elsewhere_touches_nothing_that_recurs():
    rng = np.random.default_rng(1)
    avoid = [(2, 2, 6, 4), (20, 20, 5, 5)]
    for _ in range(50):
        found = elsewhere((2, 2, 6, 4), avoid, (32, 32), rng)
        assert found[2:] == (6, 4)
        for top, left_, height, width in avoid:
            apart = (found[0] + 6 <= top or top + height <= found[0]
                     or found[1] + 4 <= left_ or left_ + width <= found[1])  # fmt: skip
            assert apart
    assert elsewhere((0, 0, 30, 30), [(0, 0, 30, 30)], (32, 32), rng) is None


def test_it_is_planned_where_the_check_asks_and_says_what_it_costs():
    asked = Protocol.parse(
        {"checks": ["shortcut"], "shortcut_cases": 40,
         "shortcut_regions": [{"name": "tag", "box": [0, 0, 0.2, 0.2]}]}
    )  # fmt: skip
    known = {"has_model": True, "has_masks": False, "modality": "MR"}
    passes = {one.name: one.params for one in plan(asked, walks=True, **known)}

    assert passes["blot"]["most_cases"] == 40
    assert passes["blot"]["maps"] is True
    assert passes["blot"]["regions"] == [{"name": "tag", "box": [0, 0, 0.2, 0.2]}]
    black_box = {one.name: one.params for one in plan(asked, walks=False, **known)}
    assert black_box["blot"]["maps"] is False
    assert "blot" not in {one.name for one in plan(asked, walks=True, pictures=False, **known)}
    assert "blot" not in {one.name for one in plan(Protocol(), walks=True, **known)}
    assert cost_of(BLOT, passes["blot"], Sizes()).forwards == 4 * (MOST_PLACES + 1) + 1
    assert Protocol.parse({"checks": ["shortcut"]}).sha256 != asked.sha256


@pytest.mark.parametrize(
    ("regions", "said"),
    [
        ("all", "must be a list"), ([{"name": "a", "box": [0, 0, 1, 1]}], "whole picture"),
        ([{"name": "a", "box": [0, 0.9, 0.1, 0.2]}], "not lie inside"),
        ([{"name": "", "box": [0, 0, 0.1, 0.2]}], "must have a name"),
        ([{"name": "a", "box": [0, 0, 0.1]}], "four numbers"),
        ([{"name": "a", "box": [0, 0, 0.1, 0.1]}] * 2, "are called 'a'"),
        ([{"name": str(at), "box": [0, 0, 0.1, 0.1]} for at in range(7)], "at most 6"),
    ],
)  # fmt: skip
def test_regions_that_are_none_are_refused_in_words(regions, said):
    with pytest.raises(ProtocolError, match=said):
        Protocol.parse({"checks": ["shortcut"], "shortcut_regions": regions})


def test_a_control_changes_as_much_somewhere_else():
    has = np.arange(20) % 2 == 0
    pixels = drawn_into(heads(1, 20), has, "ruler", seed=1) / 255
    looked = seen_of(OF_PICTURES.input, None)([], pixels[:, None].astype(np.float32))
    found = found_in({f"c{at}": one for at, one in enumerate(looked)}, [("tag", (8, 0, 44, 10))])
    top, left_, height, width = found.places[0].box

    for at in range(20):
        copies = changes_of(found, at, 0, 7)
        picture, box = found.pictures[at], np.zeros((64, 64), bool)
        box[top : top + height, left_ : left_ + width] = True
        for name, copy in copies.items():
            changed = (copy != picture).any(axis=2)
            is_control = name in (ELSEWHERE[MEAN], ELSEWHERE[FILL])
            assert not (changed & (box if is_control else ~box)).any(), name
            assert changed.sum() > 0.5 * box.sum()
        if not has[at]:
            with_it = np.flatnonzero(found.places[0].has).tolist()
            others = [row for row in range(20) if row not in (*with_it, at)]
            for name, donors in ((GIVEN, with_it), (ELSEWHERE[GIVEN], others)):
                assert any(
                    np.array_equal(copies[name][box], found.pictures[row][box]) for row in donors
                )
