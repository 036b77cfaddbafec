import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import optimize, stats

from ml.stats.agreement import method_regression
from ml.stats.agreement.method_regression import deming, passing_bablok
from ml.stats.bootstrap import Settings
from ml.stats.clusters import Clusters

FEW = Settings(draws=64)


@pytest.fixture
def pair(rng):
    true = rng.uniform(1, 20, size=40)
    return true + rng.normal(size=40), 2 + 1.1 * true + 1.5 * rng.normal(size=40)


@pytest.mark.parametrize("error_ratio", [0.25, 1.0, 4.0])
def test_deming_minimises_the_weighted_distances(pair, error_ratio):
    x, y = pair

    def distance(line):
        return ((y - line[0] - line[1] * x) ** 2).sum() / (error_ratio + line[1] ** 2)

    known = optimize.minimize(distance, [0.0, 1.0], tol=1e-12, method="Nelder-Mead").x
    line = deming(x, y, error_ratio)

    assert [line.intercept.value, line.slope.value] == pytest.approx(known, rel=1e-5)


def test_orthogonal_regression_is_the_first_principal_axis(pair):
    axis = np.linalg.eigh(np.cov(*pair))[1][:, -1]

    assert deming(*pair).slope.value == pytest.approx(axis[1] / axis[0])


def test_extreme_ratios_are_least_squares(pair):
    x, y = pair

    assert deming(x, y, 1e9).slope.value == pytest.approx(stats.linregress(x, y).slope, rel=1e-6)
    assert deming(x, y, 1e-9).slope.value == pytest.approx(
        1 / stats.linregress(y, x).slope, rel=1e-6
    )


def test_jackknife_by_leaving_out(pair):
    x, y = pair
    line = deming(x, y, 2.0)
    for name in ("slope", "intercept"):
        value = getattr(line, name).value
        left = np.array([
            getattr(deming(np.delete(x, i), np.delete(y, i), 2.0), name).value for i in range(40)
        ])  # fmt: skip
        pseudo = 40 * value - 39 * left
        half = stats.t.ppf(0.975, 38) * pseudo.std(ddof=1) / 40**0.5
        assert [getattr(line, name).low, getattr(line, name).high] == pytest.approx(
            [value - half, value + half]
        )


def test_jackknife_and_bootstrap_of_clusters(pair):
    x, y = (np.repeat(values, 3) for values in pair)
    patients = Clusters.of(np.repeat(np.arange(40), 3), "patient")
    one, three = deming(*pair).slope, deming(x, y, 1.0, patients).slope
    drawn = deming(x, y, 1.0, patients, Settings(draws=400), bootstrap=True).slope

    assert [three.low, three.high] == pytest.approx([one.low, one.high])
    assert "40 patients" in three.method
    assert [drawn.low, drawn.high] == pytest.approx([one.low, one.high], abs=0.06)
    assert "bootstrap" in drawn.method


def naive_passing_bablok(x, y):
    """The paper step by step."""
    slopes = []
    n = len(x)
    for i in range(n):
        for j in range(i + 1, n):
            dx, dy = x[i] - x[j], y[i] - y[j]
            if dx == 0 and dy == 0:
                continue
            slope = np.copysign(np.inf, dy) if dx == 0 else dy / dx
            if slope != -1:
                slopes.append(slope)
    slopes.sort()
    count, k = len(slopes), sum(slope < -1 for slope in slopes)
    if count % 2:
        b = slopes[(count + 1) // 2 + k - 1]
    else:
        b = (slopes[count // 2 + k - 1] + slopes[count // 2 + k]) / 2
    c = stats.norm.ppf(0.975) * np.sqrt(n * (n - 1) * (2 * n + 5) / 18)
    m1 = round((count - c) / 2)
    m2 = count - m1 + 1
    return b, slopes[m1 + k - 1], slopes[m2 + k - 1], np.median(y - b * x)


@pytest.mark.parametrize("decimals", [6, 0])
def test_passing_bablok_step_by_step(pair, decimals):
    """Also with many ties."""
    x, y = (values.round(decimals) for values in pair)
    line = passing_bablok(x, y)
    b, low, high, intercept = naive_passing_bablok(x, y)

    assert [line.slope.value, line.slope.low, line.slope.high] == pytest.approx([b, low, high])
    assert line.intercept.value == pytest.approx(intercept)
    assert [line.intercept.low, line.intercept.high] == pytest.approx(
        [np.median(y - high * x), np.median(y - low * x)]
    )


def test_either_method_may_be_called_x(pair):
    x, y = pair
    one, other = passing_bablok(x, y).slope, passing_bablok(y, x).slope

    assert other.value == pytest.approx(1 / one.value, rel=1e-3)
    assert other.low == pytest.approx(1 / one.high, rel=1e-3)


def test_outliers_hardly_move_the_rank_line(pair):
    x, y = pair
    wild = y.copy()
    wild[:3] += 500

    assert passing_bablok(x, wild).slope.value == pytest.approx(
        passing_bablok(x, y).slope.value, abs=0.15
    )
    assert deming(x, wild).slope.value > 10 * deming(x, y).slope.value or (
        deming(x, wild).slope.value < 0
    )


def test_linearity(rng):
    x = np.linspace(1, 10, 80)
    straight = passing_bablok(x, x + rng.normal(size=80) * 0.2).linearity
    bent = passing_bablok(x, x + 0.2 * (x - 5) ** 2 + rng.normal(size=80) * 0.2).linearity

    assert straight.p > 0.05
    assert bent.p < 0.01
    assert bent.above + bent.below == 80


def test_linearity_by_hand():
    """Three above, two below: steps sqrt(2/3) up, sqrt(3/2) down; largest 3 * sqrt(2/3)."""
    x = np.array([1.0, 2, 3, 4, 5])
    linearity = method_regression._linearity(x, x + np.array([0.1, 0.1, 0.1, -0.1, -0.1]), 1.0, 0.0)
    statistic = 3 * (2 / 3) ** 0.5 / 3**0.5

    assert linearity.statistic == pytest.approx(statistic)
    assert linearity.p == pytest.approx(stats.kstwobign.sf(statistic))


def test_clusters_have_no_rank_interval(pair):
    line = passing_bablok(*pair, clusters=Clusters.of(np.arange(40) // 2))

    assert line.slope.value is not None
    assert not line.slope.has_interval
    assert "one cluster" in line.slope.reason


@pytest.mark.parametrize("measure", [deming, passing_bablok])
def test_undefined(measure):
    for x, y in (([], []), ([1, 2], [1, 2]), ([1, 1, 1], [1, 2, 3]), ([1, 2, 3], [3, 3, 3])):
        line = measure(np.array(x, float), np.array(y, float))
        if line.slope.value is not None:
            assert not line.slope.has_interval
        else:
            assert line.slope.reason.startswith("Not estimated")
    falling = measure(np.arange(9.0), -2 * np.arange(9.0))
    assert (falling.slope.value is None) == (measure is passing_bablok)


def test_too_many_cases(monkeypatch, pair):
    monkeypatch.setattr(method_regression, "MAX_CASES", 39)

    assert "more than the 39" in passing_bablok(*pair).slope.reason


def test_one_line_has_no_interval():
    x = np.arange(12.0)

    assert "no spread" in deming(x, 2 * x + 1).slope.reason
    assert deming(x, 2 * x + 1).intercept.value == pytest.approx(1)


@pytest.mark.parametrize("error_ratio", [0, -1, np.nan, np.inf])
def test_refusals(pair, error_ratio):
    with pytest.raises(ValueError, match="ratio of error"):
        deming(*pair, error_ratio)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(0, 12))
def test_never_nan(seed, n):
    x, y = np.random.default_rng(seed).integers(0, 4, size=(2, n)).astype(float)
    for line in (deming(x, y), deming(x, y, settings=FEW, bootstrap=True), passing_bablok(x, y)):
        for estimate in (line.slope, line.intercept):
            assert estimate.has_interval or estimate.reason


def test_the_jackknife_needs_as_many_clusters_as_any_interval():
    rng = np.random.default_rng(2)
    x = rng.normal(size=60)
    y = x + rng.normal(size=60)
    few, enough = (
        deming(x, y, clusters=Clusters.of(np.arange(60) % count)).slope for count in (9, 10)
    )
    assert few.low is None
    assert "at least 10" in few.reason
    assert enough.low < enough.value < enough.high


def test_a_line_without_deviation_has_no_interval():
    x = np.arange(20.0)
    found = passing_bablok(x, x)
    assert (found.slope.value, found.slope.low) == (1.0, None)
    assert "no spread" in found.slope.reason


def test_clustered_cases_have_no_test_of_linearity(pair):
    x, y = pair
    assert passing_bablok(x, y).linearity is not None
    clusters = Clusters.of(np.arange(40) // 2)
    assert passing_bablok(x, y, clusters=clusters).linearity is None


def test_the_intercept_lies_within_its_interval_whatever_the_sign_of_x(pair):
    x, y = pair
    x, y = x + 5, y + 5
    below, above = (passing_bablok(sign * x, sign * y).intercept for sign in (-1, 1))
    assert above.low < above.value < above.high
    assert (below.low, below.high) == pytest.approx((-above.high, -above.low))
    centred = passing_bablok(x - x.mean(), y)
    assert centred.intercept.low is None
    assert "both signs" in centred.intercept.reason
    assert centred.slope.has_interval
