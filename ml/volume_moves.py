"""Small moves of a volume: in the plane of its slices as of pictures, and along the slices."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ml.drawn import drawn
from ml.imaging.stack import Stack
from ml.moves import MIRRORS, Move, Way, moved

Float32Array = NDArray[np.float32]
TRANSLATION = "translation"
# Fewer slices than this are shifted in their plane alone: of ten, the largest shift leaves two.
DEEP = 32
# The axis of the patient that a mirror exchanges, whatever the plane of the slices.
_MIRRORED = {"mirror-left-right": "R", "mirror-up-down": "S"}


def moved_volume(
    one: Move, volume: Float32Array, stack: Stack, step: int, case: str, seed: int
) -> Float32Array:
    """The moved volume; beyond its border the value at the border is repeated.

    Turns, crops and borders are in the plane of the slices; a turn keeps right angles in mm. A
    shift is so many voxels along a row, a column or, where there are ``DEEP`` slices, across
    them. Mirrors exchange the patient's left and right, or top and bottom.

    Args:
        volume: (slices, rows, columns).
        stack: how they lie in the patient.
        step: from 1.
        case: its id. Random numbers depend on seed, case and move alone.
        seed: of the pass.

    Returns:
        (slices, rows, columns).

    Raises:
        ValueError: for another step.

    Example:
        >>> from ml.moves import move
        >>> stack = Stack((0, 1, 2), (False,) * 3, "SPL", (5.0, 1.0, 1.0))
        >>> volume = np.arange(3, dtype=np.float32).reshape(3, 1, 1)
        >>> moved_volume(move("mirror-up-down"), volume, stack, 1, "a", 1).ravel().tolist()
        [2.0, 1.0, 0.0]
    """
    way = one.drawn_way(step, case, seed)
    if one in MIRRORS:
        return np.flip(volume, stack.axis(_MIRRORED[one.id])).copy()
    if one.id == TRANSLATION:
        across = _across(len(volume), one.values[step - 1], case, seed)
        if across is not None:  # rows one after the other, as pictures of slices by columns
            return _planes(volume.transpose(1, 0, 2), across).transpose(1, 0, 2)
    return _planes(volume, _in_mm(way, stack.spacing_mm[1:]))


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


def _planes(volume: Float32Array, way: Way) -> Float32Array:
    """Each plane (first axis) moved as a picture."""
    found = np.empty_like(volume)
    for plane, made in zip(volume, found, strict=True):
        made[...] = moved(plane[:, :, None].astype(np.float64), way)[:, :, 0]
    return found
