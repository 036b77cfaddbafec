"""A program with less to do and the same answer: normalisation folded, silent nodes left out."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import cast

import numpy as np
from numpy.typing import NDArray

from ml.program.graph import Argument, Array, Node, Program, Ref

_SILENT = {"alias", "clone", "contiguous", "detach", "lift_fresh_copy"}
# Layers whose results have their channels along the second axis: along which their weights have
# them. Of a transposed one in groups that is the channels of one group, and it is left alone.
_LAYERS = {
    "conv1d": 0, "conv2d": 0, "conv3d": 0,
    "conv_transpose1d": 1, "conv_transpose2d": 1, "conv_transpose3d": 1,
}  # fmt: skip


def folded(program: Program, keep: Iterable[str] = ()) -> Program:
    """The same network at rest, with batch normalisation inside the layer before it.

    Dropout passes everything on at rest and is left out, as are copies. A batch normalisation
    with stored statistics that alone reads a convolution becomes part of its weights. Sums are
    done in float64 and rounded once.

    Args:
        program: what is to be run at rest, without gradients.
        keep: names of values that must stay as they are, for taps.

    Returns:
        A program whose outputs and kept values equal those of the first up to rounding.
    """
    work = _Work(program, frozenset(keep) | set(program.outputs))
    for node in program.nodes:
        work.add(node)
    nodes = tuple(work.nodes)
    read = {name for node in nodes for name in node.uses} | set(program.outputs)
    weights = {name: value for name, value in work.weights.items() if name in read}
    return replace(program, nodes=nodes, weights=weights, sources={})


@dataclass
class _Work:
    program: Program
    kept: frozenset[str]
    nodes: list[Node] = field(default_factory=list)
    other_names: dict[str, str] = field(default_factory=dict)
    weights: dict[str, Array] = field(init=False)
    readers: Counter[str] = field(init=False)

    def __post_init__(self) -> None:
        self.weights = dict(self.program.weights)
        self.readers = Counter(name for node in self.program.nodes for name in node.uses)

    def add(self, node: Node) -> None:
        renamed = replace(node, arguments=_renamed(node.arguments, self.other_names))
        passed_on = (
            renamed.operation.is_dropout
            or renamed.operation.base in _SILENT
            or _pads_by_nothing(renamed)
        )
        if passed_on and node.name not in self.kept:
            first = renamed.arguments[renamed.operation.parameters[0].name]
            source = cast(Ref, first).name
            self.other_names[node.name] = source
            # Whoever read this one reads its source now.
            self.readers[source] += self.readers[node.name] - 1
            return
        layer = self._layer_before(renamed)
        if layer is None:
            self.nodes.append(renamed)
        else:
            self.nodes.remove(layer)
            self.nodes.append(self._joined(layer, renamed))

    def _layer_before(self, node: Node) -> Node | None:
        """The layer that this normalisation alone reads; None where it cannot be folded."""
        if node.operation.name != "batch_norm" or not isinstance(node.arguments["input"], Ref):
            return None
        if not isinstance(node.arguments.get("running_mean"), Ref):
            return None  # statistics of the batch itself
        source = node.arguments["input"].name
        layer = next((one for one in reversed(self.nodes) if source in one.outputs), None)
        if layer is None or self.readers[source] != 1 or source in self.kept:
            return None
        known = ("weight", "bias")
        axis = _LAYERS.get(layer.operation.base)
        whole = axis == 0 or (axis == 1 and layer.arguments.get("groups", 1) == 1)
        fits = whole and all(
            layer.arguments.get(key) is None or _name(layer.arguments[key]) in self.weights
            for key in known
        )
        stored = all(
            node.arguments.get(key) is None or _name(node.arguments[key]) in self.weights
            for key in (*known, "running_mean", "running_var")
        )
        return layer if fits and stored else None

    def _joined(self, layer: Node, norm: Node) -> Node:
        scale, shift = scale_and_shift(norm, self.weights)
        weight = self.weights[_name(layer.arguments["weight"])]
        sides = [1] * weight.ndim
        sides[_LAYERS[layer.operation.base]] = -1
        bias = layer.arguments.get("bias")
        offset = 0.0 if bias is None else self.weights[_name(bias)].astype(np.float64)
        names = {"weight": f"{norm.name}.weight.folded", "bias": f"{norm.name}.bias.folded"}
        self.weights[names["weight"]] = (weight.astype(np.float64) * scale.reshape(sides)).astype(
            weight.dtype
        )
        self.weights[names["bias"]] = (offset * scale + shift).astype(weight.dtype)
        arguments = {**layer.arguments, **{key: Ref(name) for key, name in names.items()}}
        return replace(layer, arguments=arguments, outputs=norm.outputs)


def scale_and_shift(
    norm: Node, weights: Mapping[str, Array]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """What a batch normalisation at rest multiplies by and adds, per channel, in float64."""

    def stored(key: str, other: float) -> NDArray[np.float64]:
        name = norm.arguments.get(key)
        found = np.array(other) if name is None else weights[_name(name)]
        return np.asarray(found, dtype=np.float64)

    eps = cast(float, norm.arguments["eps"])
    with np.errstate(invalid="ignore", divide="ignore"):  # statistics that are none stay that
        scale = stored("weight", 1.0) / np.sqrt(stored("running_var", 1.0) + eps)
    return scale, stored("bias", 0.0) - stored("running_mean", 0.0) * scale


def _pads_by_nothing(node: Node) -> bool:
    """U-Nets pad for odd sizes, by nothing where a size is even."""
    widths = node.arguments.get("pad")
    padding = node.operation.base in ("pad", "constant_pad_nd")
    return padding and isinstance(widths, tuple) and all(width == 0 for width in widths)


def _name(argument: Argument) -> str:
    return argument.name if isinstance(argument, Ref) else ""


def _renamed(arguments: Mapping[str, Argument], names: Mapping[str, str]) -> dict[str, Argument]:
    def one(argument: Argument) -> Argument:
        if isinstance(argument, Ref):
            return Ref(names.get(argument.name, argument.name))
        if isinstance(argument, tuple):
            return tuple(one(part) for part in argument)
        return argument

    return {name: one(argument) for name, argument in arguments.items()}
