"""Calls of the measures of calibration."""

from ml.stats.calibration import (
    binned_error,
    calibration_error,
    curve,
    decomposition,
    multiclass,
    recalibration,
    reliability,
    scores,
    smooth_error,
)
from ml.stats.calibration.brier import brier
from ml.stats.calibration.joint_fit import joint_fit
from tests.ml.stats.poor.rows import FEW, Rows


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
}
