"""Positions of a picture that were taken away, as the weighted mean of their neighbours.

A hole of a constant tells the network its own shape: where it is, something was taken away. Filled
linearly from what is left around it, it tells little of that.
"""

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csc_matrix
from scipy.sparse.linalg import splu

from ml.imaging.picture import FloatArray

BESIDE, ACROSS = 1 / 6, 1 / 12  # what neighbours by a side and by a corner count
_NEIGHBOURS = {
    (down, right): BESIDE if 0 in (down, right) else ACROSS
    for down in (-1, 0, 1)
    for right in (-1, 0, 1)
    if (down, right) != (0, 0)
}
_LEAF = 16  # positions of a block that is not cut further
_OUTSIDE, _LEFT = -2, -1  # of a neighbour: beyond the border; not taken away
_KEPT = 8  # sizes of pictures whose order is kept


def linear_fill(picture: FloatArray, gone: NDArray[np.bool_]) -> FloatArray:
    """A copy in which positions that are gone are the weighted mean of their eight neighbours.

    All of them at once, in all channels: neighbours that are gone too are unknowns of the same
    linear system. Beyond the border there is nothing, and the other weights grow. The system is
    symmetric, so it is solved directly in an order that cuts the picture in halves and numbers
    the cuts last: few further numbers arise, and nothing is iterated.

    Args:
        picture: (height, width, channels).
        gone: (height, width) True where it is to be filled.

    Returns:
        (height, width, channels), in the picture's units, without noise: see
        :func:`ml.engine.baselines.noise_of`.

    Raises:
        ValueError: where nothing is left to fill from, or the sides differ.

    Example:
        >>> ramp = np.arange(5.0)[None, :, None] * np.ones((3, 1, 1))
        >>> gone = np.zeros((3, 5), bool)
        >>> gone[:, 1:4] = True
        >>> linear_fill(np.where(gone[..., None], 9.0, ramp), gone)[1, :, 0].round(9).tolist()
        [0.0, 1.0, 2.0, 3.0, 4.0]

    Source:
        Rong, Leemann, Borisov, Kasneci, Kasneci (2022), ICML, section 4.2 (noisy linear
        imputation). Order: George (1973), SIAM J. Numer. Anal. 10:345 (nested dissection).
    """
    if gone.shape != picture.shape[:2]:
        raise ValueError(f"a picture of {picture.shape[:2]} has no holes of {gone.shape}")
    if gone.all():
        raise ValueError("nothing is left to fill from")
    filled = np.array(picture, dtype=np.float64)
    if gone.any():
        places, system, given = _system(filled, gone)
        solver = splu(
            system, permc_spec="NATURAL", diag_pivot_thresh=0, relax=1, panel_size=1,
            options={"SymmetricMode": True, "Equil": False},
        )  # fmt: skip
        filled.reshape(-1, picture.shape[2])[places] = solver.solve(given)
    return filled


def _system(
    picture: FloatArray, gone: NDArray[np.bool_]
) -> tuple[NDArray[np.int64], csc_matrix, FloatArray]:
    """Places of the n unknowns in their order, their system (n, n), and its right sides."""
    height, width, channels = picture.shape
    order = halved(height, width)
    places = order[gone.ravel()[order]]
    n, wide = places.size, width + 2
    at = (places // width + 1) * wide + places % width + 1  # with a border of one position
    number = np.full((height + 2, wide), _OUTSIDE, np.int32)
    number[1:-1, 1:-1] = _LEFT
    number = number.ravel()
    number[at] = np.arange(n)
    known = np.pad(picture, ((1, 1), (1, 1), (0, 0))).reshape(-1, channels)
    rows = np.empty((n, len(_NEIGHBOURS) + 1), np.int32)
    weights = np.zeros(rows.shape)
    given, total = np.zeros((n, channels)), np.zeros(n)
    for column, ((down, right), weight) in enumerate(_NEIGHBOURS.items()):
        there = at + down * wide + right
        which = number[there]
        total += weight * (which != _OUTSIDE)
        rim = np.flatnonzero(which == _LEFT)
        given[rim] += weight * known[there[rim]]
        rows[:, column], weights[:, column] = which, -weight * (which >= 0)
    rows[:, -1], weights[:, -1] = np.arange(n), total
    held = weights != 0
    starts = np.concatenate([[0], np.cumsum(held.sum(axis=1))]).astype(np.int32)
    return places, csc_matrix((weights[held], rows[held], starts), shape=(n, n)), given


@lru_cache(maxsize=_KEPT)
def halved(height: int, width: int) -> NDArray[np.int64]:
    """Positions of a grid, halves before the line between them.

    Returns:
        (height * width,) each place once.

    Example:
        >>> sorted(halved(5, 7)) == list(range(35)), halved(5, 7)[-5:].tolist()
        (True, [3, 10, 17, 24, 31])
    """
    grid = np.arange(height * width).reshape(height, width)
    return np.concatenate(list(_halves(grid)))


def _halves(grid: NDArray[np.int64]) -> list[NDArray[np.int64]]:
    if grid.size <= _LEAF:
        return [grid.ravel()]
    long = grid if grid.shape[0] >= grid.shape[1] else grid.T
    middle = len(long) // 2
    return [*_halves(long[:middle]), *_halves(long[middle + 1 :]), long[middle]]
