"""A program with the weights of some layers permuted: the same numbers, nothing learnt."""

from collections.abc import Collection
from dataclasses import replace
from itertools import pairwise

import numpy as np

from ml.drawn import drawn
from ml.program.graph import Node, Program, Ref

_WEIGHTED = ("conv", "linear", "addmm", "mm", "matmul", "baddbmm", "bmm", "batch_norm",
             "instance_norm", "group_norm", "layer_norm", "rms_norm", "prelu")  # fmt: skip
_STATISTICS = {"running_mean", "running_var"}  # of data, not learnt by descent: they stay


def layers_from_the_top(program: Program, output: str) -> tuple[Node, ...]:
    """The layers with weights that an output depends on, the one nearest to it first."""
    needed = program.needed((output,))
    return tuple(node for node in reversed(needed) if learnt(node, program))


def learnt(node: Node, program: Program) -> tuple[str, ...]:
    """The names of a layer's own weights; () of anything that is no layer."""
    if not node.operation.base.startswith(_WEIGHTED):
        return ()
    found = [
        argument.name
        for key, argument in node.arguments.items()
        if isinstance(argument, Ref) and argument.name in program.weights
        if key not in _STATISTICS
    ]
    return tuple(dict.fromkeys(found))


def randomised(program: Program, layers: Collection[Node], seed: int) -> Program:
    """The program with the weights of some layers in another order.

    Every tensor keeps its numbers, and so their distribution; which of them is where is drawn from
    the seed and the tensor's name alone. A tensor whose numbers are all alike stays as it is.

    Args:
        layers: nodes of the program.
        seed: the same one gives the same weights.

    Source:
        Adebayo et al. (2018), NeurIPS, who draw weights anew as at the start of training.
    """
    weights = dict(program.weights)
    for name in dict.fromkeys(name for node in layers for name in learnt(node, program)):
        old = program.weights[name]
        weights[name] = drawn(seed, name).permutation(old.ravel()).reshape(old.shape)
    return replace(program, weights=weights)


def stages(layers: tuple[Node, ...], count: int) -> tuple[tuple[Node, ...], ...]:
    """Layers in groups of as even a size as can be, at most ``count``, in their order."""
    cuts = np.linspace(0, len(layers), min(count, len(layers)) + 1).round().astype(int)
    return tuple(layers[a:b] for a, b in pairwise(cuts))
