"""Small moves of a volume: in the plane of its slices as of pictures, and along the slices."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from ml.drawn import drawn
from ml.imaging.stack import Stack
from ml.moves import MIRRORS, Move, Way, inside, moved
from ml.stats.arrays import BoolArray

Real = TypeVar("Real", bound=np.floating)
TRANSLATION = "translation"
# Fewer slices than this are shifted in their plane alone: of ten, the largest shift leaves two.
DEEP = 32
# The axis of the patient that a mirror exchanges, whatever the plane of the slices.
_MIRRORED = {"mirror-left-right": "R", "mirror-up-down": "S"}


@dataclass(frozen=True)
class VolumeWay:
    """Where each place of a moved volume (slices, rows, columns) is read in the one as it is.

    Attributes:
        mirrored: the axis that runs the other way; None where ``way`` says it all.
        way: in the plane of the slices, or with ``across`` of slices by columns.
        across: it leads across the slices.
    """

    mirrored: int | None = None
    way: Way = field(default_factory=Way)
    across: bool = False

    def moved(self, volume: NDArray[Real]) -> NDArray[Real]:
        """The volume read elsewhere; beyond its border the value at the border is repeated."""
        if self.mirrored is not None:
            return np.flip(volume, self.mirrored).copy()
        if self.across:  # rows one after the other, as pictures of slices by columns
            return _planes(volume.transpose(1, 0, 2), self.way).transpose(1, 0, 2)
        return _planes(volume, self.way)

    def inside(self, sides: Sequence[int]) -> BoolArray:
        """(slices, rows, columns) places that are read within the volume, and not at its border.

        Example:
            >>> VolumeWay(way=Way(shift=(0.0, 1.0))).inside((1, 1, 3)).tolist()
            [[[True, True, False]]]
        """
        slices, rows, columns = sides
        if self.mirrored is not None:
            return np.ones((slices, rows, columns), dtype=np.bool_)
        if self.across:
            found = inside((slices, columns), self.way)[:, None, :]
        else:
            found = inside((rows, columns), self.way)[None]
        return np.broadcast_to(found, (slices, rows, columns))

    @property
    def back(self) -> "VolumeWay":
        """The way by which what was moved comes to lie where it was."""
        return self if self.mirrored is not None else replace(self, way=self.way.back)


def way_in_volume(
    one: Move, stack: Stack, slices: int, step: int, case: str, seed: int
) -> VolumeWay:
    """How a volume is moved.

    Turns, crops and borders are in the plane of the slices; a turn keeps right angles in mm. A
    shift is so many voxels along a row, a column or, where there are ``DEEP`` slices, across
    them. Mirrors exchange the patient's left and right, or top and bottom.

    Args:
        stack: how its slices lie in the patient.
        slices: how many there are.
        step: from 1.
        case: its id. Random numbers depend on seed, case and move alone.
        seed: of the pass.

    Raises:
        ValueError: for another step.

    Example:
        >>> from ml.moves import move
        >>> stack = Stack((0, 1, 2), (False,) * 3, "SPL", (5.0, 1.0, 1.0))
        >>> way_in_volume(move("mirror-up-down"), stack, 3, 1, "a", 1).mirrored
        0
    """
    way = one.drawn_way(step, case, seed)
    if one in MIRRORS:
        return VolumeWay(mirrored=stack.axis(_MIRRORED[one.id]))
    if one.id == TRANSLATION:
        across = _across(slices, one.values[step - 1], case, seed)
        if across is not None:
            return VolumeWay(way=across, across=True)
    return VolumeWay(way=_in_mm(way, stack.spacing_mm[1:]))


def moved_volume(
    one: Move, volume: NDArray[Real], stack: Stack, step: int, case: str, seed: int
) -> NDArray[Real]:
    """The moved volume; see :func:`way_in_volume` and :meth:`VolumeWay.moved`.

    Args:
        volume: (slices, rows, columns).

    Example:
        >>> from ml.moves import move
        >>> stack = Stack((0, 1, 2), (False,) * 3, "SPL", (5.0, 1.0, 1.0))
        >>> volume = np.arange(3, dtype=np.float32).reshape(3, 1, 1)
        >>> moved_volume(move("mirror-up-down"), volume, stack, 1, "a", 1).ravel().tolist()
        [2.0, 1.0, 0.0]
    """
    return way_in_volume(one, stack, len(volume), step, case, seed).moved(volume)


def in_voxels(words: str) -> str:
    """What is said of a move of pictures, of volumes.

    Example:
        >>> in_voxels("shifted by 2 pixels")
        'shifted by 2 voxels'
    """
    return words.replace("pixel", "voxel")


def _across(slices: int, voxels: float, case: str, seed: int) -> Way | None:
    """A shift across the slices; None where the case is one of those shifted in their plane.

    All six directions are as likely.
    """
    numbers = drawn(seed, case, TRANSLATION, "across")
    if slices < DEEP or numbers.random() >= 1 / 3:
        return None
    return Way(shift=(voxels * (1.0 if numbers.random() < 0.5 else -1.0), 0.0))


def _in_mm(way: Way, spacing_mm: Sequence[float]) -> Way:
    """A way whose matrix is of mm, in pixels that may be no squares."""
    (a, b), (c, d) = way.matrix
    ratio = spacing_mm[1] / spacing_mm[0]
    return Way(((a, b * ratio), (c / ratio, d)), way.shift)


def _planes(volume: NDArray[Real], way: Way) -> NDArray[Real]:
    """Each plane (first axis) moved as a picture."""
    found = np.empty_like(volume)
    for plane, made in zip(volume, found, strict=True):
        made[...] = moved(plane[:, :, None].astype(np.float64), way)[:, :, 0]
    return found
