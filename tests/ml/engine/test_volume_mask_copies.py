"""Masks of changed copies of volumes: made in their slices, counted in voxels of the image."""

import hashlib

import numpy as np
import pytest
import yaml

from ml.engine.cases import Case, prepared
from ml.engine.copied import Copied
from ml.engine.corrupt import corrupt_job
from ml.engine.corrupt import versions as corruptions_of
from ml.engine.move import move_job
from ml.engine.move import versions as moves_of
from ml.engine.passes import CORRUPT, MOVE, check_of
from ml.engine.segment import class_maps, labels_of
from ml.engine.volume_copies import changed, stack_in
from ml.evidence.mask_copies import mask_copies_of
from ml.evidence.store import table
from ml.imaging.mask import decode_mask, pack
from ml.intake.model_manifest import ModelManifest
from ml.moves import inside, moved
from ml.volume_moves import way_in_volume
from tests.ml.engine.test_segment import MANIFEST, model, opened
from tests.ml.imaging.test_mask import nifti
from tests.ml.intake.build import QUIET

SEED = 5
SIDES = (14, 18, 40)
AFFINE = np.diag([-1.0, 1.0, 1.5, 1.0])
CHOSEN = {"corruptions": ["gaussian-noise", "slice-thickness", "ct-metal"], "seed": SEED,
          "structures": 1}  # fmt: skip
PLANNED = {"moves": ["translation", "rotation", "crop", "mirror-left-right", "mirror-up-down"],
           "seed": SEED, "structures": 1}  # fmt: skip
WHOLE = {"size": [14, 20, 44], "resize": {"mode": "bilinear"}}
PATCHES = {"size": None, "patch": {"size": [8, 8, 16], "overlap": 0.25}}


def ball(middle, radius):
    places = np.indices(SIDES).astype(float) - np.reshape(middle, (3, 1, 1, 1))
    return 255 * ((places**2).sum(axis=0) < radius**2).astype(np.uint8)


@pytest.fixture(params=[WHOLE, PATCHES], ids=["whole", "by patches"])
def inputs(request, tmp_path):
    """A ball of 150 of 255 in noise, its reference a little aside, and a case without one."""
    given = {"dims": 3, "orientation": "LPS", "intensity": {"scale": 255}, **request.param}
    sides = (given.get("patch") or {"size": given["size"]})["size"]
    folder = model(tmp_path / "m", sides=tuple(sides))
    (folder / "model.yaml").write_text(yaml.safe_dump(MANIFEST | {"input": given}))
    manifest = ModelManifest.model_validate(yaml.safe_load((folder / "model.yaml").read_text()))
    values = np.random.default_rng(1).normal(0, 30, SIDES) + ball((7, 8, 20), 5) * 0.7
    image, other = tmp_path / "image", tmp_path / "short"
    image.write_bytes(nifti(values.clip(0, 255).astype(np.uint8), AFFINE))
    other.write_bytes(nifti(np.zeros((14, 18, 39), np.uint8), AFFINE))
    kept = pack(decode_mask(nifti(ball((7, 9, 20), 5), AFFINE), 1))
    mask = tmp_path / hashlib.sha256(kept).hexdigest()
    mask.write_bytes(kept)
    cases = [("a", image), ("b", image), ("c", other)]
    return {
        "model": {"path": str(folder / "model.pt2"), "manifest": manifest.model_dump(mode="json")},
        "cases": [{"case_id": one, "images": [str(path)]} for one, path in cases],
        "references": {"a": str(mask), "c": str(mask)},
    }


def left_by(job, inputs, params, tmp_path):
    result = job({**inputs, **params}, tmp_path, QUIET)
    data, ids = (tmp_path / result["table"]).read_bytes(), ("a", "b", "c")
    check_of(CORRUPT if job is corrupt_job else MOVE, params, 2)(data, ids)
    return mask_copies_of(table(data), ids)


def test_corrupted_volumes_are_held_against_the_reference_voxel_by_voxel(inputs, tmp_path):
    """By hand: prepare, corrupt as slices, mark, bring back, count."""
    found = left_by(corrupt_job, inputs, CHOSEN, tmp_path)
    session, manifest = opened(tmp_path / "m")
    image = prepared(Case("a", (tmp_path / "image",)), manifest.input)
    stack = stack_in(image, manifest.input)
    reference = decode_mask(nifti(ball((7, 9, 20), 5), AFFINE), 1).labels > 0

    assert stack.order == (2, 1, 0), "slices follow each other on the axis of the long voxels"
    for at, (one, severity) in enumerate(corruptions_of(CHOSEN)):
        copy = image.array.copy()
        changed(one, image.array, copy, stack, manifest.input, severity, "a", SEED)
        maps = class_maps(session, manifest, type(image)(copy, image.placed))
        mask = image.mask(labels_of(maps, manifest.output)).labels > 0
        sizes = found.sizes.at(0, at, 0)
        assert (sizes.marked, sizes.other, sizes.both) == (
            mask.sum(), reference.sum(), (mask & reference).sum()
        )  # fmt: skip
    dice = found.sizes.dice[0, :, 0].reshape(3, 5)
    assert dice[0, 0] > 0.8
    assert dice[1, 4] < dice[1, 0], "thick slices blur a ball away"
    assert found.failures == {"b": "no_reference_mask", "c": "mask_grid"}


def test_moved_volumes_are_held_against_the_moved_outputs(inputs, tmp_path):
    """By hand, each plane of the slices as a picture; across them by columns."""
    found = left_by(move_job, inputs, PLANNED, tmp_path)
    session, manifest = opened(tmp_path / "m")
    image = prepared(Case("a", (tmp_path / "image",)), manifest.input)
    stack = stack_in(image, manifest.input)
    maps = class_maps(session, manifest, image)

    for at, (one, step) in enumerate(moves_of(PLANNED)):
        way = way_in_volume(one, stack, stack.slices(maps[0]).shape[0], step, "a", SEED)
        slices = [stack.slices(each) for each in maps]
        if way.mirrored is not None:
            there = [np.flip(each, way.mirrored) for each in slices]
            within = np.ones(there[0].shape, bool)
        elif way.across:
            there = [
                np.stack([moved(each[:, row, :, None], way.way)[..., 0]
                          for row in range(each.shape[1])], axis=1)
                for each in slices
            ]  # fmt: skip
            within = np.broadcast_to(inside(there[0][:, 0].shape, way.way)[:, None], there[0].shape)
        else:
            there = [np.stack([moved(p[:, :, None], way.way)[..., 0] for p in each])
                     for each in slices]  # fmt: skip
            within = np.broadcast_to(inside(there[0][0].shape, way.way), there[0].shape)
        copy = image.array.copy()
        changed(one, image.array, copy, stack, manifest.input, step, "a", SEED)
        answer = class_maps(session, manifest, type(image)(copy, image.placed))
        of_copy = stack.slices(labels_of(answer, manifest.output))[within] > 0
        of_image = labels_of(np.stack(there), manifest.output)[within] > 0
        sizes = found.sizes.at(0, at, 0)
        assert (sizes.marked, sizes.other, sizes.both) == (
            of_copy.sum(), of_image.sum(), (of_copy & of_image).sum()
        )  # fmt: skip
        assert found.back.dice[0, at, 0] > 0.85, "what is moved comes back"
    mirrors = found.sizes.dice[0, -2:, 0]
    assert mirrors.tolist() == pytest.approx([1, 1], abs=0.02), "a network of one voxel"
    assert not found.failures


def test_the_way_back_of_a_volume_leads_home(inputs, tmp_path):
    _, manifest = opened(tmp_path / "m")
    image = prepared(Case("a", (tmp_path / "image",)), manifest.input)
    stack = stack_in(image, manifest.input)
    smooth = np.cos(np.indices((32, 18, 14)) / 4).prod(axis=0)
    for one, step in moves_of(PLANNED):
        for case in ("a", "d", "e", "f"):
            way = way_in_volume(one, stack, 32, step, case, SEED)
            again = way.back.moved(way.moved(smooth))
            there = way.back.inside(smooth.shape) & way.back.moved(
                way.inside(smooth.shape).astype(float)
            ).astype(bool)
            assert np.abs(again - smooth)[there].max() < 0.06, (one.id, step)


def test_deep_volumes_are_shifted_across_their_slices_as_their_images_are(inputs, tmp_path):
    """By the number of slices, on whichever axis of the network they lie."""
    _, manifest = opened(tmp_path / "m")
    image = prepared(Case("a", (tmp_path / "image",)), manifest.input)
    (one, step), *_ = moves_of(PLANNED)
    ways = [Copied(image, manifest.input, f"c{at}", SEED).way(one, step).way for at in range(40)]

    assert 4 <= sum(way.across for way in ways) <= 24
