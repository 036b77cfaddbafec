"""What the names of an ONNX graph stand for while it is being read into a program."""

from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np
import onnx
from onnx import NodeProto, TensorProto, TypeProto, numpy_helper

from ml.intake.refusal import refuse
from ml.intake.schema import Malformed
from ml.program.graph import Argument, Array, Dtype, Ref
from ml.program.operations import Operation, allowed

MOST_ELEMENTS = 2**28  # of one value of one case: 1 GiB of float32
_MOST_DATA = 1024  # numbers that the inference of shapes is shown
Size = int | Ref  # a Ref is found while the network runs
Shape = tuple[int | None, ...]  # None where a size is free

DTYPES: dict[int, str] = {
    TensorProto.UINT8: "uint8", TensorProto.INT8: "int8", TensorProto.INT16: "int16",
    TensorProto.INT32: "int32", TensorProto.INT64: "int64", TensorProto.FLOAT16: "float16",
    TensorProto.FLOAT: "float32", TensorProto.DOUBLE: "float64", TensorProto.BOOL: "bool",
}  # fmt: skip
_CODES = {name: code for code, name in DTYPES.items()}


@dataclass(frozen=True, eq=False)
class Known:
    """Numbers that do not depend on the cases, or sizes that the network is asked for.

    Attributes:
        array: plain numbers; of the type object where Refs to sizes stand among whole numbers.
        name: of the initializer it is, "" for a number in between.
    """

    array: Array
    name: str = ""

    @property
    def dtype(self) -> str:
        return "int64" if self.array.dtype == object else str(self.array.dtype)


@dataclass(frozen=True)
class Given:
    """A tensor that the network computes: its name in the program, and what is known of it."""

    name: str
    dtype: str  # "" where it is not known
    shape: Shape | None
    labels: tuple[str, ...] = ()  # of its free sizes, axis by axis; see label

    def label(self, axis: int) -> str:
        """What a free size is called: two that are called alike are always the same number."""
        return (self.labels[axis] if self.labels else "") or f"{self.name} {axis}"

    @property
    def sizes(self) -> tuple[int | str, ...] | None:
        """The shape with the labels of its free sizes in their places."""
        if self.shape is None:
            return None
        return tuple(self.label(at) if one is None else one for at, one in enumerate(self.shape))


Value = Known | Given


@dataclass
class Draft:
    """A node of the program that may still be renamed."""

    operation: Operation
    arguments: dict[str, Argument]
    outputs: list[str]
    scope: str

    def rename(self, names: dict[str, str]) -> None:
        if names:
            self.outputs = [names.get(name, name) for name in self.outputs]
            self.arguments = {key: _renamed(one, names) for key, one in self.arguments.items()}


def _renamed(argument: Argument, names: dict[str, str]) -> Argument:
    if isinstance(argument, Ref):
        return Ref(names.get(argument.name, argument.name))
    if isinstance(argument, tuple):
        return tuple(_renamed(one, names) for one in argument)
    return argument


@dataclass
class Reading:
    """The graph as far as it has been read.

    Attributes:
        wanted: names that somebody reads.
        taken: names of the graph, which nothing in between may have.
        measured: the labels of the sizes that the network is asked for, by the names of their Refs.
    """

    file: str
    opset: int
    ir: int
    wanted: frozenset[str]
    taken: set[str]
    values: dict[str, Value] = field(default_factory=dict)
    weights: dict[str, Array] = field(default_factory=dict)
    drafts: list[Draft] = field(default_factory=list)
    measured: dict[str, str] = field(default_factory=dict)
    _stored: dict[int, tuple[Value, Ref]] = field(default_factory=dict)

    def value(self, name: str) -> Value:
        if name not in self.values:
            raise Malformed(f"it reads '{name[:80]}', which nothing before it gives")
        return self.values[name]

    def define(self, name: str, value: Value) -> None:
        if isinstance(value, Given) and value.shape is not None:
            bounded(value.shape, name, self.file)
        self.values[name] = value

    def of_ref(self, ref: Ref, renamed: dict[str, str]) -> Value:
        """What is known of a tensor that a node passes on as it is."""
        name = renamed.get(ref.name, ref.name)
        for value in self.values.values():
            if isinstance(value, Given) and value.name == name:
                return value
        return Given(name, "", None)

    def fresh(self, hint: str) -> str:
        """A name that the graph does not have."""
        n = 1
        while (name := f"{hint}~{n}") in self.taken:
            n += 1
        self.taken.add(name)
        return name

    def array(self, tensor: TensorProto) -> Array:
        """The numbers of a stored tensor.

        Raises:
            Refused: custom_op for a type that the inner form does not know.
            Malformed: if it stores other than it declares.
        """
        if tensor.data_type not in DTYPES:
            raise refuse(
                "custom_op",
                f"The tensor '{tensor.name[:80]}' holds numbers of a type that cannot be taken "
                f"over ({_type_name(tensor.data_type)}).",
                file=self.file,
            )
        if tensor.data_location == TensorProto.EXTERNAL or tensor.external_data:
            raise refuse("external_data", "The weights lie in a second file.", file=self.file)
        try:
            return np.asarray(numpy_helper.to_array(tensor))
        except (ValueError, TypeError) as error:
            raise Malformed(f"the tensor '{tensor.name[:80]}': {error}") from None

    def constant(self, array: Array, hint: str) -> Ref:
        """Numbers as a weight of their own."""
        name = self.fresh(hint)
        self.weights[name] = np.ascontiguousarray(array).reshape(array.shape)
        return Ref(name)

    def tensor(self, value: Value, drafts: list[Draft], scope: str) -> Ref:
        """A value as a tensor of the program."""
        if isinstance(value, Given):
            return Ref(value.name)
        if value.array.dtype == object:
            return self._measured(value.array, drafts, scope)
        if id(value) not in self._stored:
            if value.name:
                self.weights[value.name] = value.array
                ref = Ref(value.name)
            else:
                ref = self.constant(value.array, "constant")
            self._stored[id(value)] = value, ref  # kept, so that the id stays its own
        return self._stored[id(value)][1]

    def _measured(self, array: Array, drafts: list[Draft], scope: str) -> Ref:
        """Sizes as a tensor of whole numbers."""

        def put(operation: str, /, **arguments: Argument) -> Ref:
            name = self.fresh("sizes")
            drafts.append(Draft(allowed()[operation], arguments, [name], scope))
            return Ref(name)

        numbers = tuple(
            put("scalar_tensor", s=one if isinstance(one, Ref) else int(one), dtype=Dtype("int64"))
            for one in array.ravel()
        )
        if array.ndim == 0:
            return numbers[0]
        row = put("stack", tensors=numbers, dim=0)
        return row if array.ndim == 1 else put("reshape", self=row, shape=tuple(array.shape))

    def inferred(self, node: NodeProto) -> dict[str, Given]:
        """Type and shape of the results of a node, by the ONNX standard.

        Free sizes go in and come out by their labels, so that what they are equal to stays known.
        """
        types: dict[str, TypeProto] = {}
        data: dict[str, TensorProto] = {}
        for name in filter(None, node.input):
            value = self.value(name)
            if value.dtype not in _CODES:
                return {}
            shape = value.array.shape if isinstance(value, Known) else value.sizes
            types[name] = onnx.helper.make_tensor_type_proto(_CODES[value.dtype], shape)
            if (
                isinstance(value, Known)
                and value.array.dtype != object
                and value.array.size <= _MOST_DATA
            ):
                data[name] = numpy_helper.from_array(value.array)
        try:
            schema = onnx.defs.get_schema(node.op_type, self.opset, "")
            found = onnx.shape_inference.infer_node_outputs(
                schema, node, types, data,
                opset_imports=[onnx.helper.make_opsetid("", self.opset)], ir_version=self.ir,
            )  # fmt: skip
        except Exception:  # the checker's own classes; a shape that stays unknown is no error
            return {}
        return {name: _of_type(name, one) for name, one in found.items()}


def bounded(shape: Iterable[int | None], name: str, file: str) -> None:
    """Refuse a value that would hold too many numbers for one case.

    Raises:
        Refused: model_limit.
    """
    elements = 1
    for size in shape:
        elements *= 1 if size is None else size
    if elements > MOST_ELEMENTS:
        raise refuse("model_limit", f"'{name[:80]}' would hold {elements:,} numbers.", file=file)


def _of_type(name: str, one: TypeProto) -> Given:
    tensor = one.tensor_type
    dtype = DTYPES.get(tensor.elem_type, "")
    if not tensor.HasField("shape"):
        return Given(name, dtype, None)
    sizes = [dim.dim_value if dim.HasField("dim_value") else None for dim in tensor.shape.dim]
    shape = tuple(None if size is None or size < 0 else size for size in sizes)
    return Given(name, dtype, shape, tuple(dim.dim_param for dim in tensor.shape.dim))


def _type_name(code: int) -> str:
    try:
        return str(TensorProto.DataType.Name(code)).lower()
    except ValueError:
        return f"number {code}"
