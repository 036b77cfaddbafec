"""How much two masks have in common: Dice, IoU, precision, recall, volumes."""

from dataclasses import dataclass

from ml.stats.segmentation.masks import MaskPair


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
    def relative_volume_difference(self) -> float | None:
        """(prediction - reference) / reference."""
        return _ratio(self.prediction - self.reference, self.reference)


def overlap(pair: MaskPair) -> Overlap:
    """Overlap of two masks.

    Args:
        pair: prediction and reference.

    Source:
        Dice (1945), Ecology 26:297-302; Maier-Hein, Reinke et al. (2024), Metrics Reloaded,
        Nature Methods 21:195-212.

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


def _ratio(top: float, bottom: float) -> float | None:
    return top / bottom if bottom else None
