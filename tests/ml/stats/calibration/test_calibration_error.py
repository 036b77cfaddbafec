import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from ml.stats.bootstrap import Settings
from ml.stats.calibration.calibration_error import ece, ece_debiased, ece_top_label
from ml.stats.clusters import Clusters

FEW = Settings(draws=200)
EACH = (ece, ece_top_label, ece_debiased)
CASES = ("calib-calibrationcurves-testdata", "calib-dcurves-binary")

forecasts = st.integers(1, 40).flatmap(
    lambda n: st.tuples(
        hnp.arrays(float, n, elements=st.floats(0, 1)),
        hnp.arrays(int, n, elements=st.integers(0, 1)),
    )
)


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("bins", [10, 15])
def test_published_conventions(reference, case, bins):
    known = reference(case)
    p, y = np.array(known.input["p"]), np.array(known.input["y"])

    plain, debiased = (
        ece(p, y, bins=bins, settings=FEW),
        ece_debiased(p, y, bins=bins, settings=FEW),
    )

    scheme = "equal width, bins ((k-1)/B, k/B]"
    assert plain.value == pytest.approx(known.value("ece", bins=bins, scheme=scheme), abs=1e-9)
    assert debiased.extra["plain_root_mean_square"] == pytest.approx(
        known.value("ece_l2", bins=bins), abs=1e-9
    )
    squared = known.value("ece_l2_debiased_sq", bins=bins)
    assert debiased.extra["squared"] == pytest.approx(squared, abs=1e-9)
    assert debiased.value == pytest.approx(max(squared, 0) ** 0.5, abs=1e-9)


def test_plain_by_hand():
    """0.25 said once and it happened: gap 0.75. 0.75 said three times, all happened: 0.25."""
    assert ece(np.array([0.25, 0.75, 0.75, 0.75]), np.ones(4, int), bins=10).value == 0.375


def test_top_label_by_hand():
    """0.2 and absent: sure by 0.8 and right. 0.9 and absent: sure by 0.9 and wrong.

    With 15 bins, 0.8 lies in (0.733, 0.8] and 0.9 in (0.867, 0.933]: gaps 0.2 and 0.9.
    """
    assert ece_top_label(np.array([0.2, 0.9]), np.array([0, 0])).value == pytest.approx(0.55)


def test_a_score_of_one_half_is_an_answer():
    """At exactly 0.5 the answer is present. With 0.52 in the same bin, both right: gap 0.49."""
    assert ece_top_label(np.array([0.5, 0.52]), np.array([1, 1])).value == pytest.approx(0.49)


def test_certain_scores_are_not_lost():
    """0 and 1 fall into the first and last bin, not out of the measure."""
    assert ece(np.array([0.0, 1.0]), np.array([1, 0])).value == 1


def test_debiased_by_hand():
    """Ten cases at 0.5, five with the finding: gap 0, noise 0.25/9; none is left."""
    p, y = np.full(10, 0.5), np.arange(10) % 2
    estimate = ece_debiased(p, y)

    assert estimate.value == 0
    assert estimate.extra["squared"] == pytest.approx(-0.25 / 9)


def test_debiased_of_a_true_model_is_smaller_than_plain(rng):
    p = rng.random(400)
    y = (rng.random(400) < p).astype(int)

    debiased = ece_debiased(p, y, settings=FEW)

    assert debiased.value < debiased.extra["plain_root_mean_square"]


def test_debiased_interval_term_by_term(rng):
    """The covariance of the gaps by clusters written out, and its quadratic solved."""
    patient = rng.integers(0, 30, 200)
    p = rng.random(200)
    y = (rng.random(200) < np.clip(p + 0.2, 0, 1)).astype(int)
    bins = np.minimum((np.ceil(p * 5) - 1).astype(int), 4)
    gap = np.array([(y - p)[bins == k].mean() for k in range(5)])
    share = np.bincount(bins, minlength=5) / 200
    covariance = np.zeros((5, 5))
    for one in np.unique(patient):
        pull = [
            ((y - p) - gap[k])[(bins == k) & (patient == one)].sum() / (bins == k).sum()
            for k in range(5)
        ]
        covariance += np.outer(pull, pull) * 30 / 29
    weights = np.diag(share)
    t = np.trace(weights @ covariance @ weights @ covariance)
    kappa = (gap @ weights @ covariance @ weights @ gap) / (gap @ weights @ gap)
    estimate = ece_debiased(p, y, Clusters.of(patient, "patient"), bins=5)
    found = estimate.extra["squared"]
    z2 = 1.959963984540054**2
    ends = np.roots([1, -2 * found - 4 * kappa * z2, found**2 - 2 * t * z2])

    assert estimate.low == pytest.approx(min(ends) ** 0.5)
    assert estimate.high == pytest.approx(max(ends) ** 0.5)


def test_debiased_interval_holds_0_of_a_true_model_about_as_often_as_it_says(rng):
    lows = []
    for _ in range(400):
        p = rng.beta(2, 3, 300)
        lows.append(ece_debiased(p, (rng.random(300) < p).astype(int)).low)
    assert 0.92 < np.mean(np.array(lows) == 0) < 0.98


def test_debiased_interval_needs_a_spread():
    estimate = ece_debiased(np.full(20, 0.5), np.ones(20, int))
    assert estimate.value == 0.5
    assert not estimate.has_interval
    assert "No interval" in estimate.reason


@pytest.mark.parametrize("measure", EACH)
@given(data=forecasts)
def test_lies_between_0_and_1_and_inside_its_interval(measure, data):
    estimate = measure(*data, settings=FEW)

    assert 0 <= estimate.value <= 1
    if estimate.has_interval:
        assert estimate.low - 1e-12 <= estimate.value <= estimate.high + 1e-12


@pytest.mark.parametrize("measure", EACH)
def test_order_of_cases_does_not_matter(measure, rng):
    p, y = rng.random(60), rng.integers(0, 2, 60)
    clusters = Clusters.of(rng.integers(0, 20, 60), "group")
    order = rng.permutation(60)

    once = measure(p, y, clusters, FEW)
    again = measure(p[order], y[order], clusters.where(order), FEW)

    assert (again.value, again.low, again.high) == pytest.approx((once.value, once.low, once.high))


@pytest.mark.parametrize("measure", EACH)
def test_copies_inside_clusters_do_not_narrow_the_interval(measure, rng):
    p, y = rng.random(60), rng.integers(0, 2, 60)
    patients = Clusters.of(np.repeat(np.arange(60), 5), "patient")

    once = measure(p, y, Clusters.of(np.arange(60), "patient"), FEW)
    copied = measure(np.repeat(p, 5), np.repeat(y, 5), patients, FEW)
    as_if_alone = measure(np.repeat(p, 5), np.repeat(y, 5), None, FEW)

    assert copied.high - copied.low > 0.7 * (once.high - once.low)
    assert copied.high - copied.low > 1.3 * (as_if_alone.high - as_if_alone.low)


@pytest.mark.parametrize("measure", EACH)
def test_no_case_is_undefined(measure):
    assert measure(np.zeros(0), np.zeros(0, int)).value is None


@pytest.mark.parametrize("measure", EACH)
def test_refuses_logits(measure):
    with pytest.raises(ValueError, match=r"0\.\.1"):
        measure(np.array([2.3, -1.0]), np.array([1, 0]))


def test_whose_noise_was_removed_is_said_where_cases_are_not_independent(rng):
    probabilities = rng.random(60)
    outcomes = rng.random(60) < probabilities
    alone = ece_debiased(probabilities, outcomes)
    pairs = ece_debiased(probabilities, outcomes, clusters=Clusters.of(np.arange(60) // 2))

    assert alone.convention.endswith("noise of bins removed")
    assert pairs.convention.endswith("as of independent cases (cases of a cluster leave more)")
