"""How much masks have in common: Dice, IoU, precision, recall, volumes."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from ml.stats.arrays import FloatArray, ratio
from ml.stats.segmentation.consensus import checked_panel
from ml.stats.segmentation.masks import MaskPair

Shared = Literal["dice", "iou"]
_EXACT = 2**20  # voxels whose sum of 0 and 1 is exact in 32 bits, and that are held at once


@dataclass(frozen=True)
class Overlap:
    """Counts of voxels and what follows from them; None where it is undefined.

    Dice and IoU are None where both masks are empty (a true negative case is no perfect overlap)
    and 0 where one is. Precision needs a prediction, recall a reference.
    """

    prediction: int  # voxels
    reference: int
    intersection: int
    voxel_mm: float  # area or volume of a voxel

    @property
    def union(self) -> int:
        return self.prediction + self.reference - self.intersection

    @property
    def dice(self) -> float | None:
        return _ratio(2 * self.intersection, self.prediction + self.reference)

    @property
    def iou(self) -> float | None:
        return _ratio(self.intersection, self.union)

    @property
    def precision(self) -> float | None:
        return _ratio(self.intersection, self.prediction)

    @property
    def recall(self) -> float | None:
        return _ratio(self.intersection, self.reference)

    @property
    def volume_prediction_mm(self) -> float:
        """mm² of a picture, mm³ of a volume."""
        return self.prediction * self.voxel_mm

    @property
    def volume_reference_mm(self) -> float:
        return self.reference * self.voxel_mm

    @property
    def volume_difference_mm(self) -> float:
        """prediction - reference, mm² of a picture, mm³ of a volume (1,000 mm³ are 1 ml)."""
        return (self.prediction - self.reference) * self.voxel_mm

    @property
    def absolute_volume_difference_mm(self) -> float:
        """|prediction - reference|: too much in one case does not make up for too little."""
        return abs(self.volume_difference_mm)

    @property
    def relative_volume_difference(self) -> float | None:
        """(prediction - reference) / reference."""
        return _ratio(self.prediction - self.reference, self.reference)

    @property
    def absolute_relative_volume_difference(self) -> float | None:
        """|prediction - reference| / reference."""
        return _ratio(abs(self.prediction - self.reference), self.reference)

    @property
    def volume_similarity(self) -> float | None:
        """1 - |prediction - reference| / (prediction + reference): sizes only, not places.

        1 where both are equally large, even when they share no voxel; 0 where one is empty.
        """
        apart = _ratio(abs(self.prediction - self.reference), self.prediction + self.reference)
        return None if apart is None else 1 - apart


def overlap(pair: MaskPair) -> Overlap:
    """Overlap of two masks.

    Args:
        pair: prediction and reference.

    Source:
        Dice (1945), Ecology 26:297-302; Taha, Hanbury (2015), BMC Medical Imaging 15:29 (volume
        similarity); Maier-Hein, Reinke et al. (2024), Metrics Reloaded, Nature Methods
        21:195-212.

    Example:
        >>> import numpy as np
        >>> both = MaskPair.of(np.array([[1, 1, 0]]), np.array([[0, 1, 1]]))
        >>> overlap(both).dice
        0.5
    """
    return Overlap(
        int(pair.prediction.sum()),
        int(pair.reference.sum()),
        int((pair.prediction & pair.reference).sum()),
        pair.voxel_mm,
    )


def overlap_matrix(
    masks: NDArray[np.generic],
    others: NDArray[np.generic] | None = None,
    *,
    measure: Shared = "dice",
) -> FloatArray:
    """Dice or IoU of each of several masks with each of several others.

    Args:
        masks: (p, ...) booleans on one grid.
        others: (q, ...) on the same grid; None compares the masks with each other.
        measure: "dice" or "iou".

    Returns:
        (p, q) 0..1; NaN where both masks are empty.

    Raises:
        ValueError: for other values than 0 and 1, unequal grids, or an unknown measure.

    Example:
        >>> overlap_matrix(np.array([[1, 1, 0], [0, 1, 1]])).tolist()
        [[1.0, 0.5], [0.5, 1.0]]
    """
    if measure not in ("dice", "iou"):
        raise ValueError(f"measure must be dice or iou, got {measure!r}")
    one = checked_panel(masks)
    two = one if others is None else checked_panel(others)
    if one.shape[1:] != two.shape[1:]:
        raise ValueError(f"expected masks on one grid, got {one.shape[1:]} and {two.shape[1:]}")
    one, two = one.reshape(len(one), -1), two.reshape(len(two), -1)
    marked = np.flatnonzero(one.any(axis=0) & two.any(axis=0))  # no other voxel is in both
    both = np.zeros((len(one), len(two)))
    for start in range(0, marked.size, _EXACT):
        part = marked[start : start + _EXACT]
        both += one[:, part].astype(np.float32) @ two[:, part].astype(np.float32).T
    total = one.sum(axis=1)[:, None] + two.sum(axis=1)[None, :]
    return ratio(2 * both, total) if measure == "dice" else ratio(both, total - both)


def _ratio(top: float, bottom: float) -> float | None:
    return top / bottom if bottom else None
