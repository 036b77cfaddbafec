"""One call of the executor, and what the rules of fusing know of a program."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

import torch

from ml.program.cut import Shape
from ml.program.graph import Node, Ref
from ml.program.walk import Values, Walker

# Operations whose result is memory of its own, which may be written over.
_FRESH = {
    "conv2d", "linear", "addmm", "batch_norm", "layer_norm", "group_norm", "instance_norm", "add",
    "mul", "sub", "div", "cat", "softmax", "gelu", "relu", "silu", "sigmoid", "tanh", "hardswish",
    "avg_pool2d", "max_pool2d", "prelu", "leaky_relu", "bmm", "upsample_nearest2d",
    "upsample_bilinear2d", "conv_transpose2d",
}  # fmt: skip


@dataclass(frozen=True)
class Step:
    """One call that reads values and adds some."""

    reads: tuple[str, ...]
    call: Callable[[Values], None]


@dataclass
class Known:
    """A program as the rules see it: who makes and who reads a value, of which shape.

    Attributes:
        kept: names that are asked for from outside.
        joined: by id of a node, the step it became, None where another's step computes it.
        growing: names of concatenations that share memory.
    """

    walker: Walker
    shapes: dict[str, Shape]
    kept: frozenset[str]
    readers: dict[str, list[Node]] = field(default_factory=dict)
    makers: dict[str, Node] = field(default_factory=dict)
    joined: dict[int, Step | None] = field(default_factory=dict)
    growing: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        for node in self.walker.program.nodes:
            for name in node.uses:
                self.readers.setdefault(name, []).append(node)
            self.makers |= dict.fromkeys(filter(None, node.outputs), node)

    def only_reader(self, name: str) -> Node | None:
        found = self.readers.get(name, [])
        return found[0] if len(found) == 1 and name not in self.kept else None

    def may_write_over(self, name: str) -> bool:
        maker = self.makers.get(name)
        return (
            maker is not None
            and maker.operation.base in _FRESH
            and name not in self.growing
            and self.only_reader(name) is not None
        )

    def values(self, names: Iterable[str]) -> tuple[str, ...]:
        """Those of the names that are no weights."""
        return tuple(name for name in names if name not in self.walker.weights)

    def constant(self, node: Node, parameter: str) -> torch.Tensor | None:
        """A float32 weight that the node takes; None where it takes none, or something else."""
        found = self.walker.weights.get(ref(node, parameter))
        return found if found is not None and found.dtype == torch.float32 else None


def ref(node: Node, which: int | str) -> str:
    """The name of the value that a parameter takes; "" where it takes none."""
    name = node.operation.parameters[which].name if isinstance(which, int) else which
    found = node.arguments.get(name)
    return found.name if isinstance(found, Ref) else ""


def channels_last(value: torch.Tensor) -> torch.Tensor:
    """Pictures with their channels last in memory; anything else as it is."""
    if isinstance(value, torch.Tensor) and value.ndim == 4:
        return value.contiguous(memory_format=torch.channels_last)
    return value
