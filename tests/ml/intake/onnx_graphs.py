"""ONNX graphs of one operator or a few, made on the spot, run by onnxruntime and as a program."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx
import onnxruntime as ort
import torch
from numpy.typing import NDArray
from onnx import helper, numpy_helper

from ml.intake.onnx_graph import read_graph
from ml.intake.onnx_program import read_onnx_program
from ml.program.graph import Program
from ml.program.walk import Walker

Array = NDArray[Any]


@dataclass(frozen=True)
class Case:
    """What the network is given: its shape, the first size being the free number of cases."""

    shape: tuple[int, ...]
    dtype: str = "float32"
    low: float = -3.0
    high: float = 3.0
    free: tuple[int, ...] = (0,)  # axes whose size the graph leaves open

    def numbers(self, seed: int = 0) -> Array:
        rng = np.random.default_rng([seed, *self.shape])
        drawn = rng.uniform(self.low, self.high, self.shape)
        return (rng.random(self.shape) > 0.5 if self.dtype == "bool" else drawn).astype(self.dtype)


def cases(*shape: int, **more: Any) -> Case:
    return Case(shape, **more)


def weights(*shape: int, low: float = -1.0, high: float = 1.0, seed: int = 7) -> Array:
    drawn = np.random.default_rng([seed, *shape]).uniform(low, high, shape)
    return drawn.astype(np.float32)


def ints(*numbers: int) -> Array:
    return np.array(numbers, np.int64)


@dataclass(frozen=True)
class Graph:
    model: onnx.ModelProto
    inputs: tuple[Case, ...]

    @property
    def data(self) -> bytes:
        return bytes(self.model.SerializeToString())

    def program(self) -> Program:
        return read_onnx_program(read_graph(self.data, "model.onnx"), "model.onnx")


def one(
    op: str, *inputs: Case | Array | None, opset: int = 17, results: int = 1, **attributes: Any
) -> Graph:
    """A network of one operator. Arrays are stored, None is an input left out."""
    names = ["" if value is None else f"in{at}" for at, value in enumerate(inputs)]
    while names and not names[-1]:
        names.pop()
    outputs = [f"out{at}" for at in range(results)]
    node = helper.make_node(op, names, outputs, name=f"/part/{op}", **attributes)
    given = {name: value for name, value in zip(names, inputs, strict=False) if name}
    return of([node], given, outputs, opset=opset)


def of(
    nodes: list[onnx.NodeProto], given: dict[str, Case | Array], outputs: list[str],
    opset: int = 17,
) -> Graph:  # fmt: skip
    """A network of several nodes; what is a Case is an input, the arrays are weights."""
    ports, taken, stored = [], [], []
    for name, value in given.items():
        if isinstance(value, Case):
            code = helper.np_dtype_to_tensor_dtype(np.dtype(value.dtype))
            sides = [
                f"{name}_{axis}" if axis in value.free else side
                for axis, side in enumerate(value.shape)
            ]
            ports.append(helper.make_tensor_value_info(name, code, sides))
            taken.append(value)
        else:
            stored.append(numpy_helper.from_array(value, name))
    results = [onnx.ValueInfoProto(name=name) for name in outputs]
    graph = helper.make_graph(nodes, "graph", ports, results, stored)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=9)
    shown = onnx.shape_inference.infer_shapes(model)
    for found, result in zip(shown.graph.output, model.graph.output, strict=True):
        if found.type.tensor_type.HasField("shape"):
            result.type.CopyFrom(found.type)
        else:  # operators that the standard defines by others keep type and shape
            result.type.CopyFrom(model.graph.input[0].type)
    return Graph(model, tuple(taken))


def runtime(data: bytes, inputs: list[Array]) -> list[Array]:
    """What onnxruntime gives, with nothing of the graph rewritten."""
    options = ort.SessionOptions()
    options.log_severity_level = 4
    options.intra_op_num_threads = 1
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = ort.InferenceSession(data, options, providers=["CPUExecutionProvider"])
    names = [port.name for port in session.get_inputs()]
    found = session.run(None, dict(zip(names, inputs, strict=True)))
    return [np.asarray(array) for array in found]


def walked(program: Program, inputs: list[Array]) -> list[Array]:
    with torch.no_grad():
        found = Walker(program).run([torch.from_numpy(array) for array in inputs])
    return [found[name].numpy() for name in program.outputs]


def assert_alike(graph: Graph, close: float = 1e-4) -> Program:
    """Type, shape and numbers are onnxruntime's, for the shapes declared and one case more."""
    program = graph.program()
    inputs = [given.numbers() for given in graph.inputs]
    expected = runtime(graph.data, inputs)
    for theirs, ours in zip(expected, walked(program, inputs), strict=True):
        assert (ours.dtype, ours.shape) == (theirs.dtype, theirs.shape)
        scale = max(float(np.abs(theirs[np.isfinite(theirs)]).max(initial=0)), 1e-6)
        np.testing.assert_allclose(
            ours.astype(float), theirs.astype(float), rtol=0, atol=close * scale
        )
    return program
