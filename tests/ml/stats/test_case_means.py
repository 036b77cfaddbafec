import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ml.stats.bootstrap import Settings, draw_counts
from ml.stats.clusters import Clusters
from ml.stats.means import case_mean, case_median, mean_difference

FEW = Settings(draws=100)
numbers = st.lists(st.one_of(st.none(), st.sampled_from([-2.0, 0.0, 1.0, 7.0])), max_size=25)


def test_cases_without_a_value_leave_their_cluster_and_its_weight():
    rng = np.random.default_rng(2)
    values, codes = rng.normal(size=60), np.arange(60) // 3
    values[rng.permutation(60)[:17]] = np.nan
    known = ~np.isnan(values)
    kept = Clusters.of(codes[known])
    assert kept.count < known.sum()
    drawn = [
        np.repeat(values[known], counts[kept.codes].astype(int)).mean()
        for block in draw_counts(kept.count, FEW)
        for counts in block
    ]
    got = case_mean("x", values, Clusters.of(codes), FEW)
    assert (got.low, got.high) == pytest.approx(tuple(np.quantile(drawn, (0.025, 0.975))))
    assert (got.n, got.extra["n_undefined"]) == (43, 17)


@settings(max_examples=40, deadline=None)
@given(numbers, st.randoms(use_true_random=False))
def test_never_raises_and_does_not_know_the_order(values, random):
    got = case_mean("x", values, settings=FEW)
    again = case_mean("x", random.sample(values, len(values)), settings=FEW)
    assert got.value == (None if again.value is None else pytest.approx(again.value))
    assert got.has_interval or got.reason
    assert got.value is None or got.extra["n_undefined"] == values.count(None)


@settings(max_examples=25, deadline=None)
@given(st.lists(st.sampled_from([0.0, 1.0, 3.0]), min_size=1, max_size=20), st.integers(2, 4))
def test_copies_in_a_cluster_change_nothing(values, times):
    codes = np.arange(len(values))
    one = case_mean("x", values, Clusters.of(codes), FEW)
    more = case_mean("x", np.repeat(values, times), Clusters.of(np.repeat(codes, times)), FEW)
    assert one.value == pytest.approx(more.value)
    assert (one.low is None) == (more.low is None)
    if one.low is not None:
        assert (one.low, one.high) == pytest.approx((more.low, more.high))


def test_the_difference_is_first_minus_second():
    assert mean_difference("x", [3.0, np.nan, 1.0], [1.0, 1.0, None]).value == 2.0
    assert mean_difference("x", [None, 3.0], [1.0, 1.0], convention="as told").n == 1
    with pytest.raises(ValueError, match="paired"):
        mean_difference("x", [1.0], [1.0, 2.0])
    with pytest.raises(ValueError, match="finite"):
        case_mean("x", [np.inf])
    with pytest.raises(ValueError, match=r"expected \(n,\)"):
        case_mean("x", [[1.0, 2.0]])


@pytest.mark.parametrize("measure", [case_mean, case_median])
def test_what_is_said_of_the_measure_is_kept(measure):
    got = measure("x", np.arange(24.0), Clusters.of(np.arange(24) // 2), FEW, convention="as told")
    assert got.convention == "as told"
    assert got.method.startswith("cluster bootstrap over 12 cases, percentile, 100 draws")
    assert measure("x", [None], convention="as told").convention == "as told"
    assert "only 2 cases" in measure("x", [1.0, 2.0], settings=FEW).reason


def test_differences_within_a_patient_are_one_unit():
    few = mean_difference("x", np.arange(36.0), np.zeros(36), Clusters.of(np.arange(36) // 4), FEW)
    assert "only 9 cases" in few.reason


def test_the_convention_of_a_difference_is_its_own():
    assert "paired" in mean_difference("x", [1.0], [2.0]).convention
