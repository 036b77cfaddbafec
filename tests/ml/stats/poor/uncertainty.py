"""Calls of the measures of uncertainty."""

import numpy as np

from ml.stats.uncertainty import (
    conformal,
    decomposition,
    finite_samples,
    gaussian,
    held_limit,
    selective,
)
from tests.ml.stats.poor.rows import FEW, Rows, cohort


def _selective(measure, *given, **options):
    return lambda rows: measure(
        rows.scores, rows.error, *given, clusters=rows.clusters, settings=FEW, **options
    )


def _gaussian(measure, *given, **options):
    """``b`` predicts ``a`` with standard deviations that differ by case."""
    return lambda rows: measure(
        _prediction(rows), *given, clusters=rows.clusters, settings=FEW, **options
    )


def _prediction(rows: Rows) -> gaussian.Gaussian:
    return gaussian.Gaussian(rows.b, 0.3 + rows.probabilities, rows.a)


def _ause(rows: Rows):
    return gaussian.ause(abs(rows.a), rows.scores, rows.clusters, FEW)


def _members(measure, **options):
    return lambda rows: measure(np.moveaxis(rows.members, 1, 0), **options)


def _correlation(rows: Rows):
    return decomposition.correlation(rows.a, rows.b, rows.clusters, FEW)


def _share(rows: Rows):
    part = np.asarray(rows.probabilities)
    return finite_samples.epistemic_share(part / 2, part, rows.clusters, FEW)


def _change(rows: Rows):
    members = np.tile(np.moveaxis(rows.members, 1, 0), (10, 1, 1))
    return finite_samples.sampling_change(members, rows.clusters, FEW)


def _thresholds(rows: Rows, **options) -> conformal.Thresholds:
    return conformal.fit(rows.classes, rows.label, 0.2, **options)


def _sets(rows: Rows) -> np.ndarray:
    """Sets of thresholds that were fixed elsewhere."""
    return conformal.sets(conformal.Thresholds(np.array([0.6]), "lac", 0.2, "all"), rows.classes)


def _grouped(rows: Rows):
    members = _sets(rows)
    return conformal.coverage_by(members, rows.label, rows.label, rows.clusters)


def _expected(rows: Rows):
    return conformal.coverage(
        _sets(rows), rows.label, rows.clusters, n_calibration=99, alpha=0.1
    )  # fmt: skip


CLUSTERED = {
    "loss_area": lambda rows: selective.loss_area(
        rows.scores, rows.probabilities, rows.clusters, FEW
    ),
    **{f"area.{form}": _selective(selective.area, form=form) for form in selective.FORMS},
    "risk_at_coverage": _selective(selective.risk_at_coverage, 0.7),
    "coverage_at_risk": _selective(selective.coverage_at_risk, 0.35),
    "failure_auroc": _selective(selective.failure_auroc),
    "guaranteed_coverage": lambda rows: selective.guaranteed_coverage(
        rows.scores, rows.error, 0.6, rows.clusters
    ),
    "crps": _gaussian(gaussian.crps),
    "gaussian_nll": _gaussian(gaussian.gaussian_nll),
    "sharpness": _gaussian(gaussian.sharpness),
    "interval_coverage": _gaussian(gaussian.interval_coverage, 0.8),
    "check_score": _gaussian(gaussian.check_score),
    "interval_score": _gaussian(gaussian.interval_score),
    **{
        f"miscalibration.{form}": _gaussian(gaussian.miscalibration, form=form)
        for form in ("mace", "rmsce", "area")
    },
    "ence": _gaussian(gaussian.ence, bins=4),
    "ause": _ause,
    "correlation": _correlation,
    "epistemic_share": _share,
    "sampling_change": _change,
    "coverage": lambda rows: conformal.coverage(_sets(rows), rows.label, rows.clusters),
    "coverage.expected": _expected,
    "coverage_by": _grouped,
    "mean_size": lambda rows: conformal.mean_size(_sets(rows), rows.clusters, FEW),
}
OTHERS = {
    "held_limit": lambda rows: [
        limit for limit in [held_limit.held_limit(rows.scores, 0.2, rows.clusters)]
        if np.isfinite(limit)
    ],
    "risk_coverage": lambda rows: selective.risk_coverage(rows.scores, rows.error),
    "deferral": lambda rows: selective.deferral(rows.scores, rows.error),
    "deferral.reader": lambda rows: selective.deferral(rows.scores, rows.error, rows.called),
    "pit": lambda rows: gaussian.pit(_prediction(rows)),
    "entropy_parts": _members(decomposition.entropy_parts),
    "entropy_parts.bits": _members(decomposition.entropy_parts, unit="bits"),
    "variance_parts": _members(decomposition.variance_parts),
    "gaussian_parts": lambda rows: decomposition.gaussian_parts(
        rows.numbers.T, np.abs(rows.numbers.T)
    ),
    "variation_ratio": _members(decomposition.variation_ratio),
    "max_probability_uncertainty": _members(decomposition.max_probability_uncertainty),
    "split_half_error": _members(decomposition.split_half_error, splits=3),
    "convergence": _members(decomposition.convergence),
    **{f"fit.{score}": lambda rows, s=score: _thresholds(rows, score=s)
       for score in conformal.SCORES},
    "fit.class": lambda rows: _thresholds(rows, by="class"),
    "fit.group": lambda rows: _thresholds(rows, by="group", group=rows.label),
    "sets": _sets,
    "sets.own": lambda rows: conformal.sets(_thresholds(rows, by="class"), rows.classes),
    "risk_controlled_threshold": lambda rows: conformal.risk_controlled_threshold(
        np.sort(rows.classes, axis=1)[:, ::-1], np.array([0.2, 0.5, 0.8]), 0.4
    ),
}  # fmt: skip
SIMULATED: set[str] = set()


def _scored(measure):
    rows = cohort()
    return lambda **numbers: measure(rows.scores, rows.error, **numbers)


# Measures of single numbers, and numbers that each of them takes.
# The call leaves the predicted standard deviations as they are.
IN_UNITS = {f"miscalibration.{form}" for form in ("mace", "rmsce", "area")} | {"ence"}
NUMBERS = {
    "risk_at_coverage": (_scored(selective.risk_at_coverage), {"coverage": 0.7}),
    "coverage_at_risk": (_scored(selective.coverage_at_risk), {"risk": 0.3}),
    "guaranteed_coverage": (
        _scored(selective.guaranteed_coverage), {"risk": 0.6, "delta": 0.01}
    ),
    "interval_coverage": (
        lambda **numbers: gaussian.interval_coverage(_prediction(cohort()), **numbers),
        {"share": 0.8},
    ),
    "ence": (lambda **numbers: gaussian.ence(_prediction(cohort()), **numbers), {"bins": 4}),
    "held_limit": (
        lambda **numbers: [
            one for one in [held_limit.held_limit(np.arange(9.0), **numbers)] if np.isfinite(one)
        ],
        {"alpha": 0.2},
    ),
    "conformal_quantile": (
        lambda **numbers: [
            one for one in [conformal.conformal_quantile(np.arange(9.0), **numbers)]
            if np.isfinite(one)
        ],
        {"alpha": 0.3},
    ),
    "fit": (
        lambda **numbers: conformal.fit(
            cohort().classes, cohort().label, score="raps", **numbers
        ),
        {"alpha": 0.2, "penalty": 0.01, "allowed": 2},
    ),
    "coverage": (
        lambda **numbers: conformal.coverage(_sets(cohort()), cohort().label, **numbers),
        {"level": 0.9, "n_calibration": 99, "alpha": 0.1},
    ),
    "coverage_by": (
        lambda **numbers: conformal.coverage_by(
            _sets(cohort()), cohort().label, cohort().label, **numbers
        ),
        {"level": 0.9},
    ),
    "risk_controlled_threshold": (
        lambda **numbers: conformal.risk_controlled_threshold(
            np.tile([1.0, 0.0], (99, 1)), np.array([0.2, 0.8]), **numbers
        ),
        {"alpha": 0.2, "largest": 1.0},
    ),
    "split_half_error": (
        lambda **numbers: decomposition.split_half_error(
            np.moveaxis(cohort().members, 1, 0), **numbers
        ).tolist(),
        {"splits": 3},
    ),
}  # fmt: skip
# Public functions that are no measure of rows.
NOT_MEASURES = {
    "setting_half": "deals patients into halves",
    "areas": "several forms of area, each of which is tried",
    "risk_band": "a band that is drawn, not reported",
    "loss_coverage": "the curve that loss_area measures",
    "cross_fitted": "sets, for coverage and mean_size",
    "binary_entropy": "of voxels, in the pass",
    "regions": "of voxels, in the pass",
    "summary": "of voxels, in the pass",
    "checked_members": "a check of shapes",
    "class_scores": "arrays, for fit and sets",
}
