"""The layers that gradients flow through, and the activations that may stop them."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from ml.program.graph import Node, Program, where
from ml.program.places import channel_axis
from ml.program.randomise import learnt

_PRODUCTS = ("conv", "linear", "addmm", "mm", "matmul")
# At or below zero they give nothing, and no gradient.
_ZERO = {"relu", "relu6"}
# Where they are flat: within a hundredth of their ends.
_FLAT = {"sigmoid": (0.0, 1.0), "tanh": (-1.0, 1.0), "hardsigmoid": (0.0, 1.0)}
_NEAR = 0.01


@dataclass(frozen=True)
class Weighted:
    """A layer that multiplies by weights.

    Attributes:
        name: the module it was written in, else its value.
        weight: the name of its weights.
    """

    node: Node
    name: str
    weight: str


@dataclass(frozen=True)
class Activation:
    """An activation with a flat part.

    Attributes:
        name: the module it was written in, else its value.
        cuts: it gives nothing below zero; else it is flat at both ends.
    """

    node: Node
    name: str
    cuts: bool


def weighted(program: Program, output: str) -> tuple[Weighted, ...]:
    """The layers with weights of floats that an output depends on, in the order they run."""
    found = []
    for node in program.needed((output,)):
        names = learnt(node, program) if node.operation.base.startswith(_PRODUCTS) else ()
        floats = [name for name in names if program.weights[name].dtype.kind == "f"]
        if floats:
            found.append(Weighted(node, where(node), floats[0]))
    return tuple(found)


def activations(program: Program, output: str) -> tuple[Activation, ...]:
    """The activations with a flat part that an output depends on, in the order they run.

    Example:
        >>> from ml.program.graph import Port, Ref
        >>> from ml.program.operations import allowed
        >>> nodes = (Node(allowed()["relu"], {"self": Ref("x")}, ("a",)),
        ...     Node(allowed()["gelu"], {"self": Ref("a")}, ("b",)),
        ...     Node(allowed()["tanh"], {"self": Ref("b")}, ("c",)))
        >>> program = Program((Port("x", (None, 4), "float32"),), {}, nodes, ("c",))
        >>> [(one.name, one.cuts) for one in activations(program, "c")]
        [('a', True), ('c', False)]
    """
    return tuple(
        Activation(node, where(node), node.operation.base in _ZERO)
        for node in program.needed((output,))
        if node.operation.base in _ZERO or node.operation.base in _FLAT
    )


def active_units(program: Program, one: Activation, value: torch.Tensor) -> torch.Tensor:
    """(n, units) where a unit, a channel over all its positions, is above zero anywhere."""
    axis = channel_axis(program, one.node.name, value.dim())
    around = [at for at in range(1, value.dim()) if at != axis]
    found: torch.Tensor = value > 0
    return found.amax(dim=around) if around else found


def flat_share(one: Activation, value: torch.Tensor) -> torch.Tensor:
    """(n,) the share of a value's numbers that lie within a hundredth of an end."""
    low, high = _FLAT[one.node.operation.base]
    near = _NEAR * (high - low)
    flat = (value <= low + near) | (value >= high - near)
    return flat.flatten(1).double().mean(dim=1)


def sensitivities(score: torch.Tensor, weights: Sequence[torch.Tensor]) -> list[float]:
    """Of each tensor the norm of the score's gradient times the norm of the tensor itself.

    So the score's change per relative change of the weights, which no rescaling of a layer against
    the next one changes. Nothing at all where the score does not depend on a tensor.
    """
    slopes = torch.autograd.grad(score, list(weights), allow_unused=True)
    return [
        0.0 if slope is None else float(slope.double().norm() * weight.detach().double().norm())
        for slope, weight in zip(slopes, weights, strict=True)
    ]
