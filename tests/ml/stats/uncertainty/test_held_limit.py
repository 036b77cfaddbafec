"""Limits of doubt: what they promise, and where they promise nothing."""

import numpy as np
import pytest

from ml.stats.clusters import Clusters
from ml.stats.uncertainty.held_limit import held_limit, setting_half


def test_of_further_cases_as_many_lie_above_as_promised():
    rng = np.random.default_rng(3)

    above = [
        (rng.exponential(size=200) > held_limit(rng.exponential(size=29), 0.1)).mean()
        for _ in range(1500)
    ]

    # Exactly 1 - 27/30: the promise is kept, and by no more than the grain of 29 cases.
    assert np.mean(above) == pytest.approx(0.1, abs=0.006)


@pytest.mark.parametrize(("alpha", "fewest"), [(0.1, 9), (0.05, 19), (0.2, 4)])
def test_too_few_cases_or_patients_set_no_limit(alpha, fewest):
    doubt = np.arange(float(fewest))

    assert held_limit(doubt, alpha) == fewest - 1
    assert held_limit(doubt[:-1], alpha) == np.inf
    crowded = Clusters.of(np.minimum(np.arange(4 * fewest), fewest - 2))
    assert held_limit(np.arange(4.0 * fewest), alpha, crowded) == np.inf


def test_ties_at_the_limit_are_not_above_it():
    assert held_limit(np.zeros(50), 0.1) == 0


def test_patients_are_dealt_whole_and_by_the_seed():
    clusters = Clusters.of(np.repeat(np.arange(21), 3), "patient")

    setting = setting_half(clusters, 7)

    assert setting.reshape(21, 3).any(axis=1).sum() == 11
    assert (setting.reshape(21, 3) == setting[::3, None]).all()
    assert (setting == setting_half(clusters, 7)).all()
    assert (setting != setting_half(clusters, 8)).any()
