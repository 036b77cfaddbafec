"""Masks of changed copies: on the image's own grid, as the predict pass makes them, in sizes."""

import hashlib

import numpy as np
import pytest
import yaml

from ml.engine.cases import Case, prepared
from ml.engine.copies import rows_table
from ml.engine.corrupt import corrupt_job
from ml.engine.corrupt import versions as corruptions_of
from ml.engine.cost import Sizes
from ml.engine.mask_copies import along
from ml.engine.mask_copies_form import mask_copies_cost
from ml.engine.mask_passes import MIRRORED, masks_asked_for, references_of
from ml.engine.move import move_job
from ml.engine.move import versions as moves_of
from ml.engine.passes import CORRUPT, MOVE, PASSES, check_of, cost_of, most_bytes_of
from ml.engine.plan import PassPlan, key_of_shard, plan
from ml.engine.predict import Outputs
from ml.engine.segment import labels_of
from ml.evidence.mask_copies import is_of_masks, mask_copies_of
from ml.evidence.store import EvidenceError, table, write_table
from ml.imaging.intensity import from_unit, to_unit
from ml.imaging.mask import decode_mask, pack
from ml.intake.model_manifest import ModelManifest
from ml.moves import MIRRORS, MOVES, inside, moved
from ml.protocol import Protocol
from tests.ml.engine.test_segment import PIXELS, model, opened, png, spot
from tests.ml.intake.build import QUIET

SEED = 5
CHOSEN = {"corruptions": ["gaussian-noise", "gaussian-blur"], "seed": SEED, "structures": 1}
PLANNED = {"moves": ["translation", "rotation", "mirror-left-right"], "seed": SEED, "structures": 1}


def setting(tmp_path, pixels=PIXELS, reference=None, **changes):
    """The inputs of a job over one case with its reference mask, one without, one of no image."""
    folder = model(tmp_path / "m", **changes)
    declared = yaml.safe_load((folder / "model.yaml").read_text())
    manifest = ModelManifest.model_validate(declared)
    image = tmp_path / "image"
    image.write_bytes(png(pixels))
    kept = pack(decode_mask(png(pixels if reference is None else reference), 1))
    mask = tmp_path / hashlib.sha256(kept).hexdigest()
    mask.write_bytes(kept)
    cases = [{"case_id": one, "images": [] if one == "none" else [str(image)]}
             for one in ("a", "b", "none")]  # fmt: skip
    return {
        "model": {"path": str(folder / str(manifest.file)),
                  "manifest": manifest.model_dump(mode="json")},
        "cases": cases, "references": {"a": str(mask), "none": str(mask)},
    }  # fmt: skip


def left_by(job, inputs, params, tmp_path):
    """The table that a job leaves, once its form is seen to be the one that was asked for."""
    result = job({**inputs, **params}, tmp_path, QUIET)
    data = (tmp_path / result["table"]).read_bytes()
    name = CORRUPT if job is corrupt_job else MOVE
    check_of(name, params, 2)(data, ["a", "b", "none"])
    assert len(data) < most_bytes_of(name, params, 2, 3)
    return table(data)


PATCHES = {"input": {"size": None, "patch": {"size": [16, 16], "overlap": 0.25}}}


@pytest.mark.parametrize("changes", [{}, PATCHES], ids=["whole", "by patches"])
def test_every_copy_is_held_against_the_reference_on_the_images_grid(changes, tmp_path):
    """By hand: prepare, corrupt between 0 and 1, mark, bring back, count."""
    reference = spot(PIXELS.shape, slice(9, 18), slice(30, 40))
    noisy = (PIXELS + np.random.default_rng(2).integers(0, 60, PIXELS.shape)).astype(np.uint8)
    inputs = setting(tmp_path, noisy, reference, **changes)
    found = mask_copies_of(left_by(corrupt_job, inputs, CHOSEN, tmp_path), ("a", "b", "none"))
    session, manifest = opened(tmp_path / "m")
    image = prepared(Case("a", (tmp_path / "image",)), manifest.input)
    picture = to_unit(image.array, manifest.input)

    assert len(found.keys["severity"]) == 10
    for at, (change, severity) in enumerate(corruptions_of(CHOSEN)):
        copy = from_unit(change(picture, severity, "a", SEED), manifest.input)
        if not changes:
            labels = labels_of(session.run(copy[None])[0], manifest.output)
        else:  # the network is a convolution of one pixel: patches are no matter
            labels = (copy[0] > 0.5).astype(np.uint8)
        mask = image.mask(labels).labels > 0
        truth = reference > 0
        expected = [mask.sum(), truth.sum(), (mask & truth).sum()]
        sizes = found.sizes
        assert [one[0, at, 0] for one in (sizes.marked, sizes.other, sizes.both)] == expected
        if at in (0, 4):
            assert expected[2] > 0
    assert found.failures == {"b": "no_reference_mask", "none": "no_image"}
    assert np.isnan(found.sizes.marked[1:]).all()
    assert found.back is None


def test_a_mirrored_or_wholly_shifted_picture_is_marked_as_it_was(tmp_path):
    """The network looks at one pixel: what is left is what interpolation costs."""
    picture = spot((16, 16), slice(4, 11), slice(5, 12))
    inputs = setting(tmp_path, picture)
    found = mask_copies_of(left_by(move_job, inputs, PLANNED, tmp_path), ("a", "b", "none"))

    keys = list(zip(found.keys["move"], found.keys["step"], strict=True))
    dice, alone = found.sizes.dice[:, :, 0], found.back.dice[:, :, 0]
    for step in (2, 3, 4):
        at = keys.index(("translation", step))
        assert dice[:2, at].tolist() == alone[:2, at].tolist() == [1, 1]
    at = keys.index(("mirror-left-right", 1))
    assert dice[:2, at].tolist() == alone[:2, at].tolist() == [1, 1]
    turned = keys.index(("rotation", 5))
    assert 0.8 < dice[0, turned] <= 1
    assert 0.8 < alone[0, turned] <= 1
    assert found.failures == {"none": "no_image"}, "nobody needs a reference here"


def test_moved_masks_are_those_of_the_moved_outputs_within_the_picture(tmp_path):
    pixels = spot((16, 16), slice(2, 9), slice(0, 7))
    pixels[12, 12] = 200
    inputs = setting(tmp_path, pixels)
    found = mask_copies_of(left_by(move_job, inputs, PLANNED, tmp_path), ("a", "b", "none"))
    session, manifest = opened(tmp_path / "m")
    image = prepared(Case("a", (tmp_path / "image",)), manifest.input)
    maps = session.run(image.array[None])[0]
    planes = np.moveaxis(maps, 0, -1)

    for at, (one, step) in enumerate(moves_of(PLANNED)):
        way = one.drawn_way(step, "a", SEED)
        there = moved(planes, way)
        other = there[..., 1] > there[..., 0]
        picture = to_unit(image.array, manifest.input)
        copy = session.run(from_unit(one(picture, step, "a", SEED), manifest.input)[None])[0]
        mask, within = copy[1] > copy[0], inside((16, 16), way)
        sizes = found.sizes
        assert [round(part[0, at, 0]) for part in (sizes.marked, sizes.other, sizes.both)] == [
            (mask & within).sum(), (other & within).sum(), (mask & other & within).sum(),
        ]  # fmt: skip
        back = moved(there, way.back)
        again, kept = back[..., 1] > back[..., 0], inside((16, 16), way.back)
        assert found.back.marked[0, at, 0] == (again & kept).sum()
        assert found.back.other[0, at, 0] == ((maps[1] > maps[0]) & kept).sum()


@pytest.mark.parametrize("one", [*MOVES, *MIRRORS], ids=lambda one: one.id)
def test_the_way_back_leads_every_place_to_where_it_was(one):
    way = one.drawn_way(len(one.values), "c", 1)
    matrix, offset = way.on((40, 31))
    back, shift = way.back.on((40, 31))

    np.testing.assert_allclose(matrix @ back, np.eye(2), atol=1e-12)
    np.testing.assert_allclose(matrix @ shift + offset, 0, atol=1e-9)


def test_what_goes_wrong_costs_its_case_or_its_copy_alone(tmp_path):
    inputs = setting(tmp_path)
    other = tmp_path / "other"
    other.write_bytes(pack(decode_mask(png(np.zeros((5, 5), np.uint8)), 1)))
    changed = tmp_path / ("0" * 64)
    changed.write_bytes(other.read_bytes())

    def failures(references):
        content = left_by(corrupt_job, inputs | {"references": references}, CHOSEN, tmp_path)
        return mask_copies_of(content, ("a", "b", "none")).failures

    assert failures({"a": str(other), "b": str(changed)}) == {
        "a": "mask_grid", "b": "image_changed", "none": "no_image",
    }  # fmt: skip
    assert failures({"a": str(tmp_path / "gone")})["a"] == "image_missing"


def test_a_copy_without_a_finite_answer_is_missing_alone(tmp_path):
    setting(tmp_path)
    session, manifest = opened(tmp_path / "m")
    case = Case("a", (tmp_path / "image",))
    image = prepared(case, manifest.input)

    class Breaks:
        count = 0

        def run(self, batch):
            self.count += 1
            return session.run(batch) * (np.nan if self.count == 3 else 1)

    rows = along(Breaks(), manifest, moves_of(PLANNED), structures=1, seed=SEED)(case, image)

    assert [at for at, row in enumerate(rows) if row is None] == [1]


def test_structures_of_the_model_are_rows_of_their_own(tmp_path):
    """Three classes of which two are structures, in another order than the classes."""
    params = CHOSEN | {"structures": 2}
    form = PASSES[CORRUPT].form(params, 3)

    assert form.rows == 20
    assert form.keys["structure"][:4] == [0, 1, 0, 1]
    assert form.keys["severity"][:4] == [1, 1, 2, 2]
    assert form.numbers == ("marked", "other", "both")
    assert cost_of(CORRUPT, params, Sizes()).forwards == 10
    assert cost_of(MOVE, PLANNED, Sizes()).forwards == 12
    # Read back, each number stands at its copy and structure.
    rows = [[at, 100.0 + at, 0.0] for at in range(20)]
    content = rows_table(["x"], form, Outputs(rows={"x": rows}))
    found = mask_copies_of(content, ("w", "x"))
    assert found.keys["corruption"] == ("gaussian-noise",) * 5 + ("gaussian-blur",) * 5
    assert found.keys["severity"] == (1, 2, 3, 4, 5) * 2
    assert found.sizes.marked[1, 3].tolist() == [6, 7]
    assert found.of(1).sizes.other[1].tolist() == [101 + 2 * at for at in range(10)]
    assert found.ran.tolist() == [False, True]
    assert np.isnan(found.sizes.both[0]).all()
    twice = mask_copies_cost(params, 10, 64)
    assert twice.bytes == 2 * mask_copies_cost(CHOSEN, 10, 64).bytes
    assert cost_of(CORRUPT, {"corruptions": ["gamma"]}, Sizes()).forwards == 5


def test_a_table_that_is_no_table_of_sizes_is_refused(tmp_path):
    inputs = setting(tmp_path)
    content = left_by(corrupt_job, inputs, CHOSEN, tmp_path)
    assert is_of_masks(content)
    for wrong in (content.drop_columns("both"), content.slice(1)):
        write_table(wrong, tmp_path / "wrong")
        with pytest.raises(EvidenceError):
            check_of(CORRUPT, CHOSEN, 2)((tmp_path / "wrong").read_bytes(), ["a", "b", "none"])


CATALOGUE = {
    "task": "segmentation", "classes": ["spot", "rim"],
    "cases": [{"case_id": "a", "mask": {"sha256": "m1"}}, {"case_id": "b", "mask": None}],
}  # fmt: skip


def planned(checks, **changes):
    known = {"has_model": True, "has_masks": True, "catalogue": CATALOGUE, "modality": "CT"}
    return {one.name: one.params for one in plan(Protocol(checks=checks), **(known | changes))}


def test_the_plan_asks_for_copies_only_where_a_check_does():
    found = planned(("stress", "shift-consistency"))

    assert list(found) == ["predict", "corrupt", "move", "compare-masks"]
    assert found["corrupt"]["structures"] == found["move"]["structures"] == 2
    assert found["corrupt"]["most_cases"] == found["move"]["most_cases"] == 100
    assert "ct-metal" in found["corrupt"]["corruptions"] or len(found["corrupt"]["corruptions"]) > 9
    assert "maps" not in found["move"]
    assert list(planned(("shift-consistency",))) == ["move"]
    assert list(planned(("segmentation",))) == ["predict", "compare-masks"]
    volumes = planned(("stress", "shift-consistency"), pictures=False)
    assert "slice-thickness" in volumes["corrupt"]["corruptions"]
    assert volumes["move"] == found["move"]
    assert not MIRRORED & set(volumes["corrupt"]["corruptions"])
    assert "corrupt" not in planned(("stress",), has_model=False)
    of_scores = planned(("stress",), has_masks=False)
    assert "structures" not in of_scores["corrupt"]
    assert {"dicom-left-right", "dicom-upside-down"} < set(of_scores["corrupt"]["corruptions"])
    assert not MIRRORED & set(found["corrupt"]["corruptions"]), "a mask follows its picture"
    mirrored = Protocol(checks=("stress",), corruptions=("dicom-left-right",))
    asked = {"has_model": True, "has_masks": True, "catalogue": CATALOGUE, "modality": "CT"}
    assert [one.name for one in plan(mirrored, **asked)] == ["predict", "compare-masks"]
    none_fits = masks_asked_for(
        ["corrupted-masks"], 1, pictures=True, running={}, modality="CT", only=["mr-motion"]
    )
    assert none_fits == []


def test_another_reference_is_other_evidence_and_moves_know_none():
    own = PassPlan(CORRUPT, planned(("stress",))["corrupt"])
    references = references_of(own.name, own.params, CATALOGUE)
    hashes = {"model_sha256": "m", "manifest_sha256": "n", "images": {"a": ["i1"], "b": ["i2"]}}

    def key(shard, references):
        return key_of_shard(own, shard=shard, references=references, **hashes)

    assert references == {"a": "m1"}
    assert key(("a",), references) != key(("a",), {"a": "m2"})
    assert key(("b",), references) == key(("b",), {})
    assert references_of(MOVE, PLANNED, CATALOGUE) == {}
    assert references_of(CORRUPT, {"corruptions": ["gamma"]}, CATALOGUE) == {}
