"""The perceptual hash: by its definition, and what it is blind to."""

import numpy as np
import pytest

from ml.stats.ood.perceptual_hash import perceptual_hash

PICTURES = np.random.default_rng(0).random((5, 32, 32))


def test_is_the_sign_of_the_lowest_frequencies_about_their_median():
    at = np.arange(32)
    cosines = np.cos(np.pi * np.outer(np.arange(8), 2 * at + 1) / 64)
    low = np.einsum("ki,nij,lj->nkl", cosines, PICTURES, cosines)
    expected = low > np.median(low.reshape(5, -1), axis=1)[:, None, None]
    assert (perceptual_hash(PICTURES) == expected.reshape(5, 64)).all()


def test_does_not_see_contrast_or_fine_detail():
    found = perceptual_hash(PICTURES)
    assert (perceptual_hash(PICTURES * 0.4) == found).all()
    fine = PICTURES + 0.01 * (-1.0) ** np.add.outer(np.arange(32), np.arange(32))
    assert (perceptual_hash(fine) != found).sum(axis=1).max() <= 4
    assert (perceptual_hash(PICTURES[:, ::-1]) != found).sum(axis=1).min() > 10


def test_what_is_lost_has_no_bits():
    lost = PICTURES.copy()
    lost[2, 0, 0] = np.nan
    found = perceptual_hash(lost)
    assert not found[2].any()
    assert found[[0, 1, 3, 4]].sum(axis=1).tolist() == [32] * 4


@pytest.mark.parametrize("shape", [(3, 32), (3, 7, 7), (3, 16, 32)])
def test_refuses_other_shapes(shape):
    with pytest.raises(ValueError, match="expected"):
        perceptual_hash(np.zeros(shape))


def test_refuses_infinite_numbers():
    with pytest.raises(ValueError, match="finite"):
        perceptual_hash(np.full((1, 8, 8), np.inf))
