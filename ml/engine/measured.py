"""What one walk over a program shows: its cost, the layer for maps, how far it sees, its head."""

from ml.engine.attribute import map_layer
from ml.engine.session import ModelError
from ml.estimate import JsonObject, JsonValue
from ml.intake.model_manifest import ModelManifest
from ml.program.cut import Shape, shapes_of, zeros
from ml.program.flops import flops_of
from ml.program.graph import Node, Program, Ref, where
from ml.program.places import logits_of
from ml.program.reach import Reach
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
    output = manifest.output.name or program.outputs[0]
    batch = program.inputs[0].shape[0] if program.inputs[0].shape else None
    first = 2 if manifest.input.layout == "NCHW" else 1
    reach = Reach(program, shapes, tuple(range(first, first + len(case) - 1)))
    return {
        "flops_per_case": flops_of(program, shapes) // len(inputs[0]),
        "batch": batch or "any",
        "map_layer": _map_layer(reach, case, output, manifest.target_layer),
        "head": _head(reach, output),
    }


def _map_layer(reach: Reach, case: Shape, output: str, wanted: str | None) -> JsonObject:
    """Where class activation maps are taken, as the attributions take it."""
    program = reach.program
    try:
        found = map_layer(program, [case], logits_of(program, output), wanted)
    except KeyError:
        return {"reason": f"model.yaml names {wanted!r} as target_layer, and there is none."}
    except (RuntimeError, ValueError, LookupError) as error:
        return {"reason": f"{str(error)[:1].upper()}{str(error)[1:200]}."}
    node = next((one for one in program.nodes if found.name in one.outputs), None)
    field = reach.field(found.name)
    return {
        "name": found.name,
        "where": where(node) if node else found.name,
        "channels": reach.shapes[found.name][found.axis],
        "places": list[JsonValue](found.sides),
        "receptive_field": None if field.size is None else list[JsonValue](field.size),
        "local_field": None if field.local is None else list[JsonValue](field.local),
        "reason": field.reason,
    }


def _head(reach: Reach, output: str) -> JsonObject | None:
    """The last layer whose weights are its own: what turns features into the answer."""
    for node in reversed(reach.program.needed([output])):
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
