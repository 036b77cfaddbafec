import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from ml.stats.agreement.kendall import kendall_w
from ml.stats.bootstrap import Settings
from ml.stats.clusters import Clusters

FEW = Settings(draws=64)


def naive(ratings, tie_correction=True):
    n, m = ratings.shape
    ranks = stats.rankdata(ratings, axis=0)
    spread = ((ranks.sum(axis=1) - m * (n + 1) / 2) ** 2).sum()
    ties = sum(
        (t**3 - t).sum() for t in (np.unique(column, return_counts=True)[1] for column in ratings.T)
    )
    return 12 * spread / (m**2 * (n**3 - n) - (m * ties if tie_correction else 0))


def test_example_of_siegel():
    """Siegel (1956), Nonparametric Statistics, table 9.2: three executives rank six applicants."""
    ranks = np.array([[1, 1, 6], [6, 5, 3], [3, 6, 2], [2, 4, 5], [5, 2, 4], [4, 3, 1]], float)

    assert kendall_w(ranks, settings=FEW).value == pytest.approx(0.16, abs=0.005)


def test_against_friedman(rng):
    """Friedman's chi-squared is readers * (n - 1) * W, with the same correction for ties."""
    ratings = rng.integers(0, 5, size=(9, 4)).astype(float) + rng.integers(0, 4, size=(9, 1))
    estimate = kendall_w(ratings, settings=FEW)
    friedman = stats.friedmanchisquare(*ratings)

    assert estimate.extra["chi2"] == pytest.approx(friedman.statistic)
    assert estimate.extra["p"] == pytest.approx(friedman.pvalue)
    assert estimate.extra["df"] == 8


def test_f_test(rng):
    ratings = rng.normal(size=(9, 4)) + rng.normal(size=(9, 1))
    extra, w = kendall_w(ratings, settings=FEW).extra, naive(ratings)

    assert extra["f"] == pytest.approx(3 * w / (1 - w))
    assert (extra["f_df1"], extra["f_df2"]) == (7.5, 22.5)
    assert extra["f_p"] == pytest.approx(stats.f.sf(extra["f"], 7.5, 22.5))


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(2, 9), st.integers(2, 4), st.booleans())
def test_against_the_definition_whatever_the_ties(seed, n, readers, corrected):
    ratings = np.random.default_rng(seed).integers(0, 4, size=(n, readers)).astype(float)
    estimate = kendall_w(ratings, settings=FEW, tie_correction=corrected)
    if (ratings == ratings[0]).all():
        assert (estimate.value is None) == corrected
    else:
        assert estimate.value == pytest.approx(naive(ratings, corrected))


def test_the_interval_is_the_percentiles_of_resampled_tables(rng):
    ratings = rng.integers(0, 6, size=(24, 3)).astype(float) + rng.integers(0, 6, size=(24, 1))
    estimate = kendall_w(ratings, Clusters.of(np.arange(24) // 2), FEW)
    drawn = np.random.Generator(np.random.SFC64([20261123, 0])).integers(0, 12, size=(64, 12))
    by_hand = [naive(ratings.reshape(12, 2, 3)[row].reshape(24, 3)) for row in drawn]

    assert [estimate.low, estimate.high] == pytest.approx(np.quantile(by_hand, [0.025, 0.975]))
    assert "chi2" not in estimate.extra


def test_monotone_scores_do_not_matter(rng):
    ratings = rng.normal(size=(15, 3))
    changed = np.column_stack([np.exp(ratings[:, 0]), ratings[:, 1] ** 3, 5 * ratings[:, 2]])

    assert kendall_w(changed, settings=FEW) == kendall_w(ratings, settings=FEW)


def test_the_same_order_is_one_and_two_opposite_orders_are_zero():
    order = np.arange(5.0)

    assert kendall_w(np.stack([order, order, order], axis=1), settings=FEW).value == 1
    assert kendall_w(np.stack([order, -order], axis=1), settings=FEW).value == 0


@pytest.mark.parametrize("ratings", [np.zeros((4, 3)), np.zeros((1, 3)), np.zeros((0, 2)),
                                     np.arange(4.0)[:, None]])  # fmt: skip
def test_undefined(ratings):
    estimate = kendall_w(ratings, settings=FEW)

    assert estimate.value is None
    assert estimate.reason.startswith("Not estimated")


def test_few_cases_have_no_interval(rng):
    assert "only 5 cases" in kendall_w(rng.normal(size=(5, 3)), settings=FEW).reason
