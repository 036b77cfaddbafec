"""A program kept beside the weights it was built from, so that it is built and exported once.

It is a safetensors file: the graph as JSON in its header, and those tensors that the file of
weights does not hold. Its reader trusts it no more than any archive: operations are looked up,
and a program is a list of nodes whatever the file says.
"""

import json
import math
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from ml.engine.runtime import version_of
from ml.estimate import JsonValue
from ml.evidence.store import file_sha256, sha256_of
from ml.intake.model_manifest import ModelManifest
from ml.intake.refusal import Refused
from ml.intake.safetensors_file import read_safetensors, write_safetensors
from ml.intake.schema import Entry, Malformed
from ml.program.graph import Argument, Array, Dtype, Node, Port, Program, Ref
from ml.program.operations import allowed
from ml.version import ENGINE_VERSION

SUFFIX = ".program"  # after the name of the file of weights
ONNX_SUFFIX = ".onnx"  # see ml.engine.kept_onnx
# Under which key of the card the SHA-256 of each file stands that is kept beside the weights.
KEPT = {"program_sha256": SUFFIX, "onnx_sha256": ONNX_SUFFIX}
_GRAPH, _KEY = "program", "key"
_WORDS = {"inf": math.inf, "-inf": -math.inf, "nan": math.nan}


def beside(weights: Path) -> Path:
    """Where the program of a file of weights is kept."""
    return weights.with_name(weights.name + SUFFIX)


def onnx_beside(weights: Path) -> Path:
    """Where the program of a file of weights is kept as ONNX."""
    return weights.with_name(weights.name + ONNX_SUFFIX)


def kept_beside(weights: Path) -> dict[str, Path]:
    """Where everything is kept that saves a child from making it again, by its key in the card."""
    return {key: weights.with_name(weights.name + suffix) for key, suffix in KEPT.items()}


def key_of(weights: Path, manifest: ModelManifest) -> str:
    """Of all that a program built by name depends on: weights, network, and who exports it."""
    architecture = manifest.architecture
    assert architecture is not None
    built: JsonValue = {
        "weights": file_sha256(weights),
        "architecture": architecture.model_dump(mode="json"),
        "shape": list(manifest.input.shape),
        "by": {"engine": ENGINE_VERSION, **{name: version_of(name) for name in ("torch", "monai")}},
    }
    return sha256_of(built)


def write_program(path: Path, program: Program, given: Mapping[str, Array], key: str) -> None:
    """Keep a program.

    Args:
        path: of the file.
        program: what was built.
        given: the tensors of the file of weights; one that the program has as it is, or rounded to
            its own type, is named and not written again.
        key: see :func:`key_of`.

    Raises:
        KeyError: where a tensor is of a type that safetensors files here do not hold.
    """
    named = {name: _found(program, name, given) for name in program.weights}
    graph = {
        "inputs": [[port.name, list(port.shape), port.dtype] for port in program.inputs],
        "weights": {name: found for name, found in named.items() if found},
        "nodes": [
            [node.operation.name, {key: _plain(one) for key, one in node.arguments.items()},
             list(node.outputs), node.scope]
            for node in program.nodes
        ],
        "outputs": list(program.outputs),
        "sources": dict(program.sources),
        "notes": dict(program.notes),
    }  # fmt: skip
    rest = {name: program.weights[name] for name, found in named.items() if not found}
    text = json.dumps(graph, separators=(",", ":"), allow_nan=False)
    write_safetensors(path, rest, {_GRAPH: text, _KEY: key})


def read_program_file(path: Path, given: Mapping[str, Array], key: str) -> Program | None:
    """The program kept in a file; None where there is none, another key's, or a damaged one.

    Args:
        given: the tensors of the file of weights.
        key: what it must have been kept under.
    """
    try:
        stored = read_safetensors(path)
        if stored.metadata.get(_KEY) != key:
            return None
        graph = Entry.of(json.loads(stored.metadata[_GRAPH]), "program")
        weights = {**stored.tensors}
        for name, one in graph["weights"].pairs():
            kept_as, dtype = (part.text() for part in one.items())
            weights[name] = given[kept_as].astype(_number_type(dtype), copy=False)
        return Program(
            inputs=tuple(_port(one) for one in graph["inputs"].items()),
            weights=weights,
            nodes=tuple(_node(one) for one in graph["nodes"].items()),
            outputs=tuple(one.text() for one in graph["outputs"].items()),
            sources={name: one.text() for name, one in graph["sources"].pairs()},
            notes={name: one.text() for name, one in graph["notes"].pairs()},
        )
    except (OSError, Refused, Malformed, LookupError, ValueError, TypeError, RecursionError):
        return None


def _found(program: Program, name: str, given: Mapping[str, Array]) -> list[str]:
    """The name in the file and the type of a tensor that the file holds; [] of any other."""
    array, source = program.weights[name], program.sources.get(name)
    for kept_as, one in given.items():
        alike = source is not None and kept_as.endswith(source) and one.shape == array.shape
        if alike and np.array_equal(one.astype(array.dtype, copy=False), array, equal_nan=True):
            return [kept_as, array.dtype.name]
    return []


def _number_type(name: str) -> np.dtype[np.generic]:
    if name not in ("float32", "float64", "float16", "int64", "int32", "uint8", "bool"):
        raise Malformed(f"{name[:20]!r} is no type of numbers")
    return np.dtype(name)


def _plain(argument: Argument) -> JsonValue:
    if isinstance(argument, Ref):
        return {"ref": argument.name}
    if isinstance(argument, Dtype):
        return {"dtype": argument.name}
    if isinstance(argument, tuple):
        return [_plain(one) for one in argument]
    if isinstance(argument, float) and not math.isfinite(argument):
        return {"float": str(argument)}
    return argument


def _argument(entry: Entry) -> Argument:
    value = entry.value
    if isinstance(value, list):
        return tuple(_argument(one) for one in entry.items())
    if isinstance(value, dict):
        kind, one = entry.only()
        if kind == "ref":
            return Ref(one.text())
        if kind == "dtype":
            return Dtype(_number_type(one.text()).name)
        if kind == "float":
            return _WORDS[one.text()]
        raise Malformed(f"{entry.where} is no argument")
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    raise Malformed(f"{entry.where} is no argument")


def _port(entry: Entry) -> Port:
    name, shape, dtype = entry.items()
    sizes = tuple(None if one.value is None else one.integer() for one in shape.items())
    return Port(name.text(), sizes, _number_type(dtype.text()).name)


def _node(entry: Entry) -> Node:
    name, arguments, outputs, scope = entry.items()
    operation = allowed()[name.text()]
    given = {key: _argument(one) for key, one in arguments.pairs()}
    known = {one.name for one in operation.parameters}
    needed = {one.name for one in operation.parameters if one.required}
    if not needed <= set(given) <= known:
        raise Malformed(f"{entry.where} has other arguments than {operation.name}")
    return Node(operation, given, tuple(one.text() for one in outputs.items()), scope.text())
