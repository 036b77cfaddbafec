import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import linalg, stats
from scipy.spatial.distance import cdist

from ml.stats.bootstrap import Clusters, Settings
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
    assert multi.frechet_distance(A, B) == pytest.approx(expected)
    assert multi.frechet_distance(A, A) == pytest.approx(0, abs=1e-9)
    assert multi.frechet_distance(A, B, ddof="N") < expected


def test_label_shift_recovers_the_shares():
    """Sensitivity .8, specificity .9, target prevalence .25: .25*.8 + .75*.1 = .275 positive."""
    true = np.repeat([0, 1], 100)
    predicted = np.r_[np.repeat([0, 1], [90, 10]), np.repeat([0, 1], [20, 80])]
    target = np.repeat([0, 1], [725, 275])
    got = multi.label_shift(true, predicted, target, 2)
    assert got.target_shares == pytest.approx([0.75, 0.25])
    assert multi.label_shift(true, true * 0, target, 2).weights is None
