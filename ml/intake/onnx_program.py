"""An ONNX graph read into a program: the inner form that is differentiated, tapped and sampled.

Nothing is executed: nodes are translated one by one, by families of operators
(``onnx_program_*``). What cannot be taken over is refused by name; onnxruntime may still run it.
"""

from collections import Counter

from onnx import GraphProto, ModelProto, NodeProto

import ml.intake.onnx_program_conv
import ml.intake.onnx_program_layers
import ml.intake.onnx_program_math
import ml.intake.onnx_program_resize
import ml.intake.onnx_program_shape  # noqa: F401  (their readers enter themselves)
from ml.intake.onnx_program_fold import folded
from ml.intake.onnx_program_step import HANDLERS, Step, settled
from ml.intake.onnx_program_values import DTYPES, Given, Known, Reading, Shape, bounded
from ml.intake.refusal import Problems, Refused, refuse
from ml.intake.schema import Malformed
from ml.program.graph import Node, Port, Program

OLDEST = 11
MOST_NODES = 100_000
_MOST_NAME = 1000
# Translated by rules of our own, or refused: whatever else happens is a mistake in the file.
_MISTAKES = (Malformed, ValueError, TypeError, LookupError, ArithmeticError, AssertionError)


def read_onnx_program(model: ModelProto, file: str, case: tuple[int, ...] | None = None) -> Program:
    """The network of an ONNX file that ``read_graph`` has let in.

    Args:
        model: parsed; opset 11 or newer, operators of the standard only.
        file: what to call it in refusals.
        case: the shape of one case, as declared. Where sizes that the file leaves free stand in
            the way, those of its input are taken from here, and the program is of this shape.

    Returns:
        a program whose values are called as in the graph; names with ``~`` are of values in
        between. Weights keep the names of their initializers.

    Raises:
        Refused: custom_op (operators or ways of using them that have no place in the inner
            form, each by name), opset_unsupported, model_limit, model_shape, model_corrupt,
            external_data.
    """
    try:
        return _of_shape(model, file, None)
    except Refused as refused:
        if case is None or any(one.code != "custom_op" for one in refused.refusals):
            raise
        try:
            return _of_shape(model, file, case)
        except Refused:
            raise refused from None


def _of_shape(model: ModelProto, file: str, case: tuple[int, ...] | None) -> Program:
    graph = model.graph
    opset = next((one.version for one in model.opset_import if one.domain in ("", "ai.onnx")), 0)
    if opset < OLDEST:
        raise refuse(
            "opset_unsupported",
            f"The file has opset {opset}; from {OLDEST} on it can be taken over. Export it again "
            "with opset 17.",
            file=file,
        )
    try:
        nodes = _needed(graph)
        _refuse_unknown(nodes, file)
        reading = _begun(model, opset, nodes, file)
        ports = _inputs(graph, reading, case)
        for node in nodes:
            _read(Step(node, reading))
        return _program(model, reading, ports)
    except _MISTAKES as error:
        raise _corrupt("The network", error, file) from None


def _needed(graph: GraphProto) -> list[NodeProto]:
    """The nodes that an output depends on, in order."""
    wanted = {one.name for one in graph.output}
    kept = []
    for node in reversed(graph.node):
        if wanted & set(filter(None, node.output)):
            kept.append(node)
            wanted |= set(filter(None, node.input))
    return list(reversed(kept))


def _refuse_unknown(nodes: list[NodeProto], file: str) -> None:
    if len(nodes) > MOST_NODES:
        raise refuse("model_limit", f"The network has over {MOST_NODES:,} nodes.", file=file)
    unknown = Counter(
        node.op_type if node.domain in ("", "ai.onnx") else f"{node.domain}.{node.op_type}"
        for node in nodes
        if node.op_type not in HANDLERS or node.domain not in ("", "ai.onnx")
    )
    problems = Problems()
    for name, count in sorted(unknown.items()):
        times = f" ({count} times)" if count > 1 else ""
        problems.add(
            "custom_op",
            f"The operator {name[:80]}{times} cannot be taken over. docs/formats.md lists those "
            "that can.",
            file=file,
        )
    problems.raise_if_any()


def _begun(model: ModelProto, opset: int, nodes: list[NodeProto], file: str) -> Reading:
    graph = model.graph
    names = {name for node in graph.node for name in (*node.input, *node.output)}
    names |= {one.name for one in (*graph.input, *graph.output)}
    names |= {one.name for one in graph.initializer}
    if max(map(len, names), default=0) > _MOST_NAME or not all(map(str.isprintable, names)):
        raise Malformed("a name is unprintable, or too long to be one")
    wanted = {name for node in nodes for name in node.input} | {one.name for one in graph.output}
    reading = Reading(file, opset, model.ir_version, frozenset(wanted), names)
    if graph.sparse_initializer:
        raise refuse("custom_op", "Sparse weights cannot be taken over.", file=file)
    for tensor in graph.initializer:
        if tensor.name in wanted:
            reading.define(tensor.name, Known(reading.array(tensor), tensor.name))
    return reading


def _inputs(
    graph: GraphProto, reading: Reading, case: tuple[int, ...] | None
) -> tuple[Port, ...]:  # fmt: skip
    stored = {tensor.name for tensor in graph.initializer}
    ports = []
    for info in graph.input:
        if info.name in stored:
            continue
        tensor = info.type.tensor_type
        dtype = DTYPES.get(tensor.elem_type)
        if dtype is None or not tensor.HasField("shape"):
            raise refuse(
                "model_shape",
                f"The input '{info.name[:80]}' has no shape, or numbers of a type that is not "
                "read.",
                file=reading.file,
            )
        shape: Shape = tuple(
            dim.dim_value if dim.dim_value > 0 else None for dim in tensor.shape.dim
        )
        if case is not None and len(shape) == len(case) + 1:
            sizes = zip(shape[1:], case, strict=True)
            shape = (shape[0], *(given if size is None else size for size, given in sizes))
        bounded(shape, info.name, reading.file)
        ports.append(Port(info.name, shape, dtype))
        reading.define(info.name, Given(info.name, dtype, shape))
    if not ports:
        raise Malformed("it takes no input")
    return tuple(ports)


def _read(step: Step) -> None:
    """One node becomes numbers that are known, or operations of the program."""
    try:
        known = folded(step)
        settled(step, HANDLERS[step.op](step) if known is None else known)
    except _MISTAKES as error:
        raise _corrupt(
            f"The operator {step.op} ('{step.label}')", error, step.reading.file
        ) from None


def _corrupt(what: str, error: BaseException, file: str) -> Refused:
    why = " ".join(str(error).split())[:200] or type(error).__name__
    return refuse("model_corrupt", f"{what} does not follow the standard: {why}.", file=file)


def _program(model: ModelProto, reading: Reading, ports: tuple[Port, ...]) -> Program:
    """Everything that an output needs, and nothing else."""
    outputs = []
    for one in model.graph.output:
        step = Step(NodeProto(op_type="Identity", output=[one.name]), reading)
        value = reading.value(one.name)
        outputs.append(one.name)
        tensor = reading.tensor(value, step.drafts, "")
        if tensor.name != one.name:
            settled(step, step.call("alias", self=tensor))
    nodes, wanted = [], set(outputs)
    for draft in reversed(reading.drafts):
        if wanted & set(draft.outputs):
            node = Node(draft.operation, draft.arguments, tuple(draft.outputs), draft.scope)
            nodes.append(node)
            wanted |= set(node.uses)
    weights = {name: array for name, array in reading.weights.items() if name in wanted}
    stored = {tensor.name for tensor in model.graph.initializer}
    return Program(
        ports,
        weights,
        tuple(reversed(nodes)),
        tuple(outputs),
        {name: name for name in weights if name in stored},
        {"onnx": f"{model.producer_name} {model.producer_version}".strip()[:200]},
    )
