import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import linalg, stats
from scipy.spatial.distance import cdist

from ml.stats.bootstrap import Settings, draw_counts
from ml.stats.clusters import Clusters
from ml.stats.ood import multivariate_shift as multi
from ml.stats.ood import shift

FEW = Settings(draws=99)
RNG = np.random.default_rng(4)
A, B = RNG.normal(size=(25, 3)), RNG.normal(1, 2, size=(18, 3))
sample = st.lists(st.sampled_from([0.0, 1, 2, 5]), min_size=1, max_size=20).map(np.array)


@settings(max_examples=30, deadline=None)
@given(sample, sample)
def test_distances_equal_scipy_with_ties(one, two):
    got = shift.wasserstein_1(one, two, settings=FEW)
    assert got.value == pytest.approx(stats.wasserstein_distance(one, two))
    got = shift.energy_distance(one, two, settings=FEW)
    assert got.value == pytest.approx(stats.energy_distance(one, two))
    size = shift.standardized_mean_difference(one, two, settings=FEW)
    assert size.value is not None or size.reason
    assert shift.population_stability_index(one, two).value >= 0


def test_ks_and_smd():
    got = shift.kolmogorov_smirnov(A, B)
    assert got.statistic[1] == pytest.approx(stats.ks_2samp(A[:, 1], B[:, 1]).statistic)
    assert got.p_adjusted == pytest.approx(stats.false_discovery_control(got.p))
    x, y = A[:, 0], B[:, 0]
    size = shift.standardized_mean_difference(x, y, settings=FEW)
    expected = (y.mean() - x.mean()) / ((x.var(ddof=1) + y.var(ddof=1)) / 2) ** 0.5
    assert size.value == pytest.approx(expected)
    assert size.low < size.value < size.high


def test_psi_by_hand():
    one, two = np.array([0.0, 0, 1, 1]), np.array([0.0, 1, 1, 1])
    got = shift.population_stability_index(one, two, np.array([0.5]))
    assert got.value == pytest.approx(-0.25 * np.log(0.5) + 0.25 * np.log(1.5))
    floored = shift.population_stability_index(one, np.ones(4), np.array([0.5]), floor=0.01)
    assert floored.extra["n_floored"] == 1
    # A share that is the floor itself, .25 of the target, is not raised to it.
    assert shift.population_stability_index(one, two, [0.5], floor=0.25).extra["n_floored"] == 0


def test_mmd_naive():
    got = multi.mmd(A, B, 1.5, settings=FEW)
    k = lambda x, y: np.exp(-(cdist(x, y) ** 2) / (2 * 1.5**2))  # noqa: E731
    n, m = len(A), len(B)
    biased = k(A, A).mean() + k(B, B).mean() - 2 * k(A, B).mean()
    off = (k(A, A).sum() - n) / (n * (n - 1)) + (k(B, B).sum() - m) / (m * (m - 1))
    assert got.biased == pytest.approx(biased)
    assert got.unbiased == pytest.approx(off - 2 * k(A, B).mean())
    assert got.p == 1 / 100
    assert multi.mmd(A[:12], A[12:24], settings=FEW).p > 0.05


def test_mmd_relabels_whole_clusters():
    """Two patients a side: of the 6 relabellings, 2 reach the observed value."""
    one, two = np.zeros((20, 1)), np.ones((20, 1))
    codes = Clusters.of(np.repeat([0, 1], 10))
    p = multi.mmd(one, two, 1.0, codes, codes, Settings(draws=999)).p
    assert p == pytest.approx(1 / 3, abs=0.06)
    assert multi.mmd(one, two, 1.0, settings=FEW).p == 0.01


def test_frechet_against_matrix_root():
    ca, cb = np.cov(A.T), np.cov(B.T)
    moved = ((A.mean(axis=0) - B.mean(axis=0)) ** 2).sum()
    expected = moved + np.trace(ca + cb - 2 * linalg.sqrtm(ca @ cb).real)
    assert multi.frechet_distance(A, B).value == pytest.approx(expected)
    assert multi.frechet_distance(A, A).value == pytest.approx(0, abs=1e-9)
    assert multi.frechet_distance(A, B, ddof="N").value < expected


def test_label_shift_recovers_the_shares():
    """Sensitivity .8, specificity .9, target prevalence .25: .25*.8 + .75*.1 = .275 positive."""
    true = np.repeat([0, 1], 100)
    predicted = np.r_[np.repeat([0, 1], [90, 10]), np.repeat([0, 1], [20, 80])]
    target = np.repeat([0, 1], [725, 275])
    got = multi.label_shift(true, predicted, target, 2)
    assert got.target_shares == pytest.approx([0.75, 0.25])
    assert multi.label_shift(true, true * 0, target, 2).weights is None


def test_the_bandwidth_is_the_median_and_one_cluster_is_not_relabelled():
    assert multi.median_bandwidth(np.array([[0.0], [1.0]]), np.array([[10.0]])) == 9.0
    assert multi.median_bandwidth(np.zeros((3, 1)), np.zeros((2, 1))) is None
    got = multi.mmd(A[:1], B, 1.0, settings=FEW)
    assert (got.p, got.unbiased) == (None, None)
    assert "one cluster" in got.reason
    back = multi.mmd(B, A[:1], 1.0, settings=FEW)
    assert (back.p, back.unbiased, back.biased) == (None, None, pytest.approx(got.biased))


@pytest.mark.parametrize("single", [0, 1])
def test_many_rows_of_one_patient_are_not_relabelled(single):
    one, many = Clusters.of(np.zeros(18)), Clusters.of(np.arange(18) // 3)
    got = multi.mmd(A[:18], B, 1.5, *((one, many) if single == 0 else (many, one)), FEW)
    assert got.p is None
    assert got.unbiased == multi.mmd(A[:18], B, 1.5, settings=FEW).unbiased


def by_hand(statistic, one, two, first, second, draws):
    """Percentiles over clusters drawn within each sample; a distance's are recentred."""
    values = []
    strata = np.r_[np.zeros(first.count, int), np.ones(second.count, int)]
    for counts in np.concatenate(list(draw_counts(strata.size, draws, strata=strata))).astype(int):
        here = np.repeat(one, counts[: first.count][first.codes])
        there = np.repeat(two, counts[first.count :][second.codes])
        values.append(statistic(here, there))
    low, high = np.quantile(values, [0.025, 0.975])
    if statistic is naive_smd:
        return low, high
    moved = statistic(one, two) - np.mean(values)
    return max(low + moved, 0.0), high + moved


def naive_smd(x, y):
    return (y.mean() - x.mean()) / ((x.var(ddof=1) + y.var(ddof=1)) / 2) ** 0.5


@pytest.mark.parametrize(
    ("measure", "statistic"),
    [
        (shift.wasserstein_1, stats.wasserstein_distance),
        (shift.energy_distance, stats.energy_distance),
        (shift.standardized_mean_difference, naive_smd),
    ],
)
def test_intervals_draw_clusters_within_each_sample(measure, statistic):
    one, two = RNG.normal(size=30), RNG.normal(0.5, 2, size=22)
    first, second = Clusters.of(np.arange(30) // 2), Clusters.of(np.arange(22) // 2)
    got = measure(one, two, first, second, FEW)
    assert [got.low, got.high] == pytest.approx(by_hand(statistic, one, two, first, second, FEW))


def test_the_permutation_p_of_a_distance_is_that_of_all_relabellings():
    """Of the 70 ways to halve eight numbers, two reach the distance of the observed halves."""
    one, two = np.arange(4.0), np.arange(10.0, 14)
    for measure in (shift.wasserstein_1, shift.energy_distance):
        p = measure(one, two, settings=Settings(draws=4000)).extra["p"]
        assert p == pytest.approx(2 / 70, abs=0.01)
        assert measure(one, one, settings=FEW).extra["p"] == 1.0
        assert measure(one[:1], two, settings=FEW).extra["p"] is None
        assert measure(one, two[:1], settings=FEW).extra["p"] is None


def test_no_shift_is_rarely_called_a_shift():
    rng = np.random.default_rng(8)
    pairs = rng.normal(size=(60, 2, 30))
    p = np.array([shift.wasserstein_1(a, b, settings=FEW).extra["p"] for a, b in pairs])
    assert (p <= 0.05).mean() < 0.15
    assert 0.35 < p.mean() < 0.65


def test_copies_in_a_cluster_leave_the_permutation_p():
    one, two = RNG.normal(size=12), RNG.normal(1, 1, size=10)
    plain = shift.energy_distance(one, two, settings=FEW).extra["p"]
    copies = [Clusters.of(np.repeat(np.arange(x.size), 3)) for x in (one, two)]
    tripled = shift.energy_distance(np.repeat(one, 3), np.repeat(two, 3), *copies, FEW)
    assert tripled.extra["p"] == plain


def test_psi_cuts_the_reference_at_its_quantiles():
    one, two = np.arange(1.0, 9), np.array([1.0, 1, 1, 1, 2, 4, 6, 8])
    share = np.array([5, 1, 1, 1]) / 8
    expected = ((share - 0.25) * np.log(share / 0.25)).sum()
    assert shift.population_stability_index(one, two, 4).value == pytest.approx(expected)
    # A value on an edge falls below it: shares of 1 and 0 before, 2/3 and 1/3 after.
    one, two = np.array([0.0, 1]), np.array([0.0, 1, 2])
    edge = shift.population_stability_index(one, two, np.array([1.0]))
    expected = (2 / 3 - 1) * np.log(2 / 3) + (1 / 3 - 1e-4) * np.log(1 / 3 / 1e-4)
    assert edge.value == pytest.approx(expected)


def test_one_case_a_side_has_no_smd():
    got = shift.standardized_mean_difference(np.array([1.0]), np.array([2.0, 3.0]), settings=FEW)
    assert got.reason == "Not estimated: the samples have no spread."


def test_one_sample_without_spread_has_an_smd():
    """Variances 0 and 2, means 0 and 3: 3 over the root of 1."""
    got = shift.standardized_mean_difference(np.zeros(3), np.array([2.0, 4.0]), settings=FEW)
    assert got.value == pytest.approx(3)


def test_draws_of_one_value_have_no_smd():
    """One case a side stands apart; the draws that miss both have no spread but rounding."""
    one, two = np.r_[1.0, np.full(18, 0.1)], np.r_[1.7, np.full(12, 3.3)]
    strata = np.repeat([0, 1], [19, 13])
    counts = np.concatenate(list(draw_counts(32, Settings(), strata=strata)))
    missed = int(((counts[:, 0] == 0) & (counts[:, 19] == 0)).sum())
    got = shift.standardized_mean_difference(one, two)
    assert missed > 50
    if missed > 200:
        assert f"undefined in {missed} of" in got.reason
    else:
        assert f"{missed} replicates without a defined value" in got.method
        assert got.high < 100


def test_the_smd_does_not_know_where_zero_is():
    one, two = RNG.normal(size=20), RNG.normal(1e6, 1, size=15)
    near = shift.standardized_mean_difference(one, two - 1e6, settings=FEW)
    far = shift.standardized_mean_difference(one, two, settings=FEW)
    pooled = ((one.var(ddof=1) + two.var(ddof=1)) / 2) ** 0.5
    assert far.value == pytest.approx(near.value + 1e6 / pooled)
    first, second = Clusters.singles(20), Clusters.singles(15)
    expected = by_hand(naive_smd, one, two, first, second, FEW)
    assert [far.low, far.high] == pytest.approx(expected)


def test_the_units_of_both_samples_are_named():
    def method(first, second):
        return shift.wasserstein_1(
            A[:24, 0], B[:12, 0], Clusters.of(np.arange(24) // 2, first),
            Clusters.of(np.arange(12), second), FEW,
        ).method  # fmt: skip

    assert "over 24 patients" in method("patient", "patient")
    assert "over 24 clusters" in method("patient", "case")


def test_label_shift_of_three_classes_is_exact_and_refuses():
    """An asymmetric confusion matrix, so that its transpose gives another answer."""
    rates = np.array([[8, 1, 1], [3, 6, 1], [0, 2, 8]]) / 10  # true class by predicted class
    true = np.repeat([0, 1, 2], [100, 200, 100])
    cells = [
        np.repeat([0, 1, 2], np.rint(row * n).astype(int))
        for row, n in zip(rates, (100, 200, 100), strict=True)
    ]
    target = np.repeat([0, 1, 2], np.rint(np.array([0.2, 0.5, 0.3]) @ rates * 1000).astype(int))
    got = multi.label_shift(true, np.concatenate(cells), target, 3)
    assert got.target_shares == pytest.approx([0.2, 0.5, 0.3])
    assert got.weights == pytest.approx([0.8, 1.0, 1.2])
    assert multi.label_shift([], [], [0], 2).reason
    with pytest.raises(ValueError, match="classes"):
        multi.label_shift([3], [0], [0], 2)


def test_classes_of_a_shift_are_whole():
    with pytest.raises(ValueError, match="whole numbers"):
        multi.label_shift(np.array([0, 1]), np.array([0.0, np.nan]), np.array([0, 1]), 2)
    with pytest.raises(ValueError, match="whole numbers"):
        multi.label_shift(np.array([0, 1]), np.array([0, 1]), np.array([0.5, 1]), 2)


@pytest.mark.parametrize("measure", [shift.wasserstein_1, shift.energy_distance])
def test_a_distance_lies_in_its_interval(measure):
    """Replicates of a small distance lie above it nearly all."""
    generator = np.random.default_rng(5)
    for _ in range(10):
        found = measure(generator.normal(size=40), generator.normal(size=40), settings=FEW)
        assert 0 <= found.low <= found.value <= found.high


def test_a_sample_of_one_cluster_shows_no_spread():
    one, two = np.arange(6.0), np.arange(30.0) ** 1.1
    for measure in (
        shift.wasserstein_1, shift.energy_distance, shift.standardized_mean_difference,
    ):  # fmt: skip
        found = measure(one, two, Clusters.of(np.zeros(6, int)), None, FEW)
        assert found.value is not None
        assert "single cluster" in found.reason
