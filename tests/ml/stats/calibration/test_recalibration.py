import numpy as np
import pytest

from ml.stats.bootstrap import Settings, draw_counts
from ml.stats.calibration.recalibration import fit_line, fit_offset, intercept, slope
from ml.stats.clusters import Clusters
from tests.ml.stats.calibration.test_calibration_error import CASES, FEW


@pytest.mark.parametrize("case", CASES)
def test_published(reference, case):
    known = reference(case)
    p, y = np.array(known.input["p"]), np.array(known.input["y"])

    assert intercept(p, y, settings=FEW).value == pytest.approx(
        known.value("calibration_in_the_large_intercept"), abs=1e-6
    )
    assert slope(p, y, settings=FEW).value == pytest.approx(
        known.value("calibration_slope"), abs=1e-6
    )


def test_intercept_is_not_that_of_the_joint_fit(reference):
    known = reference(CASES[0])
    p, y = np.array(known.input["p"]), np.array(known.input["y"])

    joint = known.value("calibration_intercept_joint")
    assert abs(intercept(p, y, settings=FEW).value - joint) > 0.01


def test_constant_probability_by_hand():
    """p = 0.5 for all, 3 of 4 with the finding: intercept logit(0.75) = ln 3; no slope."""
    p, y = np.full(4, 0.5), np.array([1, 1, 1, 0])

    assert intercept(p, y).value == pytest.approx(np.log(3))
    assert slope(p, y).value is None
    assert "all probabilities are equal" in slope(p, y).reason


def test_true_probabilities_have_intercept_0_and_slope_1(rng):
    p = rng.random(20_000)
    y = (rng.random(20_000) < p).astype(int)
    few = Settings(draws=50)

    assert intercept(p, y, settings=few).value == pytest.approx(0, abs=0.06)
    assert slope(p, y, settings=few).value == pytest.approx(1, abs=0.05)


def test_certain_probabilities_are_clipped_and_counted():
    p = np.array([0.0, 1.0, 0.0, 1.0, 0.4, 0.6])
    y = np.array([0, 1, 1, 0, 0, 1])
    estimate = intercept(p, y)

    assert np.isfinite(estimate.value)
    assert estimate.extra["clipped"] == 4
    assert "clipped to 1e-06" in estimate.convention
    assert "4 of 6 probabilities are at the clip of 1e-06" in estimate.convention
    assert "Read with care: 4 of 6 scores are at the clip" in estimate.reason


@pytest.mark.parametrize("measure", [intercept, slope])
@pytest.mark.parametrize("clipped", [0, 30, 31])
def test_more_than_a_tenth_at_the_clip_is_to_be_read_with_care(rng, measure, clipped):
    p, y = rng.uniform(0.1, 0.9, 300), np.arange(300) % 2
    p[:clipped] = 1e-6
    estimate = measure(p, y, settings=FEW)

    assert estimate.has_interval
    assert ("at the clip" in estimate.convention) == (clipped > 0)
    assert estimate.reason == (
        "Read with care: 31 of 300 scores are at the clip, so the value depends on it."
        if clipped == 31
        else None
    )


@pytest.mark.parametrize("share", [0.001, 0.5, 0.999])
def test_intercept_settles_for_extreme_scores(rng, share):
    """The score equation must hold: mean prediction equals the observed share."""
    p = np.where(rng.random(500) < share, 1.0, 0.0)
    y = rng.integers(0, 2, 500)
    value = intercept(p, y, settings=FEW).value

    logit = np.log(p.clip(1e-6, 1 - 1e-6) / (1 - p.clip(1e-6, 1 - 1e-6)))
    assert (1 / (1 + np.exp(-(value + logit)))).mean() == pytest.approx(y.mean(), abs=1e-6)


def test_separation_is_undefined():
    estimate = slope(np.array([0.1, 0.2, 0.8, 0.9]), np.array([0, 0, 1, 1]))

    assert estimate.value is None
    assert "separates" in estimate.reason


@pytest.mark.parametrize("measure", [intercept, slope])
def test_one_class_is_undefined(measure):
    assert measure(np.array([0.1, 0.7]), np.array([1, 1])).value is None


def test_replicates_are_fits_of_the_drawn_cases(rng):
    p, y = rng.random(80), rng.integers(0, 2, 80)
    x, settings = np.log(p / (1 - p)), Settings(draws=5)
    weights = next(draw_counts(80, settings))

    offsets = fit_offset(x, y == 1, weights)
    lines = fit_line(x, y == 1, weights, np.zeros(2))

    for row in range(5):
        drawn = np.repeat(np.arange(80), weights[row].astype(int))
        once = np.ones((1, drawn.size))
        assert offsets[row] == pytest.approx(fit_offset(x[drawn], y[drawn] == 1, once)[0])
        assert lines[row] == pytest.approx(
            fit_line(x[drawn], y[drawn] == 1, once, np.zeros(2))[0], abs=1e-6
        )


def test_interval_covers_what_wald_covers(reference):
    known = reference(CASES[1])
    p, y = np.array(known.input["p"]), np.array(known.input["y"])
    low, high = known.value("calibration_slope_ci")
    estimate = slope(p, y, Clusters.of(np.arange(p.size), "patient"))

    assert estimate.low == pytest.approx(low, abs=0.08)
    assert estimate.high == pytest.approx(high, abs=0.08)
