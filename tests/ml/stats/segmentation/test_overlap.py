import numpy as np
import pytest
from hypothesis import given

from ml.stats.segmentation.masks import MaskPair, bounding_box
from ml.stats.segmentation.overlap import overlap
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
    found = bounding_box(pair[0])
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

    assert MaskPair.of(one, other)._boxes == (bounding_box(one), bounding_box(other))
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
