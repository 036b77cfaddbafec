"""Walks over a program with torch: values, gradients, dropout switched in the graph."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import torch

from ml.program.graph import Argument, Dtype, Node, Program, Ref
from ml.program.operations import Operation, allowed

Values = dict[str, Any]  # tensors, sizes
Place = Callable[[torch.Tensor], torch.Tensor]  # brings a tensor to where it is computed with


def here(tensor: torch.Tensor) -> torch.Tensor:
    """On the processor, where tensors are made."""
    return tensor


@cache
def _calls() -> dict[str, Callable[..., Any]]:
    """torch's function for every allowed operation: the names are ours, from the list."""
    found = {}
    for operation in allowed().values():
        base, _, overload = operation.name.partition(".")
        found[operation.name] = getattr(getattr(torch.ops.aten, base), overload or "default")
    # Values are never written to, so whether one shares memory plays no part, and how it lies there
    # may be another way than where the network was exported.
    found["view"] = found["reshape"]
    return found


@dataclass
class Walker:
    """A program with its weights on a device.

    Attributes:
        program: what is run.
        place: of ``ml.engine.device``: weights, inputs and what the network makes of nothing go
            through it; outputs stay where they were computed.
    """

    program: Program
    place: Place = here
    weights: Mapping[str, torch.Tensor] = field(init=False)

    def __post_init__(self) -> None:
        self.weights = {
            name: self.place(torch.from_numpy(value.copy()))
            for name, value in self.program.weights.items()
        }

    def run(
        self,
        inputs: Sequence[torch.Tensor],
        *,
        taps: Iterable[str] = (),
        active: Iterable[Node] = (),
        given: Mapping[str, torch.Tensor] | None = None,
        watch: Callable[[Values, Sequence[str]], None] | None = None,
    ) -> Values:
        """The outputs of the network, and the values named by ``taps``.

        Args:
            inputs: one tensor for each input, in order.
            taps: names of further values to keep.
            active: dropout sites that drop; all others pass everything on. Batch normalisation
                always uses its stored statistics.
            given: values that are known already, by name: what only they need is not computed.
            watch: told of the inputs, then of every node: all values so far, and the new names.

        Returns:
            By name: outputs and taps.

        Raises:
            KeyError: for a tap that the program does not have.
            RuntimeError: what torch says of shapes that do not fit.
        """
        known = dict(given or {})
        wanted = [*self.program.outputs, *taps]
        values: Values = dict(known)
        for port, tensor in zip(self.program.inputs, inputs, strict=True):
            moved = self.place(tensor) if isinstance(tensor, torch.Tensor) else tensor
            values.setdefault(port.name, moved)
        dropping = {id(node) for node in active}
        if watch is not None:
            watch(values, tuple(values))
        nodes = self.program.needed(wanted, known)
        last = {name: at for at, node in enumerate(nodes) for name in node.uses}
        keep = set(wanted)
        for at, node in enumerate(nodes):
            self.step(node, values, dropping=id(node) in dropping)
            if watch is not None:
                watch(values, node.outputs)
            for name in node.uses:
                if last[name] == at and name not in keep and name in values:
                    del values[name]
        return {name: values[name] if name in values else self.weights[name] for name in wanted}

    def step(self, node: Node, values: Values, *, dropping: bool = False) -> None:
        """Compute one node from values that hold what it reads, and add what it gives."""

        def read(argument: Argument) -> Any:
            if isinstance(argument, Ref):
                name = argument.name
                return values[name] if name in values else self.weights[name]
            if isinstance(argument, Dtype):
                return getattr(torch, argument.name)
            if isinstance(argument, tuple):
                return [read(one) for one in argument]
            return argument

        operation = node.operation
        given = {name: read(argument) for name, argument in node.arguments.items()}
        if operation.is_dropout:
            given["train"] = dropping
        elif operation.base in ("batch_norm", "instance_norm"):
            _settle(operation, given)
        result = _called(operation, given)
        results = list(result) if isinstance(result, (tuple, list)) else [result]
        if not any(_is_tensor(value) for value in given.values()):  # a row of numbers, of nothing
            results = [self.place(one) if _is_tensor(one) else one for one in results]
        if len(results) != len(node.outputs):
            raise RuntimeError(f"{node.name} gives {len(results)} values, not {len(node.outputs)}")
        values.update(
            (name, value) for name, value in zip(node.outputs, results, strict=True) if name
        )


def _is_tensor(value: Any) -> bool:
    if isinstance(value, list):
        return any(isinstance(one, torch.Tensor) for one in value)
    return isinstance(value, torch.Tensor)


def _settle(operation: Operation, given: dict[str, Any]) -> None:
    """Stored statistics where there are some: an export in training mode is audited at rest."""
    stored = given.get("running_mean") is not None
    if operation.base == "batch_norm":
        given["training"] = not stored
    else:
        given["use_input_stats"] = not stored


def _called(operation: Operation, given: dict[str, Any]) -> Any:
    positional, named, skipped = [], {}, False
    for parameter in operation.parameters:
        if parameter.name not in given:
            skipped = True
        elif parameter.keyword or skipped:
            named[parameter.name] = given[parameter.name]
        else:
            positional.append(given[parameter.name])
    return _calls()[operation.name](*positional, **named)
