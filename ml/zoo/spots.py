"""Simulated pictures with and without a round spot, some too faint to be seen; nothing real."""

import numpy as np
from numpy.typing import NDArray

SIDE = 24
_RADIUS = (2.0, 4.0)
_EDGE_PX = 5  # the middle of a spot is no nearer to the border


def spots(
    n: int, seed: int, *, contrast: tuple[float, float] = (0.1, 0.6), noise: float = 0.1
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Pictures (n, 1, 24, 24) about 0..1 and labels (n,), every other one 1: with a spot.

    Args:
        contrast: from where to where that of the spots is drawn, as a share of the range.
        noise: standard deviation of each pixel, likewise.

    Example:
        >>> pictures, labels = spots(4, seed=1)
        >>> pictures.shape, labels.tolist()
        ((4, 1, 24, 24), [0, 1, 0, 1])
    """
    numbers = np.random.default_rng(seed)
    labels = np.arange(n, dtype=np.int64) % 2
    y, x = np.mgrid[:SIDE, :SIDE]
    pictures = 0.4 + noise * numbers.standard_normal((n, SIDE, SIDE))
    for at, present in enumerate(labels):
        row, column = numbers.uniform(_EDGE_PX, SIDE - _EDGE_PX, 2)
        size, strength = numbers.uniform(*_RADIUS), numbers.uniform(*contrast)
        pictures[at] += present * strength * np.exp(-((y - row) ** 2 + (x - column) ** 2) / size**2)
    return pictures[:, None].astype(np.float32), labels
