"""What one forward pass costs in floating-point operations, counted from the shapes of values."""

import math
from collections.abc import Callable, Mapping
from typing import cast

from ml.program.graph import Argument, Node, Program, Ref

Shape = tuple[int, ...]
Shapes = Mapping[str, Shape]


def flops_of(program: Program, shapes: Shapes) -> int:
    """Floating-point operations of convolutions, linear layers and products of matrices.

    A multiplication and an addition are two. Everything else (activations, normalisation, pooling)
    is left out, as it is by torch.utils.flop_counter: it costs time, and hardly any arithmetic.

    Args:
        program: the network.
        shapes: of its values for some batch, as :func:`ml.program.cut.shapes_of` gives them.

    Returns:
        The sum over the nodes that the outputs need, for that whole batch.

    Raises:
        KeyError: for a value whose shape is not given.

    Source:
        The counting rules of torch.utils.flop_counter, without backward passes.
    """
    every = {**{name: value.shape for name, value in program.weights.items()}, **shapes}
    nodes = program.needed(program.outputs)
    return sum(_COUNTS[node.operation.base](node, every) for node in nodes if _counted(node))


def _counted(node: Node) -> bool:
    return node.operation.base in _COUNTS


def _shape(argument: Argument | None, shapes: Shapes) -> Shape:
    return shapes[cast(Ref, argument).name]


def _convolution(node: Node, shapes: Shapes) -> int:
    """Each number of the output (transposed: of the input) costs one row of the kernel."""
    moved = "transpose" in node.operation.base or node.arguments.get("transposed") is True
    kernel = _shape(node.arguments["weight"], shapes)
    counted = _shape(node.arguments["input"], shapes) if moved else shapes[node.name]
    return 2 * math.prod(counted) * math.prod(kernel[1:])


def _product(first: str) -> Callable[[Node, Shapes], int]:
    """Each number of the output is a sum over the last side of the first factor."""

    def count(node: Node, shapes: Shapes) -> int:
        return 2 * math.prod(shapes[node.name]) * _shape(node.arguments[first], shapes)[-1]

    return count


def _einsum(node: Node, shapes: Shapes) -> int:
    """Of two factors: one product for every combination of all letters."""
    factors = cast(tuple[Ref, ...], node.arguments["tensors"])
    letters = str(node.arguments["equation"]).replace(" ", "").partition("->")[0].split(",")
    if len(factors) < 2 or any("." in part for part in letters):
        return 0
    sides = {
        letter: side
        for part, factor in zip(letters, factors, strict=True)
        for letter, side in zip(part, _shape(factor, shapes), strict=True)
    }
    return 2 * (len(factors) - 1) * math.prod(sides.values())


def _attention(node: Node, shapes: Shapes) -> int:
    """Queries times keys, then weights times values."""
    query, key, value = (_shape(node.arguments[name], shapes) for name in ("query", "key", "value"))
    return 2 * math.prod(query[:-1]) * key[-2] * (query[-1] + value[-1])


_COUNTS: dict[str, Callable[[Node, Shapes], int]] = {
    **dict.fromkeys(
        ("conv1d", "conv2d", "conv3d", "convolution", "conv_transpose1d", "conv_transpose2d",
         "conv_transpose3d"), _convolution,
    ),
    "linear": _product("input"),
    **dict.fromkeys(("matmul", "mm", "bmm"), _product("self")),
    "addmm": _product("mat1"),
    "baddbmm": _product("batch1"),
    "einsum": _einsum,
    "scaled_dot_product_attention": _attention,
}  # fmt: skip
