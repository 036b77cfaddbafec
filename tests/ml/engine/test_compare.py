import hashlib

import numpy as np
import pytest

from ml.engine.compare import MEASURES, compare_job, comparisons
from ml.evidence.store import table
from ml.imaging.mask import Mask, pack
from ml.zoo.blobs import SPACING_MM, ball
from tests.ml.intake.build import QUIET


def mask(radius, shift=0.0):
    return Mask(ball(radius, np.array([shift, 0.0, 0.0])), SPACING_MM)


def stored(folder, made):
    data = pack(made)
    path = folder / hashlib.sha256(data).hexdigest()
    path.write_bytes(data)
    return str(path)


def run(tmp_path, cases, structures=1):
    out = tmp_path / "out"
    out.mkdir(exist_ok=True)
    inputs = {
        "cases": [{"case_id": name, "masks": masks} for name, masks in cases.items()],
        "structures": structures,
        "tolerance_mm": 2.0,
    }
    result = compare_job(inputs, out, QUIET)
    return result, table((out / result["table"]).read_bytes()).to_pylist()


def test_every_pair_that_a_check_asks_about():
    masks = {name: mask(6, shift) for name, shift in
             [("model", 1), ("reader:a", 0), ("reader:b", 0.5), ("reader:c", -1),
              ("reference", 0)]}  # fmt: skip
    pairs = [(a, b) for _, a, b, _ in comparisons(masks, 1, 2.0)]

    assert pairs == [
        ("reader:a", "reference"), ("reader:b", "reference"), ("reader:c", "reference"),
        ("model", "reference"),
        ("reader:a", "reader:b"), ("reader:a", "reader:c"), ("reader:b", "reader:c"),
        ("model", "reader:a"), ("model", "reader:b"), ("model", "reader:c"),
        ("reader:a", "others"), ("model", "others:reader:a"),
        ("reader:b", "others"), ("model", "others:reader:b"),
        ("reader:c", "others"), ("model", "others:reader:c"),
        ("model", "consensus"),
    ]  # fmt: skip


def test_two_readers_have_no_majority():
    masks = {"reader:a": mask(6), "reader:b": mask(7)}

    assert [(a, b) for _, a, b, _ in comparisons(masks, 1, 2.0)] == [("reader:a", "reader:b")]


def test_others_are_the_majority_without_the_reader():
    """b and c mark the same; a alone differs. Against b and c, a has their Dice; b has a tie."""
    masks = {"reader:a": mask(5), "reader:b": mask(7), "reader:c": mask(7)}
    found = {(a, b): dict(zip(MEASURES, n, strict=True)) for _, a, b, n in comparisons(masks, 1, 2)}

    assert found["reader:a", "others"]["dice"] == found["reader:a", "reader:b"]["dice"]
    assert found["reader:a", "others"]["voxels_b"] == masks["reader:b"].of(0).sum()
    # More than half of two readers is both of them.
    assert found["reader:b", "others"]["voxels_b"] == masks["reader:a"].of(0).sum()


def test_volumes_are_millilitres_where_voxels_have_a_size():
    known = {"reader:a": mask(6), "reader:b": mask(6)}
    unknown = {name: Mask(made.labels, None) for name, made in known.items()}
    (*_, with_size), (*_, without) = (
        next(comparisons(masks, 1, 2.0)) for masks in (known, unknown)
    )
    at = MEASURES.index("volume_a")

    assert with_size[at] == pytest.approx(4 / 3 * np.pi * 6**3 / 1000, rel=0.05)
    assert without[at] == known["reader:a"].of(0).sum()


def test_structures_are_compared_one_by_one():
    labels = np.array([[1, 1, 2, 2], [0, 0, 2, 0]], dtype=np.uint8)
    other = np.array([[1, 1, 0, 2], [0, 0, 2, 0]], dtype=np.uint8)
    masks = {"reader:a": Mask(labels, None), "reader:b": Mask(other, None)}
    dice = [numbers[MEASURES.index("dice")] for *_, numbers in comparisons(masks, 2, 2.0)]

    assert dice == pytest.approx([1, 0.8])


def test_a_shard_is_a_table_and_a_bad_case_costs_only_itself(tmp_path):
    good = {"model": stored(tmp_path, mask(6)), "reference": stored(tmp_path, mask(7))}
    turned = Mask(mask(6).labels[:-1], SPACING_MM)
    cases = {
        "fine": good,
        "alone": {"model": good["model"]},
        "grids": {"model": stored(tmp_path, turned), "reference": good["reference"]},
        "empty": {name: stored(tmp_path, mask(0)) for name in ("model", "reference")},
    }
    result, rows = run(tmp_path, cases)

    assert [(row["case_id"], row["error"]) for row in rows] == [
        ("fine", None), ("alone", "one_mask"), ("grids", "mask_grid"), ("empty", None),
    ]  # fmt: skip
    assert rows[0]["dice"] > 0.7
    assert np.isnan(rows[3]["dice"])
    assert (result["failed"], result["reusable"]) == (2, True)


def test_a_mask_that_changed_on_disk_is_not_kept_as_evidence(tmp_path):
    good = {"model": stored(tmp_path, mask(6)), "reference": stored(tmp_path, mask(7))}
    (tmp_path / good["model"].rpartition("/")[2]).write_bytes(pack(mask(3)))

    result, rows = run(tmp_path, {"a": good})

    assert rows[0]["error"] == "image_changed"
    assert result["reusable"] is False
    assert run(tmp_path, {"a": {**good, "model": str(tmp_path / "gone")}})[1][0]["error"] == (
        "image_missing"
    )


def test_same_masks_same_bytes(tmp_path):
    cases = {"a": {"model": stored(tmp_path, mask(6)), "reference": stored(tmp_path, mask(7))}}

    assert run(tmp_path, cases)[0]["sha256"] == run(tmp_path, cases)[0]["sha256"]
