"""Forwards of one picture with boxes of it filled, where only what a box reaches is computed again.

Nothing is left out: the answers are those of whole forwards up to rounding. What is run on windows
and what whole is planned in ``ml.program.windows``.

Source:
    Nakandala, Kumar, Papakonstantinou 2019, Incremental and approximate inference for faster
    occlusion-based deep CNN explanations, SIGMOD, doi 10.1145/3299869.3319874 (the exact part).
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch.nn.functional import pad

from ml.engine.fused import FusedWalker, alike
from ml.engine.fusing.steps import channels_last
from ml.program.cut import Shape, only_needed, shapes_of
from ml.program.fold import folded
from ml.program.graph import Node, Program
from ml.program.walk import Walker
from ml.program.windows import CONVOLUTIONS, MAXIMA, WindowPlan
from ml.stats.arrays import IntArray

_SEED = 20261128
_TRIED = 3  # boxes that are held against whole forwards


@dataclass(frozen=True)
class _Part:
    """Of a value: the windows of some boxes."""

    value: torch.Tensor  # (p, ...), along the picture's axes as large as the windows
    starts: IntArray  # (p, axes)


class TouchedForwards:
    """A network prepared for forwards of one picture with boxes of it filled.

    Args:
        program: the network in float32; it has one input, the picture.
        case: the shape of a picture without its batch.
        boxes: (P, axes, 2) first and last place of each box along the spatial axes, included.
        axes: of the picture's tensor that are spatial: (2, 3) for NCHW, (1, 2) for NHWC.
        output: name of the value that is asked for.

    Raises:
        ValueError: where the network cannot be run so: several inputs, a fixed number of cases,
            or windows give another answer than whole forwards.
        RuntimeError: what torch says of shapes that do not fit.
    """

    def __init__(
        self, program: Program, case: Shape, boxes: IntArray, axes: Shape, output: str
    ) -> None:
        if len(program.inputs) != 1 or program.inputs[0].shape[0] is not None:
            raise ValueError("the network takes several inputs, or a fixed number of cases")
        own = folded(only_needed(replace(program, outputs=(output,))), [output])
        self.output, self._base = output, Walker(own)
        shapes = shapes_of(self._base, [torch.zeros((1, *case))])
        self.plan = WindowPlan(own, shapes, axes, boxes)
        read = [name for node in self.plan.head for name in node.uses]
        self._taps = [
            name
            for name in dict.fromkeys([*read, *self.plan.between])
            if name not in own.weights and name != self.plan.picture
        ]
        self._tail: Walker | FusedWalker = Walker(self.plan.tail)
        self._check(case)

    @torch.inference_mode()
    def run(
        self, picture: torch.Tensor, fill: torch.Tensor, chosen: IntArray | None = None
    ) -> torch.Tensor:
        """(p, ...) the answers, with each of the chosen boxes filled.

        Args:
            picture: (1, *case).
            fill: (1, *case), or what broadcasts to it: what boxes hold instead.
            chosen: (p,) numbers of boxes; None for all.
        """
        some = np.arange(len(self.plan.boxes)) if chosen is None else chosen
        found: torch.Tensor = self._tail.run(self._pasted(picture, fill, some))[self.output]
        return found

    def filled(self, picture: torch.Tensor, fill: torch.Tensor, at: int) -> torch.Tensor:
        """The picture with one box filled: (1, *case)."""
        copy = picture.clone()
        first, last = self.plan.boxes[at].T
        place = _slices(copy.dim(), self.plan.axes, first, last - first + 1)
        copy[place] = fill.expand_as(copy)[place]
        return copy

    def _check(self, case: Shape) -> None:
        """Windows give what whole forwards do; the tail is fused where that gives the same."""
        noise = torch.Generator().manual_seed(_SEED)
        picture, fill = (torch.randn((1, *case), generator=noise) for _ in range(2))
        some = np.unique(np.linspace(0, len(self.plan.boxes) - 1, _TRIED).astype(np.int64))
        copies = torch.cat([self.filled(picture, fill, int(at)) for at in some])
        with torch.inference_mode():
            whole = self._base.run([copies])[self.output]
            if not alike(self.run(picture, fill, some), whole):
                raise ValueError("windows do not give what whole forwards give")
            try:
                self._tail = FusedWalker(self.plan.tail, self._pasted(picture, fill, some))
                if alike(self.run(picture, fill, some), whole):
                    return
            except (RuntimeError, IndexError, KeyError, TypeError, ValueError):
                pass  # what the tail reads is not of the kind that is fused
        self._tail = Walker(self.plan.tail)

    def _pasted(self, picture: torch.Tensor, fill: torch.Tensor, some: IntArray) -> list[Any]:
        """What the tail reads, for each box."""
        plan = self.plan
        picture = channels_last(picture)
        base = self._base.run([picture], taps=self._taps) | {plan.picture: picture}
        parts = {plan.picture: self._boxed(picture, fill, some)}
        last = {name: at for at, node in enumerate(plan.head) for name in node.uses}
        for at, node in enumerate(plan.head):
            parts[node.name] = self._step(node, base, parts, some)
            for name in node.uses:
                if last[name] == at and name not in plan.between:
                    parts.pop(name, None)
        return [
            self._full(base[name], plan.dims(name), parts[name]) if name in parts else base[name]
            for name in plan.between
        ]

    def _boxed(self, picture: torch.Tensor, fill: torch.Tensor, some: IntArray) -> _Part:
        windows, axes = self.plan.windows[self.plan.picture], self.plan.axes
        starts = windows.starts[some]
        value = torch.cat([picture[_slices(picture.dim(), axes, one, windows.size)]
                           for one in starts])  # fmt: skip
        filling = fill.expand_as(picture)
        for at, (first, last) in enumerate(windows.touched[some].transpose(0, 2, 1)):
            size = last - first + 1
            inside = _slices(picture.dim(), axes, first - starts[at], size)[1:]
            value[at][inside] = filling[0][_slices(picture.dim(), axes, first, size)[1:]]
        return _Part(value, starts)

    def _step(
        self, node: Node, base: Mapping[str, Any], parts: Mapping[str, _Part], some: IntArray
    ) -> _Part:
        """One node of the head on its windows, with what it reads around them."""
        windows = self.plan.windows[node.name]
        starts = windows.starts[some]
        values = {name: base[name] for name in node.uses if name in base}
        outside = -torch.inf if node.operation.base in MAXIMA else 0.0
        for name, steps in self.plan.steps(node).items():
            before = np.stack([at.stride * starts[:, i] + at.low for i, at in enumerate(steps)], 1)
            size = tuple(
                (n - 1) * at.stride + at.high - at.low + 1
                for n, at in zip(windows.size, steps, strict=True)
            )
            own = self.plan.dims(name)
            values[name] = _cut(base[name], own, parts[name], before, size, outside)
        self._base.step(_unpadded(node), values)
        return _Part(values[node.name], starts)

    @staticmethod
    def _full(base: torch.Tensor, dims: Shape, part: _Part) -> torch.Tensor:
        """(p, ...) the picture's value with each window pasted."""
        full = base.expand(len(part.starts), *base.shape[1:]).clone()
        size = [part.value.shape[dim] for dim in dims]
        for at, start in enumerate(part.starts):
            full[at][_slices(full.dim(), dims, start, size)[1:]] = part.value[at]
        return full


def _cut(
    base: torch.Tensor, dims: Shape, part: _Part, starts: IntArray, size: Shape, outside: float
) -> torch.Tensor:
    """(p, ...) of a value, windows that may reach beyond its border, with what boxes changed.

    Args:
        base: (1, ...) the value of the picture as it is.
        dims: its spatial dimensions.
        part: what boxes changed of it.
        starts: (p, axes) of the windows wanted.
        size: of these.
        outside: what lies beyond the border.
    """
    sides = np.array([base.shape[dim] for dim in dims])
    low = np.maximum(-starts.min(axis=0), 0)
    high = np.maximum(starts.max(axis=0) + np.array(size) - sides, 0)
    if low.any() or high.any():
        sizes = [0] * (2 * base.dim())
        for dim, before, after in zip(dims, low, high, strict=True):
            at = 2 * (base.dim() - 1 - dim)
            sizes[at : at + 2] = int(before), int(after)
        base = pad(base, sizes, value=outside)
    found = torch.cat([base[_slices(base.dim(), dims, one, size)] for one in starts + low])
    held = np.array([part.value.shape[dim] for dim in dims])
    first = np.maximum(starts, part.starts)
    count = np.minimum(starts + np.array(size), part.starts + held) - first
    for at in map(int, np.flatnonzero((count > 0).all(axis=1))):
        there = _slices(found.dim(), dims, first[at] - starts[at], count[at])[1:]
        here = _slices(found.dim(), dims, first[at] - part.starts[at], count[at])[1:]
        found[at][there] = part.value[at][here]
    return found


def _unpadded(node: Node) -> Node:
    """The same operation without its padding, which its windows hold."""
    if "padding" not in node.arguments or node.operation.base not in CONVOLUTIONS | _POOLS:
        return node
    # By words, of a convolution; else one number for all axes, or one for each.
    none = "valid" if isinstance(node.arguments["padding"], str) else 0
    sizes = node.arguments["padding"]
    changed = (0,) * len(sizes) if isinstance(sizes, tuple) else none
    return replace(node, arguments={**node.arguments, "padding": changed})


_POOLS = MAXIMA | {"avg_pool1d", "avg_pool2d", "avg_pool3d"}


def _slices(count: int, dims: Shape, starts: Any, sizes: Any) -> tuple[slice, ...]:
    """Of a tensor of so many dimensions."""
    found = [slice(None)] * count
    for dim, start, size in zip(dims, starts, sizes, strict=True):
        found[dim] = slice(int(start), int(start) + int(size))
    return tuple(found)
