"""Calls of the measures of foreign inputs: the first half of the rows is the familiar sample."""

import numpy as np

from ml.stats.ood import (
    conformal,
    detection,
    feature_scores,
    head_scores,
    logit_scores,
    multivariate_shift,
    nearest,
    shift,
)
from tests.ml.stats.poor.rows import FEW, Rows, cohort


def _two(measure, name="a", **options):
    """Both samples hold every row; the second is another column of it."""
    return lambda rows: measure(
        getattr(rows, name), rows.b, rows.clusters, rows.clusters, FEW, **options
    )


def _pair(measure, **options):
    return lambda rows: measure(rows.logits, rows.logits[:, ::-1], **options)


def _of_all(rows: Rows):
    both = None
    if rows.clusters is not None:
        codes = np.tile(rows.clusters.codes, 2)
        both = type(rows.clusters)(codes, rows.clusters.count, rows.clusters.kind)
    return detection.detection(rows.scores, rows.scores_b + 1, settings=FEW, clusters=both)


def _mmd(rows: Rows):
    return multivariate_shift.mmd(
        rows.logits, rows.logits[:, ::-1], None, rows.clusters, rows.clusters, FEW
    )


def _features(measure):
    return lambda rows: measure(
        rows.logits, feature_scores.fit_gaussians(rows.logits, rows.label)
    )  # fmt: skip


CLUSTERED = {
    "detection": _two(detection.detection, "scores"),
    "detection.of_all": _of_all,
    "wasserstein_1": _two(shift.wasserstein_1),
    "energy_distance": _two(shift.energy_distance),
    "standardized_mean_difference": _two(shift.standardized_mean_difference),
    "mmd": _mmd,
}
OTHERS = {
    "kolmogorov_smirnov": _pair(shift.kolmogorov_smirnov),
    "population_stability_index": lambda rows: shift.population_stability_index(rows.a, rows.b, 4),
    "population_stability_index.edges": lambda rows: shift.population_stability_index(
        rows.a, rows.b, np.array([-0.5, 0.5])
    ),
    "median_bandwidth": _pair(multivariate_shift.median_bandwidth),
    "frechet_distance": _pair(multivariate_shift.frechet_distance),
    "frechet_distance.n": _pair(multivariate_shift.frechet_distance, ddof="N"),
    "label_shift": lambda rows: multivariate_shift.label_shift(
        rows.label, rows.answers[:, :1].ravel(), rows.label[::-1], 3
    ),
    "conformal_p_values": lambda rows: conformal.conformal_p_values(rows.scores, rows.scores_b),
    "flagged": lambda rows: conformal.flagged(rows.scores, rows.scores_b),
    "alarm_threshold": lambda rows: conformal.alarm_threshold(rows.scores),
    "fit_gaussians": lambda rows: feature_scores.fit_gaussians(rows.logits, rows.label),
    "mahalanobis": _features(feature_scores.mahalanobis),
    "relative_mahalanobis": _features(feature_scores.relative_mahalanobis),
    "knn_distance": lambda rows: feature_scores.knn_distance(rows.logits, rows.logits, 2),
    "knn_distance.self": lambda rows: feature_scores.knn_distance(
        rows.logits, rows.logits, 2, exclude_self=True
    ),
    "kth_distance": lambda rows: nearest.kth_distance(rows.logits, rows.logits, 2),
    "virtual_logit": lambda rows: feature_scores.virtual_logit(
        rows.logits, rows.logits, rows.logits, rows.logits, dimension=1
    ),
    "linear_head": lambda rows: head_scores.linear_head(rows.logits, rows.logits),
    "gradnorm": lambda rows: head_scores.gradnorm(rows.logits, rows.logits),
    "react_threshold": lambda rows: head_scores.react_threshold(rows.logits),
    "react": lambda rows: head_scores.react(
        rows.logits,
        head_scores.Head(np.eye(rows.logits.shape[1]), np.zeros(rows.logits.shape[1])),
        1.0,
    ),
    "hopfield": lambda rows: head_scores.hopfield(rows.logits, rows.label, rows.logits, rows.label),
    "max_softmax": lambda rows: logit_scores.max_softmax(rows.logits),
    "max_logit": lambda rows: logit_scores.max_logit(rows.logits),
    "energy": lambda rows: logit_scores.energy(rows.logits),
    "entropy": lambda rows: logit_scores.entropy(rows.logits),
    "generalized_entropy": lambda rows: logit_scores.generalized_entropy(rows.logits),
    "kl_matching": lambda rows: logit_scores.kl_matching(rows.logits, rows.logits),
}
SIMULATED: set[str] = set()

# Measures of single numbers, and numbers that each of them takes.
IN_UNITS = {"detection.of_all"}  # the call adds 1 to the scores
NUMBERS = {
    "alarm_threshold": (
        lambda **numbers: conformal.alarm_threshold(cohort().scores, **numbers),
        {"alpha": 0.1, "level": 0.9},
    ),
    "flagged": (
        lambda **numbers: conformal.flagged(cohort().scores, cohort().scores_b, **numbers),
        {"fdr": 0.1},
    ),
    "mmd": (
        lambda **numbers: multivariate_shift.mmd(
            cohort().logits, cohort().logits + 1, settings=FEW, **numbers
        ),
        {"bandwidth": 1.0},
    ),
    "population_stability_index": (
        lambda **numbers: shift.population_stability_index(cohort().a, cohort().b, **numbers),
        {"edges": 4, "floor": 1e-4},
    ),
    "label_shift": (
        lambda **numbers: multivariate_shift.label_shift(
            cohort().label, cohort().label, cohort().label, **numbers
        ),
        {"classes": 3, "max_condition": 100.0},
    ),
    "energy": (
        lambda **numbers: logit_scores.energy(cohort().logits, **numbers).tolist(),
        {"temperature": 2.0},
    ),
    "generalized_entropy": (
        lambda **numbers: logit_scores.generalized_entropy(cohort().logits, **numbers).tolist(),
        {"gamma": 0.2, "top": 2},
    ),
    "knn_distance": (
        lambda **numbers: feature_scores.knn_distance(
            cohort().logits, cohort().logits, **numbers
        ).tolist(),
        {"k": 2},
    ),
    "gradnorm": (
        lambda **numbers: head_scores.gradnorm(
            cohort().logits, cohort().logits, **numbers
        ).tolist(),
        {"temperature": 2.0},
    ),
    "kth_distance": (
        lambda **numbers: nearest.kth_distance(
            cohort().logits, cohort().logits, **numbers
        ).tolist(),
        {"k": 2},
    ),
    "react_threshold": (
        lambda **numbers: head_scores.react_threshold(cohort().logits, **numbers),
        {"share": 0.8},
    ),
    "react": (
        lambda **numbers: head_scores.react(
            cohort().logits,
            head_scores.Head(np.eye(cohort().logits.shape[1]), np.zeros(cohort().logits.shape[1])),
            **numbers,
        ).tolist(),
        {"threshold": 1.0},
    ),
    "virtual_logit": (
        lambda **numbers: feature_scores.virtual_logit(
            *[cohort().logits] * 4, **numbers
        ).tolist(),
        {"dimension": 1},
    ),
}  # fmt: skip
# Public functions that are no measure of rows.
NOT_MEASURES = {
    "checked_pair": "a check of shapes",
    "as_given": "a check of shapes",
    "nearest_copy": "arrays: which image, and how alike",
    "near_duplicates": "arrays: which images are alike",
    "perceptual_hash": "arrays: bits of a picture",
    "patterns": "rows less their means, for both",
    "joined_groups": "arrays: groups of groups",
    "by_appearance": "numbers groups",
    "codes_of": "numbers names",
    "merged": "for joined_groups",
    "checked_rows": "a check of shapes",
    "largest_of": "for that check",
    "rounding_of": "the bound of a sum's rounding, for kth_distance",
    "in_single": "points in single precision, for kth_distance",
    "directions": "in which they spread most, likewise",
    "alike": "places of points that lie near each other, likewise",
}
