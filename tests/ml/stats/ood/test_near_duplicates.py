"""Groups of images that are alike, held against every pair compared one by one."""

import numpy as np
import pytest
from scipy.sparse import csr_array
from scipy.sparse.csgraph import connected_components

from ml.stats.ood import near_duplicates as module
from ml.stats.ood.near_duplicates import (
    Fingerprints,
    by_appearance,
    joined_groups,
    near_duplicates,
)

ABOVE = 0.95


def planted(seed, n=None):
    """Rows around a few centres, some of them equal to the last digit."""
    rng = np.random.default_rng(seed)
    n = int(rng.integers(2, 90)) if n is None else n
    centres = rng.random((max(1, n // 3), 16))
    noise = rng.normal(0, 0.05, (n, 16)) * (rng.random((n, 1)) < 0.7)
    return centres[rng.integers(0, len(centres), n)] + noise


def one_by_one(rows, above, agree=None):
    n = len(rows)
    alike = np.corrcoef(rows) > above
    if agree is not None:
        alike &= agree
    return by_appearance(connected_components(csr_array(alike | np.eye(n, dtype=bool)))[1])


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("block", [1, 7, 512])
def test_groups_are_those_of_every_pair_compared_whatever_the_blocks(seed, block, monkeypatch):
    monkeypatch.setattr(module, "_ROWS", block)
    rows = planted(seed)
    found = near_duplicates(rows, ABOVE)

    assert found.group.tolist() == one_by_one(rows, ABOVE).tolist()
    every = np.corrcoef(rows)
    np.fill_diagonal(every, -2)
    assert found.similarity == pytest.approx(every.max(axis=1), abs=1e-6)
    assert every[np.arange(len(rows)), found.place] == pytest.approx(found.similarity, abs=1e-6)


def test_a_pair_that_float32_cannot_decide_is_decided_exactly():
    rng = np.random.default_rng(3)
    rows = np.repeat(rng.random((1, 1024)), 2, axis=0)
    rows[1] += rng.normal(0, 0.04, 1024)
    exact = float(np.corrcoef(rows)[0, 1])

    apart = near_duplicates(rows, exact + 1e-9)
    together = near_duplicates(rows, exact - 1e-9)
    assert (apart.group.tolist(), together.group.tolist()) == ([0, 1], [0, 0])
    assert len(apart.below) == len(together.above) == 1
    assert (apart.above, together.below) == ((), ())


def test_groups_hang_together_through_others():
    angle = np.deg2rad([0, 15, 30, 90])
    plane = np.stack([[1, -1, 0, 0], [0, 0, 1, -1]]) / np.sqrt(2)
    rows = np.stack([np.cos(angle), np.sin(angle)], axis=1) @ plane
    found = near_duplicates(rows, ABOVE)
    assert np.corrcoef(rows)[0, 2] < ABOVE
    assert found.group.tolist() == [0, 0, 0, 1]


def test_the_closest_pairs_on_both_sides_are_named_in_order():
    rows = planted(5, n=80) + np.random.default_rng(9).normal(0, 0.05, (80, 16))
    found = near_duplicates(rows, ABOVE)
    distinct = np.unique(rows, axis=0)
    every = np.corrcoef(distinct)[np.triu_indices(len(distinct), 1)]
    for side, values in ((found.above, every[every > ABOVE]), (found.below, every[every <= ABOVE])):
        away = np.sort(np.abs(values - ABOVE))
        away = away[away < 0.02][:20]
        assert [abs(one.similarity - ABOVE) for one in side] == pytest.approx(away.tolist())
    assert min(len(found.above), len(found.below)) > 2, "else nothing was looked at"


def test_fingerprints_must_agree_too():
    rows = planted(4, n=60)
    bits = np.random.default_rng(0).random((60, 8)) < 0.5
    differ = (bits[:, None] != bits).sum(axis=2)
    equal = (rows[:, None] == rows).all(axis=2)  # rows of one value have one fingerprint
    first = equal.argmax(axis=1)
    bits = bits[first]
    differ = (bits[:, None] != bits).sum(axis=2)
    found = near_duplicates(rows, ABOVE, Fingerprints(bits, 2))
    assert found.group.tolist() == one_by_one(rows, ABOVE, differ <= 2).tolist()
    assert found.group.tolist() != near_duplicates(rows, ABOVE).group.tolist()


def test_what_has_no_pattern_is_like_nothing():
    rows = np.array([[1.0, 1, 1], [1, np.nan, 2], [0, 1, 5], [2, 2, 2], [0, 1, 5]])
    found = near_duplicates(rows, 0.9)
    assert found.group.tolist() == [0, 1, 2, 3, 2]
    assert found.place.tolist() == [-1, -1, 4, -1, 2]
    assert np.isnan(found.similarity[[0, 1, 3]]).all()
    assert found.similarity[[2, 4]].tolist() == [1, 1]


@pytest.mark.parametrize("n", [0, 1])
def test_none_and_one(n):
    found = near_duplicates(np.arange(3.0 * n).reshape(n, 3), 0.9)
    assert found.group.tolist() == list(range(n))
    assert found.place.tolist() == [-1] * n


def test_order_and_unit_change_no_group():
    rows = planted(8, n=70)
    order = np.random.default_rng(1).permutation(70)
    found = near_duplicates(rows, ABOVE).group
    shuffled = near_duplicates(rows[order] * 1e40 + 0.0, ABOVE).group
    assert by_appearance(found[order]).tolist() == shuffled.tolist()


def test_many_copies_of_one_image_are_one_group():
    rows = np.tile(np.random.default_rng(2).random((1, 64)), (3000, 1))
    found = near_duplicates(rows, 0.99)
    assert (found.group == 0).all()
    assert found.place[:3].tolist() == [1, 0, 0]


def test_several_groupings_are_joined():
    one, two = np.array([0, 0, 1, 2, -1, -1]), np.array([3, 4, 4, -1, -1, 3])
    assert joined_groups(one, two).tolist() == [0, 0, 0, 1, 2, 0]


def test_refuses_in_words():
    with pytest.raises(ValueError, match="expected"):
        near_duplicates(np.zeros((2, 2, 2)), 0.9)
    with pytest.raises(ValueError, match="above"):
        near_duplicates(np.zeros((2, 2)), float("nan"))
    with pytest.raises(ValueError, match="another unit"):
        near_duplicates(np.full((2, 2), 1e80), 0.9)
    with pytest.raises(ValueError, match="fingerprints"):
        near_duplicates(np.zeros((2, 2)), 0.9, Fingerprints(np.zeros((3, 4), dtype=bool), 1))
