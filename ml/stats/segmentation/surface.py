"""How far the borders of two masks lie apart: Hausdorff, average distances, surface Dice."""

import math
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from ml.stats.arrays import BoolArray, FloatArray, IntArray
from ml.stats.segmentation.masks import MaskPair
from ml.stats.segmentation.surfels import surfels
from ml.stats.side_by_side import side_by_side

Surface = Literal["voxel", "surfel"]
_MANY = 10_000  # points from which a second thread is worth starting
_REACH = 4  # steps along an axis within which neighbours are looked up
_ROUNDS = (1, 5, 13, 29)  # up to which row of neighbours is looked at a time, the nearest first
_CLOSE = 5  # rows tried before a border may be called far away


@dataclass(frozen=True)
class SurfaceDistances:
    """Distances of every border element of each mask to the other mask's border, in mm.

    Computed once; every measure of distance is a read of it. Where both masks are empty all are
    None; where one is, distances count as ``empty_mm``, the image's diagonal, and the surface
    Dice is 0.

    Attributes:
        from_prediction, from_reference: (n,), (m,) mm.
        weight_prediction, weight_reference: (n,), (m,) area (length in 2-D) of each element:
            1 for voxels, mm² (mm) for surfels.
        surface: what an element is. "voxel": the centre of a voxel of the mask that has a
            face neighbour outside it (the image's edge counts as outside). "surfel": a corner
            of eight (four) voxels of which some belong to the mask, weighted by the area that
            marching cubes gives it.
        empty_mm: what a distance counts as where one mask is empty; None where none is.
        undefined: both masks are empty.
    """

    from_prediction: FloatArray
    from_reference: FloatArray
    weight_prediction: FloatArray
    weight_reference: FloatArray
    surface: Surface
    empty_mm: float | None
    undefined: bool

    @property
    def hausdorff_mm(self) -> float | None:
        """The largest distance either way."""
        return self.hausdorff_percentile_mm(100)

    def hausdorff_percentile_mm(self, percentile: float = 95) -> float | None:
        """The larger of the two directed percentiles (Metrics Reloaded, MONAI; DeepMind).

        Of voxels the percentile interpolates linearly; of surfels it is the distance at which
        the share of area reaches the percentile.
        """
        if self.undefined or self.empty_mm is not None:
            return self.empty_mm
        if self.surface == "voxel":
            both = (self.from_prediction, self.from_reference)
            return max(_percentile(one, percentile) for one in both)
        return max(
            _weighted_percentile(*self._sorted_prediction, percentile),
            _weighted_percentile(*self._sorted_reference, percentile),
        )

    def pooled_percentile_mm(self, percentile: float = 95) -> float | None:
        """The percentile of both directions together (MedPy)."""
        if self.undefined or self.empty_mm is not None:
            return self.empty_mm
        return float(np.percentile(np.r_[self.from_prediction, self.from_reference], percentile))

    @property
    def directed_mean_mm(self) -> tuple[float, float] | None:
        """Mean distance from the reference's border, and from the prediction's."""
        if self.undefined:
            return None
        if self.empty_mm is not None:
            return self.empty_mm, self.empty_mm
        return (
            float(np.average(self.from_reference, weights=self.weight_reference)),
            float(np.average(self.from_prediction, weights=self.weight_prediction)),
        )

    @property
    def masd_mm(self) -> float | None:
        """Mean average surface distance: the mean of the two directed means."""
        means = self.directed_mean_mm
        return None if means is None else (means[0] + means[1]) / 2

    @property
    def assd_mm(self) -> float | None:
        """Average symmetric surface distance: the mean over both borders pooled."""
        if self.undefined or self.empty_mm is not None:
            return self.empty_mm
        total = self.from_prediction @ self.weight_prediction
        total += self.from_reference @ self.weight_reference
        return float(total / (self.weight_prediction.sum() + self.weight_reference.sum()))

    def surface_dice(self, tolerance_mm: float) -> float | None:
        """Normalised surface distance: the share of both borders within ``tolerance_mm``.

        Raises:
            ValueError: for a negative tolerance.
        """
        if not tolerance_mm >= 0:
            raise ValueError(f"tolerance_mm must be 0 or above, got {tolerance_mm}")
        if self.undefined:
            return None
        if self.empty_mm is not None:
            return 0.0
        near = self.weight_prediction[self.from_prediction <= tolerance_mm].sum()
        near += self.weight_reference[self.from_reference <= tolerance_mm].sum()
        return float(near / (self.weight_prediction.sum() + self.weight_reference.sum()))

    @cached_property
    def _sorted_prediction(self) -> tuple[FloatArray, FloatArray]:
        order = np.argsort(self.from_prediction, kind="stable")
        return self.from_prediction[order], self.weight_prediction[order]

    @cached_property
    def _sorted_reference(self) -> tuple[FloatArray, FloatArray]:
        order = np.argsort(self.from_reference, kind="stable")
        return self.from_reference[order], self.weight_reference[order]


def surface_distances(pair: MaskPair, surface: Surface = "voxel") -> SurfaceDistances:
    """Distances between the borders of two masks.

    Only the box around both masks is looked at, and only border elements are measured, in the
    neighbourhood or by a tree of the other border: nothing grows with the size of the image.

    Args:
        pair: prediction and reference, with the spacing of their axes in mm.
        surface: see :class:`SurfaceDistances`.

    Source:
        Huttenlocher et al. (1993), IEEE PAMI 15:850-863; Heimann et al. (2009), IEEE TMI
        28:1251-1265 (ASSD); Nikolov et al. (2021), J Med Internet Res 23:e26151 (surface Dice,
        surfels); Maier-Hein, Reinke et al. (2024), Nature Methods 21:195-212.

    Example:
        >>> one, other = np.zeros((2, 9), bool), np.zeros((2, 9), bool)
        >>> one[0, 2], other[0, 6] = True, True
        >>> surface_distances(MaskPair.of(one, other, (1.0, 0.5))).hausdorff_mm
        2.0
    """
    nothing = np.zeros(0)
    emptiness = pair.emptiness
    if emptiness != "none":
        diagonal = None if emptiness == "both" else pair.image_diagonal_mm
        return SurfaceDistances(
            nothing, nothing, nothing, nothing, surface, diagonal, emptiness == "both"
        )
    spacing = np.array(pair.spacing_mm)
    if surface == "voxel":
        crop = pair.cropped(margin=_REACH)
        sides = (_Side.of_mask(crop.prediction), _Side.of_mask(crop.reference))
        weights = (np.ones(len(sides[0].keys)), np.ones(len(sides[1].keys)))
    else:
        crop = pair.cropped(margin=1)
        (at_a, area_a), (at_b, area_b) = (
            surfels(mask, crop.spacing_mm) for mask in (crop.prediction, crop.reference)
        )
        reach = np.maximum(at_a.max(axis=0), at_b.max(axis=0)) + 1 + 2 * _REACH
        shape = tuple(int(cells) for cells in reach)
        sides = (_Side.of_points(at_a, shape), _Side.of_points(at_b, shape))
        weights = (area_a, area_b)
    from_a, from_b = _nearest(sides[0], sides[1], spacing)
    return SurfaceDistances(from_a, from_b, weights[0], weights[1], surface, None, False)


def _border(mask: BoolArray) -> BoolArray:
    """Voxels with a face neighbour outside the mask; beyond the array everything is outside."""
    inside = mask.copy()
    for axis in range(mask.ndim):
        ahead, behind = ((slice(None),) * axis + (part,) for part in (slice(1, None), slice(-1)))
        inside[behind] &= mask[ahead]
        inside[ahead] &= mask[behind]
        for end in (0, -1):
            inside[(slice(None),) * axis + (end,)] = False
    outer: BoolArray = mask & ~inside
    return outer


@dataclass(frozen=True)
class _Side:
    """The border of one mask: filled cells of a grid that is empty ``_REACH`` cells around."""

    filled: BoolArray  # (cells,)
    keys: IntArray  # (n,) where it is filled, rising
    shape: tuple[int, ...]

    @classmethod
    def of_points(cls, points: IntArray, shape: tuple[int, ...]) -> "_Side":
        keys = np.ravel_multi_index(tuple(points.T + _REACH), shape)
        filled = np.zeros(int(np.prod(shape)), bool)
        filled[keys] = True
        return cls(filled, keys, shape)

    @classmethod
    def of_mask(cls, mask: BoolArray) -> "_Side":
        """From a mask with background all around it: steps to a neighbour are steps in memory."""
        flat = np.ascontiguousarray(mask).ravel()
        inside = flat.copy()
        for step in _strides(mask.shape):
            inside[:-step] &= flat[step:]
            inside[step:] &= flat[:-step]
        filled = flat & ~inside
        return cls(filled, np.flatnonzero(filled), mask.shape)

    def along_row(self) -> NDArray[np.uint8]:
        """Cells from each to the nearest filled one of its row; ``_REACH`` + 1 if beyond reach."""
        reached = self.filled.view(np.uint8)
        left = np.full(reached.shape, _REACH + 1, np.uint8)
        for _ in range(_REACH):
            left -= reached
            wider = reached.copy()
            wider[1:] |= reached[:-1]
            wider[:-1] |= reached[1:]
            reached = wider
        left -= reached
        return left

    def places(self, spacing: FloatArray) -> FloatArray:
        return np.stack(np.unravel_index(self.keys, self.shape), axis=1) * spacing


def _nearest(a: _Side, b: _Side, spacing: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Distance of each cell of ``a`` to the nearest of ``b``, and of each of ``b`` to ``a``."""
    there, back = (a, b, spacing), (b, a, spacing)
    if len(a.keys) + len(b.keys) < _MANY:
        return _directed(there), _directed(back)
    return side_by_side(_directed, there, back)


def _directed(job: tuple[_Side, _Side, FloatArray]) -> FloatArray:
    """Distance of each cell of the one to the nearest of the other.

    Borders of two masks of one thing run close to each other, so the neighbourhood of each cell
    is looked up first, a row of cells at a time and the nearest rows first; a tree is built for
    what is farther away.
    """
    one, other, spacing = job
    nearest = np.full(len(one.keys), np.inf)  # squared
    along_row = other.along_row()
    squares = (np.arange(_REACH + 2) * spacing[-1]) ** 2
    squares[-1] = np.inf
    beyond = ((_REACH + 1) * float(spacing.min())) ** 2  # anything nearer is within reach
    steps, apart = _rows(tuple(spacing[:-1].tolist()), _REACH, beyond)
    moves = steps @ np.array(_strides(one.shape))[:-1]
    left, keys, best, start = np.arange(len(one.keys)), one.keys, nearest, 0
    for stop in (*(stop for stop in _ROUNDS if stop < apart.size), apart.size):
        there = squares.take(along_row.take(moves[start:stop, None] + keys))
        there += apart[start:stop, None]
        best = np.minimum(best, there.min(axis=0))
        nearest[left] = best
        not_yet = np.flatnonzero(best > min([beyond, *apart[stop : stop + 1]]))
        few = not_yet.size < 0.9 * left.size
        left, keys, best, start = left[not_yet], keys[not_yet], best[not_yet], stop
        if not left.size or (not few and start > _CLOSE):
            break  # all are found, or these two run far from each other
    distances: FloatArray = np.sqrt(nearest)
    if left.size:
        tree = cKDTree(other.places(spacing), leafsize=32, balanced_tree=False, compact_nodes=False)
        distances[left] = tree.query(one.places(spacing)[left])[0]
    return distances


def _strides(shape: tuple[int, ...]) -> tuple[int, ...]:
    """Cells from one to the next along each axis."""
    return tuple(math.prod(shape[axis + 1 :]) for axis in range(len(shape)))


@lru_cache(maxsize=64)
def _rows(spacing: tuple[float, ...], reach: int, beyond: float) -> tuple[IntArray, FloatArray]:
    """Steps to the rows around a cell by rising distance, and its square, up to ``beyond``."""
    square = np.indices((2 * reach + 1,) * len(spacing)).reshape(len(spacing), -1).T - reach
    apart = ((square * np.array(spacing)) ** 2).sum(axis=1)
    order = np.argsort(apart, kind="stable")
    order = order[apart[order] < beyond]
    return square[order], apart[order]


def _percentile(values: FloatArray, percentile: float) -> float:
    """Linear between order statistics, as numpy's; that one takes as long as all distances."""
    at = (values.size - 1) * percentile / 100
    low = math.floor(at)
    high = min(low + 1, values.size - 1)
    part = np.partition(values, (low, high))
    return float(part[low] + (part[high] - part[low]) * (at - low))


def _weighted_percentile(values: FloatArray, weights: FloatArray, percentile: float) -> float:
    reached = np.cumsum(weights) / weights.sum()
    at = int(np.searchsorted(reached, percentile / 100))
    return float(values[min(at, values.size - 1)])


def boundary_iou(pair: MaskPair) -> float | None:
    """IoU of the two borders, one voxel wide inwards; None where both masks are empty.

    Source:
        Cheng et al. (2021), Boundary IoU, CVPR; here with the 1-voxel inner border.

    Example:
        >>> box = np.zeros((6, 6), bool)
        >>> box[1:4, 1:4] = True
        >>> boundary_iou(MaskPair.of(box, box))
        1.0
    """
    if pair.emptiness == "both":
        return None
    crop = pair.cropped(margin=1)
    a, b = _border(crop.prediction), _border(crop.reference)
    return float((a & b).sum() / (a | b).sum())
