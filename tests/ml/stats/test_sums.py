import numpy as np
import pytest

from ml.stats.bootstrap import Settings, draw_counts
from ml.stats.clusters import Clusters
from ml.stats.sums import estimate_of_sums, mean_estimate

FEW = Settings(draws=200)
CODES = np.repeat(np.arange(15), 2)
CLUSTERS = Clusters.of(CODES, "patient")
VALUES = np.random.default_rng(6).normal(size=30)
MEANS = [
    np.repeat(VALUES, counts[CODES].astype(int)).mean()
    for block in draw_counts(15, FEW)
    for counts in block
]


def test_the_interval_is_that_of_drawn_clusters():
    got = mean_estimate("mean", VALUES, CLUSTERS, FEW)
    assert got.value == pytest.approx(VALUES.mean())
    assert (got.low, got.high) == pytest.approx(tuple(np.quantile(MEANS, (0.025, 0.975))))
    assert got.extra["n_clusters"] == 15


def total(sums):
    return sums[:, 0]


def test_the_value_is_of_the_sum_and_not_of_the_mean():
    assert estimate_of_sums("total", np.ones((12, 1)), total).value == 12.0


def test_the_lower_end_is_cut_and_the_upper_is_not():
    rows = np.column_stack([VALUES, np.ones(30)])
    mean = lambda sums: sums[:, 0] / sums[:, 1]  # noqa: E731
    got = estimate_of_sums("mean", rows, mean, CLUSTERS, FEW, least=VALUES.mean())
    assert got.low == pytest.approx(VALUES.mean())
    assert got.high == pytest.approx(np.quantile(MEANS, 0.975))
    loose = estimate_of_sums("mean", rows, mean, CLUSTERS, FEW, least=-100.0)
    assert loose.low == pytest.approx(np.quantile(MEANS, 0.025))


def test_replicates_biased_upward_are_shifted_to_the_value():
    rows = np.column_stack([VALUES, np.ones(30)])
    squared = lambda sums: (sums[:, 0] / sums[:, 1]) ** 2  # noqa: E731
    got = estimate_of_sums("bias", rows, squared, CLUSTERS, FEW, recentred=True)
    drawn = np.array(MEANS) ** 2
    drawn += VALUES.mean() ** 2 - drawn.mean()
    assert (got.low, got.high) == pytest.approx(tuple(np.quantile(drawn, (0.025, 0.975))))
    assert "recentred" in got.method


def test_nothing_and_a_zero_denominator_have_reasons():
    said = {"convention": "as told", "n_events": 0}
    nothing = estimate_of_sums("x", np.zeros((0, 2)), total, **said)
    assert (nothing.reason, nothing.n) == ("Not estimated: there are no cases.", 0)
    ratio = lambda sums: np.full(len(sums), np.nan)  # noqa: E731
    empty = estimate_of_sums("x", np.zeros((3, 2)), ratio, **said)
    assert "denominator" in empty.reason
    assert empty.n == 3
    for got in (nothing, empty):
        assert (got.convention, got.n_events) == ("as told", 0)
    assert estimate_of_sums("x", np.zeros((3, 2)), ratio, undefined_reason="No.").reason == "No."


def test_one_case_has_a_value_and_a_reason_for_no_interval():
    got = estimate_of_sums("x", np.full((1, 1), 4.0), total, settings=FEW, least=5.0)
    assert (got.value, got.low, got.n) == (4.0, None, 1)
    assert "only 1 case" in got.reason


def test_what_is_said_of_the_measure_is_kept():
    got = mean_estimate(
        "x", VALUES, CLUSTERS, FEW, convention="as told", n_events=7, extra={"more": 1}
    )
    assert (got.id, got.convention, got.n, got.n_events) == ("x", "as told", 30, 7)
    assert got.extra == {"more": 1, "n_clusters": 15, "cluster_kind": "patient"}
    assert got.method == "cluster bootstrap over 15 patients, percentile, 200 draws, seed 20261123"
