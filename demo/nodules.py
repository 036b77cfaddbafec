"""Which outlines of one scan belong to the same nodule.

The rule: two annotations are linked when the smallest distance between a contour point of one and
a contour point of the other is at most a tolerance, which starts at the scan's slice thickness; a
nodule is a connected component (single linkage). Four readers cannot have outlined one nodule five
times, so while a component holds more than four annotations, the tolerance of the whole scan is
multiplied by 0.9. It stops below 0.1 mm: contour points lie on the pixel grid, so annotations that
are still together share a point, and no tolerance parts them.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse.csgraph import connected_components
from scipy.spatial import cKDTree

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

MOST_READERS = 4
SHRINK = 0.9
SMALLEST_TOLERANCE_MM = 0.1
ROUNDING_MM = 1e-6  # a distance of just one slice must not depend on the last bit of its z


@dataclass(frozen=True)
class Linkage:
    nodule: IntArray  # (n,) number of each annotation's nodule, from 0 by first appearance
    tolerance_mm: float  # at which the linking ended


def link(outlines: Sequence[FloatArray], slice_thickness_mm: float) -> Linkage:
    """Group the annotations of one scan; each outline is (points, 3) in mm, at least one point.

    >>> here, there = np.zeros((1, 3)), np.full((1, 3), 9.0)
    >>> link([here, there, here], slice_thickness_mm=2.5).nodule.tolist()
    [0, 1, 0]
    """
    if slice_thickness_mm <= 0:
        raise ValueError(f"The slice thickness is {slice_thickness_mm} mm; expected more than 0.")
    distance_mm = distances(outlines, within_mm=slice_thickness_mm)
    tolerance_mm = slice_thickness_mm
    nodule = components(distance_mm, tolerance_mm)
    while np.bincount(nodule).max(initial=0) > MOST_READERS:
        if tolerance_mm < SMALLEST_TOLERANCE_MM:
            break
        tolerance_mm *= SHRINK
        nodule = components(distance_mm, tolerance_mm)
    return Linkage(nodule, tolerance_mm)


def distances(outlines: Sequence[FloatArray], within_mm: float) -> FloatArray:
    """Smallest point-to-point distance of every pair, (n, n) in mm; inf when above `within_mm`."""
    n = len(outlines)
    found = np.full((n, n), np.inf)
    np.fill_diagonal(found, 0.0)
    if n < 2:
        return found
    reach = within_mm + ROUNDING_MM
    trees: dict[int, cKDTree] = {}
    for i, j in _boxes_within(outlines, reach):
        if i not in trees:
            trees[i] = cKDTree(outlines[i])
        # the bound is exclusive: double it so that a distance of just `within_mm` is still found
        nearest = trees[i].query(outlines[j], distance_upper_bound=2 * reach)[0].min()
        if nearest <= reach:
            found[i, j] = found[j, i] = nearest
    return found


def components(distance_mm: FloatArray, tolerance_mm: float) -> IntArray:
    """Connected components of "distance at most the tolerance", numbered by first appearance."""
    if len(distance_mm) == 0:
        return np.zeros(0, dtype=np.int64)
    linked = distance_mm <= tolerance_mm + ROUNDING_MM
    _, component = connected_components(linked, directed=False)
    _, first, inverse = np.unique(component, return_index=True, return_inverse=True)
    numbered: IntArray = np.argsort(np.argsort(first))[inverse].astype(np.int64)
    return numbered


def _boxes_within(outlines: Sequence[FloatArray], reach_mm: float) -> list[tuple[int, int]]:
    """Pairs i < j whose bounding boxes are near enough that their points can be."""
    low = np.stack([points.min(axis=0) for points in outlines])
    high = np.stack([points.max(axis=0) for points in outlines])
    gap = np.maximum(low[:, None] - high[None], low[None] - high[:, None]).clip(min=0.0)
    near = np.triu(np.linalg.norm(gap, axis=2) <= reach_mm, k=1)
    return [(int(i), int(j)) for i, j in np.argwhere(near)]
