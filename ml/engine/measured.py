"""What one walk over a program shows: its cost, the layer for maps, how far it sees, its head."""

from collections.abc import Sequence

from ml.engine.session import ModelError
from ml.estimate import JsonObject, JsonValue
from ml.intake.model_manifest import ModelManifest
from ml.program.cut import Shape, shapes_of, zeros
from ml.program.flops import flops_of
from ml.program.graph import Node, Program, Ref, where
from ml.program.reach import Reach, layer_named
from ml.program.walk import Walker

_HEADS = ("linear", "addmm", "matmul", "mm", "conv")


def measured(program: Program, manifest: ModelManifest) -> JsonObject:
    """Walk over the program once with one case of zeros, and say what was seen.

    Args:
        program: the network.
        manifest: the shape and layout of a case, and the layer it wants maps of.

    Returns:
        flops_per_case (a multiplication and an addition are two); batch, "any" or the number of
        cases that the graph insists on; map_layer: name, where, channels, places (height, width),
        receptive_field (pixels, or None with reason), local_field, or None; head: name,
        where, features, outputs, or None.

    Raises:
        ModelError: model_failed, where the walk breaks.
    """
    case: Shape = tuple(manifest.input.shape)
    walker = Walker(program)
    inputs = zeros(program, [case], batch=1)
    try:
        shapes = shapes_of(walker, inputs)
    except (RuntimeError, LookupError, TypeError, ValueError, ArithmeticError) as error:
        raise ModelError("model_failed", f"The walk broke: {str(error)[:200]}") from None
    batch = program.inputs[0].shape[0] if program.inputs[0].shape else None
    first = 2 if manifest.input.layout == "NCHW" else 1
    reach = Reach(program, shapes, tuple(range(first, first + len(case) - 1)))
    return {
        "flops_per_case": flops_of(program, shapes) // len(inputs[0]),
        "batch": batch or "any",
        "map_layer": _map_layer(reach, manifest.target_layer),
        "head": _head(reach),
    }


def _map_layer(reach: Reach, wanted: str | None) -> JsonObject | None:
    """The layer that model.yaml names, else the last convolution that still has several places."""
    layers = reach.layers()
    node = layer_named(layers, wanted) if wanted else (layers[-1] if layers else None)
    if node is None:
        return None
    found = reach.field(node.name)
    channels = prod_of_rest(reach.shapes[node.name], found.places)
    return {
        "name": node.name,
        "where": where(node),
        "channels": channels,
        "places": list[JsonValue](found.places),
        "receptive_field": None if found.size is None else list[JsonValue](found.size),
        "local_field": None if found.local is None else list[JsonValue](found.local),
        "reason": found.reason,
    }


def prod_of_rest(shape: Shape, places: Sequence[int]) -> int:
    """How many numbers a map has at each place: the shape without batch and places.

    Example:
        >>> prod_of_rest((1, 512, 7, 7), (7, 7))
        512
    """
    total = 1
    for side in shape[1:]:
        total *= side
    for side in places:
        total //= side
    return total


def _head(reach: Reach) -> JsonObject | None:
    """The last layer whose weights are its own: what turns features into the answer."""
    for node in reversed(reach.program.needed(reach.program.outputs[:1])):
        found = _weight(node, reach)
        if found is not None:
            features, outputs = found
            return {
                "name": node.name, "where": where(node), "features": features, "outputs": outputs
            }  # fmt: skip
    return None


def _weight(node: Node, reach: Reach) -> tuple[int, int] | None:
    """How many features a layer with weights takes, and how many numbers it gives."""
    base = node.operation.base
    if not base.startswith(_HEADS):
        return None
    key = {"addmm": "mat2", "matmul": "other", "mm": "mat2"}.get(base, "weight")
    given = node.arguments.get(key)
    if not isinstance(given, Ref) or given.name in reach.values:
        return None  # a product of two things that both come from the picture
    sides = reach.shapes[given.name]
    if len(sides) < 2:
        return None
    if key != "weight":
        return sides[-2], sides[-1]
    return (sides[0], sides[1]) if "transpose" in base else (sides[1], sides[0])
