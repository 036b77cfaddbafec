"""How far several masks of one structure are apart: their sizes, and the overlap of each pair."""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from ml.stats.arrays import BoolArray, FloatArray, ratio

_AT_ONCE = 1 << 20  # voxels whose marks are unpacked together


@dataclass
class Marks:
    """The masks of t samples, a bit for each voxel.

    Attributes:
        weights: (...) how many voxels of the image each of the grid stands for.
    """

    weights: NDArray[np.floating]
    packed: list[NDArray[np.uint8]] = field(default_factory=list)

    def add(self, marked: BoolArray) -> None:
        """One more mask, of the shape of the weights."""
        if marked.shape != self.weights.shape:
            raise ValueError(f"expected a mask of {self.weights.shape}, got {marked.shape}")
        self.packed.append(np.packbits(marked))

    def shared(self) -> FloatArray:
        """(t, t) voxels of the image that both samples mark; on the diagonal, that one marks."""
        bits, flat = np.stack(self.packed), self.weights.reshape(-1)
        found = np.zeros((len(bits), len(bits)))
        for start in range(0, bits.shape[1], _AT_ONCE // 8):
            piece = bits[:, start : start + _AT_ONCE // 8]
            if not piece.any():
                continue
            weights = np.asarray(flat[8 * start : 8 * start + 8 * piece.shape[1]], np.float64)
            marks = np.unpackbits(piece, axis=1, count=weights.size).astype(np.float64)
            found += (marks * weights) @ marks.T
        return found


def pairwise_dice(shared: FloatArray) -> FloatArray:
    """Dice of every two of t masks that one model drew of one case: (t (t - 1) / 2,).

    Two empty masks are the same mask here, 1: a model none of whose samples marks anything is sure
    that there is nothing, and must not drop out of what is asked of its certainty.

    Args:
        shared: (t, t) sizes of their intersections, their own sizes on the diagonal.

    Source:
        Roy et al. (2019), NeuroImage 195:11-22 (mean over pairs as a model's certainty of a
        structure).

    Example:
        >>> pairwise_dice(np.array([[4.0, 2.0], [2.0, 4.0]])).tolist()
        [0.5]
    """
    size = np.diagonal(shared)
    first, second = np.triu_indices(len(shared), 1)
    both = size[first] + size[second]
    return np.where(both > 0, ratio(2 * shared[first, second], both), 1.0)


def variation(volumes: FloatArray) -> FloatArray:
    """Coefficient of variation over samples, standard deviation (ddof 1) by mean; NaN where all
    are 0.

    Args:
        volumes: (..., t) of any unit, t at least 2.

    Returns:
        (...)

    Source:
        Roy et al. (2019), NeuroImage 195:11-22.

    Example:
        >>> float(variation(np.array([1.0, 3.0])).round(4))
        0.7071
    """
    return ratio(volumes.std(axis=-1, ddof=1), volumes.mean(axis=-1))
