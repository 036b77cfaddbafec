import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as limits
from hypothesis import strategies as st
from scipy import optimize, stats

from ml.stats.clusters import Clusters
from ml.stats.discrimination.paired_calls import (
    PairedCalls,
    compare_rates,
    newcombe_paired,
    tango,
)
from ml.stats.discrimination.paired_ratios import (
    compare_predictive_values,
    relative_likelihood_ratio,
    relative_predictive_value,
)

cells = st.tuples(*[st.integers(0, 6)] * 8)
KEYS = [(d, a, b) for d in (0, 1) for a in (0, 1) for b in (0, 1)]


def table(counts):
    return PairedCalls.table(dict(zip(KEYS, counts, strict=True)))


def swapped(calls):
    return PairedCalls(calls.b, calls.a, calls.positive, calls.clusters)


def results(calls):
    """Every comparison as (value, tests, interval, reasons)."""
    for rate in ("sensitivity", "specificity"):
        for interval in ("tango", "newcombe"):
            found = compare_rates(rate, calls, interval=interval)
            yield found.difference, found.p
    clustered = not calls.clusters.each_alone
    for answer in ("ppv", "npv"):
        for method in ("generalised",) if clustered else ("generalised", "weighted"):
            found = compare_predictive_values(answer, calls, method=method)
            yield found.difference, found.p if found.p is not None or not found.reason else 1.0
        found = relative_predictive_value(answer, calls)
        yield found.ratio, found.p if found.p is not None or not found.reason else 1.0
    for sign in ("positive", "negative"):
        found = relative_likelihood_ratio(sign, calls)
        yield found.ratio, found.p if found.p is not None or not found.reason else 1.0


@limits(max_examples=60, deadline=None)
@given(cells)
def test_every_table_is_answered(counts):
    for estimate, p in results(table(counts)):
        assert estimate.value is not None or estimate.reason
        assert estimate.has_interval or estimate.reason
        assert p is None or 0 <= p <= 1
        if estimate.has_interval:
            assert estimate.low < estimate.high
            assert estimate.low - 1e-9 <= estimate.value <= estimate.high + 1e-9


@limits(max_examples=30, deadline=None)
@given(st.lists(st.tuples(*[st.booleans()] * 3, st.integers(0, 13)), max_size=40))
def test_any_clusters_are_answered(rows):
    positive, a, b, codes = np.array(rows, int).reshape(-1, 4).T
    calls = PairedCalls.of(a, b, positive, Clusters.of(codes, "patient"))
    for estimate, _ in results(calls):
        assert estimate.value is not None or estimate.reason
        assert estimate.has_interval or estimate.reason


@limits(max_examples=40, deadline=None)
@given(cells)
def test_swapping_the_tests_mirrors(counts):
    calls = table(counts)
    for (one, p), (other, q) in zip(results(calls), results(swapped(calls)), strict=True):
        if one.value is None:
            assert other.value is None
        elif one.id.startswith("relative"):
            assert other.value * one.value == pytest.approx(1)
        else:
            assert other.value == pytest.approx(-one.value, abs=1e-12)
            if one.has_interval:
                assert [other.low, other.high] == pytest.approx([-one.high, -one.low], abs=1e-8)
        assert q == pytest.approx(p)


def test_mcnemar_exact_and_mid_p_of_fagerland_2013():
    """Airway hyper-responsiveness, 21 pairs, 7 against 1 discordant (BMC MRM 13:91, table 2):
    asymptotic .034, exact .070, mid-p .039."""
    found = compare_rates(
        "sensitivity", PairedCalls.table({(1, 1, 1): 1, (1, 1, 0): 1, (1, 0, 1): 7, (1, 0, 0): 12})
    )

    assert found.p == pytest.approx(0.034, abs=5e-4)
    assert found.p_exact == pytest.approx(0.070, abs=5e-4)
    assert found.p_mid == pytest.approx(0.039, abs=5e-4)


def test_exact_p_is_the_binomial_test():
    found = compare_rates("sensitivity", PairedCalls.table({(1, 1, 0): 9, (1, 0, 1): 3}))

    assert found.p_exact == pytest.approx(stats.binomtest(9, 12).pvalue)


@pytest.mark.parametrize(
    ("only_a", "only_b", "n"), [(12, 2, 50), (0, 5, 40), (1, 0, 44), (7, 7, 30), (3, 0, 3)]
)
def test_tango_by_maximising_the_likelihood(only_a, only_b, n):
    """At each end the score statistic, its variance at the constrained maximum, is z."""
    for end in tango(only_a, only_b, n, 0.95):
        if abs(end) == 1:
            continue

        def unlikely(q, end=end):
            parts = ((only_a, q + end), (only_b, q), (n - only_a - only_b, 1 - 2 * q - end))
            return -sum(k * np.log(max(share, 1e-300)) for k, share in parts if k)

        q = optimize.minimize_scalar(
            unlikely, bounds=(max(0, -end), (1 - end) / 2), method="bounded",
            options={"xatol": 1e-12},
        ).x  # fmt: skip
        score = (only_a - only_b - n * end) / (n * (2 * q + end - end**2)) ** 0.5
        assert abs(score) == pytest.approx(1.959964, abs=2e-3)


def test_tango_of_no_discordant_case():
    """z²/(n + z²) either way."""
    half = 1.959964**2 / (30 + 1.959964**2)

    assert tango(0, 0, 30, 0.95) == pytest.approx((-half, half), abs=1e-6)
    assert tango(4, 0, 4, 0.95)[1] == 1.0


def test_newcombe_without_correlation_is_square_and_add():
    """Cells 12, 2, 36 ... with phi = 0 the margins add as if independent."""
    low, high = newcombe_paired(9, 9, 9, 9, 0.95)

    from ml.stats.proportion import wilson

    reach = np.hypot(0.5 - wilson(0.5, 36, 0.95)[0], wilson(0.5, 36, 0.95)[1] - 0.5)
    assert (low, high) == pytest.approx((-reach, reach))


def test_newcombe_with_correlation_by_hand():
    """36, 12, 2, 10: phi from (360 - 24 - 30) over the root of the margins."""
    low, _ = newcombe_paired(36, 12, 2, 10, 0.95)

    from ml.stats.proportion import wilson

    phi = (360 - 24 - 30) / (48 * 12 * 38 * 22) ** 0.5
    down = 0.8 - wilson(0.8, 60, 0.95)[0]
    up = wilson(38 / 60, 60, 0.95)[1] - 38 / 60
    assert low == pytest.approx(1 / 6 - (down**2 - 2 * phi * down * up + up**2) ** 0.5)


def test_dtcompair_paired1(reference):
    """Published by the package: PPV difference .0401, generalised score 5.711, p .0169."""
    rows = reference("discr-dtcompair-paired1").input["counts"]
    calls = PairedCalls.table({(row["d"], row["y2"], row["y1"]): row["n"] for row in rows})
    score = compare_predictive_values("ppv", calls, method="generalised")

    assert score.difference.value == pytest.approx(0.0401, abs=5e-5)
    assert (score.chi2, score.p) == pytest.approx((5.7112, 0.01686), abs=5e-5)
    assert compare_predictive_values("ppv", calls).chi2 == pytest.approx(5.4659, abs=5e-5)


def test_ratio_intervals_are_near_a_bootstrap(rng):
    n = 800
    positive = rng.random(n) < 0.5
    common = rng.normal(size=n) + 1.2 * positive
    a, b = common + rng.normal(size=n) > 0.7, common + rng.normal(size=n) > 0.5
    calls = PairedCalls.of(a, b, positive)
    drawn = {"ppv": [], "lr": []}
    for _ in range(500):
        rows = rng.integers(0, n, n)
        one = PairedCalls.of(a[rows], b[rows], positive[rows])
        drawn["ppv"].append(relative_predictive_value("ppv", one).ratio.value)
        drawn["lr"].append(relative_likelihood_ratio("positive", one).ratio.value)
    for name, found in (
        ("ppv", relative_predictive_value("ppv", calls)),
        ("lr", relative_likelihood_ratio("positive", calls)),
    ):
        assert np.log(found.ratio.value) / found.z == pytest.approx(
            np.log(drawn[name]).std(), rel=0.12
        )


def test_score_tests_by_hand():
    """PPV 4/5 against 3/5, 3 calls shared: the formulas of both papers term by term."""
    counts = {(1, 1, 1): 2, (0, 1, 1): 1, (1, 1, 0): 2, (1, 0, 1): 1, (0, 0, 1): 1, (0, 0, 0): 4}
    calls = PairedCalls.table(counts)
    pooled = 7 / 10
    shared = (2 * 0.3**2 + 1 * 0.7**2) / 10
    expected = 0.2**2 / ((pooled * 0.3 - 2 * shared) * (1 / 5 + 1 / 5))

    assert compare_predictive_values("ppv", calls).chi2 == pytest.approx(expected)

    top = bottom = 0.0
    for (has, a, b), count in counts.items():
        # one row per call: Z is +1/2 for a and -1/2 for b, because both call five
        weight = 0.5 * a - 0.5 * b
        top += count * has * weight
        bottom += count * ((has - pooled) * weight) ** 2
    assert compare_predictive_values(
        "ppv", calls, method="generalised"
    ).chi2 == pytest.approx(top**2 / bottom)  # fmt: skip


def test_clusters_of_one_and_copies():
    rng = np.random.default_rng(5)
    positive, a, b = (rng.integers(0, 2, 200) for _ in range(3))
    alone = PairedCalls.of(a, b, positive)
    copies = Clusters.of(np.repeat(np.arange(200), 3), "patient")
    copied = PairedCalls.of(*(np.repeat(part, 3) for part in (a, b, positive)), copies)

    for answer in ("ppv", "npv"):
        one, many = (
            compare_predictive_values(answer, calls, method="generalised")
            for calls in (alone, copied)
        )
        assert many.chi2 == pytest.approx(one.chi2)
        one, many = (relative_predictive_value(answer, calls) for calls in (alone, copied))
        assert many.z == pytest.approx(one.z, rel=0.005)
    found = compare_rates("sensitivity", copied)
    assert found.chi2 == pytest.approx(compare_rates("sensitivity", alone).chi2)
    assert found.p_exact is None
    assert "patients" in found.difference.method


def test_equal_tests_have_p_1():
    rng = np.random.default_rng(2)
    positive, a = rng.integers(0, 2, 100), rng.integers(0, 2, 100)
    calls = PairedCalls.of(a, a, positive)

    found = compare_rates("sensitivity", calls)
    assert (found.p, found.p_exact, found.p_mid, found.chi2) == (1, 1, 1, None)
    assert found.difference.low < 0 < found.difference.high
    assert compare_predictive_values("ppv", calls, method="generalised").p == pytest.approx(1)
    assert relative_predictive_value("npv", calls).p == 1.0


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda calls: compare_rates("recall", calls), "sensitivity"),
        (lambda calls: compare_rates("sensitivity", calls, interval="wald"), "tango"),
        (lambda calls: compare_predictive_values("pv", calls), "ppv or npv"),
        (lambda calls: compare_predictive_values("ppv", calls, method="exact"), "weighted"),
        (lambda calls: relative_predictive_value("pv", calls), "ppv or npv"),
        (lambda calls: relative_likelihood_ratio("+", calls), "positive or negative"),
        (lambda calls: PairedCalls.of(calls.a, calls.b[1:], calls.positive), "two"),
    ],
)
def test_refuses(call, message):
    with pytest.raises(ValueError, match=message):
        call(table([3] * 8))


def test_weighted_refuses_clusters():
    calls = PairedCalls.of(*[np.array([0, 1])] * 3, Clusters.of(np.zeros(2, int)))

    with pytest.raises(ValueError, match="clusters"):
        compare_predictive_values("ppv", calls)


@pytest.mark.parametrize(("rate", "n_events"), [("sensitivity", 30), ("specificity", 0)])
def test_clusters_do_not_lose_the_cases_with_the_finding(rate, n_events):
    has, pairs = np.arange(60) % 2 == 0, Clusters.of(np.arange(60) // 4)
    a, b = np.arange(60) % 3 == 0, np.arange(60) % 5 == 0

    for clusters in (None, pairs):
        found = compare_rates(rate, PairedCalls.of(a, b, has, clusters)).difference
        assert found.n_events == n_events
