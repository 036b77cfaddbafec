"""How far the borders of two masks lie apart: Hausdorff, average distances, surface Dice."""

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np

from ml.stats.arrays import BoolArray, FloatArray
from ml.stats.segmentation.masks import MaskPair
from ml.stats.segmentation.nearest import Borders, nearest
from ml.stats.segmentation.surfels import surfels

Surface = Literal["voxel", "surfel"]


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
    if surface == "voxel":
        from_a, from_b = nearest(Borders.of_masks(pair), pair.spacing_mm)
        weights = (np.ones(len(from_a)), np.ones(len(from_b)))
    else:
        crop = pair.cropped(margin=1)
        (at_a, area_a), (at_b, area_b) = (
            surfels(mask, crop.spacing_mm) for mask in (crop.prediction, crop.reference)
        )
        from_a, from_b = nearest(Borders.of_points(at_a, at_b), pair.spacing_mm)
        weights = (area_a, area_b)
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
