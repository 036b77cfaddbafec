from statistics import NormalDist

import numpy as np
import pytest
from scipy.stats import bootstrap as scipy_bootstrap

from ml.stats.bootstrap import Settings, left_out_sums, replicate_sums
from ml.stats.clusters import Clusters
from ml.stats.interval import bca_interval, interval_between, percentile_interval

FIFTY = Clusters.singles(50)
EVEN = np.linspace(0, 1, 10_001)  # replicates whose quantile of order q is q


def test_percentiles_by_hand():
    """Of 0..200, the 2.5 % and 97.5 % quantiles are 5 and 195."""
    interval = percentile_interval(
        np.arange(201.0), Clusters.singles(50), Settings(draws=201, seed=3)
    )

    assert (interval.low, interval.high) == pytest.approx((5, 195))
    assert interval.method == "bootstrap over 50 cases, percentile, 201 draws, seed 3"


def test_recentring_moves_the_interval_only():
    replicates, clusters = np.arange(201.0), Clusters.singles(50)
    interval = percentile_interval(replicates, clusters, Settings(draws=201), centre=10.0)

    assert (interval.low, interval.high) == pytest.approx((-85, 105))
    assert "recentred" in interval.method


@pytest.mark.parametrize(("lost", "has_interval"), [(10, True), (11, False)])
def test_up_to_a_tenth_of_the_replicates_may_be_undefined(lost, has_interval):
    replicates = np.linspace(0, 1, 100)
    replicates[:lost] = np.nan

    interval = percentile_interval(replicates, Clusters.singles(50), Settings(draws=100))

    assert (interval.low is not None) == has_interval
    assert f"{lost}" in (interval.method if has_interval else interval.reason)


def test_bca_agrees_with_scipy(rng):
    sample = rng.exponential(size=40)
    settings, clusters = Settings(draws=20_000), Clusters.singles(40)
    sums = np.column_stack([sample, np.ones(40)])
    drawn, left = replicate_sums(sums, settings), left_out_sums(sums)

    ours = bca_interval(
        sample.mean(), drawn[:, 0] / drawn[:, 1], left[:, 0] / left[:, 1], clusters, settings
    )
    theirs = scipy_bootstrap(
        (sample,), np.mean, n_resamples=20_000, method="BCa", rng=np.random.default_rng(0)
    ).confidence_interval

    assert (ours.low, ours.high) == pytest.approx((theirs.low, theirs.high), rel=0.02)
    assert "BCa" in ours.method


def test_bca_of_a_value_beyond_all_replicates_is_refused():
    interval = bca_interval(
        9.0, np.linspace(0, 1, 100), np.zeros(20), Clusters.singles(20), Settings(draws=100)
    )

    assert interval.low is None
    assert "one side" in interval.reason


def test_the_level_is_that_of_the_settings():
    interval = percentile_interval(EVEN, FIFTY, Settings(level=0.8))
    assert (interval.low, interval.high) == pytest.approx((0.1, 0.9))

    even = bca_interval(0.5, EVEN, np.zeros(50), FIFTY, Settings(level=0.8))
    assert (even.low, even.high) == pytest.approx((0.1, 0.9))


@pytest.mark.parametrize(
    ("low", "high"),
    [(1.0, 1.0), (0.0, 9e-13), (-1e6, -1e6 + 5e-7), (1e6, 1e6 + 5e-7), (-1e-12, 0.0), (2.0, 1.0)],
)
def test_ends_that_differ_by_rounding_alone_are_no_interval(low, high):
    interval = interval_between(low, high, "Wald")

    assert (interval.low, interval.high, interval.method) == (None, None, "")
    assert "no spread" in interval.reason


@pytest.mark.parametrize(("low", "high"), [(0.0, 2e-12), (-1e6, -1e6 + 2e-6), (1e6, 1e6 + 2e-6)])
def test_a_narrow_interval_is_one(low, high):
    interval = interval_between(low, high, "Wald")

    assert (interval.low, interval.high, interval.method) == (low, high, "Wald")
    assert interval.reason is None


def test_the_units_drawn_are_named():
    pairs = Clusters.of(np.arange(24) // 2, "patient")
    settings = Settings(draws=1200, seed=5)
    for interval, kind in (
        (percentile_interval(EVEN, pairs, settings), "percentile"),
        (bca_interval(0.5, EVEN, np.zeros(12), pairs, settings), "BCa"),
    ):
        assert interval.method == (
            f"cluster bootstrap over 12 patients, {kind}, 1,200 draws, seed 5"
        )


def test_few_units_have_no_interval():
    few = Clusters.of(np.arange(90) // 10, "patient")
    for interval in (
        percentile_interval(EVEN, few, Settings()),
        bca_interval(0.5, EVEN, np.zeros(9), few, Settings()),
    ):
        assert (interval.low, interval.high, interval.method) == (None, None, "")
        assert "only 9 patients" in interval.reason


def test_replicates_without_a_value_move_no_end():
    """Of 110 replicates the last ten are undefined; the others are 0..99."""
    drawn = np.r_[np.arange(100.0), np.full(10, np.nan)]
    assert percentile_interval(drawn, FIFTY, Settings()).low == pytest.approx(0.025 * 99)

    shifted = percentile_interval(drawn, FIFTY, Settings(), centre=0.0)
    assert (shifted.low, shifted.high) == pytest.approx((-0.475 * 99, 0.475 * 99))

    bca = bca_interval(49.5, drawn, np.zeros(50), FIFTY, Settings())
    assert (bca.low, bca.high) == pytest.approx((0.025 * 99, 0.975 * 99))
    assert "10 replicates without a defined value left out" in bca.method


def test_bca_of_efron_and_tibshirani():
    """Their section 14.3, variance of the spatial test's 26 scores A: bias .146, acceleration
    .061, so that the 90 % interval ends at the 11.0 % and 98.5 % quantiles."""
    scores = np.array([
        48, 36, 20, 29, 42, 42, 20, 42, 22, 41, 45, 14, 6,
        0, 33, 28, 34, 4, 32, 24, 47, 41, 24, 26, 30, 41,
    ])  # fmt: skip
    assert scores.var() == pytest.approx(171.5, abs=0.05)
    left_out = np.array([np.delete(scores, unit).var() for unit in range(26)])

    interval = bca_interval(
        NormalDist().cdf(0.146), EVEN, left_out, Clusters.singles(26), Settings(level=0.9)
    )

    assert (interval.low, interval.high) == pytest.approx((0.110, 0.985), abs=6e-4)
    # A unit without which the measure is undefined says nothing of the acceleration.
    gap = bca_interval(
        NormalDist().cdf(0.146), EVEN, np.r_[left_out, np.nan], Clusters.singles(27),
        Settings(level=0.9),
    )  # fmt: skip
    assert (gap.low, gap.high) == (interval.low, interval.high)


@pytest.mark.parametrize("left_out", [np.full(50, 3.0), np.full(50, np.nan), np.arange(50.0)])
def test_without_acceleration_bca_shifts_by_twice_the_bias(left_out):
    """Ends at the quantiles of order Phi(2 z0 - 1.96) and Phi(2 z0 + 1.96)."""
    normal = NormalDist()
    interval = bca_interval(normal.cdf(0.3), EVEN, left_out, FIFTY, Settings())

    expected = normal.cdf(0.6 - 1.959964), normal.cdf(0.6 + 1.959964)
    assert (interval.low, interval.high) == pytest.approx(expected, abs=1e-4)


def test_replicates_equal_to_the_value_lie_half_on_either_side():
    """Of 0, 1, 1, 4 the value 1 has a quarter below and two quarters level: no bias."""
    drawn = np.repeat([0.0, 1.0, 4.0], [25, 50, 25]) + np.linspace(0, 1e-3, 100)
    drawn[25:75] = 1.0
    interval = bca_interval(1.0, drawn, np.zeros(50), FIFTY, Settings())
    plain = percentile_interval(drawn, FIFTY, Settings())

    assert (interval.low, interval.high) == pytest.approx((plain.low, plain.high))


@pytest.mark.parametrize("side", [-1.0, 1.0])
def test_bca_is_refused_where_one_unit_dominates(side):
    """With one unit far away the acceleration is 1/6, and the quantile at 6.1 out of reach."""
    left_out = np.r_[np.zeros(49_999), side]
    units = Clusters.singles(50_000)

    refused = bca_interval(0.5, EVEN, left_out, units, Settings(level=1 - 1e-9))
    assert refused.reason == "No interval: one unit dominates the estimate."
    assert (refused.low, refused.high, refused.method) == (None, None, "")
    assert bca_interval(0.5, EVEN, left_out, units, Settings()).low is not None


@pytest.mark.parametrize("value", [-1.0, 2.0])
def test_bca_needs_replicates_on_both_sides(value):
    refused = bca_interval(value, EVEN, np.zeros(50), FIFTY, Settings())

    assert refused.reason == (
        "No interval: all bootstrap replicates lie on one side of the estimate."
    )


def test_replicates_all_alike_are_no_interval():
    alike = np.full(100, 0.25)

    for interval in (
        percentile_interval(alike, FIFTY, Settings()),
        percentile_interval(alike, FIFTY, Settings(), centre=0.0),
        bca_interval(0.25, alike, np.zeros(50), FIFTY, Settings()),
    ):
        assert (interval.low, interval.high) == (None, None)
        assert "no spread" in interval.reason
