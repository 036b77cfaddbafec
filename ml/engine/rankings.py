"""What ranks the positions of a picture: a map, or an order that knows nothing of the network."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import sobel

from ml.drawn import drawn
from ml.evidence.orders import CENTRE, EDGES, LERF, RANDOM
from ml.imaging.preprocess import Float32Array, interpolate
from ml.stats.arrays import FloatArray, IntArray
from ml.stats.explanation.faithfulness import removal_order


def brought_to(found: Float32Array, size: tuple[int, int]) -> FloatArray:
    """A map at each position of a picture, by linear interpolation.

    Args:
        found: a map of any sides; of positions that form no grid it is a row.
        size: (height, width) of the picture.

    Returns:
        (height * width,) in the map's units.

    Example:
        >>> brought_to(np.array([[1, 3]], np.float32), (1, 4)).tolist()
        [1.0, 1.5, 2.5, 3.0]
    """
    grid = found if found.ndim == 2 else found.reshape(1, -1)
    return np.asarray(interpolate(grid.astype(np.float64), size, "bilinear")).ravel()


def random_map(sides: tuple[int, ...], seed: int, case_id: str) -> Float32Array:
    """A map of no meaning, as coarse as those of the layer; by seed and case alone.

    Example:
        >>> random_map((2, 3), 1, "a").shape
        (2, 3)
    """
    return drawn("ranking", seed, case_id).random(sides, dtype=np.float32)


def centre_map(size: tuple[int, int]) -> Float32Array:
    """Falls with the distance from the centre, in halves of the sides: (height, width).

    Example:
        >>> centre_map((1, 3)).tolist()
        [[-1.0, 0.0, -1.0]]
    """
    rows, columns = (
        (np.arange(n) - (n - 1) / 2) / max(1.0, (n - 1) / 2) for n in size
    )  # fmt: skip
    return np.asarray(0.0 - np.hypot(rows[:, None], columns[None, :]), np.float32)


def edge_map(picture: FloatArray) -> Float32Array:
    """Size of the Sobel gradient of the mean over channels: (height, width), its units.

    Args:
        picture: (height, width, channels).

    Example:
        >>> edge_map(np.array([[[0.0], [0.0], [1.0], [1.0]]])).tolist()
        [[0.0, 4.0, 4.0, 0.0]]
    """
    grey = picture.mean(axis=2)
    along = [sobel(grey, axis=axis, mode="nearest") for axis in (0, 1)]
    return np.asarray(np.hypot(*along), np.float32)


def knowing_nothing(
    ranking: str, picture: FloatArray, sides: tuple[int, ...], seed: int, case_id: str
) -> Float32Array:
    """The map of RANDOM, CENTRE or EDGES.

    Args:
        picture: (height, width, channels).
        sides: of the random one.

    Raises:
        ValueError: for another ranking.
    """
    if ranking == RANDOM:
        return random_map(sides, seed, case_id)
    if ranking == CENTRE:
        return centre_map((picture.shape[0], picture.shape[1]))
    if ranking == EDGES:
        return edge_map(picture)
    raise ValueError(f"{ranking!r} is a map of the network")


def patches_of(size: tuple[int, int], along: int) -> IntArray:
    """Which patch of a grid each position lies in.

    Args:
        size: (height, width) of a picture.
        along: patches of each side, fewer where it is shorter.

    Returns:
        (height, width), from 0, row by row.

    Example:
        >>> patches_of((2, 4), 2).tolist()
        [[0, 0, 1, 1], [2, 2, 3, 3]]
    """
    rows, columns = (np.arange(n) * min(n, along) // n for n in size)
    return np.asarray(rows[:, None] * min(size[1], along) + columns, np.int64)


def subset(
    size: tuple[int, int], along: int, percent: int, draw: int, seed: int, case_id: str
) -> NDArray[np.bool_]:
    """Positions of some patches drawn without replacement, by seed, case, share and draw alone.

    Args:
        percent: of the patches, rounded; one at least.

    Returns:
        (height, width) True where a position belongs to the subset.

    Example:
        >>> int(subset((8, 8), 4, 25, 1, 7, "a").sum())
        16
    """
    patches = patches_of(size, along)
    n = int(patches.max()) + 1
    order = drawn("subset", seed, case_id, percent, draw).permutation(n)
    chosen = np.zeros(n, dtype=bool)
    chosen[order[: max(1, round(n * percent / 100))]] = True
    return np.asarray(chosen[patches])


@dataclass(frozen=True)
class Ranked:
    """A map at each position of a picture, and what it takes away first.

    Attributes:
        values: (height * width,) in the map's units.
        low, high: the least and the largest number of the map itself.
    """

    values: FloatArray
    most_first: IntArray
    least_first: IntArray
    low: float
    high: float

    @classmethod
    def of(cls, found: Float32Array, size: tuple[int, int]) -> "Ranked | None":
        """None where the map is not finite: then nothing is ranked."""
        if not np.isfinite(found).all():
            return None
        values = brought_to(found, size)
        return cls(
            values, removal_order(values), removal_order(values, least_first=True),
            float(found.min()), float(found.max()),
        )  # fmt: skip

    def gone(self, order: str, share: float) -> NDArray[np.bool_]:
        """(height * width,) the first share of positions in one of ORDERS."""
        gone = np.zeros(self.values.size, dtype=bool)
        first = self.least_first if order == LERF else self.most_first
        gone[first[: round(share * gone.size)]] = True
        return gone
