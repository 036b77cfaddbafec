"""Corrupted copies with lines around what is marked: as the pass marks them, in the right place."""

import hashlib

import numpy as np
import pytest
import yaml

from ml.corruptions import corruption
from ml.engine.cases import Case, prepared
from ml.engine.copied import Copied
from ml.engine.segment import class_maps, labels_of
from ml.engine.worsened import strips_left, worsened_job
from ml.imaging.mask import decode_mask, pack
from ml.imaging.outlines import MARKED, REFERENCE, rim
from ml.intake.model_manifest import ModelManifest
from tests.ml.engine.test_segment import MANIFEST, model, opened, png
from tests.ml.engine.test_volume_mask_copies import AFFINE, SIDES, ball
from tests.ml.engine.test_worsened import pixels
from tests.ml.imaging.test_mask import nifti
from tests.ml.intake.build import QUIET

SEED = 5
NAMES = ["gaussian-noise", "gaussian-blur"]


def disc(middle, radius, sides=(32, 48)):
    rows, columns = np.indices(sides)
    return ((rows - middle[0]) ** 2 + (columns - middle[1]) ** 2 < radius**2).astype(np.uint8)


def setting(tmp_path, image, reference, given):
    folder = model(tmp_path / "m", sides=tuple(given["size"]))
    manifest = MANIFEST | {"input": {"intensity": {"scale": 255}, **given}}
    (folder / "model.yaml").write_text(yaml.safe_dump(manifest))
    declared = ModelManifest.model_validate(manifest)
    (tmp_path / "image").write_bytes(image)
    kept = pack(decode_mask(reference, 1))
    mask = tmp_path / hashlib.sha256(kept).hexdigest()
    mask.write_bytes(kept)
    (tmp_path / "out").mkdir()
    inputs = {
        "input": declared.input.model_dump(mode="json"), "seed": SEED,
        "cases": [{"case_id": "a", "images": [str(tmp_path / "image")]}],
        "model": {"path": str(folder / "model.pt2"), "manifest": declared.model_dump(mode="json")},
        "references": {"a": str(mask)}, "strips": [[name, "a"] for name in NAMES],
    }  # fmt: skip
    return inputs, declared


def drawn(inputs, tmp_path):
    found = strips_left(
        tmp_path / "out", worsened_job(inputs, tmp_path / "out", QUIET), inputs["strips"]
    )
    assert all(strip["outlined"] is ("model" in inputs) for strip, _ in found)
    return [[pixels(data) for data in pictures] for _, pictures in found]


def lines(picture, colour):
    return (picture == colour).all(axis=2)


def by_hand(declared, tmp_path, name, severity):
    """The labels of a copy, as the pass makes them."""
    session, manifest = opened(tmp_path / "m")
    image = prepared(Case("a", (tmp_path / "image",)), declared.input)
    copied = Copied(image, declared.input, "a", SEED)
    copy = copied.copy(corruption(name), severity) if severity else image
    return labels_of(class_maps(session, manifest, copy), manifest.output), copied.stack


@pytest.mark.parametrize("size", [[32, 48], [16, 24], [64, 96]])
def test_a_picture_shows_the_mask_of_every_copy_and_the_reference(size, tmp_path):
    reference = disc((14, 20), 9)
    image = disc((16, 24), 9) * 150 + 40
    given = {"size": size, "colour": "gray"}
    inputs, declared = setting(tmp_path, png(image), png(reference * 255), given)

    for name, pictures in zip(NAMES, drawn(inputs, tmp_path), strict=True):
        for severity, picture in enumerate(pictures):
            labels, _ = by_hand(declared, tmp_path, name, severity)
            own, known = lines(picture, MARKED), lines(picture, REFERENCE)
            assert picture.shape == (*size, 3)
            assert ((own | known)[rim(labels > 0)]).all()
            assert (own <= rim(labels > 0)).all()
            where = np.argwhere(known).mean(axis=0) / np.array(size)
            assert where == pytest.approx((14 / 32, 20 / 48), abs=0.08)
    noisy = by_hand(declared, tmp_path, NAMES[0], 5)[0]
    assert not np.array_equal(noisy, by_hand(declared, tmp_path, NAMES[0], 0)[0])


def test_without_a_model_nothing_is_drawn_on_a_picture(tmp_path):
    given = {"size": [32, 48], "colour": "gray"}
    inputs, _ = setting(tmp_path, png(disc((16, 24), 9) * 150), png(disc((9, 9), 5) * 255), given)
    del inputs["model"], inputs["references"]

    assert all(picture.ndim == 2 for row in drawn(inputs, tmp_path) for picture in row)


@pytest.mark.parametrize("gone", ["none", "another grid"])
def test_where_no_reference_fits_the_models_line_is_drawn_alone(gone, tmp_path):
    given = {"size": [32, 48], "colour": "gray"}
    reference = png(disc((9, 9), 5, (30, 48)) * 255)
    inputs, _ = setting(tmp_path, png(disc((16, 24), 9) * 150), reference, given)
    if gone == "none":
        inputs["references"] = {}

    for picture in (one for row in drawn(inputs, tmp_path) for one in row):
        assert not lines(picture, REFERENCE).any()
    assert lines(drawn(inputs, tmp_path)[0][0], MARKED).any()


@pytest.mark.parametrize("orientation", ["LPS", "SAR"])
def test_of_a_volume_the_slice_is_drawn_on_which_the_reference_marks_most(orientation, tmp_path):
    """Slices follow each other on the third axis; the ball's middle is at the 30th of 40."""
    reference = nifti(ball((7, 9, 30), 4), AFFINE)
    values = np.random.default_rng(1).normal(30, 10, SIDES).clip(0, 255)
    image = nifti(np.maximum(values, ball((7, 8, 29), 5) * 0.7).astype(np.uint8), AFFINE)
    size = [14, 18, 40] if orientation == "LPS" else [40, 18, 14]
    given = {"dims": 3, "size": size, "orientation": orientation}
    inputs, declared = setting(tmp_path, image, reference, given)

    labels, stack = by_hand(declared, tmp_path, NAMES[0], 0)
    picture = drawn(inputs, tmp_path)[0][0]

    slices = stack.slices(labels)
    assert slices.shape == (40, 18, 14)
    assert picture.shape == (18, 14, 3)
    own = lines(picture, MARKED) | lines(picture, REFERENCE)
    assert (own[rim(slices[30] > 0)]).all()
    assert own.sum() < 2 * rim(slices[30] > 0).sum()
    assert not np.array_equal(slices[30], slices[20])
