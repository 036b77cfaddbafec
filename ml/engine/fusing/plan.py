"""Which steps a program becomes: what is joined is found first, the rest follows one by one."""

from collections.abc import Callable
from functools import partial
from typing import cast

import numpy as np
import torch

from ml.engine.fusing.growing import join_growing
from ml.engine.fusing.layers import (
    join_convolution,
    join_linear,
    join_transposed,
    stored_scale_and_shift,
)
from ml.engine.fusing.steps import Known, Step, ref
from ml.program.graph import Node
from ml.program.walk import Values

_IN_PLACE: dict[str, Callable[[torch.Tensor], torch.Tensor]] = {
    "relu": torch.relu_, "sigmoid": torch.sigmoid_, "tanh": torch.tanh_,
    "silu": lambda value: torch.nn.functional.silu(value, inplace=True),
    "hardswish": lambda value: torch.nn.functional.hardswish(value, inplace=True),
}  # fmt: skip


def steps_of(known: Known, *, linear: bool) -> list[Step]:
    """The steps of a program, in order.

    Args:
        known: the program; what is joined is noted in it.
        linear: linear layers are packed for oneDNN.
    """
    nodes = known.walker.program.nodes
    join_growing(known, nodes)
    for node in nodes:
        if node.operation.name == "conv2d":
            join_convolution(known, node)
        elif node.operation.name == "conv_transpose2d.input":
            join_transposed(known, node)
        elif node.operation.name == "linear" and linear:
            join_linear(known, node)
    found = []
    for node in nodes:
        if id(node) not in known.joined:
            known.joined[id(node)] = _alone(known, node)
        step = known.joined[id(node)]
        if step is not None:
            found.append(step)
    return found


def _alone(known: Known, node: Node) -> Step:
    for rule in (_written_over, _added, _normalised):
        step = rule(known, node)
        if step is not None:
            return step
    walker = known.walker
    return Step(known.values(node.uses), lambda values: walker.step(node, values))


def _written_over(known: Known, node: Node) -> Step | None:
    into = _IN_PLACE.get(node.operation.base)
    if node.operation.base == "leaky_relu":
        slope = float(cast(float, node.arguments.get("negative_slope", 0.01)))
        into = partial(torch.nn.functional.leaky_relu_, negative_slope=slope)
    if into is None or not known.may_write_over(ref(node, 0)):
        return None
    name, source = node.name, ref(node, 0)

    def over(values: Values) -> None:
        values[name] = into(values[source])

    return Step((source,), over)


def _added(known: Known, node: Node) -> Step | None:
    if node.operation.name != "add.Tensor" or "alpha" in node.arguments:
        return None
    name, first, second = node.name, ref(node, 0), ref(node, 1)
    if first == second:
        return None
    if known.shapes.get(first) != known.shapes[name] or not known.may_write_over(first):
        return None
    if second in known.walker.weights or second not in known.shapes:
        return None

    def add(values: Values) -> None:
        values[name] = values[first].add_(values[second])

    return Step((first, second), add)


def _normalised(known: Known, node: Node) -> Step | None:
    """A normalisation that no layer took in: one product and sum, with the relu after it."""
    if node.operation.name != "batch_norm" or len(known.shapes[node.name]) != 4:
        return None
    stored = stored_scale_and_shift(known, node)
    if stored is None:
        return None
    source = ref(node, 0)
    scale, shift = (torch.from_numpy(one.astype(np.float32))[:, None, None] for one in stored)
    after = known.only_reader(node.name)
    active = after is not None and after.operation.base == "relu" and id(after) not in known.joined
    name = node.name
    if after is not None and active:
        known.joined[id(after)] = None
        name = after.name

    def normalise(values: Values) -> None:
        found = torch.addcmul(shift, values[source], scale)
        values[name] = found.relu_() if active else found

    return Step((source,), normalise)
