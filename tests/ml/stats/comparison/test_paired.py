from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from ml.stats.bootstrap import Settings, draw_counts
from ml.stats.clusters import Clusters
from ml.stats.comparison.paired import (
    cohens_dz,
    differences,
    paired_t,
    permutation_test,
    tost,
)
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


@pytest.mark.parametrize(
    ("a", "b", "message"),
    [
        ([1.0, 2.0], [1.0], "two"),
        ([[1.0]], [[1.0]], "two"),
        ([1.0, np.nan], [1.0, 2.0], "incomplete"),
        ([1.0, 2.0], [np.inf, 2.0], "incomplete"),
    ],
)
def test_what_is_no_pair_is_refused(a, b, message):
    with pytest.raises(ValueError, match=message):
        differences(np.array(a), np.array(b))


def test_two_pairs_are_enough_and_one_is_not():
    """Differences 1 and 3: mean 2, error 1; t of 1 df is Cauchy's, 1 - 2/pi atan 2 beyond 2."""
    two = paired_t(np.array([2.0, 5.0]), np.array([1.0, 2.0]))
    assert (two.statistic, two.df) == (pytest.approx(2), 1)
    assert two.p == pytest.approx(1 - 2 / np.pi * np.arctan(2))
    assert two.estimate.high - 2 == pytest.approx(np.tan(np.pi * 0.475))
    assert cohens_dz(np.array([2.0, 5.0]), np.array([1.0, 2.0])).value == pytest.approx(2 / 2**0.5)

    one = paired_t(np.array([2.0]), np.array([1.0]))
    assert (one.p, one.estimate.value, one.estimate.n) == (None, 1.0, 1)
    assert "no spread" in one.estimate.reason
    assert paired_t(np.array([]), np.array([])).reason == "Not estimated: no pairs."
    assert cohens_dz(np.array([2.0]), np.array([1.0])).n == 1


@pytest.mark.parametrize("n", [0, 1, 3, 20])
def test_every_difference_says_its_direction(n):
    a, b = np.arange(n) ** 2.0, np.zeros(n)
    for test in (paired_t(a, b), permutation_test(a, b, settings=FEW)):
        assert test.estimate.convention == "a - b; two-sided"
    assert cohens_dz(a, b, settings=FEW).convention.startswith("mean(a - b) / SD(a - b)")
    assert paired_t(a, b).estimate.method == (f"Student t, {n - 1} df" if n > 1 else "")


def test_a_constant_shift_has_no_spread_though_rounding_gives_it_some():
    b = np.array([1.0, 3.0, 8.0, 37.0, 100.0, 1e6])
    a = b + 0.1
    assert len(set((a - b).tolist())) > 1
    assert paired_t(a, b).p is None
    assert paired_t(a, b).estimate.value == pytest.approx(0.1)
    assert cohens_dz(a, b).value is None
    assert tost(a, b, 0.5).equivalent is None
    # A ten-thousandth of the shift is no rounding.
    assert paired_t(a + 1e-5 * np.arange(6), b).p < 1e-12
    assert cohens_dz(a + 1e-5 * np.arange(6), b).value > 1000


@pytest.mark.parametrize(("n", "base", "step"), [(13, 1.0, 1e3), (17, 0.7, 0.3), (30, 0.7, 0.3)])
def test_draws_of_one_value_have_no_effect_size(n, base, step):
    """One pair stands apart; a third of the draws miss it, and rounding must not stand in."""
    d = np.r_[base + step, np.full(n - 1, base)]
    got = cohens_dz(d, np.zeros(n))
    missed = sum(int((counts[:, 0] == 0).sum()) for counts in draw_counts(n, Settings()))
    assert got.low is None
    assert f"undefined in {missed} of 2,000" in got.reason


def test_effect_sizes_are_of_their_scale():
    """Far from 0 or small, the interval is that of the same numbers near 0."""
    d = np.random.default_rng(9).normal(size=25)
    one = cohens_dz(d, np.zeros(25), settings=FEW)
    for scale in (1e-5, 1e7):
        other = cohens_dz(scale * d, np.zeros(25), settings=FEW)
        assert (other.low, other.high) == (pytest.approx(one.low), pytest.approx(one.high))
    assert "percentile, 100 draws" in one.method
    assert one.extra["n_clusters"] == 25
    assert "only 9 cases" in cohens_dz(d[:9], np.zeros(9), settings=FEW).reason


def test_permutation_is_every_sign_pattern():
    d = SLEEP_A - SLEEP_B
    expected = stats.permutation_test(
        (d,), np.mean, permutation_type="samples", n_resamples=2000, alternative="two-sided"
    ).pvalue
    test = permutation_test(SLEEP_A, SLEEP_B, settings=FEW)
    assert test.p == pytest.approx(expected)
    assert test.method == "sign flip over 10 cases, all 1,024 patterns"
    assert permutation_test(np.array([]), np.array([])).reason


def test_permutation_flips_whole_clusters():
    """Three clusters, all differences 1: of 8 patterns only the two pure ones reach the sum."""
    clusters = Clusters.of(np.repeat([0, 1, 2], 4), "patient")
    test = permutation_test(np.ones(12), np.zeros(12), clusters, FEW)
    assert test.p == 2 / 8
    assert "3 patients" in test.method


def test_permutation_weighs_clusters_by_their_totals():
    """Clusters of 1 to 6 cases: of the 64 patterns those whose total reaches the observed one.

    By the means of the clusters, 16 patterns would reach it in place of 6."""
    codes = np.repeat(np.arange(6), np.arange(1, 7))
    d = np.random.default_rng(15).normal(0.5, 1, 21)
    totals = np.array([d[codes == k].sum() for k in range(6)])
    flipped = [abs(np.dot(s, totals)) for s in product([-1, 1], repeat=6)]
    expected = np.mean([value >= abs(totals.sum()) - 1e-9 for value in flipped])
    test = permutation_test(d, np.zeros(21), Clusters.of(codes), FEW)
    assert test.p == pytest.approx(expected)
    assert test.statistic == pytest.approx(d.mean())


def test_the_interval_beside_the_permutation_is_of_clusters():
    d = np.random.default_rng(3).normal(size=36)
    few = permutation_test(d, np.zeros(36), Clusters.of(np.arange(36) // 4, "patient"), FEW)
    assert "only 9 patients" in few.estimate.reason


def test_another_seed_flips_other_signs():
    d = np.random.default_rng(2).normal(0.2, 1, 20)
    found = {permutation_test(d, np.zeros(20), settings=Settings(99, seed)).p for seed in range(6)}
    assert len(found) > 1


def test_random_patterns_are_reproducible_and_never_zero():
    a = np.arange(1.0, 41)
    test = permutation_test(a, np.zeros(40), settings=FEW)
    assert test.p == 1 / 101
    assert "100 random, seed" in test.method
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
