"""A program cut in two: what is computed once, and what depends on some of its nodes."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch

from ml.program.graph import Node, Port, Program, Ref
from ml.program.operations import allowed
from ml.program.walk import Values, Walker

Shape = tuple[int, ...]


def zeros(program: Program, case: Sequence[Shape], batch: int = 2) -> list[torch.Tensor]:
    """Inputs of zeros: the shape of each without its batch; a fixed batch stays what it is."""
    return [
        torch.zeros((port.shape[0] or batch, *sides), dtype=getattr(torch, port.dtype))
        for port, sides in zip(program.inputs, case, strict=True)
    ]


def shapes_of(walker: Walker, inputs: Sequence[Any]) -> dict[str, Shape]:
    """The shape of every value that is a tensor, by name, for these inputs.

    Raises:
        RuntimeError: what torch says of shapes that do not fit.
    """
    shapes: dict[str, Shape] = {}

    def note(values: Values, names: Sequence[str]) -> None:
        for name in names:
            if isinstance(values.get(name), torch.Tensor):
                shapes[name] = tuple(values[name].shape)

    with torch.inference_mode():
        walker.run(inputs, watch=note)
    return shapes


@dataclass(frozen=True)
class Cut:
    """A program in two parts.

    Attributes:
        trunk: gives what the tail reads; with sites, also the outputs that none of them touches.
        tail: takes ``between``, then a mask for each site; gives the other outputs.
        between: names of the values that pass from one to the other.
        sites: dropout sites, in order; in the tail each is a product with its mask.
    """

    trunk: Program
    tail: Program
    between: tuple[str, ...]
    sites: tuple[Node, ...]


def cut_at_dropout(program: Program, sites: Sequence[Node]) -> Cut:
    """What no chosen dropout site touches in the trunk, what depends on one in the tail.

    Args:
        program: the network.
        sites: dropout nodes of it that are to drop; the others pass everything on.

    Raises:
        ValueError: where there is no site, a node is none, a site is alpha dropout (which is no
            product with a mask), or no output depends on one.
    """
    chosen = {id(site) for site in sites}
    if not chosen or not all(site.operation.is_dropout for site in sites):
        raise ValueError("no dropout site was chosen")
    if any("alpha" in site.operation.base for site in sites):
        raise ValueError("alpha dropout is not a product with a mask")
    ordered = tuple(node for node in program.nodes if id(node) in chosen)
    cone = program.cone(ordered)
    inside = {name for node in cone for name in node.outputs if name}
    moved = tuple(name for name in program.outputs if name in inside)
    if not moved:
        raise ValueError("no output depends on the chosen sites")
    trunk, tail, between = _divided(program, cone, moved)
    kept = tuple(node for node in tail.nodes if id(node) in chosen)
    masks = [Port(f"{node.name}.mask", (None,), "float32") for node in kept]
    tail = replace(
        tail,
        inputs=(*tail.inputs, *masks),
        nodes=tuple(_masked(node) if id(node) in chosen else node for node in tail.nodes),
    )
    return Cut(trunk, tail, between, kept)


def cut_at(program: Program, name: str, output: str) -> Cut:
    """What leads to a value in the trunk, what leads from it to an output in the tail.

    Args:
        program: the network.
        name: of the value; an input may be named too.
        output: name of a value that depends on it; it is all that the tail gives.

    Returns:
        ``between`` holds ``name`` first, then whatever else the tail reads: where all that the
        output hears of the inputs goes through the value, that is sizes and constants alone.

    Raises:
        ValueError: where the output does not depend on the value.

    Example:
        >>> from ml.program.operations import allowed
        >>> relu, x = allowed()["relu"], Port("x", (None, 3), "float32")
        >>> nodes = tuple(Node(relu, {"self": Ref(a)}, (b,)) for a, b in ("xa", "ab", "bc"))
        >>> found = cut_at(Program((x,), {}, nodes, ("c",)), "a", "c")
        >>> found.between, [node.name for node in found.tail.nodes]
        (('a',), ['b', 'c'])
    """
    cone = program.cone([node for node in program.nodes if name in node.uses])
    if output == name or not any(output in node.outputs for node in cone):
        raise ValueError(f"{output!r} does not depend on {name!r}")
    trunk, tail, between = _divided(program, cone, (output,))
    ordered = (name, *(other for other in between if other != name))
    ports = {port.name: port for port in tail.inputs}
    return Cut(
        only_needed(replace(trunk, outputs=ordered)),
        replace(tail, inputs=tuple(ports[one] for one in ordered)),
        ordered,
        (),
    )


def _divided(
    program: Program, cone: Sequence[Node], moved: tuple[str, ...]
) -> tuple[Program, Program, tuple[str, ...]]:
    """Trunk, tail, and what passes between them; the tail is the part of a cone that is needed."""
    inside = {name for node in cone for name in node.outputs if name}
    needed = {id(node) for node in program.needed(moved)}
    tail_nodes = tuple(node for node in cone if id(node) in needed)
    # Sizes are read off what they belong to again: the tail's batch is another one.
    read = dict.fromkeys(name for node in tail_nodes for name in node.uses)
    between = tuple(name for name in read if name not in inside and name not in program.weights)
    still = tuple(name for name in program.outputs if name not in inside)
    trunk = replace(program, outputs=(*between, *(name for name in still if name not in between)))
    tail = Program(
        inputs=tuple(Port(name, (None,), "float32") for name in between),
        weights={name: program.weights[name] for name in read if name in program.weights},
        nodes=tail_nodes,
        outputs=moved,
    )
    return only_needed(trunk), tail, between


def _masked(node: Node) -> Node:
    product = allowed()["mul.Tensor"]
    arguments = {"self": node.arguments["input"], "other": Ref(f"{node.name}.mask")}
    return replace(node, operation=product, arguments=arguments)


def only_needed(program: Program) -> Program:
    """The program without what none of its outputs depends on."""
    nodes = program.needed(program.outputs)
    read = {name for node in nodes for name in node.uses} | set(program.outputs)
    weights = {name: value for name, value in program.weights.items() if name in read}
    return replace(program, nodes=nodes, weights=weights, sources={})
