"""A prepared volume as the slices that it was acquired in, whichever way its axes run."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from ml.imaging.declared import AXES, Input
from ml.imaging.prepare import Placed

Values = TypeVar("Values", bound=np.generic)
# Along the slices, down their rows, along their columns, as people look at each kind of slice:
# transverse and coronal ones with the patient's right at the left, front or top above.
_VIEWS = ("RIP", "AIL", "SPL")  # by the axis (of AXES) that the slices follow each other on
_TRANSVERSE = 2
_ALIKE = 0.01  # share by which voxels may differ in length and are as long as each other


@dataclass(frozen=True)
class Stack:
    """How the axes of a prepared volume become slices, rows and columns.

    Attributes:
        order: axes of the prepared volume (without channel): of the slices, rows, columns.
        flips: whether each of those then runs the other way.
        runs: the direction that each runs to, as in "SPL".
        spacing_mm: between slices, rows, columns.
    """

    order: tuple[int, int, int]
    flips: tuple[bool, bool, bool]
    runs: str
    spacing_mm: tuple[float, float, float]

    def slices(self, volume: NDArray[Values]) -> NDArray[Values]:
        """The volume as (slices, rows, columns); a view, so that writing to it writes to it.

        Args:
            volume: (a, b, c), along the axes that the model declares.
        """
        turned = volume.transpose(self.order)
        return turned[tuple(slice(None, None, -1 if flip else 1) for flip in self.flips)]

    def axis(self, direction: str) -> int:
        """0 for the slices, 1 for rows, 2 for columns: which runs along a direction, or against it.

        Args:
            direction: a letter of ``ml.imaging.declared.AXES``.
        """
        return [_pair(letter) for letter in self.runs].index(_pair(direction))


def stack_of(
    placed: Placed,
    spacing_mm: Sequence[float],
    stacked: int | None,
    declared: Input,
    sides: Sequence[int],
) -> Stack:
    """How a prepared volume lies as slices.

    Of a DICOM series these are its own. A NIfTI file does not say; there they follow each other
    along the axis whose voxels are unlike those of both others.

    Args:
        placed: how its voxels lie on those of the image.
        spacing_mm: (3,) of the image.
        stacked: the image's axis that slices follow each other on, where the files say so.
        declared: the ``input`` part of the model's manifest, with ``dims: 3``.
        sides: (3,) of the prepared volume.
    """
    runs = _VIEWS[sliced_along(spacing_mm) if stacked is None else stacked]
    own = [_pair(letter) for letter in declared.axes]
    rows = [own.index(_pair(letter)) for letter in runs]
    order = (rows[0], rows[1], rows[2])
    mm = _lengths(placed, spacing_mm, declared, sides)
    flips = [letter != declared.axes[at] for letter, at in zip(runs, order, strict=True)]
    return Stack(
        order, (flips[0], flips[1], flips[2]), runs, (mm[order[0]], mm[order[1]], mm[order[2]])
    )


def _pair(letter: str) -> int:
    """Which of AXES a direction lies on."""
    return next(at for at, two in enumerate(AXES) if letter in two)


def sliced_along(spacing_mm: Sequence[float]) -> int:
    """The axis whose voxels are unlike those of both others; the last, where all are alike.

    Example:
        >>> sliced_along((0.7, 0.7, 5.0)), sliced_along((6.0, 1.0, 1.0)), sliced_along((1, 1, 1))
        (2, 0, 2)
    """
    length = np.log(np.asarray(spacing_mm, dtype=np.float64))
    if np.ptp(length) <= _ALIKE:
        return _TRANSVERSE
    others = [abs(length[at - 1] - length[at - 2]) for at in range(length.size)]
    return int(np.argmin(others))


def _lengths(
    placed: Placed, spacing_mm: Sequence[float], declared: Input, sides: Sequence[int]
) -> list[float]:
    """Of a voxel of the prepared volume along each of its axes, in mm.

    Resizing keeps the outer edges of a volume.
    """
    lengths = []
    for axis, side in enumerate(sides):
        n, own = len(placed.nearest[axis]), spacing_mm[placed.order[axis]]
        step = own if declared.spacing_mm is None else declared.spacing_mm[axis]
        resampled = round((n - 1) * own / step + 1)
        lengths.append(resampled * step / side)
    return lengths
