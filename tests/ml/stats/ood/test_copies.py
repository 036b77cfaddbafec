"""The nearest image of another collection."""

import numpy as np
import pytest

from ml.stats.ood import copies
from ml.stats.ood.copies import nearest_copy


def test_finds_copies_in_another_brightness_and_contrast():
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(6, 64))
    others = np.vstack([rng.normal(size=(4, 64)), rows[::-1] * 0.3 + 7])
    found = nearest_copy(rows, others)
    assert found.place.tolist() == [9, 8, 7, 6, 5, 4]
    assert found.similarity == pytest.approx(np.ones(6))
    inverted = nearest_copy(rows, -rows)
    assert (inverted.similarity < 0.9).all()


def test_is_the_largest_correlation(monkeypatch):
    monkeypatch.setattr(copies, "_ROWS", 3)
    rng = np.random.default_rng(1)
    rows, others = rng.random((8, 20)), rng.random((5, 20))
    found = nearest_copy(rows, others)
    every = np.corrcoef(rows, others)[:8, 8:]
    assert found.similarity == pytest.approx(every.max(axis=1))
    assert found.place.tolist() == every.argmax(axis=1).tolist()


def test_what_has_no_pattern_is_like_nothing():
    rows = np.array([[1.0, 1, 1], [1, np.nan, 2], [0, 1, 5]])
    found = nearest_copy(rows, np.array([[3.0, 3, 3], [0, 1, 4]]))
    assert found.place.tolist() == [-1, -1, 1]
    assert np.isnan(found.similarity[:2]).all()
    nothing = nearest_copy(rows, np.empty((0, 3)))
    assert nothing.place.tolist() == [-1, -1, -1]


def test_the_unit_changes_nothing():
    rng = np.random.default_rng(2)
    rows, others = rng.random((4, 9)), rng.random((5, 9))
    one, two = nearest_copy(rows, others), nearest_copy(rows * 1e-60, others * 1e60)
    assert one.place.tolist() == two.place.tolist()
    assert one.similarity == pytest.approx(two.similarity)


def test_refuses_other_shapes_in_words():
    with pytest.raises(ValueError, match="expected"):
        nearest_copy(np.zeros((2, 3)), np.zeros((2, 4)))
    with pytest.raises(ValueError, match="another unit"):
        nearest_copy(np.full((1, 2), np.inf), np.zeros((2, 2)))
