"""A network as data: its inputs, its weights, and its operations in the order they run."""

from collections.abc import Container, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from ml.program.operations import Operation

Array = NDArray[np.generic]


@dataclass(frozen=True)
class Ref:
    """What another node, an input or a weight is called."""

    name: str


@dataclass(frozen=True)
class Dtype:
    """A type of numbers, by its name: "float32"."""

    name: str


Argument = Ref | Dtype | int | float | bool | str | None | tuple["Argument", ...]


@dataclass(frozen=True)
class Port:
    """An input: its sizes, None where a size is free, and the type of its numbers."""

    name: str
    shape: tuple[int | None, ...]
    dtype: str


@dataclass(frozen=True)
class Node:
    """One operation.

    Attributes:
        operation: from the list of those allowed.
        arguments: by the name of the parameter; those left out have their default.
        outputs: the names of what it returns, "" where a result is not used.
        scope: the module it was written in, "class_layers.relu"; "" where unknown.
    """

    operation: Operation
    arguments: Mapping[str, Argument]
    outputs: tuple[str, ...]
    scope: str = ""

    @property
    def name(self) -> str:
        """The name of its first result."""
        return next(filter(None, self.outputs), "")

    @cached_property
    def uses(self) -> tuple[str, ...]:
        """The names it reads, in order, each once."""
        found: dict[str, None] = {}
        for argument in self.arguments.values():
            for name in _names(argument):
                found[name] = None
        return tuple(found)


@dataclass(frozen=True)
class Program:
    """A network that can be walked: no loops, no branches, no code of its own.

    Attributes:
        inputs: in the order they are given.
        weights: by name, as read; shapes and types are theirs.
        nodes: in the order they run; each reads only what stands before it.
        outputs: names of what the network answers, the answer proper first.
        sources: what a weight is called in the module it comes from, by its name here.
        notes: what else the file says of itself, such as the version that wrote it.

    Raises:
        ValueError: where a name is defined twice, read before it is defined, or not there.
    """

    inputs: tuple[Port, ...]
    weights: Mapping[str, Array]
    nodes: tuple[Node, ...]
    outputs: tuple[str, ...]
    sources: Mapping[str, str] = field(default_factory=dict)
    notes: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        known = {port.name for port in self.inputs} | set(self.weights)
        if len(known) < len(self.inputs) + len(self.weights):
            raise ValueError("an input and a weight share a name")
        for node in self.nodes:
            for name in node.uses:
                if name not in known:
                    raise ValueError(f"{node.name!r} reads {name!r}, which nothing before it gives")
            for name in filter(None, node.outputs):
                if name in known:
                    raise ValueError(f"{name!r} is given twice")
                known.add(name)
        if not self.outputs:
            raise ValueError("the network answers nothing")
        for name in self.outputs:
            if name not in known:
                raise ValueError(f"the output {name!r} is given by nothing")

    @property
    def dropouts(self) -> tuple[Node, ...]:
        """Dropout sites, in order."""
        return tuple(node for node in self.nodes if node.operation.is_dropout)

    def needed(self, names: Iterable[str], known: Container[str] = ()) -> tuple[Node, ...]:
        """The nodes without which the named values cannot be computed, in order.

        Args:
            names: of values.
            known: names of values that are there already.
        """
        wanted = {name for name in names if name not in known}
        kept = []
        for node in reversed(self.nodes):
            if wanted & set(node.outputs):
                kept.append(node)
                wanted |= {name for name in node.uses if name not in known}
        return tuple(reversed(kept))

    def cone(self, nodes: Iterable[Node]) -> tuple[Node, ...]:
        """The nodes whose value changes when one of the given nodes does: these included."""
        first = {id(node) for node in nodes}
        moved: set[str] = set()
        reached = []
        for node in self.nodes:
            if id(node) in first or moved & set(node.uses):
                moved |= set(filter(None, node.outputs))
                reached.append(node)
        return tuple(reached)


def where(node: Node) -> str:
    """What people call a node: the module it was written in, else its value."""
    return node.scope or node.name


def _names(argument: Argument) -> Iterator[str]:
    if isinstance(argument, Ref):
        yield argument.name
    elif isinstance(argument, tuple):
        for one in argument:
            yield from _names(one)
