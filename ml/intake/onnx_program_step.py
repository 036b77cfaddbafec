"""One node of an ONNX graph on its way into a program: what it takes, says and gives."""

import re
from collections.abc import Callable
from dataclasses import dataclass, field, replace

import numpy as np
from onnx import AttributeProto, NodeProto

from ml.intake.onnx_program_values import Draft, Given, Known, Reading, Size, Value
from ml.intake.refusal import Refused, refuse
from ml.intake.schema import Malformed
from ml.program.graph import Argument, Array, Ref
from ml.program.operations import allowed

Result = Ref | Value
Handler = Callable[["Step"], Result | tuple[Result | None, ...]]
HANDLERS: dict[str, Handler] = {}

_DYNAMO_SCOPES = "pkg.torch.onnx.name_scopes"
_QUOTED = re.compile(r"'([^']*)'")


def reads(*names: str) -> Callable[[Handler], Handler]:
    """Enter a function as the reader of these operators."""

    def enter(handler: Handler) -> Handler:
        HANDLERS.update(dict.fromkeys(names, handler))
        return handler

    return enter


@dataclass
class Step:
    """A node, with the values of its inputs; calls are added to the program through it.

    Attributes:
        drafts: what this node has become so far.
    """

    node: NodeProto
    reading: Reading
    drafts: list[Draft] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.attributes = {one.name: one for one in self.node.attribute}
        self.scope = scope_of(self.node)

    @property
    def op(self) -> str:
        return self.node.op_type

    @property
    def opset(self) -> int:
        return self.reading.opset

    # Inputs

    def has(self, at: int) -> bool:
        """Is there an input in this place? Optional ones may be left out or be called ""."""
        return at < len(self.node.input) and self.node.input[at] != ""

    def value(self, at: int) -> Value:
        if not self.has(at):
            raise Malformed(f"it lacks its input number {at + 1}")
        return self.reading.value(self.node.input[at])

    def ref(self, at: int) -> Ref:
        """The input as a tensor of the program."""
        return self.reading.tensor(self.value(at), self.drafts, self.scope)

    def ref_or_none(self, at: int) -> Ref | None:
        return self.ref(at) if self.has(at) else None

    def operand(self, at: int) -> Argument:
        """The input as a plain number where it is one without a name, else as a tensor."""
        value = self.value(at)
        if isinstance(value, Known) and value.array.ndim == 0 and value.array.dtype != object:
            number: int | float | bool = value.array.item()
            return number
        return self.ref(at)

    def known(self, at: int) -> Array:
        """Numbers that do not depend on the cases."""
        value = self.value(at)
        if not isinstance(value, Known) or value.array.dtype == object:
            raise self.unfit(f"its input number {at + 1} is computed while the network runs")
        return value.array

    def sizes(self, at: int) -> tuple[Size, ...]:
        """Whole numbers, some of them perhaps sizes that are found while the network runs."""
        value = self.value(at)
        if not isinstance(value, Known):
            raise self.unfit(f"its input number {at + 1} is computed while the network runs")
        return tuple(one if isinstance(one, Ref) else int(one) for one in value.array.ravel())

    def whole(self, at: int) -> tuple[int, ...]:
        """Whole numbers that do not depend on the cases."""
        return tuple(int(one) for one in self.known(at).ravel())

    def scalar(self, at: int, default: float) -> float:
        """One number, or the default where the input is left out."""
        if not self.has(at):
            return default
        array = self.known(at)
        if array.size != 1:
            raise Malformed(f"its input number {at + 1} is not one number")
        return float(array.reshape(-1)[0])

    # What is known of shapes and types

    def shape(self, at: int) -> tuple[int | None, ...]:
        """Sizes of an input, None where one is free."""
        value = self.value(at)
        if isinstance(value, Known):
            return value.array.shape
        if value.shape is None:
            raise self.unfit(f"the number of axes of its input number {at + 1} is not known")
        return value.shape

    def rank(self, at: int) -> int:
        return len(self.shape(at))

    def dtype(self, at: int) -> str:
        return self.value(at).dtype

    def is_float(self, at: int) -> bool:
        return self.dtype(at).startswith("float")

    def dims(self, at: int) -> tuple[Size, ...]:
        """Sizes of an input; free ones are asked for while the network runs."""
        shape = self.shape(at)
        if None not in shape:
            return tuple(size for size in shape if size is not None)
        tensor = self.ref(at)
        return tuple(
            self._measured(at, tensor, axis) if size is None else size
            for axis, size in enumerate(shape)
        )

    def _measured(self, at: int, tensor: Ref, axis: int) -> Ref:
        value = self.value(at)
        assert isinstance(value, Given)
        size = self.call("sym_size.int", self=tensor, dim=axis)
        self.reading.measured[size.name] = value.label(axis)
        return size

    def axis(self, value: int, rank: int) -> int:
        """An axis counted from the front.

        Raises:
            Malformed: if there is no such axis.
        """
        if not -rank <= value < rank:
            raise Malformed(f"there is no axis {value} among {rank}")
        return value % rank

    # Attributes

    def _attribute(self, name: str, kind: int) -> AttributeProto | None:
        found = self.attributes.get(name)
        if found is not None and found.type != kind:
            raise Malformed(f"its attribute '{name}' is of another type")
        return found

    def integer(self, name: str, default: int) -> int:
        found = self._attribute(name, AttributeProto.INT)
        return default if found is None else int(found.i)

    def integers(self, name: str) -> tuple[int, ...] | None:
        found = self._attribute(name, AttributeProto.INTS)
        return None if found is None else tuple(int(one) for one in found.ints)

    def number(self, name: str, default: float) -> float:
        found = self._attribute(name, AttributeProto.FLOAT)
        return default if found is None else float(found.f)

    def text(self, name: str, default: str) -> str:
        found = self._attribute(name, AttributeProto.STRING)
        return default if found is None else found.s.decode("utf-8", "replace")

    def positive(
        self, name: str, n: int, default: tuple[int, ...] | None = None
    ) -> tuple[int, ...]:
        """n whole numbers from 1 upwards, such as strides.

        Raises:
            Malformed: if there are others, or as many as do not fit.
        """
        found = self.integers(name)
        found = default if found is None else found
        if found is None or len(found) != n or min(found, default=1) < 1:
            raise Malformed(f"'{name}' is not {n} whole numbers from 1 upwards")
        return found

    def positive_integer(self, name: str) -> int:
        found = self.integer(name, 0)
        if found < 1:
            raise Malformed(f"'{name}' is no whole number from 1 upwards")
        return found

    def axes(self, at: int) -> tuple[int, ...] | None:
        """Axes given as an attribute, or as an input since a later opset; None where neither."""
        if self.has(at):
            return self.whole(at)
        return self.integers("axes")

    # What it becomes

    def call(self, operation: str, /, **arguments: Argument) -> Ref:
        """Add an operation with one result."""
        return self.calls(operation, 1, **arguments)[0]

    def calls(self, operation: str, n: int, /, **arguments: Argument) -> tuple[Ref, ...]:
        """Add an operation with several results."""
        found = allowed()[operation]
        names = tuple(self.reading.fresh(self._hint()) for _ in range(n))
        known = [one.name for one in found.parameters]
        ordered = {name: arguments[name] for name in known if name in arguments}
        if len(ordered) != len(arguments):
            raise KeyError(f"{operation} takes {known}, not {list(arguments)}")
        self.drafts.append(Draft(found, ordered, list(names), self.scope))
        return tuple(map(Ref, names))

    def weight(self, array: Array) -> Ref:
        """Numbers of our own making, such as the indices that reverse an axis."""
        return self.reading.constant(array, self._hint())

    def _hint(self) -> str:
        return next(filter(None, self.node.output), self.op)

    def unfit(self, why: str) -> Refused:
        """This way of using the operator has no place in the inner form."""
        return refuse(
            "custom_op",
            f"The operator {self.op} ('{self.label}') cannot be taken over: {why}.",
            file=self.reading.file,
        )

    @property
    def label(self) -> str:
        return (self.node.name or self._hint())[:80]

    def refuse_used(self, first: int) -> None:
        """Refuse if results from this one on are read by anybody."""
        for name in self.node.output[first:]:
            if name and name in self.reading.wanted:
                raise self.unfit("more than its first result is used")

    def inferred(self) -> dict[str, Given]:
        """Type and shape of the results by the ONNX standard; nothing where it cannot tell."""
        return self.reading.inferred(self.node)


def constant_of(step: Step) -> Known:
    """The value of a Constant node."""
    for name, found in step.attributes.items():
        if name == "value" and found.type == AttributeProto.TENSOR:
            return Known(step.reading.array(found.t))
        if name == "value_float":
            return Known(np.array(step.number(name, 0), np.float32))
        if name == "value_int":
            return Known(np.array(step.integer(name, 0), np.int64))
        if name == "value_floats" and found.type == AttributeProto.FLOATS:
            return Known(np.array(list(found.floats), np.float32))
        if name == "value_ints":
            return Known(np.array(step.integers(name), np.int64))
    raise step.unfit("it holds neither numbers nor a tensor of them")


def scope_of(node: NodeProto) -> str:
    """The module a node was written in, as its exporter says; "" where it does not.

    Example:
        >>> import onnx
        >>> scope_of(onnx.helper.make_node("Relu", ["x"], ["y"], name="/layer1/layer1.0/Relu"))
        'layer1.0'
        >>> scope_of(onnx.helper.make_node("Relu", ["x"], ["y"], name="model/dense/Relu"))
        'model.dense'
    """
    for entry in node.metadata_props:
        if entry.key == _DYNAMO_SCOPES:
            scopes = _QUOTED.findall(entry.value[:4000])
            return scopes[-2][:200] if len(scopes) > 1 else ""
    parts: list[str] = []
    for part in filter(None, node.name.split("/")[:-1]):
        if parts and part.startswith(f"{parts[-1]}."):  # "layer1/layer1.0" is layer1.0
            parts.pop()
        parts.append(part)
    return ".".join(parts)[:200]


def settled(step: Step, results: Result | tuple[Result | None, ...]) -> None:
    """Give the results the names they have in the graph, and remember type and shape."""
    several = results if isinstance(results, tuple) else (results,)
    outputs = list(step.node.output)
    if len(several) < len([name for name in outputs if name]):
        several = (*several, *[None] * (len(outputs) - len(several)))
    own = {name for draft in step.drafts for name in draft.outputs}
    inferred: dict[str, Given] | None = None
    renamed: dict[str, str] = {}
    for name, result in zip(outputs, several, strict=False):
        if not name or result is None:
            continue
        value = result
        if not isinstance(value, Known) and value.name in own and value.name not in renamed:
            inferred = step.inferred() if inferred is None else inferred
            theirs = inferred.get(name) or _like_first(step)
            renamed[value.name] = name
            value = _both(value, theirs, name) if isinstance(value, Given) else theirs
            value = replace(value, name=name)
        elif isinstance(value, Ref):
            value = step.reading.of_ref(value, renamed)
        step.reading.define(name, value)
    for draft in step.drafts:
        draft.rename(renamed)
    step.reading.drafts += step.drafts


# The standard defines these by others, and infers nothing of them; they change no shape.
_SHAPELESS = {"GroupNormalization", "RMSNormalization", "Attention", "Swish"}


def _like_first(step: Step) -> Given:
    first = step.value(0) if step.op in _SHAPELESS else None
    if not isinstance(first, Given):
        return Given("", "", None)
    sizes = first.sizes or ()
    return replace(first, labels=tuple(one if isinstance(one, str) else "" for one in sizes))


def _both(ours: Given, theirs: Given, name: str) -> Given:
    """What either knows of a result."""
    dtype = ours.dtype or theirs.dtype
    if ours.shape is None or theirs.shape is None or len(ours.shape) != len(theirs.shape):
        return replace(theirs if ours.shape is None else ours, dtype=dtype)
    pairs = zip(ours.shape, theirs.shape, strict=True)
    none = ("",) * len(ours.shape)
    labels = zip(ours.labels or none, theirs.labels or none, strict=True)
    return Given(
        name, dtype, tuple(b if a is None else a for a, b in pairs),
        tuple(a or b for a, b in labels),
    )  # fmt: skip
