import numpy as np
import pytest
from hypothesis import given

from ml.stats.segmentation.masks import MaskPair, _bounding_box
from ml.stats.segmentation.overlap import Overlap, overlap, overlap_matrix
from tests.ml.stats.segmentation.conftest import box, mask_pairs


def test_by_hand():
    """Two boxes of 12 and 8 pixels that share 6."""
    pair = MaskPair.of(box((5, 6), (0, 0), (3, 4)), box((5, 6), (1, 1), (3, 5)), (0.5, 2.0))
    found = overlap(pair)

    assert (found.prediction, found.reference, found.intersection, found.union) == (12, 8, 6, 14)
    assert found.dice == pytest.approx(12 / 20)
    assert found.iou == pytest.approx(6 / 14)
    assert found.precision == pytest.approx(6 / 12)
    assert found.recall == pytest.approx(6 / 8)
    assert found.relative_volume_difference == pytest.approx(0.5)
    assert found.volume_prediction_mm == pytest.approx(12.0)
    assert found.volume_difference_mm == pytest.approx(4.0)
    assert found.volume_similarity == pytest.approx(1 - 4 / 20)


def test_a_mask_that_is_too_small_differs_by_as_much_as_one_that_is_too_large():
    small, large = box((5, 5), (0, 0), (2, 2)), box((5, 5), (0, 0), (4, 4))
    under, over = (
        overlap(MaskPair.of(*pair, (0.5, 0.5))) for pair in ((small, large), (large, small))
    )

    assert (under.volume_difference_mm, over.volume_difference_mm) == (-3.0, 3.0)
    assert under.absolute_volume_difference_mm == over.absolute_volume_difference_mm == 3.0
    assert under.relative_volume_difference == pytest.approx(-0.75)
    assert under.absolute_relative_volume_difference == pytest.approx(0.75)
    assert over.absolute_relative_volume_difference == pytest.approx(3.0)
    assert under.volume_similarity == over.volume_similarity == pytest.approx(1 - 12 / 20)


def test_volume_similarity_knows_sizes_and_no_places():
    apart = MaskPair.of(box((4, 4), (0, 0), (2, 2)), box((4, 4), (2, 2), (4, 4)))

    assert overlap(apart).dice == 0
    assert overlap(apart).volume_similarity == 1


@pytest.mark.parametrize(
    "name", ["seg-2d-disk", "seg-balls", "seg-box-shift-aniso", "seg-single-voxel"]
)
def test_volumes_are_those_of_the_reference_data(name, reference):
    """Taha and Hanbury's formula on voxels counted by other software."""
    stored = reference(name)
    counts, volumes = stored.value("counts"), stored.value("volume_mm")
    tp = counts["intersection"]
    fp, fn = counts["prediction"] - tp, counts["reference"] - tp
    voxel = volumes["reference"] / counts["reference"]
    found = Overlap(counts["prediction"], counts["reference"], tp, voxel)

    assert found.volume_similarity == pytest.approx(1 - abs(fn - fp) / (2 * tp + fp + fn))
    assert found.volume_difference_mm == pytest.approx(volumes["prediction"] - volumes["reference"])
    assert found.relative_volume_difference == pytest.approx(
        stored.value("relative_volume_difference")
    )


@given(mask_pairs)
def test_the_matrix_is_that_of_every_two_masks(pair):
    masks = np.stack([*pair, pair[0] & pair[1]])
    others = np.stack([pair[1], pair[0] | pair[1]])
    for measure in ("dice", "iou"):
        for first, second, found in (
            (masks, masks, overlap_matrix(masks, measure=measure)),
            (masks, others, overlap_matrix(masks, others, measure=measure)),
        ):
            by_hand = [
                [getattr(overlap(MaskPair.of(a, b)), measure) for b in second] for a in first
            ]
            assert found == pytest.approx(np.array(by_hand, dtype=float), nan_ok=True)


def test_the_matrix_counts_more_voxels_than_it_holds_at_once(monkeypatch, rng):
    masks = rng.random((3, 40, 40)) < 0.4
    whole = overlap_matrix(masks)
    monkeypatch.setattr("ml.stats.segmentation.overlap._EXACT", 7)

    assert (overlap_matrix(masks) == whole).all()


@pytest.mark.parametrize(
    ("masks", "others", "measure", "message"),
    [
        (np.ones((2, 3)), np.ones((2, 4)), "dice", "one grid"),
        (np.full((2, 3), 2), None, "dice", "0 and 1"),
        (np.ones(3), None, "dice", "readers"),
        (np.ones((2, 3)), None, "hd95", "dice or iou"),
    ],
)
def test_the_matrix_refuses(masks, others, measure, message):
    with pytest.raises(ValueError, match=message):
        overlap_matrix(masks, others, measure=measure)


@pytest.mark.parametrize(
    ("prediction", "reference", "emptiness", "dice"),
    [
        (0, 0, "both", None),
        (0, 1, "prediction", 0.0),
        (1, 0, "reference", 0.0),
        (1, 1, "none", 1.0),
    ],
)
def test_empty_masks_are_no_perfect_overlap(prediction, reference, emptiness, dice):
    pair = MaskPair.of(np.full((2, 2), prediction), np.full((2, 2), reference))

    assert pair.emptiness == emptiness
    assert overlap(pair).dice == dice
    assert overlap(pair).iou == dice
    assert overlap(pair).volume_similarity == dice


@given(mask_pairs)
def test_is_what_counting_says_and_is_even(pair):
    prediction, reference = pair
    found, turned = (overlap(MaskPair.of(*p)) for p in (pair, pair[::-1]))

    assert found.intersection == int(np.logical_and(prediction, reference).sum())
    assert found.dice == turned.dice
    assert found.precision == turned.recall
    if found.dice is not None:
        assert found.iou == pytest.approx(found.dice / (2 - found.dice))


@given(mask_pairs)
def test_a_crop_keeps_every_voxel(pair):
    whole = MaskPair.of(*pair)
    crop = whole.cropped(margin=1)

    assert crop.prediction.sum() == pair[0].sum()
    assert crop.reference.sum() == pair[1].sum()
    found = _bounding_box(pair[0])
    if found is not None:
        assert pair[0][found].sum() == pair[0].sum()
        assert all(
            pair[0][found]
            .any(axis=tuple(a for a in range(pair[0].ndim) if a != axis))[[0, -1]]
            .all()
            for axis in range(pair[0].ndim)
        )


def test_large_masks_keep_their_own_box(monkeypatch):
    monkeypatch.setattr("ml.stats.segmentation.masks._LARGE", 0)
    one, other = np.zeros((2, 6, 6), bool)
    one[1, 2], other[4, 5] = True, True

    assert MaskPair.of(one, other)._boxes == (_bounding_box(one), _bounding_box(other))
    assert MaskPair.of(one, np.zeros_like(one)).emptiness == "reference"


@pytest.mark.parametrize(
    ("prediction", "reference", "spacing", "message"),
    [
        (np.ones((2, 2)), np.ones((2, 3)), None, "one shape"),
        (np.ones(3), np.ones(3), None, "2 or 3 axes"),
        (np.full((2, 2), 2), np.ones((2, 2)), None, "0 and 1"),
        (np.ones((2, 2)), np.ones((2, 2)), (1.0,), "spacing_mm"),
        (np.ones((2, 2)), np.ones((2, 2)), (1.0, 0.0), "spacing_mm"),
        (np.ones((2, 2)), np.ones((2, 2)), (1.0, np.nan), "spacing_mm"),
    ],
)
def test_refuses(prediction, reference, spacing, message):
    with pytest.raises(ValueError, match=message):
        MaskPair.of(prediction, reference, spacing)
