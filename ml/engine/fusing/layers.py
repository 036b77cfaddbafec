"""Convolutions and linear layers by oneDNN, with what comes just before and after them."""

from collections.abc import Callable
from dataclasses import dataclass
from math import prod
from typing import Any, cast

import numpy as np
import torch

from ml.engine.fusing.steps import Known, Step, channels_last, ref
from ml.program.fold import scale_and_shift
from ml.program.graph import Argument, Node, Ref
from ml.program.walk import Values

# What oneDNN computes at the end of a layer, in torch's words for it.
_ACTIVATIONS = {
    "relu": ("relu", ""), "sigmoid": ("sigmoid", ""), "tanh": ("tanh", ""), "silu": ("swish", ""),
    "hardswish": ("hardswish", ""), "gelu": ("gelu", "none"),
}  # fmt: skip
_ONEDNN = torch.ops.mkldnn


@dataclass(frozen=True)
class _Active:
    """An activation as oneDNN takes it: its kind, its numbers, its algorithm."""

    kind: str = "none"
    numbers: tuple[float, ...] = ()
    algorithm: str = ""


@dataclass(frozen=True)
class _Layer:
    """A layer's numbers, and the clamp that its input goes through first."""

    source: str
    weight: torch.Tensor
    bias: torch.Tensor | None
    clamp: Callable[[torch.Tensor], torch.Tensor] | None = None


def join_convolution(known: Known, node: Node) -> None:
    """A convolution of constant weights becomes one step, together with its neighbours."""
    layer = _numbers(known, node)
    if layer is None:
        return
    source, weight = layer.source, layer.weight
    pad, stride, dilation = (
        _pair(node.arguments.get(key, other))
        for key, other in (("padding", 0), ("stride", 1), ("dilation", 1))
    )
    groups = cast(int, node.arguments.get("groups", 1))
    if pad == (0, 0) and groups == 1 and weight.shape[2:] == (1, 1):
        layer = _clamped(known, layer) or layer
    packed = torch.ops.aten.mkldnn_reorder_conv2d_weight(
        layer.weight.to_mkldnn(), pad, stride, dilation, groups, list(known.shapes[source])
    )
    last, other, active = _afterwards(known, node)
    kind, numbers, algorithm = active.kind, list(active.numbers), active.algorithm
    # Of one channel, memory does not tell which axis is last: the result is put in order.
    ordered = channels_last if known.shapes[source][1] == 1 else lambda value: value
    taken, offset, clamp = layer.source, layer.bias, layer.clamp

    def convolve(values: Values) -> None:
        given = values[taken] if clamp is None else clamp(values[taken])
        if other:
            found = _ONEDNN._convolution_pointwise.binary(
                given, values[other], packed, offset, pad, stride, dilation, groups,
                "add", 1.0, None if kind == "none" else kind, numbers, algorithm,
            )  # fmt: skip
        else:
            found = _ONEDNN._convolution_pointwise(
                given, packed, offset, pad, stride, dilation, groups, kind, numbers, algorithm
            )
        values[last.name] = ordered(found)

    known.joined[id(last)] = Step(known.values(filter(None, (taken, other))), convolve)


def join_transposed(known: Known, node: Node) -> None:
    """A transposed convolution of constant weights, together with the activation after it."""
    layer = _numbers(known, node)
    if layer is None:
        return
    pad, stride, dilation, more = (
        _pair(node.arguments.get(key, other))
        for key, other in (("padding", 0), ("stride", 1), ("dilation", 1), ("output_padding", 0))
    )
    groups = cast(int, node.arguments.get("groups", 1))
    source, offset = layer.source, layer.bias
    packed = _ONEDNN._reorder_convolution_transpose_weight(
        layer.weight, pad, more, stride, dilation, groups, list(known.shapes[source])
    )
    last, active = _activated(known, node)
    kind, numbers, algorithm = active.kind, list(active.numbers), active.algorithm

    def convolve(values: Values) -> None:
        found = _ONEDNN._convolution_transpose_pointwise(
            values[source], packed, offset, pad, more, stride, dilation, groups, kind, numbers,
            algorithm,
        )  # fmt: skip
        values[last.name] = channels_last(found)

    known.joined[id(last)] = Step((source,), convolve)


def join_linear(known: Known, node: Node) -> None:
    """A linear layer of constant weights becomes one step, with the activation after it."""
    layer = _numbers(known, node)
    if layer is None:
        return
    source, weight, bias = layer.source, layer.weight, layer.bias
    packed = _ONEDNN._reorder_linear_weight(weight, prod(known.shapes[source][:-1]))
    last, active = _activated(known, node)

    def multiply(values: Values) -> None:
        values[last.name] = _ONEDNN._linear_pointwise(
            values[source], packed, bias, active.kind, list(active.numbers), active.algorithm
        )

    known.joined[id(last)] = Step((source,), multiply)


def _numbers(known: Known, node: Node) -> _Layer | None:
    """A layer of constant float32 weights that reads a value; None for any other."""
    weight, bias = known.constant(node, "weight"), known.constant(node, "bias")
    source = ref(node, "input")
    if weight is None or source in known.walker.weights:
        return None
    if bias is None and node.arguments.get("bias") is not None:
        return None
    return _Layer(source, weight, bias)


def stored_scale_and_shift(known: Known, node: Node) -> tuple[Any, Any] | None:
    """Of a normalisation by stored statistics, in float64; None for any other."""
    weights = known.walker.program.weights
    keys = ("weight", "bias", "running_mean", "running_var")
    if not ref(node, "running_mean"):
        return None
    taken = [node.arguments.get(key) for key in keys]
    if any(isinstance(one, Ref) and one.name not in weights for one in taken):
        return None
    return scale_and_shift(node, weights)


def _afterwards(known: Known, node: Node) -> tuple[Node, str, _Active]:
    """The last node that this layer computes with, what is added to it, and the activation."""
    reader = known.only_reader(node.name)
    if reader is not None and reader.operation.name == "add.Tensor":
        added = _added(known, node.name, reader)
        if added:
            known.joined[id(node)] = None
            after = known.only_reader(reader.name)
            # After a sum oneDNN has relu only.
            if after is None or after.operation.base != "relu":
                return reader, added, _Active()
            return _activated(known, reader)[0], added, _Active("relu")
    last, active = _activated(known, node)
    return last, "", active


def _activated(known: Known, node: Node) -> tuple[Node, _Active]:
    """The activation that alone reads this node, taken in; the node itself where there is none."""
    reader = known.only_reader(node.name)
    active = None if reader is None else _activation(known, reader)
    if reader is None or active is None:
        return node, _Active()
    known.joined[id(node)] = None
    return reader, active


def _added(known: Known, name: str, total: Node) -> str:
    """What else a sum adds, where it has the same shape; "" where it has not."""
    rest = [one for one in (ref(total, 0), ref(total, 1)) if one != name]
    if len(rest) != 1 or "alpha" in total.arguments or id(total) in known.joined:
        return ""
    same = known.shapes.get(rest[0]) == known.shapes[name]
    return rest[0] if same and rest[0] not in known.walker.weights else ""


def _activation(known: Known, reader: Node) -> _Active | None:
    """What oneDNN calls this node, where it is an activation that it has."""
    base = reader.operation.base
    if id(reader) in known.joined or reader.arguments.get("approximate", "none") != "none":
        return None
    if base == "leaky_relu":
        return _Active(
            "leaky_relu", (float(cast(float, reader.arguments.get("negative_slope", 0.01))),)
        )
    if base == "prelu":  # with one slope for all channels it is the same
        slope = known.constant(reader, "weight")
        single = slope is not None and slope.numel() == 1
        return _Active("leaky_relu", (float(slope),)) if slope is not None and single else None
    if base not in _ACTIVATIONS:
        return None
    kind, algorithm = _ACTIVATIONS[base]
    return _Active(kind, (), algorithm)


def _clamped(known: Known, layer: _Layer) -> _Layer | None:
    """relu(a x + b) before one pixel's convolution W as a clamp of x.

    Where a > 0 it is a max(x, -b/a) + b, where a < 0 the same with min: a goes into W, and W b
    into the convolution's own bias.
    """
    active = known.makers.get(layer.source)
    if active is None or active.operation.base != "relu":
        return None
    norm = known.makers.get(ref(active, 0))
    if norm is None or norm.operation.name != "batch_norm":
        return None
    stored = stored_scale_and_shift(known, norm)
    if stored is None or not (known.only_reader(layer.source) and known.only_reader(norm.name)):
        return None
    scale, shift = stored
    if (scale == 0).any():
        return None
    known.joined[id(active)] = known.joined[id(norm)] = None
    wide = layer.weight.double()[:, :, 0, 0]
    offset = wide @ torch.from_numpy(shift) + (0 if layer.bias is None else layer.bias)
    scaled = (wide * torch.from_numpy(scale))[:, :, None, None]
    bound = torch.from_numpy((-shift / scale).astype(np.float32))[:, None, None]
    up = torch.from_numpy(scale > 0)[:, None, None]
    return _Layer(ref(norm, 0), scaled.float(), offset.float(), _clamp(bound, up))


def _clamp(bound: torch.Tensor, up: torch.Tensor) -> Callable[[torch.Tensor], torch.Tensor]:
    if bool(up.all()):
        return lambda value: torch.maximum(value, bound)
    low, high = torch.where(up, bound, -torch.inf), torch.where(up, torch.inf, bound)
    return lambda value: torch.clamp(value, low, high)


def _pair(value: Argument) -> tuple[int, int]:
    numbers = cast(tuple[int, ...], value if isinstance(value, tuple) else (value,))
    return numbers[0], numbers[-1]
