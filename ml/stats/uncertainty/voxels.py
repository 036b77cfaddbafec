"""Uncertainty of each voxel from several probability fields, of which only sums are kept."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage, special

from ml.stats.arrays import BoolArray, FloatArray

KINDS = ("total", "aleatoric", "epistemic")
REGIONS = ("inside", "band", "outside")
STATISTICS = ("mean", "max", "median", "q95")
BAND_VOXELS = 2  # of the grid, on either side of a boundary
_LEVELS = 65_535  # steps of a histogram over 0..1 bits: quantiles are right to half of one
_QUANTILES: Mapping[str, float] = MappingProxyType({"median": 0.5, "q95": 0.95})


def binary_entropy(probability: FloatArray) -> FloatArray:
    """H of "belongs to it or not", in bits: 0..1, of the shape that is given.

    Example:
        >>> binary_entropy(np.array([0.0, 0.5, 1.0])).tolist()
        [0.0, 1.0, 0.0]
    """
    found: FloatArray = (special.entr(probability) + special.entr(1 - probability)) / np.log(2)
    return found


@dataclass
class FieldSums:
    """What is kept of fields of P(voxel is of the class) that pass by one after another.

    Attributes:
        shape: (k, ...) of a field: classes, then the sides of the grid.
        chosen: the classes whose entropy is asked for, by their place; each against all others.
    """

    shape: tuple[int, ...]
    chosen: Sequence[int]
    count: int = 0
    probability: FloatArray = field(init=False)  # (k, ...) sum over the fields so far
    entropy: FloatArray = field(init=False)  # (s, ...) sum of the chosen's binary entropies, bits

    def __post_init__(self) -> None:
        self.probability = np.zeros(self.shape)
        self.entropy = np.zeros((len(self.chosen), *self.shape[1:]))

    def add(self, pieces: Iterable[FloatArray]) -> None:
        """One more field, by pieces along its first side: none is whole in memory but the sums.

        Args:
            pieces: (k, m, ...) 0..1 each, which one after another make up the field.

        Raises:
            ValueError: for another shape, or what is no probability.
        """
        end = 0
        for piece in pieces:
            rows = slice(end, end := end + piece.shape[1])
            if piece.shape != self.probability[:, rows].shape:
                raise ValueError(f"expected pieces of a field of {self.shape}, got {piece.shape}")
            if not (piece.min() >= 0 and piece.max() <= 1):  # NaN is neither
                raise ValueError("probabilities of a field must lie in 0..1")
            self.probability[:, rows] += piece
            self.entropy[:, rows] += binary_entropy(piece[list(self.chosen)])
        if end != self.shape[1]:
            raise ValueError(f"expected {self.shape[1]} rows of a field, got {end}")
        self.count += 1

    @property
    def mean(self) -> FloatArray:
        """(k, ...) the mean field."""
        return self.probability / self.count

    def of(self, at: int) -> dict[str, FloatArray]:
        """By kind (...) bits, of one of the chosen: H of the mean, mean of H, their difference.

        The difference, the mutual information, is never below 0.

        Source:
            Depeweg et al. (2018), ICML; Smith, Gal (2018), UAI. Of each voxel alone.

        Example:
            >>> sums = FieldSums((1, 1), [0])
            >>> sums.add([np.array([[0.0]])]); sums.add([np.array([[1.0]])])
            >>> [float(part[0]) for part in sums.of(0).values()]
            [1.0, 0.0, 1.0]
        """
        # The mean of a certain voxel may pass 1 in the last digit.
        mean = (self.probability[self.chosen[at]] / self.count).clip(0, 1)
        total = binary_entropy(mean)
        aleatoric = np.minimum(self.entropy[at] / self.count, total)
        return {"total": total, "aleatoric": aleatoric, "epistemic": total - aleatoric}


def regions(marked: BoolArray) -> dict[str, BoolArray]:
    """The structure, a band about its boundary, and all that is not the structure.

    The band is what lies within ``BAND_VOXELS`` steps over faces of a voxel on the other side; it
    is part of both others. Where a structure leaves the image there is no boundary.

    Args:
        marked: (...) the voxels of the structure.

    Example:
        >>> found = regions(np.array([False, False, False, True, True, True, True]))
        >>> {name: int(region.sum()) for name, region in found.items()}
        {'inside': 4, 'band': 4, 'outside': 3}
    """
    band = np.zeros_like(marked)
    box = ndimage.find_objects(marked.astype(np.uint8))
    if box:  # a small structure of a large volume is looked at by itself
        room = BAND_VOXELS + 1
        near = tuple(slice(max(0, one.start - room), one.stop + room) for one in box[0])
        wide = ndimage.binary_dilation(marked[near], iterations=BAND_VOXELS)
        core = ndimage.binary_erosion(marked[near], iterations=BAND_VOXELS, border_value=1)
        band[near] = wide & ~core
    return {"inside": marked, "band": band, "outside": ~marked}


def summary(bits: FloatArray, weights: NDArray[np.floating], region: BoolArray) -> dict[str, float]:
    """Mean, maximum, median and 95th percentile of a region; all NaN where it holds nothing.

    Quantiles are the smallest value that at least this share of the weight does not pass, to 1e-5
    bits.

    Args:
        bits: (...) 0..1.
        weights: (...) how many voxels of the image each stands for, 0 where for none.
        region: (...).

    Example:
        >>> bits = np.array([0.0, 0.5, 1.0])
        >>> summary(bits, np.ones(3), np.array([True, True, False]))["mean"]
        0.25
    """
    chosen = region & (weights > 0)
    values, weight = bits[chosen], np.asarray(weights[chosen], dtype=np.float64)
    if not values.size:
        return dict.fromkeys(STATISTICS, float("nan"))
    codes = np.rint(values * _LEVELS).astype(np.int64)
    reached = np.cumsum(np.bincount(codes, weight))
    found = {"mean": float(values @ weight / weight.sum()), "max": float(values.max())}
    for name, share in _QUANTILES.items():
        # Sums of whole numbers are exact; the share of one may be off in its last digit.
        place = np.searchsorted(reached, share * reached[-1] * (1 - 1e-12))
        found[name] = float(place) / _LEVELS
    return found
