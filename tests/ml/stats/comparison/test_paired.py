import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from ml.stats.bootstrap import Settings, draw_counts
from ml.stats.clusters import Clusters
from ml.stats.comparison.paired import cohens_dz, paired_t, permutation_test, tost
from ml.stats.means import case_mean, mean_difference

FEW = Settings(draws=100)
# Student (1908): extra hours of sleep of ten patients under two drugs.
SLEEP_A = np.array([0.7, -1.6, -0.2, -1.2, -0.1, 3.4, 3.7, 0.8, 0.0, 2.0])
SLEEP_B = np.array([1.9, 0.8, 1.1, 0.1, -0.1, 4.4, 5.5, 1.6, 4.6, 3.4])

pairs = st.lists(
    st.tuples(st.sampled_from([0.0, 1, 2, 5]), st.sampled_from([0.0, 1, 3])),
    min_size=0,
    max_size=25,
).map(lambda rows: np.array(rows, dtype=float).reshape(-1, 2).T)


def test_student_sleep():
    test = paired_t(SLEEP_A, SLEEP_B)
    assert (test.statistic, test.df) == (pytest.approx(-4.0621, abs=1e-4), 9)
    assert test.p == pytest.approx(0.002833, abs=1e-6)
    assert [test.estimate.low, test.estimate.high] == pytest.approx([-2.4598855, -0.7001143])
    assert cohens_dz(SLEEP_A, SLEEP_B).value == pytest.approx(-4.0621277 / 10**0.5)


def test_permutation_is_every_sign_pattern():
    d = SLEEP_A - SLEEP_B
    expected = stats.permutation_test(
        (d,), np.mean, permutation_type="samples", n_resamples=2000, alternative="two-sided"
    ).pvalue
    assert permutation_test(SLEEP_A, SLEEP_B, settings=FEW).p == pytest.approx(expected)


def test_permutation_flips_whole_clusters():
    """Three clusters, all differences 1: of 8 patterns only the two pure ones reach the sum."""
    clusters = Clusters.of(np.repeat([0, 1, 2], 4), "patient")
    test = permutation_test(np.ones(12), np.zeros(12), clusters, FEW)
    assert test.p == 2 / 8
    assert "3 patients" in test.method


def test_random_patterns_are_reproducible_and_never_zero():
    a = np.arange(1.0, 41)
    test = permutation_test(a, np.zeros(40), settings=FEW)
    assert test.p == 1 / 101
    assert test == permutation_test(a, np.zeros(40), settings=FEW)


def test_tost_against_scipy():
    result = tost(SLEEP_A, SLEEP_B, 3.0)
    lower = stats.ttest_1samp(SLEEP_A - SLEEP_B, -3.0, alternative="greater").pvalue
    upper = stats.ttest_1samp(SLEEP_A - SLEEP_B, 3.0, alternative="less").pvalue
    assert (result.p_lower, result.p_upper) == (pytest.approx(lower), pytest.approx(upper))
    assert result.estimate.level == pytest.approx(0.9)
    assert result.non_inferior
    assert result.equivalent
    assert not tost(SLEEP_A, SLEEP_B, 2.0).non_inferior
    better = tost(SLEEP_B, SLEEP_A, 2.0)
    assert better.non_inferior
    assert not better.equivalent
    with pytest.raises(ValueError, match="margin"):
        tost(SLEEP_A, SLEEP_B, 0.0)


@settings(max_examples=30, deadline=None)
@given(pairs)
def test_nothing_raises_and_sides_mirror(data):
    a, b = data
    for test in (paired_t, lambda x, y: permutation_test(x, y, settings=FEW)):
        one, other = test(a, b), test(b, a)
        assert (one.p is None) == (other.p is None)
        if one.p is not None:
            assert one.p == pytest.approx(other.p)
            assert one.estimate.value == pytest.approx(-other.estimate.value)
    size, back = cohens_dz(a, b, settings=FEW), cohens_dz(b, a, settings=FEW)
    assert (size.value is None) or size.value == pytest.approx(-back.value)
    assert size.value is not None or size.reason


def test_interval_is_percentiles_of_cluster_replicates():
    rng = np.random.default_rng(3)
    codes = np.repeat(np.arange(15), 3)
    clusters = Clusters.of(codes, "patient")
    a, b = rng.normal(size=(2, 45)) + np.repeat(rng.normal(size=15), 3)
    d = a - b
    counts = np.concatenate(list(draw_counts(15, FEW)))
    means = [np.repeat(d, row[codes].astype(int)).mean() for row in counts]
    sizes = [(r := np.repeat(d, row[codes].astype(int))).mean() / r.std(ddof=1) for row in counts]
    got = mean_difference("change", a, b, clusters, FEW)
    assert [got.low, got.high] == pytest.approx(np.quantile(means, [0.025, 0.975]))
    got = cohens_dz(a, b, clusters, FEW)
    assert [got.low, got.high] == pytest.approx(np.quantile(sizes, [0.025, 0.975]))


def test_undefined_cases_are_left_out_and_counted():
    mean = case_mean("x", [1.0, None, 3.0])
    assert (mean.value, mean.n, mean.extra["n_undefined"]) == (2.0, 2, 1)
    assert case_mean("x", [None, None]).value is None
    flat = case_mean("x", np.ones(30), settings=FEW)
    assert not flat.has_interval
    assert "no spread" in flat.reason
    with pytest.raises(ValueError, match="cluster"):
        case_mean("x", np.ones(3), Clusters.singles(2))


def test_without_sign_patterns_there_is_no_p():
    rng = np.random.default_rng(8)
    found = permutation_test(rng.normal(size=20), rng.normal(size=20), settings=Settings(draws=0))
    assert found.p is None
    assert "no random sign patterns" in found.reason
