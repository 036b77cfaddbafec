import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from ml.stats.agreement.concordance import lin_ccc, overall_ccc
from ml.stats.bootstrap import Settings
from ml.stats.clusters import Clusters

FEW = Settings(draws=64)
# Bland, Altman (1986), Lancet: peak flow in l/min, Wright and mini meter, first readings.
WRIGHT = np.array(
    [494, 395, 516, 434, 476, 557, 413, 442, 650, 433, 417, 656, 267, 478, 178, 423, 427], float
)
MINI = np.array(
    [512, 430, 520, 428, 500, 600, 364, 380, 658, 445, 432, 626, 260, 477, 259, 350, 451], float
)


def naive(ratings):
    """Mean of pairwise coefficients, weighted by their denominators (Barnhart 2002, eq. 5)."""
    k = ratings.shape[1]
    top = bottom = 0.0
    for i in range(k):
        for j in range(i + 1, k):
            covariance = np.cov(ratings[:, i], ratings[:, j], ddof=0)
            top += 2 * covariance[0, 1]
            bottom += np.trace(covariance) + (ratings[:, i].mean() - ratings[:, j].mean()) ** 2
    return top / bottom


def test_peak_flow():
    """epiR::epi.ccc of these numbers: 0.943 (0.850 to 0.979), C.b 0.999."""
    found = lin_ccc(WRIGHT, MINI)

    assert found.ccc.value == pytest.approx(0.9427, abs=5e-5)
    assert [found.ccc.low, found.ccc.high] == pytest.approx([0.8505, 0.9787], abs=5e-5)
    assert found.bias_correction.value == pytest.approx(0.9994, abs=5e-5)
    assert "Fisher z" in found.ccc.method


def test_pearson_is_that_of_scipy():
    found, known = lin_ccc(WRIGHT, MINI).pearson, stats.pearsonr(WRIGHT, MINI)

    assert found.value == pytest.approx(known.statistic)
    assert found.extra["p"] == pytest.approx(known.pvalue)
    assert [found.low, found.high] == pytest.approx(list(known.confidence_interval()))


@pytest.mark.parametrize("offset", [0.0, 2.0])
def test_the_interval_is_that_of_a_jackknife_in_large_samples(offset, rng):
    """Lin's variance against an estimate that does not use his formula."""
    x = rng.normal(size=3000)
    a, b = x + rng.normal(size=3000) * 0.5, 1.5 * x + rng.normal(size=3000) * 0.5 + offset
    se = lin_ccc(a, b, settings=FEW).ccc.extra["se"]
    left = []
    for fold in range(100):
        keep = np.arange(3000) % 100 != fold
        left.append(naive(np.stack([a, b], axis=1)[keep]))
    jackknife = np.sqrt(99 / 100 * ((np.array(left) - np.mean(left)) ** 2).sum())

    assert se == pytest.approx(jackknife, rel=0.2)


def test_the_factors_and_shifts():
    """b = 2 a + 1: precision 1, accuracy 2 / (2 + 1/2 + u^2) with u of 3.5 / sqrt(2 var)."""
    a = np.array([1.0, 2, 3, 4])
    found = lin_ccc(a, 2 * a + 1, settings=FEW)
    u = (2.5 - 6) / np.sqrt(2 * a.var())

    assert found.pearson.value == pytest.approx(1)
    assert found.scale_shift == pytest.approx(0.5)
    assert found.location_shift == pytest.approx(u)
    assert found.ccc.value == pytest.approx(2 / (0.5 + 2 + u**2))
    assert found.bias_correction.value == pytest.approx(found.ccc.value)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(3, 12), st.integers(2, 5))
def test_overall_is_the_weighted_mean_of_pairs(seed, n, readers):
    ratings = np.random.default_rng(seed).integers(0, 5, size=(n, readers)).astype(float)
    found = overall_ccc(ratings, settings=FEW)
    if np.ptp(ratings) == 0:
        assert found.value is None
    else:
        assert found.value == pytest.approx(naive(ratings))
        other = np.random.default_rng(seed).permutation(ratings.T).T
        assert overall_ccc(other * -3 + 1e4, settings=FEW).value == pytest.approx(found.value)


def test_overall_of_two_is_lins():
    two = np.stack([WRIGHT, MINI], axis=1)

    assert overall_ccc(two, settings=FEW).value == pytest.approx(lin_ccc(WRIGHT, MINI).ccc.value)


def test_the_interval_of_clusters_is_a_jackknife_on_fishers_scale(rng):
    ratings = rng.normal(size=(24, 3)) + rng.normal(size=(24, 1))
    found = overall_ccc(ratings, Clusters.of(np.arange(24) // 2), FEW)
    two = lin_ccc(ratings[:, 0], ratings[:, 1], Clusters.of(np.arange(24) // 2), FEW)
    left = [np.delete(ratings, [2 * unit, 2 * unit + 1], axis=0) for unit in range(12)]

    def ends(value, numbers):
        half = stats.t.ppf(0.975, 11) * np.sqrt(11 * np.arctanh(numbers).var())
        return pytest.approx(np.tanh(np.arctanh(value) + np.array([-half, half])))

    assert [found.low, found.high] == ends(found.value, [naive(t) for t in left])
    assert [two.ccc.low, two.ccc.high] == ends(two.ccc.value, [naive(t[:, :2]) for t in left])
    assert [two.pearson.low, two.pearson.high] == ends(
        two.pearson.value, [np.corrcoef(t[:, 0], t[:, 1])[0, 1] for t in left]
    )


def test_the_factor_of_clusters_is_resampled(rng):
    ratings = rng.normal(size=(24, 3)) + rng.normal(size=(24, 1))
    two = lin_ccc(ratings[:, 0], ratings[:, 1], Clusters.of(np.arange(24) // 2), FEW)
    drawn = np.random.Generator(np.random.SFC64([20261123, 0])).integers(0, 12, size=(64, 12))
    tables = [ratings.reshape(12, 2, 3)[row].reshape(24, 3) for row in drawn]
    of_r = [np.corrcoef(t[:, 0], t[:, 1])[0, 1] for t in tables]
    factors = [naive(t[:, :2]) / r for t, r in zip(tables, of_r, strict=True)]
    assert [two.bias_correction.low, two.bias_correction.high] == pytest.approx(
        np.quantile(factors, [0.025, 0.975])
    )


def test_missing_numbers_leave_their_case_out():
    a, b = np.append(WRIGHT, [np.nan, 300]), np.append(MINI, [300, np.nan])

    assert lin_ccc(a, b).ccc == lin_ccc(WRIGHT, MINI).ccc


def test_perfect_and_flat():
    perfect = lin_ccc(WRIGHT, WRIGHT)
    flat = lin_ccc(WRIGHT, np.full(17, 400.0))
    both = lin_ccc(np.full(17, 0.1), np.full(17, 0.1))

    assert perfect.ccc.value == pytest.approx(1)
    assert not perfect.ccc.has_interval
    assert not perfect.pearson.has_interval
    assert flat.ccc.value == 0
    assert flat.pearson.value is None
    assert flat.bias_correction.value is None
    assert both.ccc.value is None
    assert "equal" in both.ccc.reason


@pytest.mark.parametrize("n", [0, 1, 2])
def test_few_cases(n):
    found = lin_ccc(WRIGHT[:n], MINI[:n])

    assert found.ccc.value is found.pearson.value is found.bias_correction.value is None


def test_refusals():
    with pytest.raises(ValueError, match="two \\(n,\\) arrays"):
        lin_ccc(WRIGHT, MINI[:3])
    with pytest.raises(ValueError, match="finite"):
        lin_ccc(np.array([1.0, np.inf]), np.array([1.0, 2]))


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(0, 6))
def test_never_nan(seed, n):
    a, b = np.random.default_rng(seed).integers(0, 3, size=(2, n)).astype(float)
    found = lin_ccc(a, b, settings=FEW)
    for estimate in (found.ccc, found.pearson, found.bias_correction):
        assert estimate.has_interval or estimate.reason
