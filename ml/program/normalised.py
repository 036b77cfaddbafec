"""The normalisations of a program: which there are, what they see, and other statistics for them.

Nothing here trains: values are walked over at rest, and statistics are counted.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from math import prod

import torch

from ml.program.cut import Shape, shapes_of, zeros
from ml.program.graph import Array, Node, Program, Ref, where
from ml.program.walk import Values, Walker

KINDS = {
    "batch_norm": "batch", "instance_norm": "instance", "group_norm": "group",
    "layer_norm": "layer", "rms_norm": "layer",
}  # fmt: skip
Statistics = Mapping[str, tuple[torch.Tensor, torch.Tensor]]  # by node: mean and variance, (c,)
_NUMBERS = 4  # bytes of a number that is walked over


@dataclass(frozen=True)
class Normalisation:
    """One normalising layer.

    Attributes:
        name: the module it was written in, else its value.
        kind: "batch", "instance", "group" or "layer".
        stored: it uses statistics that were counted in training; else those of what it is given.
    """

    node: Node
    name: str
    kind: str
    stored: bool

    @property
    def of_batch(self) -> bool:
        """What it gives for a case depends on the cases beside it."""
        return self.kind == "batch" and not self.stored

    @property
    def source(self) -> str:
        """The value that it normalises."""
        argument = self.node.arguments[self.node.operation.parameters[0].name]
        assert isinstance(argument, Ref)
        return argument.name


def normalisations(program: Program, output: str) -> tuple[Normalisation, ...]:
    """The normalising layers that an output depends on, in the order they run.

    Example:
        >>> from ml.program.graph import Port
        >>> from ml.program.operations import allowed
        >>> nodes = (Node(allowed()["group_norm"], {"input": Ref("x"), "num_groups": 2}, ("a",)),)
        >>> program = Program((Port("x", (None, 4), "float32"),), {}, nodes, ("a",))
        >>> [(one.kind, one.stored, one.of_batch) for one in normalisations(program, "a")]
        [('group', False, False)]
    """
    return tuple(
        Normalisation(node, where(node), KINDS[node.operation.base], _stored(node, program))
        for node in program.needed((output,))
        if node.operation.base in KINDS
    )


def _stored(node: Node, program: Program) -> bool:
    named = (node.arguments.get(key) for key in ("running_mean", "running_var"))
    return all(isinstance(one, Ref) and one.name in program.weights for one in named)


def stored_in(program: Program, layer: Normalisation) -> tuple[Array, Array, float]:
    """Mean and variance (c,) that a layer uses, and what it adds to the variance."""
    mean, variance = (layer.node.arguments[key] for key in ("running_mean", "running_var"))
    assert isinstance(mean, Ref)
    assert isinstance(variance, Ref)
    eps = layer.node.arguments.get("eps", 1e-5)
    assert isinstance(eps, float | int)
    return program.weights[mean.name], program.weights[variance.name], float(eps)


def with_statistics(program: Program, statistics: Statistics) -> Program:
    """The program whose layers use other statistics.

    Args:
        statistics: by name of the node; other layers keep theirs.
    """
    weights = dict(program.weights)
    for name, pair in statistics.items():
        for key, value in zip(_names(name), pair, strict=True):
            weights[key] = value.cpu().float().numpy()
    nodes = tuple(_reading(node) if node.name in statistics else node for node in program.nodes)
    return replace(program, weights=weights, nodes=nodes, sources={})


def _names(node: str) -> tuple[str, str]:
    return f"{node}.mean.again", f"{node}.variance.again"


def _reading(node: Node) -> Node:
    mean, variance = _names(node.name)
    read = {"running_mean": Ref(mean), "running_var": Ref(variance)}
    return replace(node, arguments={**node.arguments, **read})


@torch.inference_mode()
def estimated_again(
    walker: Walker, layers: Sequence[Normalisation], batches: Sequence[torch.Tensor], output: str
) -> Statistics:
    """Statistics of what each layer is given, layer by layer from the input on.

    All batches are walked over side by side: a layer is given what the layers before it make with
    their new statistics, and its own are counted over the positions of all cases. So they are
    those of the network that results, and no batch plays a part.

    Args:
        walker: of a program with one input.
        layers: with stored statistics.
        batches: (n, ...) each, of the input's type, where the walker computes.
        output: nothing behind it is looked at.

    Returns:
        By name of the node: mean, and variance with n - 1 below, as torch stores it; float64.

    Source:
        Ioffe, Szegedy (2015), ICML, algorithm 2; Li et al. (2018), Pattern Recognition 80:109
        (statistics of the domain that is looked at).
    """
    program = walker.program
    counted = {id(one.node): one for one in layers if one.stored}
    nodes = program.needed((output,))
    last = {name: at for at, node in enumerate(nodes) for name in node.uses}
    sides: list[Values] = [{program.inputs[0].name: batch} for batch in batches]
    found: dict[str, tuple[torch.Tensor, torch.Tensor]] = {}
    for at, node in enumerate(nodes):
        step = node
        if id(node) in counted:
            given = [values[counted[id(node)].source] for values in sides]
            pair = found[node.name] = _pooled(given)
            step = _reading(node)
            for values in sides:
                for name, value in zip(_names(node.name), pair, strict=True):
                    values[name] = value.to(given[0].dtype)
        for values in sides:
            walker.step(step, values)
            for name in node.uses:
                if last.get(name, at) == at and name != output:
                    values.pop(name, None)
    return found


def _pooled(parts: Sequence[torch.Tensor]) -> tuple[torch.Tensor, torch.Tensor]:
    """Mean and variance by channel over all positions of all cases, in float64."""
    rows = [part.transpose(0, 1).flatten(1) for part in parts]  # (c, positions)
    n = sum(row.shape[1] for row in rows)
    mean = torch.stack([row.double().sum(dim=1) for row in rows]).sum(dim=0) / n
    squares = [(row.double() - mean[:, None]).square().sum(dim=1) for row in rows]
    return mean, torch.stack(squares).sum(dim=0) / max(1, n - 1)


def held_at_once(program: Program, case: Shape, output: str) -> int:
    """The most bytes of one case that are alive at the same time in a walk, about.

    Raises:
        RuntimeError: what torch says of shapes that do not fit.
    """
    walker = Walker(program)
    shapes = shapes_of(walker, zeros(program, [case]))
    nodes = program.needed((output,))
    last = {name: at for at, node in enumerate(nodes) for name in node.uses} | {output: len(nodes)}
    size = {name: _NUMBERS * prod(shape) // max(1, shape[0]) for name, shape in shapes.items()
            if shape}  # fmt: skip
    alive = {port.name: size.get(port.name, 0) for port in program.inputs}
    most = 0
    for at, node in enumerate(nodes):
        alive |= {name: size.get(name, 0) for name in node.outputs if name in last}
        most = max(most, sum(alive.values()))
        alive = {name: held for name, held in alive.items() if last.get(name, -1) > at}
    return most
