"""Rank correlation against scipy, and its interval against a slow bootstrap."""

import numpy as np
import pytest
from scipy import stats

from ml.stats.bootstrap import Settings, draw_counts
from ml.stats.clusters import Clusters
from ml.stats.rank_correlation import rank_correlation

QUICK = Settings(draws=200)


@pytest.fixture
def rng():
    return np.random.default_rng(5)


@pytest.mark.parametrize("steps", [3, 10_000])
def test_it_is_scipys_with_and_without_ties(rng, steps):
    a = rng.integers(0, steps, 80).astype(float)
    b = np.round(a / steps * 4 + rng.normal(0, 1, 80), 1)

    found = rank_correlation(a, b, settings=QUICK)

    assert found.value == pytest.approx(stats.spearmanr(a, b).statistic)
    assert found.low < found.value < found.high


def test_the_interval_ranks_whole_clusters_again(rng):
    cluster = np.repeat(np.arange(25), 3)
    a = rng.normal(size=25)[cluster] + rng.normal(0, 0.2, 75)
    b = np.round(a + rng.normal(size=25)[cluster], 1)
    clusters = Clusters.of(cluster, "patient")

    found = rank_correlation(a, b, clusters, QUICK)

    slow = []
    for counts in np.concatenate(list(draw_counts(25, QUICK))):
        rows = np.repeat(np.arange(75), counts[cluster].astype(int))
        slow.append(stats.spearmanr(a[rows], b[rows]).statistic)
    assert (found.low, found.high) == pytest.approx(tuple(np.quantile(slow, (0.025, 0.975))))
    alone = rank_correlation(a, b, settings=QUICK)
    assert found.high - found.low > 1.2 * (alone.high - alone.low)


def test_what_does_not_vary_has_none():
    found = rank_correlation(np.ones(20), np.arange(20.0))

    assert (found.value, found.low) == (None, None)
    assert "does not vary" in found.reason


@pytest.mark.parametrize(
    ("a", "b", "says"),
    [
        ([1.0, 2.0], [1.0], "two \\(n,\\) arrays"),
        ([1.0, np.nan], [1.0, 2.0], "finite"),
    ],
)
def test_malformed_numbers_are_refused(a, b, says):
    with pytest.raises(ValueError, match=says):
        rank_correlation(np.array(a), np.array(b))
