"""One prepared image that is to be marked: its changed copies, and moves as they act on maps."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ml.corruptions import Corruption
from ml.engine.cases import Prepared
from ml.engine.volume_copies import changed, stack_in
from ml.imaging.declared import Input
from ml.imaging.intensity import FloatArray, from_unit, to_unit
from ml.imaging.stack import Stack
from ml.moves import Move, Way, inside, moved
from ml.stats.arrays import BoolArray
from ml.volume_moves import VolumeWay, way_in_volume


@dataclass(frozen=True)
class InPlane:
    """A move of a picture."""

    way: Way

    def moved(self, maps: FloatArray) -> FloatArray:
        """(k, height, width) maps read elsewhere."""
        return np.moveaxis(moved(np.moveaxis(maps, 0, -1), self.way), -1, 0)

    def inside(self, sides: Sequence[int]) -> BoolArray:
        """(height, width) places that are read within the picture."""
        return inside(sides, self.way)

    @property
    def back(self) -> "InPlane":
        """The way by which what was moved comes to lie where it was."""
        return InPlane(self.way.back)


@dataclass(frozen=True)
class InStack:
    """A move of a volume, on arrays along the axes that the model declares."""

    way: VolumeWay
    stack: Stack

    def moved(self, maps: FloatArray) -> FloatArray:
        """(k, a, b, c) maps read elsewhere."""
        found = np.empty_like(maps)
        for one, made in zip(maps, found, strict=True):
            self.stack.slices(made)[...] = self.way.moved(self.stack.slices(one))
        return found

    def inside(self, sides: Sequence[int]) -> BoolArray:
        """(a, b, c) places that are read within the volume."""
        found: BoolArray = np.empty(tuple(sides), dtype=np.bool_)
        lying: NDArray[Any] = self.stack.slices(found)
        lying[...] = self.way.inside(lying.shape)
        return found

    @property
    def back(self) -> "InStack":
        """The way by which what was moved comes to lie where it was."""
        return InStack(self.way.back, self.stack)


class Copied:
    """A prepared image between 0 and 1, from which copies are made.

    Attributes:
        image, declared, case, seed: as given.
        stack: how a volume lies as slices; None of a picture.

    Args:
        image: as the network takes it.
        declared: the ``input`` part of the model's manifest.
        case: its id.
        seed: random numbers depend on it, the case and the change alone (of volumes on the slice
            too).
    """

    def __init__(self, image: Prepared, declared: Input, case: str, seed: int) -> None:
        self.image, self.declared, self.case, self.seed = image, declared, case, seed
        self.stack = stack_in(image, declared) if declared.dims == 3 else None
        self._picture = None if declared.dims == 3 else to_unit(image.array, declared)

    def copy(self, change: Corruption | Move, step: int) -> Prepared:
        """The image at a severity of a corruption, or a step of a move."""
        if self.stack is not None:
            made = np.empty_like(self.image.array)
            changed(
                change, self.image.array, made, self.stack, self.declared, step, self.case,
                self.seed,
            )  # fmt: skip
            return replace(self.image, array=made)
        assert self._picture is not None
        found = change(self._picture, step, self.case, self.seed)
        return replace(self.image, array=from_unit(found, self.declared))

    def way(self, one: Move, step: int) -> InPlane | InStack:
        """How the copy of a move lies on the image, for maps of what the network takes."""
        if self.stack is None:
            return InPlane(one.drawn_way(step, self.case, self.seed))
        slices = self.image.array.shape[1 + self.stack.order[0]]
        way = way_in_volume(one, self.stack, slices, step, self.case, self.seed)
        return InStack(way, self.stack)
