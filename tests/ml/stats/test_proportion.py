import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import beta, binomtest

from ml.stats.clusters import Clusters
from ml.stats.proportion import (
    agresti_coull,
    clopper_pearson,
    effective_size,
    jeffreys,
    proportion,
    wilson,
)


@pytest.mark.parametrize("case", ["discr-2x2-liver-scan", "discr-2x2-zero-fp"])
@pytest.mark.parametrize(
    ("metric", "hits", "others"), [("sensitivity", "tp", "fn"), ("specificity", "tn", "fp")]
)
def test_wilson_of_published_tables(reference, case, metric, hits, others):
    known = reference(case)
    n_hits, n_others = known.input[hits], known.input[others]
    success = np.arange(n_hits + n_others) < n_hits

    estimate = proportion(metric, success)

    assert estimate.value == pytest.approx(known.value(metric), abs=1e-9)
    assert [estimate.low, estimate.high] == pytest.approx(
        known.value(f"{metric}_ci", method="wilson"), abs=1e-9
    )
    assert estimate.extra["numerator"] == n_hits


@given(st.integers(1, 500).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_wilson_holds_the_share_and_stays_inside(hits_of):
    hits, n = hits_of
    low, high = wilson(hits / n, n, 0.95)

    assert 0 <= low <= hits / n <= high <= 1
    assert low < high
    mirrored = wilson(1 - hits / n, n, 0.95)
    assert mirrored == pytest.approx((1 - high, 1 - low), abs=1e-12)


def test_one_case():
    """Wilson of 1 of 1 at 95 %: 1 / (1 + z²) = 0.2065 to 1."""
    estimate = proportion("sensitivity", np.array([True]))

    assert (estimate.low, estimate.high) == pytest.approx((0.2065, 1.0), abs=1e-4)


def test_no_case_is_undefined():
    estimate = proportion(
        "sensitivity", np.zeros(0, bool), of_what="cases with the finding", n_events=0,
        convention="as told",
    )  # fmt: skip

    assert estimate.value is None
    assert (estimate.n_events, estimate.convention) == (0, "as told")
    assert estimate.reason == "Not estimated: there are no cases with the finding."


def test_copies_inside_a_cluster_are_worth_one_case():
    """20 patients, each with 5 equal answers: the effective size is that of 20 (by m/(m-1))."""
    success = np.repeat(np.arange(20) < 8, 5)
    size = effective_size(success, Clusters.of(np.repeat(np.arange(20), 5), "patient"))

    assert not size.assumed
    assert size.n == pytest.approx(19)  # 20 with the factor (m - 1) / m of the variance
    assert size.design_effect == pytest.approx(100 / 19)


def test_design_effect_by_hand():
    """Patients with 2 cases: (1,1), (1,0), (0,0), (0,0): share 3/8.

    Residuals y - 2·3/8: 1.25, 0.25, -0.75, -0.75; squares sum to 2.75. Variance
    4/3 · 2.75 / 64 = 0.0573; binomial 0.375·0.625/8 = 0.0293; effect 1.9556.
    """
    success = np.array([1, 1, 1, 0, 0, 0, 0, 0], bool)
    size = effective_size(success, Clusters.of(np.repeat(np.arange(4), 2), "patient"))

    assert size.design_effect == pytest.approx(1.95556, abs=1e-5)
    # A unit without a row here is one of the sample all the same: 5/4 in place of 4/3.
    one_more = effective_size(success, Clusters(np.repeat(np.arange(4), 2), 5, "patient"))
    assert one_more.design_effect == pytest.approx(1.95556 * 15 / 16, abs=1e-5)


def test_design_effect_of_two_clusters():
    """Of 3 and 1 cases, (1,1,1) and (0): residuals 3/4 and -3/4, squares 9/8; variance
    2/1 · 9/8 / 16 = 9/64; binomial (3/4)(1/4)/4 = 3/64; effect 3."""
    success, codes = np.array([1, 1, 1, 0], bool), np.array([0, 0, 0, 1])
    assert effective_size(success, Clusters.of(codes)).design_effect == pytest.approx(3)


def test_one_patient_is_worth_one_case_whatever_its_answers():
    """The spread between patients cannot be seen in one; a mixed answer does not show it small."""
    size = effective_size(np.arange(50) < 20, Clusters.of(np.zeros(50), "patient"))
    assert (size.n, size.design_effect, size.assumed) == (1.0, 50.0, True)


def test_cases_alone_are_worth_themselves():
    size = effective_size(np.array([True, False, True]), Clusters.singles(3))
    assert (size.n, size.design_effect, size.assumed) == (3.0, 1.0, False)
    every = effective_size(np.ones(3, bool), Clusters.singles(3))
    assert (every.n, every.design_effect, every.assumed) == (3.0, 1.0, False)


def test_the_method_says_what_clusters_cost():
    clusters = Clusters.of(np.repeat(np.arange(20), 5), "patient")
    copies = proportion("x", np.repeat(np.arange(20) < 8, 5), clusters, convention="as told")
    assert copies.method == "Wilson, design effect 5.26 (over 20 patients)"
    assert (copies.low, copies.high) == pytest.approx(wilson(0.4, 19, 0.95))
    assert copies.convention == "as told"
    assert proportion("x", np.array([True, False])).method == "Wilson"


def test_clusters_never_narrow_the_interval(rng):
    """Answers balanced within each patient would give an effect below 1."""
    success = np.tile([True, False], 30)
    clusters = Clusters.of(np.repeat(np.arange(30), 2), "patient")

    assert effective_size(success, clusters).design_effect == 1


def test_agreement_of_all_cases_assumes_copies():
    clusters = Clusters.of(np.repeat(np.arange(20), 5), "patient")
    estimate = proportion("specificity", np.ones(100, bool), clusters)

    assert estimate.low == pytest.approx(wilson(1.0, 20, 0.95)[0])
    assert "assumed" in estimate.method
    none = proportion("specificity", np.zeros(100, bool), clusters)
    assert (none.low, none.high) == pytest.approx(wilson(0.0, 20, 0.95))
    assert "assumed" in none.method


def test_few_patients_give_no_interval():
    estimate = proportion(
        "sensitivity", np.arange(40) < 30, Clusters.of(np.arange(40) // 20, "patient")
    )

    assert (estimate.value, estimate.low, estimate.high, estimate.method) == (0.75, None, None, "")
    assert "only 2 patients" in estimate.reason


@pytest.mark.parametrize(
    ("interval", "expected"),
    [
        # Brown, Cai, DasGupta (2001) and stats::binom.test of 12 in 13
        (clopper_pearson, [0.639702564732123, 0.998054371502653]),
        (jeffreys, [0.692850510293305, 0.991570341687786]),
        (agresti_coull, [0.645751403168905, 1.0]),
    ],
)
def test_named_intervals(interval, expected):
    assert interval(12 / 13, 13, 0.95) == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize("name", ["clopper_pearson", "jeffreys", "agresti_coull"])
@pytest.mark.parametrize("hits", [0, 1, 9, 10])
def test_named_intervals_hold_the_share_and_mirror(name, hits):
    share = proportion("x", np.arange(10) < hits, interval=name)
    mirrored = proportion("x", np.arange(10) >= hits, interval=name)

    assert 0 <= share.low <= share.value <= share.high <= 1
    assert share.low < share.high
    assert [share.low, share.high] == pytest.approx([1 - mirrored.high, 1 - mirrored.low])


def test_clopper_pearson_is_that_of_scipy():
    theirs = binomtest(7, 30).proportion_ci(0.9, method="exact")

    assert clopper_pearson(7 / 30, 30, 0.9) == pytest.approx([theirs.low, theirs.high])


def test_agresti_coull_uncut_passes_the_end():
    """12 of 13: the formula's end is 1.0074."""
    assert agresti_coull(12 / 13, 13, 0.95, cut=False)[1] == pytest.approx(1.00739866637754)


def test_other_intervals_are_refused():
    with pytest.raises(ValueError, match="wilson"):
        proportion("x", np.array([True]), interval="wald")


def test_jeffreys_and_the_design_effect_of_unequal_clusters_by_hand():
    low, high = beta.ppf([0.025, 0.975], 3.5, 7.5)
    assert jeffreys(0.3, 10, 0.95) == pytest.approx((low, high))
    success = np.array([1, 1, 1, 0, 0, 1], bool)
    codes = np.array([0, 0, 0, 1, 1, 2])
    share, sizes, hits = 4 / 6, np.array([3, 2, 1]), np.array([3, 0, 1])
    variance = 3 / 2 * ((hits - share * sizes) ** 2).sum() / 36
    size = effective_size(success, Clusters.of(codes))
    assert size.design_effect == pytest.approx(variance / (share * (1 - share) / 6))
