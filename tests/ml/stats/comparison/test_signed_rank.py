from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from ml.stats.comparison import signed_rank
from ml.stats.comparison.signed_rank import hodges_lehmann, sign_test, wilcoxon_signed_rank

# Hollander, Wolfe (1999), table 3.1: Hamilton depression factor before and after a session.
FIRST = np.array([1.83, 0.50, 1.62, 2.48, 1.68, 1.88, 1.55, 3.06, 1.30])
SECOND = np.array([0.878, 0.647, 0.598, 2.05, 1.06, 1.29, 1.06, 3.14, 1.29])

small = st.lists(st.sampled_from([-2.0, -1, 0, 1, 1.5, 3]), min_size=0, max_size=9).map(np.array)


def zero(d):
    return np.zeros(len(d))


def test_hollander_wolfe():
    """Section 3.1: T+ = 40, one-sided exact P = .020; 3.2: estimate .46; 3.3: (.010, .786)."""
    test = wilcoxon_signed_rank(FIRST, SECOND)
    assert (test.statistic, round(test.p, 4)) == (40, 0.0391)
    centre = hodges_lehmann(FIRST, SECOND, level=0.96)
    assert centre.value == pytest.approx(0.46, abs=1e-9)
    assert [centre.low, centre.high] == pytest.approx([0.010, 0.786], abs=5e-4)


@settings(max_examples=40, deadline=None)
@given(small)
def test_exact_is_the_count_of_sign_patterns(d):
    test = wilcoxon_signed_rank(d, zero(d), method="exact")
    used = d[d != 0]
    if not used.size:
        assert test.p is None
        assert test.reason
        return
    ranks = stats.rankdata(np.abs(used))
    sums = np.array([ranks @ s for s in product([0, 1], repeat=used.size)])
    v = ranks[used > 0].sum()
    assert test.statistic == v
    assert test.p == pytest.approx(min(1, 2 * min((sums <= v).mean(), (sums >= v).mean())))


@pytest.mark.parametrize(("zeros", "method"), [("dropped", "wilcox"), ("pratt", "pratt")])
def test_normal_against_scipy(zeros, method):
    d = np.array([1.0, -2, 2, 0, 3, 4, -1, 5, 5, 0, 6, 7, -3, 8])
    for continuity in (True, False):
        got = wilcoxon_signed_rank(
            d, zero(d), zeros=zeros, method="normal", continuity=continuity
        ).p
        expected = stats.wilcoxon(
            d, zero_method=method, correction=continuity, method="asymptotic"
        ).pvalue
        assert got == pytest.approx(expected)


@settings(max_examples=40, deadline=None)
@given(small)
def test_hodges_lehmann_naive_and_odd(d):
    got, back = hodges_lehmann(d, zero(d)), hodges_lehmann(zero(d), d)
    if not d.size:
        assert got.value is None
        return
    walsh = [(d[i] + d[j]) / 2 for i in range(len(d)) for j in range(i, len(d))]
    assert got.value == pytest.approx(np.median(walsh))
    assert back.value == pytest.approx(-got.value)
    if got.has_interval:
        assert (back.low, back.high) == (pytest.approx(-got.high), pytest.approx(-got.low))
        assert got.low <= got.value <= got.high


def test_zeros_and_few_pairs():
    d = np.array([0.0, 1.0, 3.0])
    assert hodges_lehmann(d, zero(d)).value == 1.25
    assert hodges_lehmann(d, zero(d), zeros="dropped").value == 2.0
    assert "cannot reach" in hodges_lehmann(d, zero(d)).reason


def test_many_pairs_interval_is_near_the_t_interval():
    d = np.random.default_rng(0).normal(0.3, 1, 300)
    got = hodges_lehmann(d, zero(d))
    centre, half = d.mean(), 1.96 / 300**0.5
    assert [got.low, got.high] == pytest.approx([centre - half, centre + half], abs=0.03)


def test_sign_test():
    test = sign_test(np.array([1.0, 1, 1, 0, 2]), np.array([0.0, 0, 0, 1, 2]))
    assert (test.statistic, test.estimate.value, test.estimate.n) == (3, 0.75, 4)
    assert test.p == pytest.approx(stats.binomtest(3, 4).pvalue)
    ends = stats.binomtest(3, 4).proportion_ci(0.95)
    assert (test.estimate.low, test.estimate.high) == (
        pytest.approx(ends.low), pytest.approx(ends.high)
    )  # fmt: skip
    assert sign_test(np.ones(3), np.ones(3)).reason == "Not estimated: no pair differs."


@pytest.mark.parametrize("digits", [0, 1, 12])
def test_averages_found_by_bisection_are_those_that_are_held(digits, monkeypatch):
    d = np.random.default_rng(digits).normal(0.3, 2, size=301).round(digits)
    held = signed_rank.hodges_lehmann(d, np.zeros(301))
    monkeypatch.setattr(signed_rank, "_HELD", 10)
    found = signed_rank.hodges_lehmann(d, np.zeros(301))
    expected = pytest.approx([held.value, held.low, held.high], rel=1e-13, abs=1e-14)
    assert [found.value, found.low, found.high] == expected


def test_many_pairs_are_no_burden_and_their_exact_patterns_are_refused():
    d = np.random.default_rng(7).normal(0.1, 1, size=20_000)
    found = signed_rank.hodges_lehmann(d, np.zeros(d.size))
    assert found.low < found.value < found.high
    assert found.value == pytest.approx(d.mean(), abs=0.01)
    with pytest.raises(ValueError, match="too long to count"):
        signed_rank.wilcoxon_signed_rank(d, np.zeros(d.size), method="exact")
