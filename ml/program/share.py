"""What a convolution makes of the part of its input that is the same in every sample."""

from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import accumulate, pairwise
from typing import cast

import numpy as np

from ml.program.cut import Cut, Shape, only_needed
from ml.program.graph import Argument, Array, Node, Port, Program, Ref
from ml.program.operations import allowed

# Along which axis a layer's weights have the channels that it takes, where it has no groups.
_TAKES = {
    "conv1d": 1, "conv2d": 1, "conv3d": 1,
    "conv_transpose1d": 0, "conv_transpose2d": 0, "conv_transpose3d": 0,
}  # fmt: skip


def share_convolutions(cut: Cut, shapes: Mapping[str, Shape], keep: Container[str] = ()) -> Cut:
    """The same cut with less in the tail: of ``conv(cat(still, moved))`` the part of ``still``.

    A convolution is linear, so that it is ``conv(still) + conv(moved)``, each with its channels
    of the weights. The first does not depend on any dropout and goes into the trunk: the decoder
    of a U-Net takes half of its channels from the encoder.

    Args:
        cut: of a program at rest; see :func:`ml.program.cut.cut_at_dropout`.
        shapes: of the values of the program, by name.
        keep: names of values that the trunk gives whatever reads them.

    Returns:
        A cut with the same outputs up to rounding; ``cut`` itself where nothing can be shared.
    """
    work = _Work(cut, shapes, keep)
    for node in cut.tail.nodes:
        work.add(node)
    return work.done() if work.ahead else cut


@dataclass
class _Work:
    cut: Cut
    shapes: Mapping[str, Shape]
    keep: Container[str]
    ahead: list[Node] = field(default_factory=list)  # what the trunk computes from now on
    behind: list[Node] = field(default_factory=list)  # the tail
    weights: dict[str, Array] = field(default_factory=dict)  # new ones of both
    shared: list[str] = field(default_factory=list)  # what passes between them from now on
    made: dict[str, Node] = field(default_factory=dict)
    parts: dict[tuple[str, ...], str] = field(default_factory=dict)  # concatenations, by what of

    def add(self, node: Node) -> None:
        self.made |= dict.fromkeys(node.outputs, node)
        divided = self._divided(node)
        if divided is None:
            self.behind.append(node)
            return
        pieces, axis = divided
        still = self._layer(node, "still", pieces, axis, True)
        moved = self._layer(node, "moved", pieces, axis, False)
        self.shared.append(still)
        total = {"self": Ref(moved), "other": Ref(still)}
        self.behind.append(Node(allowed()["add.Tensor"], total, node.outputs, node.scope))

    def _divided(self, node: Node) -> tuple[list[tuple[str, slice]], int] | None:
        """What is concatenated for this layer, and along which axis its weights take it."""
        axis = _TAKES.get(node.operation.base)
        source, weight = node.arguments.get("input"), node.arguments.get("weight")
        if axis is None or node.arguments.get("groups", 1) != 1 or not isinstance(source, Ref):
            return None
        if not isinstance(weight, Ref) or weight.name not in self.cut.tail.weights:
            return None
        whole = self.made.get(source.name)
        if whole is None or whole.operation.name != "cat" or whole.arguments.get("dim", 0) != 1:
            return None
        names = [cast(Ref, one).name for one in cast(Sequence[object], whole.arguments["tensors"])]
        shapes = [self.shapes.get(name, ()) for name in names]
        if any(len(one) < 3 for one in shapes) or len({name in self._still for name in names}) < 2:
            return None
        ends = [0, *accumulate(one[1] for one in shapes)]
        pieces = [
            (name, slice(*ends_of)) for name, ends_of in zip(names, pairwise(ends), strict=True)
        ]
        return pieces, axis

    @property
    def _still(self) -> frozenset[str]:
        return frozenset(self.cut.between)

    def _layer(
        self, node: Node, which: str, pieces: Sequence[tuple[str, slice]], axis: int, still: bool
    ) -> str:
        """The layer of some of the pieces; the name of what it gives."""
        taken = [(name, channels) for name, channels in pieces if (name in self._still) == still]
        weight = cast(Ref, node.arguments["weight"]).name
        named = f"{node.name}.{which}"
        whole = np.moveaxis(self.cut.tail.weights[weight], axis, 0)
        some = np.concatenate([whole[channels] for _, channels in taken])
        self.weights[f"{named}.weight"] = np.ascontiguousarray(np.moveaxis(some, 0, axis))
        to = self.ahead if still else self.behind
        source = self._together(tuple(name for name, _ in taken), to)
        given = {**node.arguments, "input": Ref(source), "weight": Ref(f"{named}.weight")}
        if still:  # the bias is added once
            given["bias"] = None
        to.append(Node(node.operation, given, (named,), node.scope))
        return named

    def _together(self, names: tuple[str, ...], to: list[Node]) -> str:
        if len(names) == 1:
            return names[0]
        if names not in self.parts:
            self.parts[names] = "+".join(names)
            given: dict[str, Argument] = {"tensors": tuple(map(Ref, names)), "dim": 1}
            to.append(Node(allowed()["cat"], given, (self.parts[names],)))
        return self.parts[names]

    def done(self) -> Cut:
        tail = self._tail()
        between = tuple(port.name for port in tail.inputs)[: -len(self.cut.sites) or None]
        left = [name for name in self.cut.trunk.outputs if name not in between]
        outputs = (
            *between,
            *(one for one in left if one not in self.cut.between or one in self.keep),
        )
        trunk = only_needed(
            replace(
                self.cut.trunk,
                nodes=(*self.cut.trunk.nodes, *self.ahead),
                weights={**self.cut.trunk.weights, **self.weights},
                outputs=outputs,
            )
        )
        return replace(self.cut, trunk=trunk, tail=tail, between=between)

    def _tail(self) -> Program:
        whole = self.cut.tail
        masks = whole.inputs[len(self.cut.between) :]
        ports = [
            *whole.inputs[: len(self.cut.between)],
            *(Port(name, (None,), "float32") for name in self.shared),
        ]
        tail = only_needed(
            replace(
                whole,
                inputs=(*ports, *masks),
                nodes=tuple(self.behind),
                weights={**whole.weights, **self.weights},
            )
        )
        read = {name for node in tail.nodes for name in node.uses}
        return replace(tail, inputs=(*(one for one in ports if one.name in read), *masks))
