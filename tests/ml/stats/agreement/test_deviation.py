import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import optimize, stats

from ml.stats.agreement.deviation import coverage_probability, total_deviation_index
from ml.stats.bootstrap import Settings
from ml.stats.clusters import Clusters

FEW = Settings(draws=64)


@pytest.fixture
def pair(rng):
    a = rng.normal(size=60)
    return a, a + 0.7 + 0.5 * rng.normal(size=60)


def normal_distance(away, share):
    mean, sd = away.mean(), away.std(ddof=1)

    def lacks(d):
        return stats.norm.cdf(d, mean, sd) - stats.norm.cdf(-d, mean, sd) - share

    return optimize.brentq(lacks, 0, 1e3, xtol=1e-12)


def test_normal_distance_holds_the_share(pair):
    a, b = pair
    found = total_deviation_index(a, b, 0.9, settings=FEW)

    assert found.value == pytest.approx(normal_distance(a - b, 0.9))
    assert coverage_probability(a, b, found.value, settings=FEW).value == pytest.approx(0.9)


def test_approximation_of_lin(pair):
    """1.645 root mean squared differences; the interval is made on the log scale."""
    a, b = pair
    away = a - b
    square = (away**2).sum() / 59
    half = 1.959964 * np.sqrt(2 / 58 * (1 - away.mean() ** 4 / square**2))
    found = total_deviation_index(a, b, 0.9, "approximate")

    assert found.value == pytest.approx(1.644854 * square**0.5, rel=1e-6)
    assert [found.low, found.high] == pytest.approx(
        1.644854 * np.sqrt(np.exp(np.log(square) + np.array([-half, half]))), rel=1e-6
    )
    assert found.value < found.extra["upper_one_sided"] < found.high


def test_without_bias_the_approximation_is_good(rng):
    a, b = rng.normal(size=(2, 4000))
    approximate = total_deviation_index(a, b, 0.8, "approximate").value

    assert approximate == pytest.approx(
        total_deviation_index(a, b, 0.8, settings=FEW).value, rel=1e-3
    )
    assert approximate == pytest.approx(
        total_deviation_index(a, b, 0.8, "none", settings=FEW).value, rel=0.05
    )


def test_a_bias_makes_the_approximation_too_long():
    a = np.linspace(-1, 1, 50)
    b = a + 10 + np.tile([-0.1, 0.1], 25)

    assert total_deviation_index(a, b, 0.9, "approximate").value > 16
    assert total_deviation_index(a, b, 0.9, settings=FEW).value < 10.2


@pytest.mark.parametrize("share", [0.5, 0.9, 0.95])
def test_quantile_and_its_interval(pair, share):
    a, b = pair
    away = np.abs(a - b)
    found = total_deviation_index(a, b, share, "none", Clusters.of(np.arange(60) // 3), FEW)
    drawn = np.random.Generator(np.random.SFC64([20261123, 0])).integers(0, 20, size=(64, 20))
    by_hand = [np.quantile(away.reshape(20, 3)[row].ravel(), share) for row in drawn]

    assert found.value == pytest.approx(np.quantile(away, share))
    assert [found.low, found.high] == pytest.approx(np.quantile(by_hand, [0.025, 0.975]))


@pytest.mark.parametrize("assumption", ["normal", "approximate"])
def test_bootstrap_of_clusters(pair, assumption):
    a, b = pair
    found = total_deviation_index(a, b, 0.9, assumption, Clusters.of(np.arange(60) // 3), FEW)
    drawn = np.random.Generator(np.random.SFC64([20261123, 0])).integers(0, 20, size=(64, 20))
    tables = [(a - b).reshape(20, 3)[row].ravel() for row in drawn]
    if assumption == "normal":
        by_hand = [normal_distance(t, 0.9) for t in tables]
    else:
        by_hand = [stats.norm.ppf(0.95) * np.sqrt((t**2).sum() / 59) for t in tables]

    assert [found.low, found.high] == pytest.approx(np.quantile(by_hand, [0.025, 0.975]))


def test_coverage_and_its_delta_method(pair):
    """The standard error against derivatives taken numerically."""
    a, b = pair
    away, n, distance = a - b, 60, 1.0
    found = coverage_probability(a, b, distance)

    def logit(mean, sd):
        p = stats.norm.cdf(distance, mean, sd) - stats.norm.cdf(-distance, mean, sd)
        return np.log(p / (1 - p))

    mean, sd, h = away.mean(), away.std(ddof=1), 1e-5
    by_mean = (logit(mean + h, sd) - logit(mean - h, sd)) / (2 * h)
    by_sd = (logit(mean, sd + h) - logit(mean, sd - h)) / (2 * h)
    half = 1.959964 * np.sqrt(by_mean**2 * sd**2 / n + by_sd**2 * sd**2 / (2 * (n - 1)))
    centre = logit(mean, sd)

    assert found.value == pytest.approx(1 / (1 + np.exp(-centre)))
    assert [found.low, found.high] == pytest.approx(
        [1 / (1 + np.exp(-(centre - half))), 1 / (1 + np.exp(-(centre + half)))], rel=1e-6
    )
    assert found.extra["observed"] == pytest.approx((np.abs(away) <= 1).mean())


def test_coverage_of_clusters(pair):
    a, b = pair
    found = coverage_probability(a, b, 1.0, Clusters.of(np.arange(60) // 3), FEW)
    drawn = np.random.Generator(np.random.SFC64([20261123, 0])).integers(0, 20, size=(64, 20))
    by_hand = []
    for row in drawn:
        away = (a - b).reshape(20, 3)[row].ravel()
        spread = stats.norm(away.mean(), away.std(ddof=1))
        by_hand.append(spread.cdf(1) - spread.cdf(-1))

    assert [found.low, found.high] == pytest.approx(np.quantile(by_hand, [0.025, 0.975]))


def test_units_carry_over(pair):
    a, b = pair
    for assumption in ("normal", "approximate", "none"):
        one = total_deviation_index(a, b, 0.9, assumption, settings=FEW)
        ten = total_deviation_index(1e6 * b, 1e6 * a, 0.9, assumption, settings=FEW)
        assert [ten.value, ten.low, ten.high] == pytest.approx(
            [1e6 * one.value, 1e6 * one.low, 1e6 * one.high]
        )


def test_equal_differences():
    a = np.arange(12.0)

    for assumption in ("normal", "approximate", "none"):
        found = total_deviation_index(a, a - 2, 0.9, assumption, settings=FEW)
        assert not found.has_interval
        assert found.reason.startswith("No interval: the sample shows no spread")
    assert total_deviation_index(a, a - 2, 0.9, "none", settings=FEW).value == 2
    assert coverage_probability(a, a - 2, 3.0).value is None


@pytest.mark.parametrize(
    ("call", "words"),
    [(lambda a, b: total_deviation_index(a, b, 1.0), "coverage must"),
     (lambda a, b: total_deviation_index(a, b, 0.9, "chi"), "assumption must"),
     (lambda a, b: coverage_probability(a, b, 0.0), "distance must")],
)  # fmt: skip
def test_refusals(pair, call, words):
    with pytest.raises(ValueError, match=words):
        call(*pair)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(0, 12))
def test_never_nan(seed, n):
    a, b = np.random.default_rng(seed).integers(0, 3, size=(2, n)).astype(float)
    found = [total_deviation_index(a, b, 0.9, how, settings=FEW)
             for how in ("normal", "approximate", "none")]  # fmt: skip
    for estimate in (*found, coverage_probability(a, b, 1.0)):
        assert estimate.has_interval or estimate.reason
