import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as limits
from hypothesis import strategies as st
from scipy import stats

from ml.stats.bootstrap import Settings
from ml.stats.clusters import Clusters
from ml.stats.discrimination.auroc import auroc
from ml.stats.discrimination.delong import (
    compare_bootstrap,
    compare_many,
    compare_paired,
    compare_unpaired,
)
from ml.stats.discrimination.margins import equivalence, non_inferiority

FEW = Settings(draws=200)


def made(seed, n=60):
    rng = np.random.default_rng(seed)
    present = np.r_[0, 0, 1, 1, rng.integers(0, 2, n - 4)]
    common = present + rng.normal(size=n)
    a, b = common + rng.normal(size=n), common + rng.normal(size=n)
    return a.round(1), b.round(1), present


def naive(a, b, present):
    """Difference and variance from the matrix of all pairs (DeLong 1988)."""

    def wins(scores):
        x, y = scores[present == 1], scores[present == 0]
        return (x[:, None] > y) + 0.5 * (x[:, None] == y)

    apart = wins(a) - wins(b)
    m, n = apart.shape
    return apart.mean(), (apart.mean(axis=1).var(ddof=1) / m + apart.mean(axis=0).var(ddof=1) / n)


@limits(max_examples=30, deadline=None)
@given(st.integers(0, 10_000))
def test_paired_is_the_matrix_of_all_pairs(seed):
    a, b, present = made(seed)
    found = compare_paired(a, b, present)
    value, variance = naive(a, b, present)

    assert found.difference.value == pytest.approx(value, abs=1e-13)
    assert found.standard_error == pytest.approx(variance**0.5, abs=1e-13)
    assert found.p == pytest.approx(2 * stats.norm.sf(abs(value) / variance**0.5))
    half = stats.norm.ppf(0.975) * variance**0.5
    assert [found.difference.low, found.difference.high] == pytest.approx(
        [value - half, value + half]
    )


@limits(max_examples=20, deadline=None)
@given(st.integers(0, 10_000))
def test_swapping_and_reordering(seed):
    a, b, present = made(seed)
    one, other = compare_paired(a, b, present), compare_paired(b, a, present)
    order = np.random.default_rng(seed).permutation(present.size)
    moved = compare_paired(np.exp(a)[order], b[order], present[order])

    assert other.difference.value == pytest.approx(-one.difference.value, abs=1e-14)
    assert other.p == pytest.approx(one.p)
    assert moved.p == pytest.approx(one.p)


@pytest.mark.parametrize("clustered", [False, True])
def test_equal_rankings_have_p_1_and_no_interval(clustered):
    a, _, present = made(1)
    clusters = Clusters.of(np.arange(60) // 2, "patient") if clustered else None
    for found in (
        compare_paired(a, np.exp(a), present, clusters),
        compare_bootstrap(a, a, present, clusters, FEW),
    ):
        assert (found.difference.value, found.p, found.standard_error) == (0.0, 1.0, 0.0)
        assert not found.difference.has_interval
        assert "p is 1" in found.reason
        assert non_inferiority(found, 0.05).shown is None
    many = compare_many([a, 2 * a, a + 1], present, clusters)
    assert (many.chi2, many.df, many.p) == (0.0, 0, 1.0)


def test_a_difference_without_spread_has_no_test():
    present = np.arange(20) % 2
    found = compare_paired(present.astype(float), -present.astype(float), present)

    assert found.difference.value == 1.0
    assert found.p is None
    assert "without any spread" in found.reason
    many = compare_many([present.astype(float), -present.astype(float)], present)
    assert many.p is None
    assert many.reason


@pytest.mark.parametrize("label", [0, 1])
def test_one_class_is_undefined(label):
    scores, present = np.arange(5.0), np.full(5, label)
    for found in (
        compare_paired(scores, scores, present),
        compare_bootstrap(scores, scores, present),
        compare_unpaired(scores, present, np.arange(4.0), np.array([0, 0, 1, 1])),
    ):
        assert found.difference.value is None
        assert found.p is None
        assert found.reason
    many = compare_many([scores, -scores], present)
    assert (many.values, many.p) == ((), None)
    assert many.reason


def test_a_single_case_of_a_class_has_a_value_but_no_test():
    found = compare_paired(np.arange(4.0), np.arange(4.0)[::-1], np.array([0, 0, 1, 0]))

    assert found.difference.value is not None
    assert found.p is None
    assert "single case" in found.reason


def test_clusters_of_one_are_no_clusters():
    a, b, present = made(4)
    alone = compare_paired(a, b, present)
    singles = compare_paired(a, b, present, Clusters.of(np.arange(60)[::-1]))

    assert singles.p == pytest.approx(alone.p, abs=1e-13)


def test_copies_in_a_cluster_change_nothing():
    a, b, present = made(6)
    copies = Clusters.of(np.repeat(np.arange(60), 3), "patient")
    copied = compare_paired(*(np.repeat(part, 3) for part in (a, b, present)), copies)

    assert copied.p == pytest.approx(compare_paired(a, b, present).p)
    assert "60 patients" in copied.method


def test_obuchowski_by_hand():
    """The formula of section 2 of the paper, written out with loops."""
    rng = np.random.default_rng(8)
    patients = rng.integers(0, 20, 80)
    present = rng.integers(0, 2, 80)
    scores = (present + rng.normal(size=80)).round(1)
    x, y = scores[present == 1], scores[present == 0]
    wins = (x[:, None] > y) + 0.5 * (x[:, None] == y)
    area = wins.mean()
    of_x, of_y = patients[present == 1], patients[present == 0]
    units = np.unique(patients)
    up = [(wins.mean(axis=1)[of_x == i] - area).sum() for i in units]
    down = [(wins.mean(axis=0)[of_y == i] - area).sum() for i in units]
    i10, i01, i = len(set(of_x)), len(set(of_y)), units.size
    s10 = i10 / ((i10 - 1) * x.size) * sum(u**2 for u in up)
    s01 = i01 / ((i01 - 1) * y.size) * sum(d**2 for d in down)
    s11 = i / (i - 1) * sum(u * d for u, d in zip(up, down, strict=True))
    variance = s10 / x.size + s01 / y.size + 2 * s11 / (x.size * y.size)

    estimate = auroc(scores, present, Clusters.of(patients), method="delong_wald")

    assert (estimate.high - estimate.low) / 2 / stats.norm.ppf(0.975) == pytest.approx(
        variance**0.5
    )


def test_too_few_clusters_have_no_test():
    a, b, present = made(2)
    clusters = Clusters.of(np.arange(60) // 20, "patient")
    for found in (
        compare_paired(a, b, present, clusters),
        compare_bootstrap(a, b, present, clusters, FEW),
    ):
        assert found.difference.value is not None
        assert found.p is None
        assert "3 patients" in found.reason
    assert compare_many([a, b], present, clusters).p is None


def test_unpaired_is_welchs_t_of_the_two():
    a, _b, present = made(3)
    other = made(9, 80)
    found = compare_unpaired(a, present, other[0], other[2])
    va, vb = (naive(s, 0 * s, y)[1] for s, y in ((a, present), (other[0], other[2])))
    df = (va + vb) ** 2 / (va**2 / 59 + vb**2 / 79)
    t = found.difference.value / (va + vb) ** 0.5

    assert found.df == pytest.approx(df)
    assert found.p == pytest.approx(2 * stats.t(df).sf(abs(t)))
    assert found.covariance is None


def test_two_scores_omnibus_is_the_paired_test_and_a_copy_adds_nothing():
    a, b, present = made(5)
    pair = compare_paired(a, b, present)

    for many in (compare_many([a, b], present), compare_many([a, b, 3 * a], present)):
        assert many.df == 1
        assert many.chi2 == pytest.approx(pair.statistic**2)
        assert many.p == pytest.approx(pair.p)


def test_delong_1988_ovarian(reference):
    """Omnibus chi-square 2.534 on 2 degrees of freedom; albumin .7366, K-G .7258, TP .6478."""
    case = reference("discr-delong1988-ovarian")
    scores = [np.array(one, float) for one in case.input["scores"].values()]
    found = compare_many(scores, np.array(case.input["y"]))

    assert sorted(found.values) == pytest.approx([0.6478, 0.7258, 0.7366], abs=5e-5)
    assert found.chi2 == pytest.approx(2.534, abs=5e-4)
    assert (found.df, found.p) == (2, pytest.approx(0.2817, abs=5e-5))


@pytest.mark.parametrize("interval", ["percentile", "bca"])
def test_bootstrap_is_near_delong(interval):
    a, b, present = made(7, 200)
    drawn = compare_bootstrap(a, b, present, interval=interval)
    closed = compare_paired(a, b, present)

    assert drawn.standard_error == pytest.approx(closed.standard_error, rel=0.06)
    assert [drawn.difference.low, drawn.difference.high] == pytest.approx(
        [closed.difference.low, closed.difference.high], abs=0.012
    )


def test_margins_by_hand():
    """Difference 2/9, variance 2/81: (2/9 + 1/20) / sqrt(2)/9 = 1.7324."""
    present = np.array([0, 0, 0, 1, 1, 1])
    a, b = np.array([1.0, 2, 4, 3, 5, 6]), np.array([1.0, 3, 5, 2, 4, 6])
    found = compare_paired(a, b, present)
    error = 2**0.5 / 9
    worse = non_inferiority(found, 0.05, alpha=0.05)
    same = equivalence(found, 0.05)

    assert worse.p == pytest.approx(stats.norm.sf((2 / 9 + 0.05) / error))
    assert worse.low == pytest.approx(2 / 9 - stats.norm.ppf(0.95) * error)
    assert worse.shown
    assert same.p == pytest.approx(stats.norm.cdf((2 / 9 - 0.05) / error))
    assert not same.shown
    assert equivalence(found, 0.9).shown


@limits(max_examples=30, deadline=None)
@given(st.integers(0, 10_000), st.floats(0.01, 0.5))
def test_margin_tests_agree_with_their_intervals(seed, margin):
    a, b, present = made(seed)
    found = compare_paired(a, b, present)
    worse, same = non_inferiority(found, margin), equivalence(found, margin)

    assert worse.shown == (worse.low > -margin)
    assert same.shown == (same.low > -margin and same.high < margin)


def test_refuses():
    a, b, present = made(1)
    with pytest.raises(ValueError, match="margin"):
        non_inferiority(compare_paired(a, b, present), 0.0)
    with pytest.raises(ValueError, match="alpha"):
        equivalence(compare_paired(a, b, present), 0.1, alpha=0.7)
    with pytest.raises(ValueError, match="two or more"):
        compare_many([a], present)
    with pytest.raises(ValueError, match="percentile or bca"):
        compare_bootstrap(a, b, present, interval="basic")
    with pytest.raises(ValueError, match="arrays"):
        compare_paired(a, b[1:], present)
