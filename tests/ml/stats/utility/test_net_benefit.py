import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ml.stats.bootstrap import Settings
from ml.stats.clusters import Clusters
from ml.stats.utility.net_benefit import decision_curve, net_benefit, weighted_net_benefit

FEW = Settings(draws=400)


@pytest.fixture
def data(rng):
    present = np.arange(150) % 3 == 0
    return (0.5 * rng.random(150) + 0.4 * present).clip(0, 1), present.astype(np.int64)


def test_by_hand():
    """At 0.2: 3 true, 2 false positives of 10: .3 - .2/4. Treat all: .4 - .6/4."""
    p = np.array([0.9, 0.8, 0.2, 0.1, 0.5, 0.3, 0.1, 0.1, 0.0, 0.19])
    y = np.array([1, 1, 1, 1, 0, 0, 0, 0, 0, 0])
    curve = decision_curve(p, y, [0.2, 0.5], settings=FEW)
    quarter = decision_curve(p, y, [0.25], settings=FEW)

    # At 0.25: 2 true, 2 false positives: .2 - .2/3; treat all .4 - .6/3; the difference times 3.
    assert quarter.interventions_avoided == pytest.approx([-0.2])
    assert curve.net_benefit == pytest.approx([0.25, 0.2 - 0.1])
    assert curve.treat_all == pytest.approx([0.25, 0.4 - 0.6])
    assert curve.advantage == pytest.approx([0.0, 0.1], abs=1e-12)
    assert curve.interventions_avoided == pytest.approx([0.0, 0.3], abs=1e-12)
    assert curve.standardised == pytest.approx([0.625, 0.25])
    assert curve.relative_utility == pytest.approx([0.0, 0.25], abs=1e-12)
    assert (curve.tp_rate[0], curve.fp_rate[0]) == (0.3, 0.2)


def test_published_curve(reference):
    """Vignette of dcurves, df_binary, cancerpredmarker at 10 %: .0874."""
    known = reference("dca-dcurves-binary")
    p = np.array(known.input["p"]["cancerpredmarker"], dtype=float)
    curve = decision_curve(p, np.array(known.input["y"]), [0.1], settings=FEW)

    assert curve.net_benefit == pytest.approx([0.0874], abs=1e-4)


def test_a_case_at_the_threshold_is_treated():
    curve = decision_curve(np.array([0.3, 0.1]), np.array([1, 0]), [0.3], settings=FEW)

    assert curve.tp_rate.tolist() == [0.5]
    assert "only 2 cases" in curve.reason
    assert np.isnan(curve.low).all()


def test_own_prevalence_from_outside_changes_nothing_but_the_interval(data):
    own = decision_curve(*data, [0.2, 0.4], settings=FEW)
    outside = decision_curve(*data, [0.2, 0.4], settings=FEW, prevalence=1 / 3)

    assert outside.net_benefit == pytest.approx(own.net_benefit)
    assert outside.treat_all == pytest.approx(own.treat_all)
    assert (outside.high - outside.low < own.high - own.low).all()


def test_doubling_the_cases_without_the_finding_is_a_prevalence(data):
    """Case-control: cases without the finding sampled at half the rate."""
    p, y = data
    rows = np.concatenate([np.arange(150), np.flatnonzero(y == 0)])
    whole = decision_curve(p[rows], y[rows], [0.2, 0.4], settings=FEW)
    again = decision_curve(p, y, [0.2, 0.4], settings=FEW, prevalence=50 / 250)

    assert again.net_benefit == pytest.approx(whole.net_benefit)
    assert again.relative_utility == pytest.approx(whole.relative_utility)


def test_treating_all_and_a_perfect_model():
    y = np.arange(60) % 4 == 0
    levels = np.array([0.1, 0.3, 0.6])
    perfect = decision_curve(y.astype(float), y.astype(int), levels, settings=FEW)
    everyone = decision_curve(np.ones(60), y.astype(int), levels, settings=FEW)

    assert perfect.net_benefit == pytest.approx([0.25] * 3)
    assert perfect.standardised == pytest.approx([1] * 3)
    assert perfect.relative_utility == pytest.approx([1] * 3)
    assert everyone.net_benefit == pytest.approx(everyone.treat_all)
    assert everyone.interventions_avoided == pytest.approx([0] * 3, abs=1e-12)


def test_interval_against_a_loop(data):
    """Patients of three cases, drawn one replicate after the other."""
    p, y = data
    clusters = Clusters.of(np.arange(150) // 3, "patient")
    found = net_benefit(p, y, 0.3, clusters, Settings(draws=3000), against="all")
    rng = np.random.default_rng(8)
    values = []
    for _ in range(3000):
        rows = (rng.integers(0, 50, 50)[:, None] * 3 + np.arange(3)).ravel()
        q, z = p[rows] >= 0.3, y[rows] == 1
        odds = 3 / 7
        values.append((q & z).mean() - (q & ~z).mean() * odds - (z.mean() - (~z).mean() * odds))

    assert (found.low, found.high) == pytest.approx(
        tuple(np.quantile(values, (0.025, 0.975))), abs=0.01
    )
    curve = decision_curve(p, y, [0.3], clusters, Settings(draws=3000))
    assert "50 patients" in curve.method


def test_replicates_of_alike_cases_have_the_same_spread(data):
    """Single cases go through patterns, the same cases as clusters of one through sums."""
    p, y = data
    alone = decision_curve(p, y, [0.2, 0.4], settings=Settings(draws=4000))
    twice = decision_curve(
        np.tile(p, 2), np.tile(y, 2), [0.2, 0.4], Clusters.of(np.tile(np.arange(150), 2)),
        Settings(draws=4000),
    )  # fmt: skip

    assert alone.low == pytest.approx(twice.low, abs=0.01)
    assert alone.high == pytest.approx(twice.high, abs=0.01)
    assert alone.advantage_low == pytest.approx(twice.advantage_low, abs=0.01)


def test_replicates_keep_cases_at_a_threshold_apart_from_those_below():
    """30 cases at the threshold with the finding, 30 below it with the finding: half is found."""
    p = np.array([0.1] * 30 + [0.3] * 30)
    found = net_benefit(p, np.ones(60, int), 0.3, settings=Settings(draws=2000))

    assert found.value == 0.5
    assert (found.low, found.high) == pytest.approx((0.37, 0.63), abs=0.03)


def test_one_threshold_is_a_point_of_the_curve(data):
    curve = decision_curve(*data, [0.3], settings=FEW)

    assert net_benefit(*data, 0.3, settings=FEW).value == curve.net_benefit[0]
    better = net_benefit(*data, 0.3, settings=FEW, against="better")
    assert better.value == curve.advantage[0]
    assert (better.low, better.high) == (curve.advantage_low[0], curve.advantage_high[0])


def test_weights_over_thresholds(data):
    curve = decision_curve(*data, [0.2, 0.4], settings=FEW)
    found = weighted_net_benefit(*data, [0.2, 0.4], [3, 1], settings=FEW)

    assert found.value == pytest.approx(curve.advantage @ [0.75, 0.25])
    assert found.low < found.value < found.high


def test_one_class():
    p = np.linspace(0, 1, 20)
    absent = decision_curve(p, np.zeros(20, int), [0.5], settings=FEW)

    assert absent.net_benefit[0] < 0
    assert np.isnan(absent.standardised).all()
    assert np.isnan(absent.relative_utility).all()
    assert net_benefit(p, np.zeros(20, int), 0.5, prevalence=0.2).value is None
    with pytest.raises(ValueError, match="needs cases with and without"):
        decision_curve(p, np.zeros(20, int), [0.5], prevalence=0.2)


@settings(max_examples=30, deadline=None)
@given(
    st.lists(st.tuples(st.floats(0, 1), st.integers(0, 1)), min_size=1, max_size=40),
    st.floats(0.01, 0.99),
)
def test_bounds(cases, threshold):
    p, y = (np.array(column) for column in zip(*cases, strict=True))
    curve = decision_curve(p, y, [threshold], settings=Settings(draws=200))

    assert curve.net_benefit[0] <= curve.prevalence + 1e-12
    assert curve.tp_rate[0] + curve.fp_rate[0] == pytest.approx((p >= threshold).mean())
    order = np.argsort(p)
    turned = decision_curve(p[order], y[order], [threshold], settings=Settings(draws=200))
    assert turned.net_benefit[0] == pytest.approx(curve.net_benefit[0])


@pytest.mark.parametrize(
    ("p", "thresholds", "options", "said"),
    [
        ([0.2, 1.4], [0.5], {}, "0..1"),
        ([0.2, 0.4], [0.0], {}, "between 0 and 1"),
        ([0.2, 0.4], [1.0], {}, "between 0 and 1"),
        ([0.2, 0.4], [], {}, "between 0 and 1"),
        ([0.2, 0.4], [0.5, 0.4], {}, "must rise"),
        ([0.2, 0.4], [0.5], {"prevalence": 1.0}, "prevalence must be"),
    ],
)
def test_malformed(p, thresholds, options, said):
    with pytest.raises(ValueError, match=said):
        decision_curve(np.array(p), np.array([0, 1]), thresholds, **options)


def test_malformed_options(data):
    with pytest.raises(ValueError, match="none, all or better"):
        net_benefit(*data, 0.3, against="some")
    for weights in ([1], [-1, 2], [0, 0]):
        with pytest.raises(ValueError, match="weights"):
            weighted_net_benefit(*data, [0.2, 0.4], weights)
    with pytest.raises(ValueError, match="at least one case"):
        decision_curve(np.zeros(0), np.zeros(0, int), [0.5])


def test_a_threshold_that_no_case_reaches_has_no_interval(data):
    p, y = data
    curve = decision_curve(p, y, [0.5, 0.95], settings=FEW)
    certain = decision_curve(0.4 + 0 * p, np.ones_like(y), [0.5, 0.6], settings=FEW)

    assert curve.low[0] < curve.net_benefit[0] < curve.high[0]
    assert curve.net_benefit[1] == 0
    assert np.isnan([curve.low[1], curve.high[1]]).all()
    assert curve.reason is None
    assert np.isnan(certain.low).all()
    assert "no spread" in certain.reason


def test_every_measure_refuses_an_impossible_prevalence(data):
    p, y = data
    for wrong in (0.0, 1.5, float("nan")):
        for call in (
            lambda share: net_benefit(p, y, 0.4, prevalence=share),
            lambda share: weighted_net_benefit(p, y, [0.4], [1], prevalence=share),
            lambda share: decision_curve(p, y, [0.4], prevalence=share),
        ):
            with pytest.raises(ValueError, match="prevalence must be"):
                call(wrong)
