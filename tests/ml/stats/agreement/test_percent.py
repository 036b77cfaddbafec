import itertools

import numpy as np
import pytest
from hypothesis import given, settings

from ml.stats.agreement.percent import percent_agreement, specific_agreement
from ml.stats.agreement.ratings import ratings_of_table
from ml.stats.bootstrap import Settings, draw_counts
from ml.stats.clusters import Clusters
from ml.stats.proportion import wilson
from tests.ml.stats.agreement.test_krippendorff import FEW, rating_tables

PARADOX = np.array([[80, 10], [5, 5]])


def test_two_readers_get_wilsons_interval():
    estimate = percent_agreement(ratings_of_table(PARADOX), 2)

    assert estimate.value == 0.85
    assert (estimate.low, estimate.high) == pytest.approx(wilson(0.85, 100, 0.95))


def test_clusters_widen_it():
    ratings = np.repeat(ratings_of_table(PARADOX), 3, axis=0)
    patients = Clusters.of(np.repeat(np.arange(100), 3), "patient")
    wide, narrow = percent_agreement(ratings, 2, clusters=patients), percent_agreement(ratings, 2)

    assert wide.high - wide.low > 1.5 * (narrow.high - narrow.low)


def test_more_readers_weights_and_named_ways(rng):
    ratings = rng.integers(0, 3, (50, 3)).astype(float)

    assert "linearised" in percent_agreement(ratings, 3).method
    assert "linearised" in percent_agreement(ratings[:, :2], 3, "linear").method
    assert "linearised" in percent_agreement(ratings[:, :2], 3, interval="linearised").method
    assert "bootstrap" in percent_agreement(ratings, 3, settings=FEW, interval="bootstrap").method
    with pytest.raises(ValueError, match="Wilson"):
        percent_agreement(ratings, 3, interval="wilson")
    with pytest.raises(ValueError, match="interval must be"):
        percent_agreement(ratings, 3, interval="exact")


@given(rating_tables)
@settings(max_examples=30, deadline=None)
def test_equals_all_pairs(ratings):
    pairs = [
        np.mean([a == b for a, b in itertools.combinations(row[~np.isnan(row)], 2)])
        for row in ratings
        if (~np.isnan(row)).sum() > 1
    ]
    estimate = percent_agreement(ratings, 4)

    if not pairs:
        assert estimate.value is None
    else:
        assert estimate.value == pytest.approx(np.mean(pairs))


def test_positive_and_negative_agreement_of_the_paradox():
    """Cicchetti, Feinstein (1990): 2a / (2a + b + c) = 160/175, and 10/25."""
    first, second = specific_agreement(ratings_of_table(PARADOX), 2)

    assert first.value == pytest.approx(160 / 175)
    assert second.value == pytest.approx(10 / 25)
    assert second.low < 0.4 < second.high
    assert second.high - second.low > first.high - first.low


@given(rating_tables)
@settings(max_examples=30, deadline=None)
def test_specific_agreement_equals_all_pairs(ratings):
    found = specific_agreement(ratings, 4, settings=FEW)
    rows = [row[~np.isnan(row)] for row in ratings]
    pairs = [pair for row in rows for pair in itertools.permutations(row, 2)]

    for code, estimate in enumerate(found):
        others = [b for a, b in pairs if a == code]
        if not others:
            assert estimate.value is None
            assert estimate.reason.startswith("Not estimated")
        else:
            assert estimate.value == pytest.approx(np.mean([b == code for b in others]))


def test_replicates_are_of_the_drawn_clusters(rng):
    ratings = rng.integers(0, 2, (60, 3)).astype(float)
    clusters, few = Clusters.of(rng.integers(0, 20, 60), "patient"), Settings(draws=100)
    counts = np.concatenate(list(draw_counts(clusters.count, few)))
    drawn = [np.repeat(np.arange(60), row[clusters.codes].astype(int)) for row in counts]
    estimate = specific_agreement(ratings, 2, clusters, few)[1]
    values = [specific_agreement(ratings[rows], 2, settings=FEW)[1].value for rows in drawn]

    assert (estimate.low, estimate.high) == pytest.approx(
        tuple(np.quantile(values, (0.025, 0.975)))
    )


def test_no_spread_and_few_cases_give_no_interval():
    assert specific_agreement(np.ones((20, 2)), 2)[1].reason.startswith("No interval: the sample")
    assert "only 3 cases" in specific_agreement(np.ones((3, 2)), 2)[1].reason


def test_pattern_and_case_bootstrap_agree():
    ratings = ratings_of_table(PARADOX * 3)
    by_pattern = specific_agreement(ratings, 2)[1]
    pairs = Clusters(np.arange(300) % 299, 299)  # one cluster of two: cases are drawn one by one
    by_case = specific_agreement(ratings, 2, pairs)[1]

    assert by_pattern.low == pytest.approx(by_case.low, abs=0.02)
    assert by_pattern.high == pytest.approx(by_case.high, abs=0.02)
