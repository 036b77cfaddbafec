"""How far a program is from the module it was made of: outputs, gradients, samples of dropout."""

import math
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

from benchmarks.networks.formats import ExportError, reader, sites
from benchmarks.networks.rows import Row, Shape, Size
from ml.estimate import JsonObject
from ml.intake.refusal import Refused
from ml.program.graph import Node, Program, Ref
from ml.program.walk import Walker

CLOSE = 1e-4  # of the largest number: what a row must reach
SEED = 11


@dataclass(frozen=True)
class Compared:
    """Largest differences as a share of the largest number; None where there is nothing to compare.

    Attributes:
        why: why something is not there, in words.
    """

    outputs: float | None = None
    gradients: float | None = None
    dropout: float | None = None
    why: str = ""
    seconds: float = 0.0

    def to_json(self) -> JsonObject:
        return {name: _short(value) for name, value in asdict(self).items()}


def _short(value: Any) -> Any:
    return float(f"{value:.2g}") if isinstance(value, float) else value


def compared(row: Row, size: Size, kind: str) -> Compared:
    """The network as a file of this format, held against MONAI's own module."""
    began = time.perf_counter()
    module, case = row.module(size), row.variant(size).case
    with tempfile.TemporaryDirectory() as folder:
        try:
            program = reader(row, size, kind)(module, Path(folder))
        except (Refused, ExportError) as error:
            why = error.refusals[0].message if isinstance(error, Refused) else str(error)
            return Compared(why=why, seconds=time.perf_counter() - began)
    every, double = kind != "onnx", kind == "onnx" and row.double
    found = held_against(module, program, case, every=every, double=double)
    return Compared(**found, seconds=time.perf_counter() - began)


def held_against(
    module: Any, program: Program, case: Shape, *, every: bool, double: bool = False
) -> dict[str, Any]:
    """outputs, gradients, dropout and why, of :class:`Compared`.

    Args:
        module: the source, at rest.
        program: what came in.
        case: the shape of one case.
        every: all kinds of dropout are in the program; else elementwise ones only.
        double: gradients may be taken in double precision: where a value is nearly 0, rounding
            decides on the slope beyond it.
    """
    # Two cases, so that a batch is one; of a large volume one, for the sake of memory.
    n = 2 if math.prod(case) <= 128**2 * 16 else 1
    cases = torch.randn((n, *case), generator=torch.Generator().manual_seed(2))
    output = program.outputs[0]
    with torch.no_grad():
        found, expected = Walker(program).run([cases])[output], answer(module, cases)
    gradients = _gradients(module, program, cases[:1], double=False)
    if gradients > CLOSE and double:  # it takes minutes for large volumes
        gradients = _gradients(module, program, cases[:1], double=True)
    dropping, why = sites(module, every=every), ""
    if not dropping and sites(module, every=True):
        why = "dropout of whole channels cannot be kept in ONNX"
    return {
        "outputs": apart(found, expected),
        "gradients": gradients,
        "dropout": _dropout(module, program, cases, dropping) if dropping else None,
        "why": why,
    }


def answer(module: Any, cases: torch.Tensor) -> torch.Tensor:
    """What the module says; the answer proper where it says more."""
    found = module(cases)
    first = found[0] if isinstance(found, tuple) else found
    assert isinstance(first, torch.Tensor)
    return first


def apart(found: torch.Tensor, expected: torch.Tensor) -> float:
    """The largest difference, as a share of the largest number expected; infinity if that is 0."""
    found, expected = found.detach().double(), expected.detach().double()
    largest = float(expected.abs().max())
    if found.shape != expected.shape or not largest:
        return math.inf
    return float((found - expected).abs().max()) / largest


def _gradients(module: Any, program: Program, cases: torch.Tensor, *, double: bool) -> float:
    """Of the squares of all answers, at the value of the last convolution and at the input."""
    walker = Walker(program)
    given = cases
    if double:
        walker.weights = {
            name: value.double() if value.is_floating_point() else value
            for name, value in walker.weights.items()
        }
        given = cases.double()
    node, layer = _last_convolution(module, program)
    if isinstance(module, torch.jit.ScriptModule):
        return _gradients_of_script(module, walker, node, layer, given)
    kept: dict[str, torch.Tensor] = {}
    hook = layer.register_forward_hook(lambda part, taken, made: kept.update(made=made))
    ours, theirs = given.clone().requires_grad_(), given.clone().requires_grad_()
    try:
        if double:
            module.double()
        values = walker.run([ours], taps=[node.name])
        found = _gradient(values[program.outputs[0]], ours, values[node.name])
        expected = _gradient(answer(module, theirs), theirs, kept["made"])
    finally:
        hook.remove()
        module.float()
    return max(map(apart, found, expected))


def _gradients_of_script(
    module: Any, walker: Walker, node: Node, layer: Any, given: torch.Tensor
) -> float:
    """Of the last convolution's weight, since no value within TorchScript can be held."""
    reference = node.arguments["weight"]
    assert isinstance(reference, Ref)
    weight = walker.weights[reference.name].requires_grad_()
    ours, theirs = given.clone().requires_grad_(), given.clone().requires_grad_()
    values = walker.run([ours])
    found = _gradient(values[walker.program.outputs[0]], ours, weight)
    expected = _gradient(answer(module, theirs), theirs, layer.weight)
    return max(map(apart, found, expected))


def _gradient(answered: torch.Tensor, *at: torch.Tensor) -> tuple[torch.Tensor, ...]:
    return torch.autograd.grad(answered.square().sum(), at)


def _last_convolution(module: Any, program: Program) -> tuple[Node, Any]:
    """The last convolution that the answer depends on, and the part of the module it is."""
    parts = {
        part.weight.detach().numpy().tobytes(): part
        for part in module.modules()
        if "Conv" in getattr(part, "original_name", type(part).__name__)
        and isinstance(getattr(part, "weight", None), torch.Tensor)
    }
    for node in reversed(program.needed(program.outputs[:1])):
        weight = node.arguments.get("weight")
        if node.operation.base.startswith("conv") and isinstance(weight, Ref):
            return node, parts[program.weights[weight.name].tobytes()]
    raise AssertionError("the network has no convolution")


def _dropout(module: Any, program: Program, cases: torch.Tensor, dropping: list[Any]) -> float:
    """One sample under one seed; infinity where nothing was dropped."""
    for part in dropping:
        part.train()
    try:
        expected = _seeded(lambda: answer(module, cases))
    finally:
        module.eval()
    with torch.no_grad():
        still = answer(module, cases)
    if torch.equal(still, expected):
        return math.inf
    active = program.dropouts
    found = _seeded(lambda: Walker(program).run([cases], active=active)[program.outputs[0]])
    return apart(found, expected)


def _seeded(call: Callable[[], torch.Tensor]) -> torch.Tensor:
    torch.manual_seed(SEED)
    with torch.no_grad():
        return call()
