"""Overlap and size of several masks of one structure, counted bit by bit."""

import numpy as np
import pytest

from ml.stats.segmentation import sampled
from ml.stats.segmentation.overlap import overlap_matrix
from ml.stats.segmentation.sampled import Marks, pairwise_dice, variation


def masks(t=5, shape=(7, 9, 5), seed=0):
    return np.random.default_rng(seed).random((t, *shape)) < 0.3


@pytest.mark.parametrize("at_once", [1 << 20, 16, 64])
def test_what_two_samples_share_is_counted_on_the_image(at_once, monkeypatch):
    monkeypatch.setattr(sampled, "_AT_ONCE", at_once)
    drawn = masks()
    weights = np.random.default_rng(1).integers(0, 3, drawn.shape[1:]).astype(np.float32)
    marks = Marks(weights)
    for one in drawn:
        marks.add(one)

    expected = [[(weights * (a & b)).sum() for b in drawn] for a in drawn]
    assert marks.shared().tolist() == expected
    with pytest.raises(ValueError, match="expected a mask"):
        marks.add(drawn[0][:2])


def test_dice_of_pairs_is_that_of_the_measures_of_masks():
    drawn = masks()
    marks = Marks(np.ones(drawn.shape[1:], np.float32))
    for one in drawn:
        marks.add(one)

    found = pairwise_dice(marks.shared())

    expected = overlap_matrix(drawn)[np.triu_indices(5, 1)]
    assert found == pytest.approx(expected)


def test_two_empty_masks_are_the_same_and_one_is_not():
    assert pairwise_dice(np.zeros((3, 3))).tolist() == [1, 1, 1]
    assert pairwise_dice(np.diag([4.0, 0, 0])).tolist() == [0, 0, 1]


def test_variation_is_of_the_spread_by_the_mean():
    volumes = np.array([[10.0, 12.0, 14.0], [0.0, 0.0, 0.0]])

    assert variation(volumes)[0] == pytest.approx(2 / 12)
    assert np.isnan(variation(volumes)[1])
