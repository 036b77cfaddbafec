"""Differences within strata, and the relabelling that they are held against."""

import numpy as np
import pytest

from ml.stats.bootstrap import Settings
from ml.stats.clusters import Clusters
from ml.stats.subgroups.conditional import dependence_within

QUICK = Settings(draws=500)


def made(seed, effect, n=200, confounded=0.0):
    """Values that hang on a stratum, and by ``effect`` on a mark that goes with the stratum."""
    rng = np.random.default_rng(seed)
    stratum = rng.integers(0, 2, n)
    mark = rng.random(n) < 0.5 + confounded * (stratum - 0.5)
    return rng.normal(0, 1, n) + 3 * stratum + effect * mark, mark, stratum


def test_strata_are_weighted_as_mantel_and_haenszel_do():
    values, mark, stratum = made(1, 0.5, n=40)
    parts, weights = [], []
    for code in (0, 1):
        own, others = values[(stratum == code) & mark], values[(stratum == code) & ~mark]
        parts.append(own.mean() - others.mean())
        weights.append(own.size * others.size / (own.size + others.size))

    found = dependence_within("d", values, mark, stratum, settings=QUICK).difference

    assert found.value == pytest.approx(np.average(parts, weights=weights), abs=1e-12)
    assert found.low < found.value < found.high
    assert (found.n, found.n_events) == (40, int(mark.sum()))


@pytest.mark.parametrize("seed", range(5))
def test_what_goes_with_the_stratum_alone_is_no_dependence(seed):
    values, mark, stratum = made(seed, 0.0, confounded=0.8)
    plain = values[mark].mean() - values[~mark].mean()

    found = dependence_within("d", values, mark, stratum, settings=QUICK)

    assert plain > 1.5
    assert abs(found.difference.value) < 0.6
    assert found.p > 0.005


def test_a_dependence_is_seen_and_its_p_value_is_small():
    found = dependence_within("d", *made(3, 1.0, confounded=0.6), settings=QUICK)

    assert found.difference.low > 0.4
    assert found.p == pytest.approx(1 / 501)


def test_p_values_of_nothing_are_spread_evenly():
    found = [
        dependence_within(
            "d", *made(seed, 0.0, n=60, confounded=0.5), settings=Settings(draws=99)
        ).p
        for seed in range(200)
    ]

    assert 0.02 <= np.mean(np.array(found) <= 0.05) <= 0.09
    assert 0.4 < np.mean(found) < 0.6


def test_whole_clusters_are_dealt():
    """Forty patients with ten alike cases each: cases would say much more than there is."""
    rng = np.random.default_rng(2)
    patients = np.repeat(np.arange(40), 10)
    values = rng.normal(0, 1, 40)[patients] + rng.normal(0, 0.1, 400)
    mark, stratum = (rng.random(40) < 0.5)[patients], np.zeros(400, np.int64)

    own = dependence_within("d", values, mark, stratum, Clusters(patients, 40, "patient"), QUICK)
    wrong = dependence_within("d", values, mark, stratum, settings=QUICK)

    assert own.difference.value == pytest.approx(wrong.difference.value)
    width = [one.difference.high - one.difference.low for one in (own, wrong)]
    assert width[0] > 2 * width[1]
    assert own.p > wrong.p


def test_without_both_kinds_in_a_stratum_it_is_undefined():
    stratum = np.array([0, 0, 1, 1])
    found = dependence_within("d", np.arange(4.0), stratum == 1, stratum, settings=QUICK)

    assert found.difference.value is None
    assert "no stratum" in found.difference.reason
    assert found.p is None


@pytest.mark.parametrize("wrong", [np.array([1.0, np.nan]), np.ones(3)])
def test_poor_numbers_are_refused(wrong):
    with pytest.raises(ValueError, match=r"expected|finite"):
        dependence_within("d", wrong, np.array([True, False]), np.zeros(2, np.int64))
