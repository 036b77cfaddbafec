import numpy as np
import pytest

from ml.stats.permutation import p_value, permuted_members, signs


def test_sampled_relabellings_count_the_observed_one_and_ties():
    relabelled = np.array([0.1 + 0.2, 0.1, 0.5])
    assert p_value(0.3, relabelled, complete=True) == 2 / 3
    assert p_value(0.3, relabelled, complete=False) == 3 / 4
    # A relabelling that repeats the observed sum in another order counts, though it rounds below.
    assert p_value(0.1 + 0.2, np.array([0.3]), complete=True) == 1.0
    assert p_value(9.0, relabelled, complete=False) == 1 / 4


@pytest.mark.parametrize("observed", [1e6, -1e6])
def test_rounding_is_that_of_the_size_of_the_sum(observed):
    assert p_value(observed, np.array([observed - 5e-7]), complete=True) == 1.0
    assert p_value(observed, np.array([observed - 5e-6]), complete=True) == 0.0


@pytest.mark.parametrize("units", [1, 3, 12])
def test_few_units_have_every_pattern_once(units):
    patterns, complete = signs(units, 5, 1)
    assert complete
    assert patterns.shape == (2**units, units)
    assert len({tuple(row) for row in patterns.tolist()}) == 2**units
    assert set(patterns.ravel().tolist()) == {-1.0, 1.0}


def test_many_units_are_flipped_alike_and_apart():
    patterns, complete = signs(13, 4000, 1)
    assert not complete
    assert np.abs(patterns.mean(axis=0)).max() < 0.08
    assert np.abs(np.corrcoef(patterns.T) - np.eye(13)).max() < 0.08


def test_the_seed_stands_for_its_relabellings():
    first = np.arange(10) < 4
    for drawn in (
        lambda seed: permuted_members(first, 5, seed),
        lambda seed: signs(20, 5, seed)[0],
    ):
        assert drawn(1).tolist() == drawn(1).tolist()
        assert drawn(1).tolist() != drawn(2).tolist()


def test_every_unit_is_as_often_in_the_first_sample():
    members = permuted_members(np.arange(10) < 4, 4000, 1)
    assert (members.sum(axis=0) == 4).all()
    assert members.mean(axis=1) == pytest.approx(np.full(10, 0.4), abs=0.04)
