"""Calls of the measures of calibration."""

import numpy as np

from ml.stats.calibration import (
    binned_error,
    calibration_error,
    curve,
    decomposition,
    multiclass,
    recalibration,
    recalibrators,
    reliability,
    scores,
    smooth_error,
)
from ml.stats.calibration.brier import brier
from ml.stats.calibration.joint_fit import joint_fit
from tests.ml.stats.poor.rows import FEW, Rows, cohort


def _binary(measure, **options):
    return lambda rows: measure(rows.probabilities, rows.present, rows.clusters, FEW, **options)


def _classes(measure, **options):
    return lambda rows: measure(rows.classes, rows.label, rows.clusters, FEW, **options)


def _plain(measure):
    def call(rows: Rows):
        return measure(rows.probabilities, rows.present)

    return call


# Measures that take clusters, and those that have none to take.
CLUSTERED = {
    "brier": _binary(brier),
    "scaled_brier": _binary(scores.scaled_brier),
    "log_loss": _binary(scores.log_loss),
    "observed_expected": _binary(scores.observed_expected),
    "ece": _binary(calibration_error.ece),
    "ece_top_label": _binary(calibration_error.ece_top_label),
    "ece_debiased": _binary(calibration_error.ece_debiased),
    "binned_error": _binary(binned_error.binned_error, scheme="equal mass", norm="l2"),
    "sweep_error": _binary(binned_error.sweep_error),
    "null_distribution": _binary(binned_error.null_distribution),
    "smooth_error": _binary(smooth_error.smooth_error),
    "calibration_curve": _binary(curve.calibration_curve),
    "corp": _binary(decomposition.corp),
    "intercept": _binary(recalibration.intercept),
    "slope": _binary(recalibration.slope),
    "reliability": _binary(reliability.reliability),
    "nll": _classes(multiclass.nll),
    "brier_multiclass": _classes(multiclass.brier_multiclass),
    "top_label_error": _classes(multiclass.top_label_error),
    "classwise_error": _classes(multiclass.classwise_error),
}
SIMULATED = {"null_distribution"}  # its value is a simulation's, which the order changes
OTHERS = {
    "murphy": _plain(decomposition.murphy),
    "joint_fit": _plain(joint_fit),
    "spiegelhalter": _plain(scores.spiegelhalter),
    "hosmer_lemeshow": _plain(scores.hosmer_lemeshow),
    "temperature": lambda rows: recalibrators.temperature(rows.logits, rows.label),
    "vector_scaling": lambda rows: recalibrators.vector_scaling(rows.logits, rows.label),
    "platt": _plain(recalibrators.platt),
    "beta": _plain(recalibrators.beta),
    "isotonic": _plain(recalibrators.isotonic),
    "cross_fitted": lambda rows: recalibrators.cross_fitted(
        recalibrators.platt, rows.probabilities, rows.present, rows.clusters, folds=4
    ),
    "shifted_prevalence": lambda rows: recalibrators.shifted_prevalence(
        rows.classes, np.full(3, 1 / 3), np.array([0.5, 0.3, 0.2])
    ),
    "estimated_prevalence": lambda rows: recalibrators.estimated_prevalence(
        rows.classes, np.full(3, 1 / 3)
    ),
}


def _of(measure, *given, **options):
    rows = cohort()
    return lambda **numbers: measure(rows.probabilities, rows.present, *given, **options, **numbers)


def _of_classes(measure):
    return lambda **numbers: measure(cohort().classes, cohort().label, settings=FEW, **numbers)


# Measures of single numbers, and numbers that each of them takes.
IN_UNITS = {"temperature"}  # logits have a unit of their own
NUMBERS = {
    "ece": (_of(calibration_error.ece, settings=FEW), {"bins": 5}),
    "ece_top_label": (_of(calibration_error.ece_top_label, settings=FEW), {"bins": 5}),
    "ece_debiased": (_of(calibration_error.ece_debiased, settings=FEW), {"bins": 5}),
    "binned_error": (_of(binned_error.binned_error, settings=FEW), {"bins": 5}),
    "null_distribution": (_of(binned_error.null_distribution, settings=FEW), {"bins": 5}),
    "top_label_error": (_of_classes(multiclass.top_label_error), {"bins": 5}),
    "classwise_error": (_of_classes(multiclass.classwise_error), {"bins": 5}),
    "murphy": (_of(decomposition.murphy), {"bins": 5}),
    "joint_fit": (_of(joint_fit), {"level": 0.9}),
    "hosmer_lemeshow": (_of(scores.hosmer_lemeshow), {"groups": 5}),
    "reliability": (_of(reliability.reliability, settings=FEW), {"bins": 5}),
    "lowess": (
        lambda **numbers: curve.lowess(cohort().a, cohort().b, **numbers).tolist(),
        {"span": 0.7},
    ),
    "vector_scaling": (
        lambda **numbers: recalibrators.vector_scaling(cohort().logits, cohort().label, **numbers),
        {"penalty": 0.01},
    ),
    "cross_fitted": (
        lambda **numbers: recalibrators.cross_fitted(
            recalibrators.platt, cohort().probabilities, cohort().present, **numbers
        ).tolist(),
        {"folds": 4, "seed": 3},
    ),
    "estimated_prevalence": (
        lambda **numbers: recalibrators.estimated_prevalence(
            cohort().classes, np.full(3, 1 / 3), **numbers
        ).tolist(),
        {"steps": 50},
    ),
}
# Public functions that are no measure of rows.
NOT_MEASURES = {
    "mass_bins": "which bin a case is in",
    "mass_shares": "which part of a case is in which bin",
    "bin_of": "which bin a case is in",
    "bin_sums": "sums of the bins, for reliability",
    "gap_rows": "what a case adds to a binned error",
    "norm_of": "a norm of sums",
    "top_label": "arrays, for ece_top_label",
    "pav": "arrays, for corp",
    "checked_classes": "a check of shapes",
    "separated": "whether a fit exists",
    "fit_offset": "replicates of the intercept",
    "fit_line": "replicates of the slope",
}
