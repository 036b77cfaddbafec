"""Gains over chance, the band of a curve, and cross-fitted sets: recomputed the long way."""

import numpy as np
import pytest

from ml.stats.bootstrap import Settings
from ml.stats.clusters import Clusters
from ml.stats.uncertainty.conformal import fit, sets
from ml.stats.uncertainty.cross_conformal import cross_fitted
from ml.stats.uncertainty.risk_band import risk_band
from ml.stats.uncertainty.selective import areas, risk_at_coverage, risk_coverage

QUICK = Settings(draws=200)


@pytest.fixture
def cases(rng):
    """Coarse confidences, so that there are ties, and errors that follow them."""
    confidence = rng.integers(0, 12, 90) / 12
    return confidence, (rng.random(90) > 0.4 + confidence / 2).astype(int)


def test_gains_and_excesses_are_those_of_all_orders(cases, rng):
    confidence, error = cases
    n = error.size

    found = areas(confidence, error, settings=QUICK)

    orders = [risk_coverage(np.arange(n, 0.0, -1), rng.permutation(error)) for _ in range(4000)]
    random = np.mean([curve.risk.mean() for curve in orders])
    random_generalised = np.mean([curve.generalised_risk.mean() for curve in orders])
    best = risk_coverage(-error.astype(float), error)
    value = {form: one.value for form, one in found.items()}
    assert value["aurc"] + value["aurc_gain"] == pytest.approx(random, abs=3e-3)
    assert value["augrc"] + value["augrc_gain"] == pytest.approx(random_generalised, abs=3e-3)
    assert value["augrc"] - value["e_augrc"] == pytest.approx(best.generalised_risk.mean())
    assert value["aurc"] - value["e_aurc"] == pytest.approx(best.risk.mean())
    for one in found.values():
        assert one.low < one.value < one.high


def test_the_interval_of_a_gain_draws_curve_and_errors_together(cases):
    confidence, error = cases
    units = Clusters.of(np.arange(error.size) // 3, "patient")

    found = areas(confidence, error, units, QUICK)

    naive = []
    generator = np.random.default_rng(1)
    for _ in range(2000):
        rows = (3 * generator.integers(0, 30, 30)[:, None] + np.arange(3)).ravel()
        risks = risk_coverage(confidence[rows], error[rows]).risk
        naive.append(error[rows].mean() - risks.mean())
    low, high = np.quantile(naive, (0.025, 0.975))
    assert (found["aurc_gain"].low, found["aurc_gain"].high) == pytest.approx((low, high), abs=0.03)


def test_an_unknown_form_is_refused():
    with pytest.raises(ValueError, match="'odd'"):
        areas(np.ones(2), np.zeros(2, int), forms=("aurc", "odd"))


def test_the_band_has_the_intervals_of_its_points(cases):
    confidence, error = cases
    units = Clusters.of(np.arange(error.size) // 3, "patient")

    grid, low, high = risk_band(confidence, error, units, QUICK, grid=np.array([0.3, 1.0]))

    for at, share in enumerate(grid):
        one = risk_at_coverage(confidence, error, float(share), units, QUICK)
        assert (low[at], high[at]) == pytest.approx((one.low, one.high))


def test_no_band_without_spread_or_units(cases):
    confidence, error = cases
    assert risk_band(confidence[:9], error[:9], settings=QUICK) is None
    assert risk_band(confidence, np.zeros(90, int), settings=QUICK) is None
    assert risk_band(confidence, error, settings=Settings(draws=0)) is None
    with pytest.raises(ValueError, match="above 0"):
        risk_band(confidence, error, grid=np.array([0.0, 0.5]))


def soft(rng, n, k=3):
    probabilities = rng.dirichlet(np.full(k, 0.7), n)
    label = np.array([rng.choice(k, p=row) for row in probabilities])
    return probabilities, label


@pytest.mark.parametrize("score", ["lac", "aps"])
def test_no_patient_cuts_a_set_of_his_own(rng, score):
    probabilities, label = soft(rng, 120)
    units = Clusters.of(np.arange(120) // 4, "patient")

    found = cross_fitted(probabilities, label, 0.2, units, score=score, seed=5)

    assert sorted(found.calibration) == [96] * 5
    for patient in range(30):
        assert np.unique(found.fold[units.codes == patient]).size == 1
    if score == "lac":
        for fold in range(5):
            own = found.fold == fold
            cut = fit(probabilities[~own], label[~own], 0.2)
            assert (found.members[own] == sets(cut, probabilities[own])).all()
    # A patient's own labels, whatever they are, leave his sets as they are.
    turned = np.where(units.codes == 0, (label + 1) % 3, label)
    again = cross_fitted(probabilities, turned, 0.2, units, score=score, seed=5)
    assert (again.members[:4] == found.members[:4]).all()


@pytest.mark.parametrize("score", ["lac", "aps"])
def test_sets_hold_the_truth_as_often_as_they_promise(rng, score):
    held = []
    for seed in range(30):
        probabilities, label = soft(rng, 200)
        found = cross_fitted(probabilities, label, 0.1, score=score, seed=seed)
        held.append(found.members[np.arange(200), label].mean())
    # Between 1 - alpha and that plus 1/(n+1), over many cohorts; 3 standard errors around it.
    error = 3 * np.std(held) / 30**0.5
    assert 0.9 - error < np.mean(held) < 0.9 + 1 / 161 + error


def test_sets_depend_on_the_seed_alone(rng):
    probabilities, label = soft(rng, 60)
    one, two, three = (
        cross_fitted(probabilities, label, 0.2, score="aps", seed=seed) for seed in (1, 1, 2)
    )
    assert (one.members == two.members).all()
    assert (one.fold != three.fold).any()


def test_folds_need_units():
    with pytest.raises(ValueError, match="3 cases"):
        cross_fitted(np.full((3, 2), 0.5), np.zeros(3, int), 0.1)
