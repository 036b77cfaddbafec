"""A program run on the processor by oneDNN: fewer passes over memory, the same numbers.

What is done, beside folding (``ml.program.fold``): values lie channels last; an activation, and the
addition of a shortcut, are computed by the convolution that makes the value; a normalisation and
activation before a convolution of one pixel become one clamp, its factors going into the
convolution; what grows by concatenation grows in one place; elementwise operations write over
a value that nobody reads afterwards. Which steps result is decided in ``ml.engine.fusing.plan``.
"""

from collections.abc import Iterable, Sequence
from typing import Any

import torch

from ml.engine.fusing.plan import steps_of
from ml.engine.fusing.steps import Known, channels_last
from ml.program.cut import Shape, shapes_of
from ml.program.fold import folded
from ml.program.graph import Program
from ml.program.walk import Values, Walker

CLOSE = 1e-4  # of the largest number of the plain walk's answer


def prepared(program: Program, case: Sequence[Shape]) -> "Walker | FusedWalker":
    """The fused walker where it applies and gives the plain walk's answer; else the plain one.

    It applies to networks of pictures in float32. Both are run on two cases of noise, and what
    they answer is compared. Nothing here is timed, so that one machine always decides alike.

    Args:
        case: the shape of each input without its batch.
    """
    plain = Walker(program)
    if any(len(sides) != 3 for sides in case) or any(
        port.dtype != "float32" for port in program.inputs
    ):
        return plain
    noise = torch.Generator().manual_seed(0)
    example = [
        torch.randn((port.shape[0] or 2, *sides), generator=noise)
        for port, sides in zip(program.inputs, case, strict=True)
    ]
    try:
        with torch.inference_mode():
            expected = plain.run(example)
            fused = FusedWalker(program, example, linear=_packs_linear())
            found = fused.run(example)
    except (RuntimeError, IndexError, KeyError, TypeError, ValueError):
        return plain  # which says it, when it is run
    same = all(alike(found[name], value) for name, value in expected.items())
    return fused if same else plain


def alike(found: torch.Tensor, expected: torch.Tensor) -> bool:
    """Whether two tensors are as near as they must be to stand for each other.

    Never where a number is not finite: then nothing was compared.
    """
    if found.shape != expected.shape:
        return False
    apart = float((found.double() - expected.double()).abs().max())
    return apart <= CLOSE * float(expected.abs().max())


def _packs_linear() -> bool:
    """Only with AVX-512: without it the plain product was the faster one of a transformer."""
    return "AVX512" in torch.backends.cpu.get_cpu_capability()


class FusedWalker:
    """A program prepared for many forwards at rest, in float32 on the processor.

    Args:
        program: the network; dropout passes everything on.
        example: inputs of any numbers and the shapes to come, but for the batch.
        keep: names of values beside the outputs that will be asked for.
        linear: linear layers are packed for oneDNN too; which of it and the plain product is
            faster depends on the processor.

    Raises:
        RuntimeError: what torch says of shapes that do not fit.
    """

    def __init__(
        self,
        program: Program,
        example: Sequence[Any],
        keep: Iterable[str] = (),
        *,
        linear: bool = True,
    ) -> None:
        self.program, self.linear = folded(program, keep), linear
        self.kept = frozenset([*self.program.outputs, *keep])
        walker = Walker(self.program)
        self.weights = walker.weights
        with torch.inference_mode():
            known = Known(walker, shapes_of(walker, example), self.kept)
            self._steps = steps_of(known, linear=linear)
        last = {name: at for at, step in enumerate(self._steps) for name in step.reads}
        self._done_with = [
            tuple(name for name in step.reads if last[name] == at and name not in self.kept)
            for at, step in enumerate(self._steps)
        ]

    @torch.inference_mode()
    def run(self, inputs: Sequence[Any], *, taps: Iterable[str] = ()) -> Values:
        """The outputs, and the kept values named by ``taps``.

        Args:
            inputs: one tensor for each input, in order; never written over.

        Raises:
            KeyError: for a tap that was not among ``keep``.
        """
        values: Values = {}
        for port, tensor in zip(self.program.inputs, inputs, strict=True):
            values[port.name] = channels_last(tensor)
        for step, done_with in zip(self._steps, self._done_with, strict=True):
            step.call(values)
            for name in done_with:
                values.pop(name, None)
        wanted = dict.fromkeys([*self.program.outputs, *taps])
        return {name: values[name] if name in values else self.weights[name] for name in wanted}
