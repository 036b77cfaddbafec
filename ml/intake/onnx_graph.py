"""An ONNX file as data: what is in the graph, and what must not be. Nothing is executed here."""

import math
from collections import Counter
from collections.abc import Iterable, Iterator

import onnx
from onnx import AttributeProto, GraphProto, ModelProto, NodeProto, TensorProto, ValueInfoProto

from ml.estimate import JsonObject, JsonValue
from ml.intake.refusal import Problems, refuse

MOST_BYTES = 2 * 1024**3 - 1  # what protobuf can hold
MOST_NODES = 200_000
MOST_ELEMENTS = 2**28  # of one tensor: 1 GiB of float32
DOMAINS = {"", "ai.onnx", "ai.onnx.ml"}
_CONTROL = {"Loop", "If", "Scan", "SequenceMap"}
_WEIGHTED = {"Conv", "ConvTranspose", "Gemm", "MatMul", "LSTM", "GRU", "RNN", "QLinearConv"}


def read_graph(data: bytes, file: str) -> ModelProto:
    """Parse the bytes, and refuse what could reach outside, run long or fill the memory.

    External data is never followed: the bytes are all there is.

    Raises:
        Refused: model_not_onnx, external_data, custom_op, model_limit, model_corrupt.
    """
    try:
        model = onnx.load_model_from_string(data)
    except Exception:  # protobuf has an error class of its own
        raise refuse(
            "model_not_onnx", "This is no ONNX file, or a damaged one.", file=file
        ) from None
    if not model.graph.node or not model.opset_import:
        raise refuse("model_not_onnx", "There is no network in this file.", file=file)
    problems = Problems()
    _refuse_new(model, file, problems)
    _refuse_external(model, file, problems)
    _refuse_foreign(model, file, problems)
    _refuse_unbounded(model, file, problems)
    problems.raise_if_any()
    try:
        onnx.checker.check_model(model)
    except (onnx.checker.ValidationError, ValueError) as error:
        raise refuse(
            "model_corrupt", f"The network does not follow the standard: {_first_line(error)}",
            file=file,
        ) from None  # fmt: skip
    return model


def at_rest(data: bytes) -> bytes:
    """The file with dropout and batch normalisation as in use, whatever mode it was exported in.

    An export that keeps its dropout says "training" beside it, and onnxruntime would draw.
    """
    model = onnx.load_model_from_string(data)
    for node in model.graph.node:
        if node.op_type == "Dropout":
            del node.input[2:]
        elif node.op_type == "BatchNormalization":
            kept = [one for one in node.attribute if one.name != "training_mode"]
            del node.attribute[:], node.output[1:]
            node.attribute.extend(kept)
    return bytes(model.SerializeToString())


def describe(model: ModelProto) -> JsonObject:
    """The capability card as far as the graph alone tells."""
    graph = model.graph
    weights = {tensor.name for tensor in graph.initializer}
    operations = Counter(node.op_type for node in graph.node)
    inputs: list[JsonValue] = [_value(info) for info in graph.input if info.name not in weights]
    outputs: list[JsonValue] = [_value(info) for info in graph.output]
    opset = next((o.version for o in model.opset_import if o.domain in ("", "ai.onnx")), 0)
    return {
        "format": "onnx",
        "ir": model.ir_version,
        "opset": opset,
        "producer": f"{model.producer_name} {model.producer_version}".strip()[:200],
        "operations": dict(sorted(operations.items())),
        "layers": sum(count for name, count in operations.items() if name in _WEIGHTED),
        "parameters": sum(math.prod(tensor.dims) for tensor in graph.initializer),
        "inputs": inputs,
        "outputs": outputs,
        "has_dropout": "Dropout" in operations,
    }


def _value(info: ValueInfoProto) -> JsonObject:
    tensor = info.type.tensor_type
    shape: list[JsonValue] = [
        dim.dim_value if dim.HasField("dim_value") else dim.dim_param or None
        for dim in tensor.shape.dim
    ]
    return {
        "name": info.name,
        "dtype": TensorProto.DataType.Name(tensor.elem_type).lower(),
        "shape": shape,
    }


def _refuse_new(model: ModelProto, file: str, problems: Problems) -> None:
    opset = max((o.version for o in model.opset_import if o.domain in ("", "ai.onnx")), default=1)
    if opset > onnx.defs.onnx_opset_version() or model.ir_version > onnx.IR_VERSION:
        problems.add(
            "opset_unsupported",
            f"The file is newer than what is read here (opset {opset}, IR {model.ir_version}). "
            "Export it again with opset 17.",
            file=file,
        )


def _refuse_external(model: ModelProto, file: str, problems: Problems) -> None:
    for tensor in _tensors(model.graph):
        if tensor.data_location == TensorProto.EXTERNAL or tensor.external_data:
            problems.add(
                "external_data",
                "The weights lie in a second file. Export again with everything in one file "
                "(external_data=False).",
                file=file,
            )
            return


def _refuse_foreign(model: ModelProto, file: str, problems: Problems) -> None:
    domains = {node.domain for node in model.graph.node} - DOMAINS
    for domain in sorted(domains):
        names = sorted({n.op_type for n in model.graph.node if n.domain == domain})
        problems.add(
            "custom_op",
            f"The network uses operations outside the ONNX standard ({domain[:80]}: "
            f"{', '.join(names[:5])}). Export it with standard operations only.",
            file=file,
        )
    if model.functions:
        problems.add(
            "model_limit",
            "The network defines functions of its own. Export it with everything inlined.",
            file=file,
        )


def _refuse_unbounded(model: ModelProto, file: str, problems: Problems) -> None:
    graph = model.graph
    if len(graph.node) > MOST_NODES:
        problems.add("model_limit", f"The network has more than {MOST_NODES:,} nodes.", file=file)
    control = sorted({node.op_type for node in graph.node if _branches(node)})
    if control:
        problems.add(
            "model_limit",
            f"The network holds loops or branches ({', '.join(control)}), whose cost cannot be "
            "bounded. Export it for a fixed way through.",
            file=file,
        )
    for tensor in _tensors(graph):
        if not _plausible(tensor):
            problems.add(
                "model_limit" if _elements(tensor.dims) > MOST_ELEMENTS else "model_corrupt",
                f"The tensor '{tensor.name[:80]}' declares {_dims(tensor.dims)} values, which is "
                "too much or not what is stored.",
                file=file,
            )
    for info in [*graph.input, *graph.output]:
        dims = [dim.dim_value for dim in info.type.tensor_type.shape.dim if dim.dim_value]
        if min(dims, default=1) < 0 or math.prod(dims) > MOST_ELEMENTS:
            problems.add(
                "model_limit", f"'{info.name[:80]}' has the shape {_dims(dims)}.", file=file
            )
    for name, elements in _filled(graph):
        problems.add(
            "model_limit", f"'{name[:80]}' fills a tensor with {elements:,} values.", file=file
        )


def _branches(node: NodeProto) -> bool:
    graphs = (AttributeProto.GRAPH, AttributeProto.GRAPHS)
    return node.op_type in _CONTROL or any(attr.type in graphs for attr in node.attribute)


def _filled(graph: GraphProto) -> Iterator[tuple[str, int]]:
    """ConstantOfShape nodes whose constant shape asks for too much."""
    constants = {tensor.name: tensor for tensor in graph.initializer}
    for node in graph.node:
        if node.op_type == "Constant" and node.output:
            for attribute in node.attribute:
                if attribute.name == "value":
                    constants[node.output[0]] = attribute.t
    for node in graph.node:
        shape = constants.get(node.input[0]) if node.input else None
        if node.op_type != "ConstantOfShape" or shape is None or not _plausible(shape):
            continue
        elements = _elements(int(size) for size in onnx.numpy_helper.to_array(shape).ravel())
        if elements > MOST_ELEMENTS:
            yield node.name or node.output[0], elements


def _tensors(graph: GraphProto) -> Iterator[TensorProto]:
    yield from graph.initializer
    for sparse in graph.sparse_initializer:
        yield from (sparse.values, sparse.indices)
    for node in graph.node:
        for attribute in node.attribute:
            if attribute.HasField("t"):
                yield attribute.t
            yield from attribute.tensors
            for sparse in [attribute.sparse_tensor, *attribute.sparse_tensors]:
                yield from (sparse.values, sparse.indices)


def _plausible(tensor: TensorProto) -> bool:
    """Does the tensor store as many values as it declares, and not too many?"""
    declared = _elements(tensor.dims)
    if declared > MOST_ELEMENTS or any(size < 0 for size in tensor.dims):
        return False
    if not tensor.HasField("raw_data"):
        return True  # the checker counts typed fields
    try:
        width = onnx.helper.tensor_dtype_to_np_dtype(tensor.data_type).itemsize
    except (KeyError, ValueError):
        return False
    stored = len(tensor.raw_data)
    return stored == declared * width or (width == 1 and stored == -(-declared // 2))  # 4 bits


def _elements(dims: Iterable[int]) -> int:
    return math.prod(max(int(size), 0) for size in dims)


def _dims(dims: Iterable[int]) -> str:
    return " x ".join(f"{size}" for size in dims) or "1"


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:300]
