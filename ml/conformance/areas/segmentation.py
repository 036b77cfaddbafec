"""Masks against masks."""

from collections.abc import Mapping
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ml.conformance.answer import Answers, NotOffered
from ml.conformance.cases import Case, Params
from ml.stats.segmentation.consensus import Staple, majority, staple
from ml.stats.segmentation.lesions import match_lesions
from ml.stats.segmentation.masks import MaskPair
from ml.stats.segmentation.overlap import Overlap, overlap
from ml.stats.segmentation.surface import (
    Surface,
    SurfaceDistances,
    boundary_iou,
    surface_distances,
)


def _drawn(shapes: list[Mapping[str, Any]], size: list[int]) -> NDArray[np.bool_]:
    """The mask that boxes and balls make, later ones over earlier ones."""
    mask = np.zeros(size, dtype=bool)
    index = np.indices(size)
    for shape in shapes:
        if shape["type"] == "box":
            ends = zip(index, shape["lo"], shape["hi"], strict=True)
            inside = np.all([(at >= low) & (at < high) for at, low, high in ends], axis=0)
        else:
            parts = zip(index, shape["center"], shape["scale"], strict=True)
            square = sum(((at - centre) * scale) ** 2 for at, centre, scale in parts)
            inside = np.asarray(square <= shape["r"] ** 2)
        mask[inside] = bool(shape["value"])
    return mask


@cache
def _pair(case: Case) -> MaskPair:
    size = case.input["shape"]
    return MaskPair.of(
        _drawn(case.input["prediction"], size),
        _drawn(case.input["reference"], size),
        tuple(case.input["spacing"]),
    )


@cache
def _distances(case: Case, surface: Surface) -> SurfaceDistances:
    return surface_distances(_pair(case), surface)


def _surface(case: Case, params: Params) -> SurfaceDistances:
    said = str(params.get("surface", "voxel"))
    if not said.startswith(("voxel", "surfel")):
        raise NotOffered(f"surface {said}")
    return _distances(case, "surfel" if said.startswith("surfel") else "voxel")


def _overlap(case: Case) -> Overlap:
    return overlap(_pair(case))


def _counts(case: Case, params: Params) -> dict[str, int]:
    found = _overlap(case)
    return {
        "reference": found.reference,
        "prediction": found.prediction,
        "intersection": found.intersection,
    }


def _volume(case: Case, params: Params) -> dict[str, float]:
    found = _overlap(case)
    return {"reference": found.volume_reference_mm, "prediction": found.volume_prediction_mm}


def _policy(case: Case, params: Params) -> dict[str, str]:
    """The words of the reference, given only where what our measures return bears them out."""
    empty = np.zeros((8, 8, 8), dtype=bool)
    filled = empty.copy()
    filled[2:4, 2:4, 2:4] = True
    both, one = MaskPair.of(empty, empty), MaskPair.of(empty, filled)
    both_far, one_far = surface_distances(both), surface_distances(one)
    said: dict[str, str] = {}
    if overlap(both).dice is None and both_far.hausdorff_mm is None:
        said["both_empty"] = "dice=1 (or NaN flagged), hd undefined"
    counted = one_far.hausdorff_mm == one_far.assd_mm == one.image_diagonal_mm
    if overlap(one).dice == 0 and counted and one_far.surface_dice(1.0) == 0:
        said["one_empty"] = (
            "dice=0; hd=inf or image diagonal, never NaN-dropped from the mean; nsd=0"
        )
    return said


def _lesions(case: Case, params: Params) -> dict[str, float | None]:
    criterion = str(params["criterion"])
    if not criterion.endswith("Hungarian on IoU, full connectivity"):
        raise NotOffered(criterion)
    least = float(criterion.partition(",")[0].removeprefix("IoU>="))
    found = match_lesions(_pair(case), least_iou=least)
    return {
        "tp": found.tp, "fp": found.fp, "fn": found.fn, "f1": found.f1,
        "sensitivity": found.sensitivity, "ppv": found.ppv, "sq": found.segmentation_quality,
        "rq": found.f1, "pq": found.panoptic_quality,
    }  # fmt: skip


def _n_lesions(case: Case, params: Params) -> dict[str, int]:
    found = match_lesions(_pair(case))
    return {"reference": found.n_reference, "prediction": found.n_prediction}


@cache
def _staple(case: Case) -> Staple:
    return staple(_masks(case))


def _masks(case: Case) -> NDArray[np.bool_]:
    return np.array(case.input["masks"], dtype=bool)


def _majority(case: Case, params: Params) -> NDArray[np.int64]:
    if params["rule"] != "> half":
        raise NotOffered(str(params["rule"]))
    return majority(_masks(case)).astype(np.int64)


def _directed(case: Case, params: Params) -> tuple[float, float] | None:
    return _surface(case, params).directed_mean_mm


ANSWERS: Answers = {
    "counts": _counts,
    "volume_mm": _volume,
    "dice": lambda case, params: _overlap(case).dice,
    "jaccard": lambda case, params: _overlap(case).iou,
    "relative_volume_difference": lambda case, params: _overlap(case).relative_volume_difference,
    "precision": lambda case, params: _overlap(case).precision,
    "recall": lambda case, params: _overlap(case).recall,
    "hd": lambda case, params: _surface(case, params).hausdorff_mm,
    "hd95": lambda case, params: _surface(case, params).hausdorff_percentile_mm(95),
    "hd95_pooled": lambda case, params: _surface(case, params).pooled_percentile_mm(95),
    "assd_pooled": lambda case, params: _surface(case, params).assd_mm,
    "masd": lambda case, params: _surface(case, params).masd_mm,
    "nsd": lambda case, params: _surface(case, params).surface_dice(params["tau"]),
    "average_surface_distance_directed": _directed,
    "boundary_iou_1vox": lambda case, params: boundary_iou(_pair(case)),
    "policy": _policy,
    "image_diagonal_mm": lambda case, params: _pair(case).image_diagonal_mm,
    "n_lesions": _n_lesions,
    "lesion_matching": _lesions,
    "staple_sensitivity": lambda case, params: list(_staple(case).sensitivity),
    "staple_specificity": lambda case, params: list(_staple(case).specificity),
    "staple_consensus": lambda case, params: _staple(case).mask().astype(np.int64),
    "majority_vote": _majority,
}
