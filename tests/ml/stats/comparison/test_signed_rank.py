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


@pytest.mark.parametrize("side", [1, -1])
@pytest.mark.parametrize("continuity", [True, False])
def test_normal_on_request_without_ties_is_that_of_scipy(side, continuity):
    d = side * np.array([1.0, -2, 3, 4, -5, 6, 7, 8.5])
    got = wilcoxon_signed_rank(d, zero(d), method="normal", continuity=continuity)
    assert got.p == pytest.approx(
        stats.wilcoxon(d, correction=continuity, method="asymptotic").pvalue
    )
    assert ("normal" in got.method, "continuity" in got.method) == (True, continuity)
    if continuity:
        assert wilcoxon_signed_rank(d, zero(d), method="normal") == got


def test_sides_in_balance_have_a_p_of_one():
    d = np.array([1.0, -1, 2, -2, 3, -3])
    for method in ("auto", "exact", "normal"):
        assert wilcoxon_signed_rank(d, zero(d), method=method).p == 1.0


def test_exact_is_for_fewer_than_fifty_pairs_without_ties_or_zeros():
    """As in R, and so that 49 differ from 50, and a tie and a zero alike from neither."""
    d = np.arange(1.0, 51) * np.where(np.arange(50) % 3, 1, -1)

    def is_exact(d, **options):
        return "exact" in wilcoxon_signed_rank(d, zero(d), **options).method

    assert is_exact(d[:49])
    assert not is_exact(d)
    assert is_exact(d, method="exact")
    assert not is_exact(np.r_[d[:20], d[19]])
    assert not is_exact(np.r_[d[:20], 0.0])
    assert wilcoxon_signed_rank(d[:49], zero(d[:49])).p == pytest.approx(
        stats.wilcoxon(d[:49], method="exact").pvalue
    )


def test_zeros_ranked_by_pratt_are_left_out_of_the_sum():
    """Ranks of 0, 1, -2, 3 are 1 to 4; those of the positive differences, 2 and 4."""
    d = np.array([0.0, 1, -2, 3])
    assert wilcoxon_signed_rank(d, zero(d), zeros="pratt").statistic == 6
    assert wilcoxon_signed_rank(d, zero(d)).statistic == 4


@pytest.mark.parametrize(
    "options", [{"zeros": "kept"}, {"method": "asymptotic"}, {"zeros": "x", "method": "x"}]
)
def test_other_ways_of_the_signed_rank_test_are_refused(options):
    with pytest.raises(ValueError, match="unknown option"):
        wilcoxon_signed_rank(FIRST, SECOND, **options)
    with pytest.raises(ValueError, match="'kept' or 'dropped'"):
        hodges_lehmann(FIRST, SECOND, zeros="pratt")


@pytest.mark.parametrize("n", [6, 11, 25, 49])
def test_the_interval_inverts_the_exact_test(n):
    """Shifts just inside either end are not rejected at 5 %, just outside they are."""
    d = np.random.default_rng(n).normal(0.4, 1, n)
    got = hodges_lehmann(d, zero(d))

    def p(shift):
        return stats.wilcoxon(d - shift, method="exact").pvalue

    assert p(got.low - 1e-9) <= 0.05 < p(got.low + 1e-9)
    assert p(got.high + 1e-9) <= 0.05 < p(got.high - 1e-9)
    assert "exact" in got.method


@pytest.mark.parametrize(("n", "cut"), [(50, 434), (100, 1954)])
def test_from_fifty_pairs_the_cut_is_that_of_the_normal_distribution(n, cut):
    """n(n+1)/4 - 1.96 sqrt(n(n+1)(2n+1)/24): 434.46 of 50 pairs, 1954.97 of 100."""
    d = np.random.default_rng(n).normal(size=n)
    got = hodges_lehmann(d, zero(d))
    walsh = np.sort([(d[i] + d[j]) / 2 for i in range(n) for j in range(i, n)])
    assert (got.low, got.high) == (walsh[cut - 1], walsh[-cut])
    assert "normal" in got.method


def test_a_level_that_is_just_reached_has_an_interval():
    """Of the 32 sign patterns of five, one lies at either end: 1 - 2/32."""
    d = np.array([1.0, 2, 4, 8, 16])
    got = hodges_lehmann(d, zero(d), level=1 - 2 / 32)
    assert (got.low, got.high) == (1.0, 16.0)
    beyond = hodges_lehmann(d, zero(d), level=0.95)
    assert (beyond.low, beyond.n) == (None, 5)
    assert "5 pairs" in beyond.reason
    assert "no spread" in hodges_lehmann(np.ones(20), np.zeros(20)).reason


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
    for pairs in (d[:0], d, np.arange(30.0)):
        for zeros in ("kept", "dropped"):
            found = hodges_lehmann(pairs, zero(pairs), zeros=zeros)
            assert found.convention.endswith(f"i <= j, zeros {zeros}")


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
    assert (test.estimate.n_events, test.estimate.extra["n_equal"]) == (3, 1)
    assert test.estimate.method == "Clopper-Pearson"
    assert "a > b" in test.estimate.convention
    equal = sign_test(np.ones(3), np.ones(3))
    assert (equal.reason, equal.estimate.n) == ("Not estimated: no pair differs.", 0)


def test_signs_all_on_one_side():
    """None of five above: the upper end is 1 - .025^(1/5), and the mirror of five of five."""
    none = sign_test(np.zeros(5), np.ones(5)).estimate
    assert (none.value, none.low, none.high) == (0.0, 0.0, pytest.approx(1 - 0.025**0.2))
    every = sign_test(np.ones(5), np.zeros(5)).estimate
    assert (every.value, every.low, every.high) == (1.0, pytest.approx(0.025**0.2), 1.0)
    one = sign_test(np.ones(1), np.zeros(1))
    assert (one.p, one.estimate.n) == (1.0, 1)
    assert sign_test(np.ones(5), np.zeros(5), level=0.8).estimate.low == pytest.approx(0.1**0.2)


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
