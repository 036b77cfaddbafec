"""The capability card of a program, as far as the graph alone tells."""

from collections import Counter
from collections.abc import Mapping

from onnx import ModelProto

from ml.estimate import JsonObject, JsonValue
from ml.intake.model_manifest import ModelManifest
from ml.intake.onnx_graph import describe
from ml.intake.onnx_program import read_onnx_program
from ml.intake.refusal import Refused
from ml.program.graph import Array, Program, Ref

_WEIGHTED = ("conv", "linear", "addmm", "bilinear")
_NORMALISING = ("batch_norm", "instance_norm", "group_norm", "layer_norm", "rms_norm")


def describe_by_name(program: Program, manifest: ModelManifest) -> JsonObject:
    """The card of weights whose network was built by its name: as a program's, and whose it is."""
    assert manifest.architecture is not None
    notes: list[JsonValue] = [line for line in program.notes["weights"].split("\n") if line]
    return describe_program(program) | {
        "format": manifest.format,
        "producer": f"monai {program.notes['monai']}, torch {program.notes['torch']}"[:200],
        "architecture": manifest.architecture.name,
        "notes": notes,
    }


def describe_weights(tensors: Mapping[str, Array]) -> JsonObject:
    """The card of weights alone, as long as nothing says which network they belong to."""
    return {
        "format": "safetensors",
        "operations": {},
        "parameters": sum(int(array.size) for array in tensors.values()),
        "inputs": [],
        "outputs": [],
    }


def describe_program(program: Program) -> JsonObject:
    """What was read: operations, layers, parameters, dropout sites, normalisation, inputs.

    Layers are convolutions and linear layers. Parameters are numbers in all stored tensors.
    """
    operations = Counter(node.operation.name for node in program.nodes)
    norms = Counter(
        node.operation.base for node in program.nodes if node.operation.base in _NORMALISING
    )
    rates = {node.arguments.get("p") for node in program.dropouts}
    inputs: list[JsonValue] = [
        {"name": port.name, "dtype": port.dtype, "shape": list(port.shape)}
        for port in program.inputs
    ]
    outputs: list[JsonValue] = [
        {"name": name, "dtype": "", "shape": []} for name in program.outputs
    ]
    return {
        "format": "pt2",
        "producer": f"torch {program.notes.get('torch', 'unknown')}"[:200],
        "operations": dict(sorted(operations.items())),
        "layers": sum(1 for node in program.nodes if node.operation.base.startswith(_WEIGHTED)),
        "parameters": sum(int(array.size) for array in program.weights.values()),
        "inputs": inputs,
        "outputs": outputs,
        "has_dropout": bool(program.dropouts),
        "dropout_sites": len(program.dropouts),
        "dropout_rates": list[JsonValue](sorted(rate for rate in rates if isinstance(rate, float))),
        "normalisation": dict(norms),
        "gradients": True,
        "not_taken_over": [],
        "notes": _doubts(program),
    }


_SHARED = (
    "layers", "has_dropout", "dropout_sites", "dropout_rates", "normalisation", "gradients",
    "not_taken_over",
)  # fmt: skip


def describe_onnx(
    model: ModelProto, file: str, case: tuple[int, ...] | None = None
) -> tuple[JsonObject, Program | None]:
    """The card of an ONNX file: of its graph, and of the program it becomes; and that program.

    ``case`` is the shape of one case, where it is declared.
    ``gradients`` is false where it cannot become one: onnxruntime runs it all the same, and
    ``not_taken_over`` says why, operator by operator.
    """
    card = describe(model)
    try:
        program = read_onnx_program(model, file, case)
    except Refused as refused:
        return card | without_program([one.message for one in refused.refusals]), None
    except MemoryError:
        return card | without_program(["It does not fit into memory twice."]), None
    inner = describe_program(program)
    return card | {name: inner[name] for name in _SHARED}, program


def without_program(reasons: list[str]) -> JsonObject:
    """What a card says where only onnxruntime runs a network, as a black box."""
    return {
        "dropout_sites": 0, "dropout_rates": [], "normalisation": {}, "gradients": False,
        "not_taken_over": list[JsonValue](reasons[:20]),
    }  # fmt: skip


def _doubts(program: Program) -> list[JsonValue]:
    """Dropout that may not stand in the graph as it stands in the network: see docs/formats.md.

    Of all kinds but the plain one, torch.export takes what went in and what came out for one.
    """
    reads = Counter(  # an operation may read one value twice
        given.name for node in program.nodes for given in node.arguments.values()
        if isinstance(given, Ref)
    )  # fmt: skip
    sites = [
        node.name for node in program.dropouts
        if node.operation.base != "dropout" and node.arguments.get("train") is False
        and reads[node.name] > 1
    ]  # fmt: skip
    if not sites:
        return []
    note = (
        f"{len(sites)} dropout sites were exported in evaluation mode and are read more than once "
        f"({', '.join(sites[:3])}): where the network itself reads what stood before, samples of "
        "dropout are not its own. Export it with dropout in training mode to be sure."
    )
    return [note]
