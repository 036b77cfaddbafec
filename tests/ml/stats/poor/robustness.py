"""Calls of the measures of robustness to corruption."""

import numpy as np

from ml.stats.robustness import corruption_error, degradation, severity
from tests.ml.stats.poor.rows import FEW, cohort


def _two(rows):
    return np.stack([rows.b, rows.scores])


def _errors(rows):
    return {"blur": rows.probabilities, "noise": rows.classes[:, 0]}


def _baseline(rows):
    return {"blur": rows.classes[:, 1], "noise": rows.classes[:, 2]}


CLUSTERED = {
    "accuracy_loss": lambda rows: severity.accuracy_loss(
        rows.called, rows.called_b, rows.clusters, FEW
    ),
    "dice_loss": lambda rows: severity.dice_loss(rows.a, rows.b, rows.clusters, FEW),
    "degradation": lambda rows: degradation.degradation(rows.a, rows.b, rows.clusters, FEW),
    "first_breakdown": lambda rows: degradation.first_breakdown(
        rows.a, _two(rows), 0.1, rows.clusters, FEW
    ),
    "flip_rate": lambda rows: degradation.flip_rate(
        rows.called, rows.called_b, rows.clusters, FEW
    ),
    "flip_rate_of_frames": lambda rows: degradation.flip_rate(
        np.stack([rows.called, rows.called_b], axis=1),
        np.stack([rows.called_b, rows.called_b], axis=1), rows.clusters, FEW,
    ),
    "mean_degradation": lambda rows: degradation.mean_degradation(
        rows.a, {"blur": _two(rows), "noise": _two(rows)[::-1]}, rows.clusters, FEW
    ),
}  # fmt: skip
SIMULATED: set[str] = set()
IN_UNITS = {"first_breakdown"}  # its margin is in the unit of the numbers
OTHERS = {
    "corruption_error": lambda rows: corruption_error.corruption_error(
        _errors(rows), _baseline(rows)
    ),
    "relative_corruption_error": lambda rows: corruption_error.relative_corruption_error(
        _errors(rows), _baseline(rows), 0.1, 0.2
    ),
    "mean_corruption_error": lambda rows: corruption_error.mean_corruption_error(_errors(rows)),
    "monotone_distortion": lambda rows: degradation.monotone_distortion(rows.numbers.T),
}

_SOUND = cohort()
NUMBERS = {
    "relative_corruption_error": (
        lambda **n: corruption_error.relative_corruption_error(
            _errors(_SOUND), _baseline(_SOUND), **n
        ),
        {"clean_error": 0.1, "baseline_clean_error": 0.2},
    ),
    "relative_robustness_auc": (
        lambda **n: corruption_error.relative_robustness_auc([0.2, 0.3], **n),
        {"clean_error": 0.1},
    ),
    "first_breakdown": (
        lambda **n: degradation.first_breakdown(_SOUND.a, _two(_SOUND), **n), {"margin": 0.1},
    ),
}  # fmt: skip
NOT_MEASURES = {"severity_borne": "reads losses that were estimated before"}
