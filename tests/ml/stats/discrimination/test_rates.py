import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as limits
from hypothesis import strategies as st
from sklearn import metrics

from ml.stats.bootstrap import Settings
from ml.stats.clusters import Clusters
from ml.stats.discrimination.likelihood_ratios import diagnostic_odds_ratio, likelihood_ratio
from ml.stats.discrimination.rates import (
    INDICES,
    SHARES,
    Calls,
    expected_cost,
    f_beta,
    index,
    rate,
)

FEW = Settings(draws=200)
# Altman & Bland 1994, BMJ 308:1552: 344 liver scans
LIVER = Calls.table(tp=231, fp=32, fn=27, tn=54)
tables = st.tuples(*[st.integers(0, 12)] * 4)


def everything(calls):
    yield from (rate(name, calls) for name in SHARES)
    yield from (index(name, calls, FEW) for name in INDICES)
    yield f_beta(calls, settings=FEW)
    yield f_beta(calls, 2.0, FEW)
    yield expected_cost(calls, 5, 1, settings=FEW)
    yield expected_cost(calls, 5, 1, 0.1, FEW, normalised=True)
    for rule in ("no_interval", "half"):
        yield likelihood_ratio("positive", calls, zero_cell=rule)
        yield likelihood_ratio("negative", calls, zero_cell=rule)
        yield diagnostic_odds_ratio(calls, zero_cell=rule)


def test_liver_scans():
    """BMJ 308:1552 and 309:102: .90, .63, .88, .67; LR+ 2.4, LR- 0.17."""
    values = {name: rate(name, LIVER).value for name in SHARES}

    assert values["sensitivity"] == pytest.approx(231 / 258)
    assert values["specificity"] == pytest.approx(54 / 86)
    assert values["ppv"] == pytest.approx(231 / 263)
    assert values["npv"] == pytest.approx(54 / 81)
    assert values["accuracy"] == pytest.approx(285 / 344)
    assert values["prevalence"] == pytest.approx(258 / 344)
    assert likelihood_ratio("positive", LIVER).value == pytest.approx(77 / 32)
    assert likelihood_ratio("negative", LIVER).value == pytest.approx(1 / 6)
    assert diagnostic_odds_ratio(LIVER).value == pytest.approx(231 * 54 / (32 * 27))


def test_simel_and_woolf_by_hand():
    lr, dor = likelihood_ratio("negative", LIVER), diagnostic_odds_ratio(LIVER)
    half = 1.959964 * (1 / 27 - 1 / 258 + 1 / 54 - 1 / 86) ** 0.5
    woolf = 1.959964 * (1 / 231 + 1 / 32 + 1 / 27 + 1 / 54) ** 0.5

    assert np.log([lr.low * 6, lr.high * 6]) == pytest.approx([-half, half], abs=1e-6)
    assert np.log([dor.low / dor.value, dor.high / dor.value]) == pytest.approx(
        [-woolf, woolf], abs=1e-6
    )


@limits(max_examples=40, deadline=None)
@given(tables)
def test_equal_scikit_learn_where_defined(cells):
    calls = Calls.table(*cells)
    theirs = {
        "mcc": metrics.matthews_corrcoef,
        "cohen_kappa": metrics.cohen_kappa_score,
        "balanced_accuracy": metrics.balanced_accuracy_score,
    }
    tp, fp, fn, tn = cells
    if min(tp + fn, fp + tn, tp + fp, fn + tn) > 0:
        for name, peer in theirs.items():
            assert index(name, calls, FEW).value == pytest.approx(
                peer(calls.positive, calls.called)
            )
    if tp:
        assert f_beta(calls, 2.0, FEW).value == pytest.approx(
            metrics.fbeta_score(calls.positive, calls.called, beta=2)
        )


@limits(max_examples=40, deadline=None)
@given(tables)
def test_every_table_is_answered(cells):
    """With any cell empty: a value and its interval, or a sentence; never a point at an end."""
    for estimate in everything(Calls.table(*cells)):
        assert estimate.value is not None or estimate.reason
        if estimate.has_interval:
            assert estimate.low <= estimate.value + 1e-12
            assert estimate.high >= estimate.value - 1e-12
            assert estimate.low < estimate.high
        else:
            assert estimate.reason


@limits(max_examples=20, deadline=None)
@given(st.lists(st.tuples(st.booleans(), st.booleans(), st.integers(0, 14)), max_size=40))
def test_any_clusters_are_answered(rows):
    called, positive, codes = np.array(rows, int).reshape(-1, 3).T
    for estimate in everything(Calls.of(called, positive, Clusters.of(codes, "patient"))):
        assert estimate.value is not None or estimate.reason
        assert estimate.has_interval or estimate.reason


def test_zero_cells_are_undefined_or_corrected_by_name():
    clean = Calls.table(tp=10, fp=0, fn=2, tn=8)

    assert likelihood_ratio("positive", clean).value is None
    half = likelihood_ratio("positive", clean, zero_cell="half")
    assert half.value == pytest.approx((10.5 / 13) / (0.5 / 9))
    assert "0.5 added" in half.convention
    assert diagnostic_odds_ratio(clean).value is None
    assert diagnostic_odds_ratio(clean, zero_cell="half").value == pytest.approx(
        10.5 * 8.5 / (0.5 * 2.5)
    )
    assert rate("ppv", clean).value == 1.0
    assert rate("ppv", clean).low < 0.8


def test_no_calls_leave_predictive_values_undefined():
    silent = Calls.table(tp=0, fp=0, fn=5, tn=5)

    assert rate("ppv", silent).value is None
    assert "called present" in rate("ppv", silent).reason
    assert index("mcc", silent).value is None
    assert index("informedness", silent, FEW).value == 0.0


def test_copies_in_clusters_do_not_narrow():
    n = LIVER.called.size
    clusters = Clusters.of(np.repeat(np.arange(n), 4), "patient")
    copied = Calls.of(np.repeat(LIVER.called, 4), np.repeat(LIVER.positive, 4), clusters)

    for measure in (
        lambda calls: rate("sensitivity", calls),
        lambda calls: likelihood_ratio("positive", calls),
        diagnostic_odds_ratio,
    ):
        alone, many = measure(LIVER), measure(copied)
        assert [many.low, many.high] == pytest.approx([alone.low, alone.high], rel=0.003)
    alone, many = index("mcc", LIVER), index("mcc", copied)
    assert [many.low, many.high] == pytest.approx([alone.low, alone.high], abs=0.02)


@pytest.mark.parametrize(
    ("called_from", "measure"),
    [
        (26, lambda calls: likelihood_ratio("positive", calls, zero_cell="half")),
        (14, lambda calls: likelihood_ratio("negative", calls, zero_cell="half")),
        (26, lambda calls: diagnostic_odds_ratio(calls, zero_cell="half")),
    ],
)
def test_half_a_case_added_has_no_interval_over_clusters(called_from, measure):
    says, has = np.arange(160) >= 4 * called_from, np.arange(160) >= 80
    alone = measure(Calls.of(says, has))
    clustered = measure(Calls.of(says, has, Clusters.of(np.arange(160) // 4)))

    assert clustered.value == alone.value
    assert alone.low < alone.value < alone.high
    assert clustered.low is None
    assert "knows no clusters" in clustered.reason


def test_expected_cost_over_that_of_a_constant_call_has_an_id_of_its_own():
    """2 misses of 4 at 5, 1 false alarm of 6 at 1; calling none costs .5 at 10 %, all .9."""
    calls = Calls.table(tp=2, fp=1, fn=2, tn=5)

    assert expected_cost(calls, 5, 1, settings=FEW).value == pytest.approx(1.1)
    scaled = expected_cost(calls, 5, 1, 0.1, FEW, normalised=True)
    assert scaled.value == pytest.approx(0.4 / 0.5)
    assert scaled.id == "normalised_expected_cost"
    assert expected_cost(calls, 5, 1, 0.1, FEW).id == "expected_cost"


def test_expected_cost_of_copies_in_clusters_is_that_of_the_cases(rng):
    present, called = rng.random(120) < 0.3, rng.random(120) < 0.4
    many = Settings(draws=3000)
    clusters = Clusters.of(np.repeat(np.arange(120), 3), "patient")
    thrice = Calls.of(np.repeat(called, 3), np.repeat(present, 3), clusters)
    copies = expected_cost(thrice, 3, 1, None, many)
    alone = expected_cost(Calls.of(called, present), 3, 1, None, many)

    assert copies.value == alone.value
    assert (copies.low, copies.high) == pytest.approx((alone.low, alone.high), abs=0.03)


def test_expected_cost_by_hand():
    """Prevalence 10 %: 5 x 0.1 x 27/258 + 1 x 0.9 x 32/86, best constant call 0.5."""
    cost = expected_cost(LIVER, 5, 1, 0.1, FEW)
    plain = 0.5 * 27 / 258 + 0.9 * 32 / 86

    assert cost.value == pytest.approx(plain)
    assert expected_cost(LIVER, 5, 1, 0.1, FEW, normalised=True).value == pytest.approx(plain / 0.5)
    assert expected_cost(LIVER, 1, 1, settings=FEW).value == pytest.approx(59 / 344)


def test_bootstrap_interval_of_an_index_is_near_its_closed_form():
    """Informedness: variance of sensitivity plus that of specificity."""
    found = index("informedness", LIVER)
    se = (231 * 27 / 258**3 + 54 * 32 / 86**3) ** 0.5

    assert [found.low, found.high] == pytest.approx(
        [found.value - 1.96 * se, found.value + 1.96 * se], abs=0.012
    )


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: rate("recall", LIVER), "sensitivity"),
        (lambda: index("gini", LIVER), "mcc"),
        (lambda: f_beta(LIVER, 0), "above 0"),
        (lambda: expected_cost(LIVER, -1, 1), "negative"),
        (lambda: expected_cost(LIVER, float("nan"), 1), "finite"),
        (lambda: expected_cost(LIVER, 1, 1, 1.0), "prevalence"),
        (lambda: likelihood_ratio("plus", LIVER), "positive or negative"),
        (lambda: diagnostic_odds_ratio(LIVER, zero_cell="one"), "half"),
        (lambda: Calls.table(1, -1, 0, 0), "0 at least"),
        (lambda: Calls.of(np.array([0, 1]), np.array([0])), "two"),
        (lambda: Calls.of(np.array([0, np.nan]), np.array([0, 1])), "true or false"),
        (lambda: rate("ppv", LIVER, interval="wald"), "wilson"),
    ],
)
def test_refuses(call, message):
    with pytest.raises(ValueError, match=message):
        call()
