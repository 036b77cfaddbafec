import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from ml.stats.agreement.bland_altman import bland_altman, bland_altman_log
from ml.stats.agreement.bland_altman_regression import bland_altman_regression
from ml.stats.agreement.bland_altman_replicates import bland_altman_replicates
from ml.stats.agreement.limit_intervals import limit_factors, tolerance_factor
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


def resampled(values, count=12):
    """Replicates of clusters of two cases each, drawn by hand."""
    drawn = np.random.Generator(np.random.SFC64([20261123, 0])).integers(0, count, (64, count))
    return [values.reshape(count, 2, -1)[row].reshape(2 * count, -1) for row in drawn]


def test_the_lancet_paper():
    """Bias -2.1 l/min, SD 38.8, limits by 2 SD -79.7 and 75.5 (from rounded numbers)."""
    found = bland_altman(WRIGHT, MINI, multiplier=2, interval="approximate-1986")

    assert found.bias.value == pytest.approx(-2.1, abs=0.05)
    assert found.sd.value == pytest.approx(38.8, abs=0.05)
    assert [found.lower.value, found.upper.value] == pytest.approx([-79.7, 75.5], abs=0.1)
    # its intervals: bias -22.0 to 17.8, lower limit -114.3 to -45.1, upper limit 40.9 to 110.1
    assert [found.bias.low, found.bias.high] == pytest.approx([-22.0, 17.8], abs=0.1)
    assert [found.lower.low, found.lower.high] == pytest.approx([-114.3, -45.1], abs=0.2)
    assert [found.upper.low, found.upper.high] == pytest.approx([40.9, 110.1], abs=0.2)


def test_standard_errors_of_limits():
    found = bland_altman(WRIGHT, MINI, interval="approximate")
    s = (WRIGHT - MINI).std(ddof=1)
    half = stats.t.ppf(0.975, 16) * s * np.sqrt(1 / 17 + 1.96**2 / 32)

    assert found.upper.extra["se"] == pytest.approx(s * np.sqrt(1 / 17 + 1.96**2 / 32))
    assert found.upper.extra["se_1986"] == pytest.approx(s * np.sqrt(3 / 17))
    assert found.upper.high == pytest.approx(found.upper.value + half)
    assert found.lower.low == pytest.approx(found.lower.value - half)
    assert "1999" in found.upper.method


def test_exact_intervals_of_limits():
    """One-sided tolerance factors: the ends of the exact interval are quantiles of them."""
    found = bland_altman(WRIGHT, MINI)
    s = found.sd.value

    assert "Carkeet" in found.upper.method
    outer = (found.upper.high - found.bias.value) / s
    # P(mean + outer * SD < population limit) is 2.5 %, by the non-central t distribution
    assert stats.nct.cdf(outer * 17**0.5, 16, 1.96 * 17**0.5) == pytest.approx(0.975)
    assert found.upper.high - found.bias.value == pytest.approx(found.bias.value - found.lower.low)
    # not symmetric about the limit: longer outwards
    assert found.upper.high - found.upper.value > found.upper.value - found.upper.low


def test_exact_intervals_cover(rng):
    samples = rng.normal(size=(4000, 8))
    mean, sd = samples.mean(axis=1), samples.std(axis=1, ddof=1)
    inner, outer = limit_factors(8, 1.96)
    covered = (mean + inner * sd < 1.96) & (mean + outer * sd > 1.96)
    factor = tolerance_factor(8, 0.9, 0.95)
    held = stats.norm.cdf(mean + factor * sd) - stats.norm.cdf(mean - factor * sd)

    assert covered.mean() == pytest.approx(0.95, abs=0.01)
    assert (held >= 0.9).mean() == pytest.approx(0.95, abs=0.01)


@pytest.mark.parametrize(
    ("n", "coverage", "confidence", "factor"),
    # ISO 16269-6:2014, annex E: two-sided, mean and SD unknown
    [(10, 0.95, 0.95, 3.393), (20, 0.95, 0.95, 2.760), (20, 0.99, 0.95, 3.621),
     (50, 0.90, 0.95, 1.999), (10, 0.90, 0.99, 3.618)],
)  # fmt: skip
def test_tolerance_factors(n, coverage, confidence, factor):
    assert tolerance_factor(n, coverage, confidence) == pytest.approx(factor, abs=0.003)


def test_both_limits_together():
    found = bland_altman(WRIGHT, MINI)
    share = 2 * stats.norm.cdf(1.96) - 1

    assert found.outer[1] - found.bias.value == pytest.approx(
        tolerance_factor(17, share, 0.975) * found.sd.value
    )
    assert found.inner[1] < found.upper.value < found.outer[1]
    assert found.inner[0] > found.lower.value > found.outer[0]


def test_multiplier_of_t():
    found = bland_altman(WRIGHT, MINI, multiplier="t")

    assert found.upper.value - found.bias.value == pytest.approx(
        stats.t.ppf(0.975, 16) * found.sd.value
    )
    exact = bland_altman(WRIGHT, MINI).upper
    assert [found.upper.low, found.upper.high] == pytest.approx([exact.low, exact.high], rel=1e-4)
    assert "t (n-1) SD" in found.upper.convention


def test_sd_and_correlation():
    found, away = bland_altman(WRIGHT, MINI), WRIGHT - MINI
    ends = away.std(ddof=1) * np.sqrt(16 / stats.chi2.ppf([0.975, 0.025], 16))
    known = stats.pearsonr(away, (WRIGHT + MINI) / 2)

    assert [found.sd.low, found.sd.high] == pytest.approx(ends)
    assert found.proportional.value == pytest.approx(known.statistic)
    assert found.proportional.extra["p"] == pytest.approx(known.pvalue)
    assert found.rows == tuple(range(17))
    assert found.means.tolist() == ((WRIGHT + MINI) / 2).tolist()


def test_clusters_are_replicates_of_one_another(rng):
    """The intervals are those of linked replicates, one row per patient."""
    values = rng.normal(size=(24, 2)) + np.array([0, 1e4])
    found = bland_altman(*values.T, Clusters.of(np.arange(24) // 2, "patient"), FEW)
    pairs = values.reshape(12, 2, 2)
    linked = bland_altman_replicates(pairs[:, :, 0], pairs[:, :, 1], "linked", settings=FEW)

    assert found.sd.value == pytest.approx((values[:, 0] - values[:, 1]).std(ddof=1))
    for name in ("bias", "sd", "lower", "upper"):
        one, other = getattr(found, name), getattr(linked, name)
        assert [one.low, one.high] == pytest.approx([other.low, other.high], abs=1e-7)
    assert "MOVER (Zou 2013) over 12 patients" in found.upper.method
    assert found.outer is None


def test_the_correlation_of_clustered_differences_is_resampled(rng):
    values = rng.normal(size=(24, 2)) + np.array([0, 1e4])
    found = bland_altman(*values.T, Clusters.of(np.arange(24) // 2, "patient"), FEW)
    by_hand = [np.corrcoef(t[:, 0] - t[:, 1], t.sum(axis=1))[0, 1] for t in resampled(values)]

    assert [found.proportional.low, found.proportional.high] == pytest.approx(
        np.quantile(by_hand, [0.025, 0.975]), abs=1e-8
    )


def test_few_clusters_have_no_limits(rng):
    found = bland_altman(*rng.normal(size=(2, 36)), Clusters.of(np.arange(36) % 9), FEW)
    assert found.upper.value is not None
    assert found.upper.low is None
    assert "at least 10" in found.upper.reason


def test_ratios():
    plain, ratios = bland_altman(np.log(WRIGHT), np.log(MINI)), bland_altman_log(WRIGHT, MINI)

    assert ratios.bias.value == pytest.approx(np.exp(plain.bias.value))
    assert [ratios.upper.low, ratios.upper.high] == pytest.approx(
        np.exp([plain.upper.low, plain.upper.high])
    )
    assert ratios.sd.value == plain.sd.value
    assert ratios.differences == pytest.approx(WRIGHT / MINI)
    assert ratios.means == pytest.approx(np.sqrt(WRIGHT * MINI))
    assert "ratio a / b" in ratios.upper.convention
    assert ratios.outer == pytest.approx(np.exp(plain.outer))


def test_ratios_do_not_depend_on_the_unit():
    one, other = bland_altman_log(WRIGHT, MINI), bland_altman_log(60 * WRIGHT, 60 * MINI)

    assert one.upper.value == pytest.approx(other.upper.value)


def test_ratios_need_positive_numbers():
    found = bland_altman_log(np.array([1.0, 0, 3]), np.array([1.0, 2, 3]))

    assert found.upper.value is None
    assert "above zero" in found.upper.reason


def test_equal_differences_have_no_interval():
    found = bland_altman(WRIGHT, WRIGHT - 0.1)

    assert found.bias.value == pytest.approx(0.1)
    assert found.upper.value == pytest.approx(0.1)
    for estimate in (found.bias, found.sd, found.lower, found.upper):
        assert not estimate.has_interval
        assert "equal" in estimate.reason
    assert found.proportional.value is None


@pytest.mark.parametrize("n", [0, 1])
def test_few_cases(n):
    found = bland_altman(WRIGHT[:n], MINI[:n])

    assert found.bias.value is found.upper.value is None
    assert found.differences.size == n


def test_missing_numbers():
    a, b = np.insert(WRIGHT, 3, np.nan), np.insert(MINI, 3, 100)
    found = bland_altman(a, b)

    assert found.upper == bland_altman(WRIGHT, MINI).upper
    assert 3 not in found.rows


@pytest.mark.parametrize(
    "arguments", [{"multiplier": 0}, {"multiplier": "z"}, {"interval": "best"}]
)
def test_refusals(arguments):
    with pytest.raises(ValueError, match="must be"):
        bland_altman(WRIGHT, MINI, **arguments)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(0, 6))
def test_swapping_methods_mirrors_the_limits(seed, n):
    a, b = np.random.default_rng(seed).integers(0, 4, size=(2, n)).astype(float)
    one, other = bland_altman(a, b), bland_altman(b, a)
    if one.bias.value is None:
        assert one.bias.reason
    else:
        assert one.upper.value == pytest.approx(-other.lower.value)
        assert (one.upper.high is None) == (other.lower.low is None)
        if one.upper.high is not None:
            assert one.upper.high == pytest.approx(-other.lower.low)


def test_regression_limits_by_least_squares(rng):
    x = rng.uniform(10, 100, size=40)
    a, b = x + 0.1 * x + 0.05 * x * rng.normal(size=40), x
    means, away = (a + b) / 2, a - b
    slope, level = np.polyfit(means, away, 1)
    rest = away - level - slope * means
    grows, base = np.polyfit(means, np.abs(rest), 1)
    found = bland_altman_regression(a, b, settings=FEW)
    at = found.grid

    assert found.slope.value == pytest.approx(slope)
    assert found.intercept.value == pytest.approx(level)
    assert found.spread_slope.value == pytest.approx(grows * np.sqrt(np.pi / 2))
    assert found.spread_intercept.value == pytest.approx(base * np.sqrt(np.pi / 2))
    # Bland and Altman's 2.46 times the fitted absolute residual
    assert found.upper == pytest.approx(level + slope * at + 2.46 * (base + grows * at), rel=2e-3)
    assert found.lower == pytest.approx(found.bias - (found.upper - found.bias))
    assert (at[0], at[-1]) == (means.min(), means.max())


def test_regression_with_the_same_spread(rng):
    x = rng.uniform(10, 100, size=40)
    a, b = x * 1.1 + rng.normal(size=40), x
    found = bland_altman_regression(a, b, settings=FEW, changing_spread=False)
    fit = stats.linregress((a + b) / 2, a - b)
    rest = a - b - fit.intercept - fit.slope * (a + b) / 2

    assert found.spread_intercept.value == pytest.approx(np.sqrt((rest**2).sum() / 38))
    assert found.spread_slope.value is None
    assert found.upper - found.bias == pytest.approx(1.96 * found.spread_intercept.value)


def test_regression_intervals_are_percentiles_of_refits(rng):
    values = rng.normal(size=(24, 2)) + 50 * rng.random((24, 1))
    found = bland_altman_regression(*values.T, Clusters.of(np.arange(24) // 2), FEW)
    fits = [bland_altman_regression(*t.T, settings=Settings(draws=1)) for t in resampled(values)]

    for name in ("intercept", "slope", "spread_intercept", "spread_slope"):
        known = np.quantile([getattr(fit, name).value for fit in fits], [0.025, 0.975])
        estimate = getattr(found, name)
        assert [estimate.low, estimate.high] == pytest.approx(known, abs=1e-9)
    at = found.grid[10]
    bias = [f.intercept.value + f.slope.value * at for f in fits]
    sd = [f.spread_intercept.value + f.spread_slope.value * at for f in fits]
    upper = np.array(bias) + 1.96 * np.array(sd)
    assert found.band[2, :, 10] == pytest.approx(np.quantile(upper, [0.025, 0.975]))
    assert found.band.shape == (3, 2, found.grid.size)


def test_regression_of_too_little():
    for n in (0, 2):
        found = bland_altman_regression(WRIGHT[:n], MINI[:n])
        assert found.slope.value is None
        assert found.band is None
    assert bland_altman_regression(np.ones(20), np.ones(20)).slope.reason
    line = bland_altman_regression(1.5 * WRIGHT, WRIGHT, settings=FEW)
    assert line.slope.value == pytest.approx(0.4)
    with pytest.raises(ValueError, match="multiplier"):
        bland_altman_regression(WRIGHT, MINI, multiplier=-1)
