"""Two masks of one structure, cropped to what matters, and the empty cases named."""

from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from ml.stats.arrays import BoolArray
from ml.stats.side_by_side import side_by_side

_LARGE = 4_000_000  # voxels from which reading takes longer than starting a thread
Emptiness = Literal["none", "both", "prediction", "reference"]
EMPTY_POLICY = (
    "both masks empty: a true negative case, overlap and distances undefined and the case counted "
    "apart; one mask empty: overlap 0, distances the diagonal of the image; never left out"
)


@dataclass(frozen=True)
class MaskPair:
    """Prediction and reference on one grid.

    Attributes:
        prediction, reference: boolean arrays of one shape, 2-D or 3-D.
        spacing_mm: size of a voxel along each axis of the arrays, in their order.
    """

    prediction: BoolArray
    reference: BoolArray
    spacing_mm: tuple[float, ...]

    @classmethod
    def of(
        cls,
        prediction: NDArray[np.generic],
        reference: NDArray[np.generic],
        spacing_mm: tuple[float, ...] | None = None,
    ) -> "MaskPair":
        """Checked masks; without a spacing a voxel measures 1 along each axis.

        Raises:
            ValueError: for unequal shapes, other than two or three axes, values other than 0 and
                1, or a spacing that is not above 0.

        Example:
            >>> pair = MaskPair.of(np.eye(2), np.ones((2, 2)), (0.5, 0.5))
            >>> pair.emptiness, pair.image_diagonal_mm
            ('none', 1.4142135623730951)
        """
        a, b = _boolean(prediction), _boolean(reference)
        if a.shape != b.shape or a.ndim not in (2, 3):
            raise ValueError(
                f"expected two masks of one shape with 2 or 3 axes, got {a.shape} and {b.shape}"
            )
        spacing = tuple(float(s) for s in (spacing_mm or (1.0,) * a.ndim))
        if len(spacing) != a.ndim or not all(np.isfinite(s) and s > 0 for s in spacing):
            raise ValueError(f"expected {a.ndim} sizes above 0 as spacing_mm, got {spacing}")
        return cls(a, b, spacing)

    @property
    def emptiness(self) -> Emptiness:
        """Which of the masks has no voxel."""
        if self._box_prediction is None:
            return "both" if self._box_reference is None else "prediction"
        return "reference" if self._box_reference is None else "none"

    @property
    def _box_prediction(self) -> tuple[slice, ...] | None:
        return self._boxes[0]

    @property
    def _box_reference(self) -> tuple[slice, ...] | None:
        return self._boxes[1]

    @cached_property
    def _boxes(self) -> tuple[tuple[slice, ...] | None, tuple[slice, ...] | None]:
        if self.prediction.size < _LARGE:
            return _bounding_box(self.prediction), _bounding_box(self.reference)
        return side_by_side(_bounding_box, self.prediction, self.reference)

    @property
    def voxel_mm(self) -> float:
        """Area (mm²) or volume (mm³) of a voxel."""
        return float(np.prod(self.spacing_mm))

    @property
    def image_diagonal_mm(self) -> float:
        """Corner to corner of the image: what a distance counts as where one mask is empty."""
        return float(np.linalg.norm(np.array(self.prediction.shape) * self.spacing_mm))

    def cropped(self, margin: int = 1) -> "MaskPair":
        """Both masks within the box around their union, padded with background by ``margin``."""
        if self.emptiness == "both":
            return self
        prediction, reference = self.stacked(margin)
        return MaskPair(prediction, reference, self.spacing_mm)

    def stacked(self, margin: int) -> BoolArray:
        """The same as one array (2, ...), of masks of which at least one has a voxel."""
        boxes = [b for b in (self._box_prediction, self._box_reference) if b is not None]
        box = tuple(
            slice(min(s.start for s in along), max(s.stop for s in along))
            for along in zip(*boxes, strict=True)
        )
        inner = tuple(slice(margin, margin + s.stop - s.start) for s in box)
        shape = [s.stop + margin for s in inner]
        crop = np.zeros((2, *shape), dtype=np.bool_)
        for held, mask in zip(crop, (self.prediction, self.reference), strict=True):
            held[inner] = mask[box]
        return crop


def _bounding_box(mask: BoolArray) -> tuple[slice, ...] | None:
    """Slices of the smallest box that holds every voxel of a mask; None for an empty one.

    Only the first axis is searched over the whole mask, in the order of its memory; the others
    over the projection of what is left.
    """
    slices, left = [], mask
    for _ in range(mask.ndim):
        rows = _in_words(left.reshape(left.shape[0], -1))
        found = np.flatnonzero(np.bitwise_or.reduce(rows, axis=1))
        if not found.size:
            return None
        slices.append(slice(int(found[0]), int(found[-1]) + 1))
        projection = np.bitwise_or.reduce(rows[slices[-1]], axis=0).view(np.bool_)
        left = projection.reshape(left.shape[1:] or (1,))
    return tuple(slices)


def _in_words(rows: BoolArray) -> NDArray[np.bool_ | np.uint64]:
    """Eight voxels as one number where memory allows it: reading is most of the work."""
    if rows.flags.c_contiguous and rows.shape[1] % 8 == 0:
        return rows.view(np.uint64)
    return rows


def _boolean(mask: NDArray[np.generic]) -> BoolArray:
    array = np.asarray(mask)
    if array.dtype == np.bool_:
        return array.astype(np.bool_, copy=False)
    if array.size and not np.isin(np.unique(array), (0, 1)).all():
        raise ValueError("a mask holds 0 and 1 only: take one structure at a time")
    return array.astype(np.bool_)
