"""MC dropout without repeating what no dropout touches: the trunk once, the tail for all samples.

A sample of a case depends on the seed, the case and the number of the sample alone: neither the
batch, nor the shard, nor what was computed before changes it.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from math import prod
from typing import Any, cast

import numpy as np
import torch

from ml.drawn import drawn
from ml.engine.fused import FusedWalker
from ml.engine.written import WrittenWalker
from ml.program.cut import Cut, Shape, cut_at_dropout, zeros
from ml.program.fold import folded
from ml.program.graph import Node, Program
from ml.program.share import share_convolutions
from ml.program.walk import Place, Values, Walker, here

# Of values that pass from the trunk to the tail at once: with more than this a U-Net leaves the
# caches, and samples one by one are quicker than many together.
_MOST_BYTES = 32 << 20


@dataclass(frozen=True)
class Site:
    """A dropout site as its masks are drawn.

    Attributes:
        shape: of one case's mask.
        axis: along which cases lie.
        rate: the probability that a number is dropped.
        order: the axes as they lie in memory where the network drops, the outermost first.
    """

    name: str
    shape: Shape
    axis: int
    rate: float
    order: tuple[int, ...]


# For one sample of some cases: a mask for each site, the cases along its axis, kept numbers being
# 1 / (1 - rate).
Draw = Callable[[int, Sequence[str], Sequence[Site]], list[torch.Tensor]]


def seeded(seed: int) -> Draw:
    """Masks that depend on the seed, the case's key and the number of the sample alone."""

    def draw(sample: int, keys: Sequence[str], sites: Sequence[Site]) -> list[torch.Tensor]:
        rows = []
        for key in keys:
            numbers = drawn(seed, sample, key)
            rows.append([_mask(numbers, site) for site in sites])
        return [
            torch.from_numpy(np.concatenate(column, axis=site.axis))
            for column, site in zip(zip(*rows, strict=True), sites, strict=True)
        ]

    return draw


def _mask(numbers: np.random.Generator, site: Site) -> np.ndarray:
    kept = numbers.random(site.shape, dtype=np.float32) >= np.float32(site.rate)
    return kept * np.float32(0 if site.rate >= 1 else 1 / (1 - site.rate))


def in_torch_order(sample: int, keys: Sequence[str], sites: Sequence[Site]) -> list[torch.Tensor]:
    """Masks as torch's modules draw them, from its global generator: pass by pass, site by site."""
    del sample
    masks = []
    for site in sites:
        shape = [n * len(keys) if at == site.axis else n for at, n in enumerate(site.shape)]
        if site.rate in (0, 1):  # torch draws nothing then
            masks.append(torch.full(shape, 1.0 - site.rate))
        else:
            # torch draws along memory, so the mask must lie there as the value does.
            lying = torch.empty([shape[axis] for axis in site.order])
            drawn = lying.bernoulli_(1 - site.rate).div_(1 - site.rate)
            masks.append(drawn.permute([site.order.index(axis) for axis in range(len(shape))]))
    return masks


class DropoutSampler:
    """Samples of a network whose chosen dropout sites drop.

    Args:
        program: the network.
        sites: its dropout nodes that are to drop.
        case: the shape of each input without its batch.
        shared: what convolutions make of values that no site touches is computed once; always so
            where both parts are fused.
        fused: both parts are run by :class:`FusedWalker`; else as they are.
        written: the trunk is run by onnxruntime, whatever runs the tail.
        place: to where both parts are computed as they are; see ``ml.program.walk``.

    Raises:
        NotWritten: where the trunk cannot be written as ONNX.
        ValueError: see :func:`ml.program.cut.cut_at_dropout`; and where an input has a fixed batch.
        RuntimeError: what torch says of shapes that do not fit.
    """

    def __init__(
        self,
        program: Program,
        sites: Sequence[Node],
        case: Sequence[Shape],
        *,
        shared: bool = False,
        fused: bool = False,
        written: bool = False,
        place: Place = here,
    ) -> None:
        if any(port.shape[:1] != (None,) for port in program.inputs):
            raise ValueError("the network takes a fixed number of cases at once")
        self._outputs = program.outputs
        self.cut: Cut = cut_at_dropout(program, sites)
        two, three = (_Seen(program, self.cut, zeros(program, case, n), place) for n in (2, 3))
        if shared or fused:
            at_rest = replace(self.cut, tail=folded(self.cut.tail))
            self.cut = share_convolutions(at_rest, two.shapes, keep=program.outputs)
            two.add(self.cut.trunk)
            three.add(self.cut.trunk)
        self._grows = {name: _growth(two[name], three[name]) for name in self.cut.between}
        self.sites = [_site(node, two[node.name], three[node.name]) for node in self.cut.sites]
        self._bytes = sum(
            4 * prod(value.shape) // 2
            for name in self.cut.between
            if isinstance(value := two[name], torch.Tensor)
        )
        self.trunk: Walker | FusedWalker | WrittenWalker = Walker(self.cut.trunk, place)
        self.tail: Walker | FusedWalker = Walker(self.cut.tail, place)
        if fused:
            if not written:
                self.trunk = FusedWalker(self.cut.trunk, zeros(program, case))
            masks = seeded(0)(0, ("", " "), self.sites)
            self.tail = FusedWalker(
                self.cut.tail, [*(two[name] for name in self.cut.between), *masks]
            )
        if written:
            self.trunk = WrittenWalker(self.cut.trunk, case, threads=torch.get_num_threads())

    @torch.inference_mode()
    def sample(
        self,
        inputs: Sequence[torch.Tensor],
        keys: Sequence[str],
        *,
        samples: int,
        draw: Draw,
        rows: int = 64,
    ) -> dict[str, torch.Tensor]:
        """Outputs of ``samples`` passes in which the sites drop.

        Args:
            inputs: one tensor for each input, n cases each.
            keys: n names of cases, that masks are drawn by.
            samples: how many.
            draw: where masks come from: :func:`seeded`, :func:`in_torch_order`.
            rows: cases times samples that the tail takes at once, at most.

        Returns:
            By output: (samples, n, ...). An output that no site touches is there as often.
        """
        n = len(keys)
        base = self.trunk.run(inputs)
        rows = max(1, min(rows, _MOST_BYTES // max(1, self._bytes)))
        at_once = max(1, min(samples, rows // n))
        found: dict[str, list[torch.Tensor]] = {name: [] for name in self.cut.tail.outputs}
        for start in range(0, samples, at_once):
            times = min(at_once, samples - start)
            given = [self._repeated(name, base[name], times, n) for name in self.cut.between]
            drawn = [draw(start + at, keys, self.sites) for at in range(times)]
            masks = [
                torch.cat(column, dim=site.axis)
                for column, site in zip(zip(*drawn, strict=True), self.sites, strict=True)
            ]
            answers = self.tail.run([*given, *masks])
            for name, parts in found.items():
                parts.append(answers[name].unflatten(0, (times, n)))
        outputs = {name: torch.cat(parts) for name, parts in found.items()}
        for name in self._outputs:
            if name not in outputs:
                outputs[name] = base[name].expand(samples, *base[name].shape)
        return outputs

    def _repeated(self, name: str, value: object, times: int, n: int) -> torch.Tensor:
        axis, step = self._grows[name]
        if isinstance(value, torch.Tensor):
            if axis is None or times == 1:
                return value
            return torch.cat([value] * times, dim=axis)
        # A size: what grows with the batch grows with the rows of the tail.
        return cast(torch.Tensor, cast(int, value) + step * (times - 1) * n)


class _Seen:
    """The shape of every value for some inputs; itself what the sites give and the tail reads."""

    def __init__(
        self, program: Program, cut: Cut, inputs: Sequence[torch.Tensor], place: Place
    ) -> None:
        self.inputs, self.place = inputs, place
        self.shapes: dict[str, Shape] = {}
        self.values: Values = {}
        self._run(program, [*cut.between, *(node.name for node in cut.sites)])

    def __getitem__(self, name: str) -> Any:
        return self.values[name]

    def add(self, trunk: Program) -> None:
        """What a trunk gives that was not seen yet."""
        if not set(trunk.outputs) <= set(self.values):
            self._run(trunk, trunk.outputs)

    @torch.inference_mode()
    def _run(self, program: Program, names: Sequence[str]) -> None:
        def note(values: Values, made: Sequence[str]) -> None:
            for name in made:
                if isinstance(values.get(name), torch.Tensor):
                    self.shapes[name] = tuple(values[name].shape)

        self.values |= Walker(program, self.place).run(self.inputs, taps=names, watch=note)


def _growth(two: object, three: object) -> tuple[int | None, int]:
    """Along which axis a value grows with the batch, or by how much a size does for each case."""
    if isinstance(two, torch.Tensor) and isinstance(three, torch.Tensor):
        axes = [at for at, (a, b) in enumerate(zip(two.shape, three.shape, strict=True)) if a != b]
        if len(axes) > 1:
            raise ValueError("a value grows with the batch along several axes")
        return (axes[0] if axes else None), 0
    return None, cast(int, three) - cast(int, two)


def _site(node: Node, two: torch.Tensor, three: torch.Tensor) -> Site:
    axis, _ = _growth(two, three)
    if axis is None:
        raise ValueError(f"what {node.name} drops does not grow with the batch")
    shape = [n // 2 if at == axis else n for at, n in enumerate(two.shape)]
    order = sorted(range(two.ndim), key=two.stride().__getitem__, reverse=True)
    if node.operation.base == "feature_dropout":  # whole channels of each case
        shape, order = [*shape[:2], *[1] * (len(shape) - 2)], list(range(two.ndim))
    rate = float(cast(float, node.arguments["p"]))
    return Site(node.name, tuple(shape), axis, rate, tuple(order))
