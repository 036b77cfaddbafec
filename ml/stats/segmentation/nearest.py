"""From each border cell of two masks to the nearest one of the other."""

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from ml.stats.arrays import BoolArray, FloatArray, IntArray
from ml.stats.segmentation.masks import MaskPair
from ml.stats.side_by_side import side_by_side

REACH = 4  # steps along an axis within which neighbours are looked up
_MANY = 10_000  # cells from which a second thread is worth starting
_ROUNDS = (1, 5, 13, 29)  # up to which row of neighbours is looked at a time, the nearest first
_CLOSE = 5  # rows tried before a border may be called far away


@dataclass(frozen=True)
class Borders:
    """The borders of two masks: filled cells of two grids, one behind the other in memory.

    Attributes:
        filled: (2 * cells,) each grid is empty ``REACH`` cells around, so that a step to a
            neighbour is a step in memory.
        keys: (n,) where it is filled, rising: first those of the one mask, then of the other.
        shape: of each grid.
    """

    filled: BoolArray
    keys: IntArray
    shape: tuple[int, ...]

    @classmethod
    def of_masks(cls, pair: MaskPair) -> "Borders":
        """Of two masks that are not empty: the voxels with a face neighbour outside.

        Example:
            >>> pair = MaskPair.of(np.ones((3, 3)), np.eye(3))
            >>> borders = Borders.of_masks(pair)
            >>> borders.split, len(borders.keys) - borders.split  # of 9 and 3 voxels
            (8, 3)
        """
        masks = pair.stacked(margin=REACH)
        flat = masks.ravel()
        inside = flat.copy()
        for step in _strides(masks.shape[1:]):
            inside[:-step] &= flat[step:]
            inside[step:] &= flat[:-step]
        filled = flat & ~inside
        return cls(filled, np.flatnonzero(filled), masks.shape[1:])

    @classmethod
    def of_points(cls, one: IntArray, other: IntArray) -> "Borders":
        """Of points (n, axes), (m, axes) of a grid, each point once, in the grid's order.

        Example:
            >>> Borders.of_points(np.array([[0, 0], [0, 2]]), np.array([[1, 1]])).split
            2
        """
        sides = np.maximum(one.max(axis=0), other.max(axis=0)) + 1 + 2 * REACH
        shape = tuple(int(cells) for cells in sides)
        keys = [np.ravel_multi_index(tuple(points.T + REACH), shape) for points in (one, other)]
        joined = np.concatenate([keys[0], keys[1] + math.prod(shape)])
        filled = np.zeros(2 * math.prod(shape), bool)
        filled[joined] = True
        return cls(filled, joined, shape)

    @property
    def cells(self) -> int:
        return math.prod(self.shape)

    @property
    def split(self) -> int:
        """How many of the keys are the first mask's."""
        return int(np.searchsorted(self.keys, self.cells))

    def places(self, keys: IntArray, spacing: FloatArray) -> FloatArray:
        return np.stack(np.unravel_index(keys, self.shape), axis=1) * spacing


def nearest(borders: Borders, spacing_mm: tuple[float, ...]) -> tuple[FloatArray, FloatArray]:
    """Distance of each cell of the first border to the nearest of the second, and back.

    Borders of two masks of one thing run close to each other, so the neighbourhood of each cell
    is looked up first; a tree is built for what is farther away.

    Returns:
        (n,), (m,) mm, in the order of the keys.

    Example:
        >>> borders = Borders.of_points(np.array([[0, 0], [0, 2]]), np.array([[0, 3]]))
        >>> [found.tolist() for found in nearest(borders, (1.0, 0.5))]
        [[1.5, 0.5], [0.5]]
    """
    spacing = np.array(spacing_mm)
    split, cells = borders.split, borders.cells
    one, other = borders.keys[:split], borders.keys[split:] - cells
    if len(borders.keys) < _MANY:
        look = np.concatenate([one + cells, other])
        distances = _looked_up((borders.filled, look, borders.shape, spacing))
        found = distances[:split], distances[split:]
    else:
        found = side_by_side(
            _looked_up,
            (borders.filled[cells:], one, borders.shape, spacing),
            (borders.filled[:cells], other, borders.shape, spacing),
        )
    for distances, here, there in ((found[0], one, other), (found[1], other, one)):
        left = np.flatnonzero(np.isinf(distances))
        if left.size:
            places = borders.places(there, spacing)
            tree = cKDTree(places, leafsize=32, balanced_tree=False, compact_nodes=False)
            distances[left] = tree.query(borders.places(here[left], spacing))[0]
    return found


def _looked_up(job: tuple[BoolArray, IntArray, tuple[int, ...], FloatArray]) -> FloatArray:
    """Distance of each key to the nearest filled cell, infinite where none was found.

    Rows of cells are looked at, the nearest rows first: of each row it is known how far its
    nearest filled cell is.
    """
    filled, keys, shape, spacing = job
    squared = np.full(len(keys), np.inf)
    along_row = _along_row(filled)
    squares = (np.arange(REACH + 2) * spacing[-1]) ** 2
    squares[-1] = np.inf
    beyond = ((REACH + 1) * float(spacing.min())) ** 2  # anything nearer is within reach
    steps, apart = _rows(tuple(spacing[:-1].tolist()), REACH, beyond)
    moves = steps @ np.array(_strides(shape))[:-1]
    left, best, start = np.arange(len(keys)), squared, 0
    for stop in (*(stop for stop in _ROUNDS if stop < apart.size), apart.size):
        there = squares.take(along_row.take(moves[start:stop, None] + keys))
        there += apart[start:stop, None]
        best = np.minimum(best, there.min(axis=0))
        squared[left] = best
        not_yet = np.flatnonzero(best > min([beyond, *apart[stop : stop + 1]]))
        few = not_yet.size < 0.9 * left.size
        left, keys, best, start = left[not_yet], keys[not_yet], best[not_yet], stop
        if not left.size or (not few and start > _CLOSE):
            break  # all are found, or these two run far from each other
    squared[left] = np.inf
    distances: FloatArray = np.sqrt(squared)
    return distances


def _along_row(filled: BoolArray) -> NDArray[np.uint8]:
    """Cells from each to the nearest filled one of its row; ``REACH`` + 1 if beyond reach."""
    reached = filled.view(np.uint8)
    left = np.full(reached.shape, REACH + 1, np.uint8)
    for _ in range(REACH):
        left -= reached
        wider = reached.copy()
        wider[1:] |= reached[:-1]
        wider[:-1] |= reached[1:]
        reached = wider
    left -= reached
    return left


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
