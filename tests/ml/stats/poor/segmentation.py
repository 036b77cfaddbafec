"""Calls of the measures of masks: the rows are the voxels of one case."""

import numpy as np

from ml.stats.segmentation import (
    cases,
    consensus,
    energy,
    lesions,
    masks,
    overlap,
    readers,
    surface,
)
from tests.ml.stats.poor.rows import FEW, Rows, cohort


def _image(rows: Rows, column: np.ndarray) -> np.ndarray:
    """A picture five voxels wide, as far as the rows go."""
    return column[: rows.n // 5 * 5].reshape(-1, 5)


def _pair(rows: Rows) -> masks.MaskPair:
    return masks.MaskPair.of(
        _image(rows, rows.called), _image(rows, rows.called_b), spacing_mm=(0.5, 2.0)
    )


def _numbers(result: object, names: tuple[str, ...]) -> list[object]:
    return [getattr(result, name) for name in names]


def _overlap(rows: Rows):
    names = ("dice", "iou", "precision", "recall", "union", "volume_prediction_mm",
             "volume_reference_mm", "relative_volume_difference")  # fmt: skip
    return _numbers(overlap.overlap(_pair(rows)), names)


def _surface(kind: str):
    def call(rows: Rows):
        found = surface.surface_distances(_pair(rows), kind)
        return [
            found.hausdorff_mm, found.hausdorff_percentile_mm(95), found.pooled_percentile_mm(95),
            found.directed_mean_mm, found.masd_mm, found.assd_mm, found.surface_dice(1.0),
        ]  # fmt: skip

    return call


def _lesions(**options):
    names = ("tp", "fp", "fn", "sensitivity", "ppv", "f1", "segmentation_quality",
             "panoptic_quality")  # fmt: skip
    return lambda rows: _numbers(lesions.match_lesions(_pair(rows), **options), names)


def _panel(rows: Rows) -> np.ndarray:
    return np.stack([_image(rows, one) for one in (rows.called, rows.called_b, rows.present)])


def _pairs(rows: Rows) -> readers.MaskPairs:
    """Two pairs of readers and one with the model in each case, their overlap a share."""
    case = np.repeat(np.arange(rows.n), 3)
    value = np.stack([rows.probabilities, rows.classes[:, 0], rows.classes[:, 1]], axis=1)
    return readers.MaskPairs(case, value.reshape(-1), np.arange(3 * rows.n) % 3 == 2, rows.n)


def _small_masks(rows: Rows) -> list[np.ndarray]:
    """Three readers' masks of four voxels for each case."""
    marks = np.stack([rows.called, rows.called_b, rows.present, rows.error], axis=1)
    return [np.stack([one, np.roll(one, 1), one[::-1]]) for one in marks]


def _over_cases(rows: Rows, **options):
    empty = ["none"] * rows.n
    return cases.over_cases("dice", rows.probabilities, empty, rows.clusters, FEW, **options)


CLUSTERED = {
    "over_cases": _over_cases,
    "over_cases.median": lambda rows: _over_cases(rows, average="median"),
    "pairwise_mean": lambda rows: readers.pairwise_mean(_pairs(rows), rows.clusters, FEW),
    "pairwise_dice": lambda rows: readers.pairwise_dice(_small_masks(rows), rows.clusters, FEW),
    "model_beside_readers": lambda rows: readers.model_beside_readers(
        _pairs(rows), rows.clusters, FEW
    ),
    **{
        f"mean_energy_distance.{form}": lambda rows, form=form: energy.mean_energy_distance(
            _small_masks(rows), _small_masks(rows), rows.clusters, FEW, form=form
        )
        for form in ("V", "U")
    },
}
OTHERS = {
    "energy_distance": lambda rows: energy.energy_distance(_panel(rows), _panel(rows)),
    "overlap_matrix": lambda rows: overlap.overlap_matrix(_panel(rows)),

    "overlap": _overlap,
    "surface_distances.voxel": _surface("voxel"),
    "surface_distances.surfel": _surface("surfel"),
    "boundary_iou": lambda rows: surface.boundary_iou(_pair(rows)),
    **{f"match_lesions.{rule}": _lesions(rule=rule)
       for rule in ("optimal", "greedy", "any-overlap")},
    "match_lesions.face": _lesions(connectivity="face"),
    "soft_consensus": lambda rows: consensus.soft_consensus(_panel(rows)),
    "majority": lambda rows: consensus.majority(_panel(rows)),
    "staple": lambda rows: consensus.staple(_panel(rows)),
}  # fmt: skip
SIMULATED = set(OTHERS)  # a picture has the order of its voxels


# Measures of single numbers, and numbers that each of them takes.
IN_UNITS: set[str] = set()
NUMBERS = {
    "match_lesions": (
        lambda **numbers: lesions.match_lesions(_pair(cohort()), **numbers), {"least_iou": 0.2}
    ),
    "staple": (
        lambda **numbers: consensus.staple(_panel(cohort()), **numbers), {"prior": 0.4}
    ),
}  # fmt: skip
# Public functions that are no measure of rows.
NOT_MEASURES = {
    "variation": "of the volumes of samples, which the pass computes",
    "checked_panel": "refuses masks for consensus and overlap_matrix",
    "surfels": "pieces of a surface, for surface_distances",
    "areas": "sizes of these pieces",
    "nearest": "cells of borders, for surface_distances",
}
