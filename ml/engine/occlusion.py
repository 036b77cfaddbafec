"""Occlusion: how far the score falls where a box of the picture is filled, box after box."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import product

import numpy as np
import torch

from ml.engine.attribute import score_of
from ml.engine.device import CPU, Device
from ml.engine.fused import FusedWalker, prepared
from ml.engine.touched import TouchedForwards
from ml.program.cut import Shape, only_needed
from ml.program.graph import Program
from ml.program.walk import Walker
from ml.stats.arrays import BoolArray, IntArray

CELLS = {1: 64, 2: 14, 3: 7}  # along each axis, by how many there are; about
_BOX = 2  # cells along each axis
_WORTH = 0.5  # of the arithmetic must be saved, or whole forwards are the faster
_AT_ONCE, _WHOLE_AT_ONCE = 16, 8  # boxes


@dataclass(frozen=True)
class Grid:
    """Cells of a picture, and boxes of two by two of them that overlap by one.

    Attributes:
        sides: of the picture, in pixels.
        cell: sides of a cell in pixels; the last along an axis may be smaller.
    """

    sides: Shape
    cell: Shape

    @classmethod
    def over(cls, sides: Shape) -> "Grid":
        """
        Example:
            >>> Grid.over((224, 112)).cells, len(Grid.over((224, 112)).boxes)
            ((14, 14), 169)
        """
        along = CELLS[len(sides)]
        return cls(sides, tuple(max(1, round(side / along)) for side in sides))

    @property
    def cells(self) -> Shape:
        """How many there are along each axis: the sides of a map."""
        return tuple(-(-side // cell) for side, cell in zip(self.sides, self.cell, strict=True))

    @property
    def _starts(self) -> list[tuple[int, ...]]:
        """First cell of each box along each axis: the last box ends with the picture."""
        return list(product(*(range(max(1, cells - _BOX + 1)) for cells in self.cells)))

    @property
    def boxes(self) -> IntArray:
        """(P, axes, 2) first and last pixel of each box, included."""
        cell, last = np.array(self.cell), np.array(self.sides) - 1
        first = np.array(self._starts) * cell
        return np.stack([first, np.minimum(first + _BOX * cell - 1, last)], axis=-1)

    @property
    def covers(self) -> BoolArray:
        """(P, *cells) whether a box covers a cell."""
        found = np.zeros((len(self._starts), *self.cells), dtype=bool)
        for at, starts in enumerate(self._starts):
            place: tuple[slice, ...] = tuple(slice(start, start + _BOX) for start in starts)
            found[at][place] = True
        return found


class Occlusion:
    """A network prepared for maps of how far its score falls without a part of the picture.

    On the processor only what a box can reach is computed again, where that leaves out half of the
    arithmetic; else, and on other devices, each box takes a whole forward.

    Args:
        program: the network; the picture is its only input.
        case: the shape of a picture without its batch.
        axes: of the picture's tensor that are spatial: (2, 3) for NCHW, (1, 2) for NHWC.
        output: name of the value whose numbers are the logits.
        device: to compute on.

    Raises:
        RuntimeError: what torch says of shapes that do not fit.
    """

    def __init__(
        self,
        program: Program,
        case: Shape,
        axes: Shape,
        output: str,
        *,
        device: Device = CPU,
    ) -> None:
        self.axes, self.output, self.device = axes, output, device
        self.grid = Grid.over(tuple(case[axis - 1] for axis in axes))
        self.touched = self._touched(program, case) if device.is_cpu else None
        own = only_needed(replace(program, outputs=(output,)))
        self.fixed_batch = program.inputs[0].shape[0]
        self._whole: Walker | FusedWalker = (
            prepared(own, [case]) if device.is_cpu else Walker(own, device.place)
        )

    def _touched(self, program: Program, case: Shape) -> TouchedForwards | None:
        if program.inputs[0].dtype != "float32":
            return None
        try:
            found = TouchedForwards(program, case, self.grid.boxes, self.axes, self.output)
        except ValueError:
            return None  # whole forwards give the same, and later
        return found if found.plan.saved >= _WORTH else None

    def maps(self, cases: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
        """(n, *cells) in units of the score: what it loses on average over the boxes of a cell.

        A box is filled with the mean of each channel of its picture.

        Args:
            cases: (n, *case) on the device.
            weights: (n, k) what each logit counts, of ``Attributor.class_map``.

        Source:
            Zeiler, Fergus (2014), ECCV, doi 10.1007/978-3-319-10590-1_53; the mean over boxes
            that overlap is that of Captum's Occlusion.
        """
        covers = self.device.place(torch.from_numpy(self.grid.covers)).to(torch.float64)
        shares = covers / covers.sum(dim=0)
        found = []
        for case, weight in zip(cases[:, None], weights[:, None], strict=True):
            fill = case.mean(dim=self.axes, keepdim=True)
            scores = self._scores(case, fill, weight)
            drops = (scores[0] - scores[1:]).double()
            found.append(torch.tensordot(drops, shares, dims=1))
        return torch.stack(found)

    def _scores(self, case: torch.Tensor, fill: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
        """(1 + P,) of the picture as it is, then of each box filled."""
        boxes = self.grid.boxes
        answers = [self._run(case)]
        if self.touched is not None:
            for some in _pieces(len(boxes), _AT_ONCE):
                answers.append(self.touched.run(case, fill, some))
        else:
            for some in _pieces(len(boxes), self.fixed_batch or _WHOLE_AT_ONCE):
                answers.append(self._run(torch.cat([self._filled(case, fill, boxes[at])
                                                    for at in some])))  # fmt: skip
        return torch.cat([score_of(one, weight.expand(len(one), -1)) for one in answers])

    def _run(self, copies: torch.Tensor) -> torch.Tensor:
        n, size = len(copies), self.fixed_batch
        if size and n < size:  # a graph for exactly `size` cases: filled up, cut off after
            copies = torch.cat([copies, copies[-1:].expand(size - n, *copies.shape[1:])])
        with torch.inference_mode():
            found: torch.Tensor = self._whole.run([copies])[self.output]
        return found[:n]

    def _filled(self, case: torch.Tensor, fill: torch.Tensor, box: IntArray) -> torch.Tensor:
        copy = case.clone()
        place: list[slice] = [slice(None)] * copy.dim()
        for axis, (first, last) in zip(self.axes, box, strict=True):
            place[axis] = slice(int(first), int(last) + 1)
        copy[tuple(place)] = fill.expand_as(copy)[tuple(place)]
        return copy


def _pieces(count: int, size: int) -> Sequence[IntArray]:
    return [np.arange(at, min(at + size, count)) for at in range(0, count, size)]
