"""A program written as an ONNX graph, for onnxruntime to run where that is the faster one.

It covers the operations of classic networks of pictures in float32 and says which it lacks: a
program that cannot be written is run by torch. Shapes are taken from two trial walks, with two
cases and with three: what grows with the batch is known then, and all else is a constant.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import onnx
import torch
from onnx import TensorProto, helper, numpy_helper

from ml.program.cut import Shape, zeros
from ml.program.fold import folded
from ml.program.graph import Argument, Array, Node, Program, Ref
from ml.program.onnx_rules import RULES, NotWritten
from ml.program.walk import Values, Walker

OPSET = 20
_IR = 9
_MOST_BYTES = 2 * 1024**3 - 16 * 1024**2  # what protobuf can hold, less the graph itself


def to_onnx(program: Program, case: Sequence[Shape]) -> bytes:
    """The program at rest as an ONNX model; the batch stays free where it is.

    Args:
        program: the network; dropout passes everything on, normalisation is folded.
        case: the shape of each input without its batch.

    Returns:
        The bytes of the model. Inputs and outputs have the program's names, in its order.

    Raises:
        NotWritten: with the names of what is not covered.
        RuntimeError: what torch says of shapes that do not fit.

    Source:
        https://onnx.ai/onnx/operators, opset 20.
    """
    slim = folded(program)
    missing = {node.operation.name for node in slim.nodes} - set(RULES)
    if missing:
        raise NotWritten(f"{', '.join(sorted(missing)[:10])} is not written as ONNX")
    if any(port.dtype != "float32" for port in slim.inputs):
        raise NotWritten("an input is not of float32")
    if sum(array.nbytes for array in slim.weights.values()) > _MOST_BYTES:
        raise NotWritten("the weights do not fit into one ONNX file")
    graph = Graph(slim, case)
    for node in slim.nodes:
        RULES[node.operation.name](graph, node)
    return bytes(graph.model().SerializeToString())


class Graph:
    """What has been written so far, and what is known of every value.

    Attributes:
        program: the folded program.
        two, three: the shapes of tensors (or the values of sizes) with two and three cases.
    """

    def __init__(self, program: Program, case: Sequence[Shape]) -> None:
        self.program = program
        self.two, self.three = (_seen(program, case, batch) for batch in (2, 3))
        self.ports = program.inputs
        self._case = case
        self._nodes: list[onnx.NodeProto] = []
        self._stored: dict[str, TensorProto] = {}
        self._batch = ""

    # What rules ask

    def ref(self, node: Node, parameter: str) -> str:
        """The name of a float value that a parameter takes; "" where it takes none."""
        found = node.arguments.get(parameter)
        if found is None:
            return ""
        if not isinstance(found, Ref):
            raise NotWritten(f"{node.operation.name} takes {parameter} as a plain number")
        return self.value(found)

    def value(self, argument: Argument) -> str:
        """The name of a value in the graph; a weight is stored the first time."""
        if isinstance(argument, (int, float)) and not isinstance(argument, bool):
            return self.constant(np.array(argument, dtype=np.float32))
        if not isinstance(argument, Ref):
            raise NotWritten(f"{argument!r} is taken as a value")
        if argument.name not in self.two and argument.name not in self.program.weights:
            raise NotWritten(f"the size {argument.name} is taken as a value")
        weight = self.program.weights.get(argument.name)
        if weight is not None and argument.name not in self._stored:
            if weight.dtype != np.float32:
                raise NotWritten(f"{argument.name} is of {weight.dtype}")
            self._stored[argument.name] = numpy_helper.from_array(
                np.asarray(weight, order="C"), argument.name
            )
        return argument.name

    def weight(self, node: Node, parameter: str) -> Array | None:
        """The numbers of a stored weight; None where the parameter takes something else."""
        found = node.arguments.get(parameter)
        return self.program.weights.get(found.name) if isinstance(found, Ref) else None

    def shape(self, name: str) -> Shape:
        """Of a tensor with two cases."""
        weight = self.program.weights.get(name)
        return tuple(weight.shape) if weight is not None else self.two[name]

    def free(self, name: str) -> list[int | None]:
        """The shape of a result, None where a size grows with the batch."""
        pairs = zip(self.two[name], self.three[name], strict=True)
        return [a if a == b else None for a, b in pairs]

    # What rules write

    def add(self, kind: str, inputs: Sequence[str], output: str = "", **attributes: Any) -> str:
        """One ONNX node; the name of its result."""
        name = output or f"{kind}.{len(self._nodes)}"
        self._nodes.append(helper.make_node(kind, list(inputs), [name], **attributes))
        return name

    def constant(self, array: Array) -> str:
        name = f"constant.{len(self._stored)}"
        self._stored[name] = numpy_helper.from_array(np.asarray(array, order="C"), name)
        return name

    def sizes(self, shape: Sequence[int]) -> str:
        return self.constant(np.array(shape, dtype=np.int64))

    def reshaped(self, source: str, output: str) -> str:
        """As the trial walks saw the result: at most one size grows with the batch."""
        return self.reshaped_as(source, output, output)

    def reshaped_as(self, source: str, like: str, output: str) -> str:
        """In the shape of a result, under another name."""
        free = self.free(like)
        if free.count(None) > 1:
            raise NotWritten(f"{like} grows with the batch along several axes")
        target = self.sizes([-1 if size is None else size for size in free])
        return self.add("Reshape", [source, target], output)

    def grown(self, output: str) -> str:
        """The shape of a result as a value, where sizes that grow are multiples of the batch."""
        parts = []
        for two, three in zip(self.two[output], self.three[output], strict=True):
            if two == three:
                parts.append(self.sizes([two]))
            elif two % 2 or three != two // 2 * 3:
                raise NotWritten(f"{output} grows with the batch, but is no multiple of it")
            else:
                parts.append(self.add("Mul", [self._cases(), self.sizes([two // 2])]))
        return self.add("Concat", parts, axis=0)

    def _cases(self) -> str:
        if not self._batch:
            self._batch = self.add("Shape", [self.ports[0].name], start=0, end=1)
        return self._batch

    def model(self) -> onnx.ModelProto:
        inputs = [
            helper.make_tensor_value_info(
                port.name, TensorProto.FLOAT, [port.shape[0] or "cases", *sides]
            )
            for port, sides in zip(self.ports, self._case, strict=True)
        ]
        outputs = [
            helper.make_tensor_value_info(
                name, TensorProto.FLOAT,
                [f"{name}.{at}" if size is None else size
                 for at, size in enumerate(self.free(name))],
            )
            for name in self.program.outputs
            if name in self.two  # a weight that is answered as it is has no shape here
        ]  # fmt: skip
        if len(outputs) < len(self.program.outputs):
            raise NotWritten("an output is a weight")
        made = helper.make_graph(
            self._nodes, "program", inputs, outputs, list(self._stored.values())
        )
        opset = [helper.make_opsetid("", OPSET)]
        return helper.make_model(made, opset_imports=opset, ir_version=_IR)


def _seen(program: Program, case: Sequence[Shape], batch: int) -> dict[str, Shape]:
    """The shape of every tensor of a trial walk; sizes themselves are left out."""
    shapes: dict[str, Shape] = {}

    def note(values: Values, names: Sequence[str]) -> None:
        for name in names:
            if isinstance(values.get(name), torch.Tensor):
                if values[name].dtype != torch.float32:
                    raise NotWritten(f"{name} is of {values[name].dtype}")
                shapes[name] = tuple(values[name].shape)

    with torch.inference_mode():
        Walker(program).run(zeros(program, case, batch), watch=note)
    return shapes
