"""Arithmetic of sizes: small whole numbers are worked out while the graph is read.

Exporters write "reshape to (cases, 512)" as ten nodes that ask for a shape, pick from it and put it
together again. Sizes that are known become numbers; those that are free, such as the number of
cases, stay Refs to what the network is asked for while it runs.
"""

import math
from collections.abc import Callable, Sequence
from typing import Any, cast

import numpy as np

from ml.intake.onnx_program_step import Step
from ml.intake.onnx_program_values import DTYPES, Known, Size
from ml.intake.schema import Malformed
from ml.program.graph import Array, Ref

MOST = 65_536  # numbers of one value; larger ones are computed by the network itself
_MOST_FLOATS = 64  # so that layers keep the weights they are called by
_INTEGERS = ("int64", "int32")
Numbers = np.ndarray[Any, Any]  # of whatever type a file holds
Fold = Callable[[Step, list[Numbers]], Numbers | None]

_BINARY: dict[str, Callable[[Any, Any], Any]] = {
    "Add": np.add, "Sub": np.subtract, "Mul": np.multiply, "Equal": np.equal,
    "Greater": np.greater, "Less": np.less, "GreaterOrEqual": np.greater_equal,
    "LessOrEqual": np.less_equal, "And": np.logical_and, "Or": np.logical_or,
    "Min": np.minimum, "Max": np.maximum,
}  # fmt: skip
_UNARY: dict[str, Callable[[Any], Any]] = {
    "Neg": np.negative, "Abs": np.abs, "Not": np.logical_not, "Floor": np.floor, "Ceil": np.ceil,
    "Sqrt": np.sqrt, "Reciprocal": np.reciprocal, "Identity": np.asarray, "Round": np.rint,
}  # fmt: skip
_OF_SIZES = {"Add": "add.int", "Sub": "sub.int", "Mul": "mul.int", "Div": "floordiv.int"}


def folded(step: Step) -> Known | None:
    """The value of a node whose inputs are all known and small; None if it is left to run."""
    if step.op not in _FOLDS or not step.node.input or len(step.node.output) != 1:
        return None
    arrays = []
    for name in step.node.input:
        value = step.reading.value(name) if name else None
        if not isinstance(value, Known):
            return None
        arrays.append(value.array)
    floats = any(array.dtype.kind == "f" for array in arrays)
    if max(array.size for array in arrays) > (_MOST_FLOATS if floats else MOST):
        return None
    with np.errstate(all="ignore"):
        result = _FOLDS[step.op](step, arrays)
    if result is None or result.size > (_MOST_FLOATS if result.dtype.kind == "f" else MOST):
        step.drafts.clear()
        return None
    return Known(plain(result))


def plain(array: Array) -> Array:
    """Whole numbers where no Ref is left among them."""
    if array.dtype == object and not any(isinstance(one, Ref) for one in array.ravel()):
        return array.astype(np.int64)
    return array


def of_sizes(sizes: Sequence[Size]) -> Array:
    """A row of sizes as an array: of whole numbers if all are."""
    row = np.empty(len(sizes), object)
    row[:] = list(sizes)
    return plain(row)


def _elementwise(step: Step, arrays: list[Numbers]) -> Numbers | None:
    result = arrays[0]
    for other in arrays[1:]:
        if result.dtype == object or other.dtype == object:
            symbolic = _sizewise(step, result, other)
            if symbolic is None:
                return None
            result = symbolic
        else:
            same = np.result_type(result, other)
            if result.dtype != other.dtype:
                raise Malformed(f"its inputs are of two types, {result.dtype} and {other.dtype}")
            result = np.asarray(_BINARY[step.op](result, other))
            if result.dtype != np.bool_:
                result = result.astype(same)
        if result.size > MOST:
            return None
    return result


def _sizewise(step: Step, left: Array, right: Array) -> Array | None:
    """Arithmetic and comparisons with sizes that are not known yet; None where undecided."""
    if left.dtype.kind not in "iO" or right.dtype.kind not in "iO":
        return None
    a, b = np.broadcast_arrays(left, right)
    found = [_of_size(step, x, y) for x, y in zip(a.ravel(), b.ravel(), strict=True)]
    if any(one is None for one in found):
        return None
    if step.op in ("Equal", "Greater", "Less", "GreaterOrEqual", "LessOrEqual"):
        return np.array(found, bool).reshape(a.shape)
    result = np.empty(len(found), object)
    result[:] = found
    return result.reshape(a.shape)


def _of_size(step: Step, x: Any, y: Any) -> Size | bool | None:
    if not isinstance(x, Ref) and not isinstance(y, Ref):
        x, y = int(x), int(y)
        if step.op == "Div":
            return None if y == 0 else int(abs(x) // abs(y) * (1 if (x < 0) == (y < 0) else -1))
        made = _BINARY[step.op](x, y).item()
        return cast(Size | bool, made)
    if step.op in _OF_SIZES:
        neutral = 0 if step.op in ("Add", "Sub") else 1
        if not isinstance(y, Ref) and y == neutral:
            return cast(Size, x)
        if not isinstance(x, Ref) and x == neutral and step.op in ("Add", "Mul"):
            return cast(Size, y)
        if step.op == "Div" and not (isinstance(y, Ref) or y > 0):
            return None
        a, b = (one if isinstance(one, Ref) else int(one) for one in (x, y))
        return step.call(_OF_SIZES[step.op], a=a, b=b)
    # A size is never negative: how exporters ask "is it -1?"
    if isinstance(x, Ref) and isinstance(y, Ref):
        return True if x == y and step.op in ("Equal", "GreaterOrEqual", "LessOrEqual") else None
    other, turned = (x, True) if isinstance(y, Ref) else (y, False)
    if other >= 0:
        return None
    larger = {"Greater": True, "GreaterOrEqual": True, "Less": False, "LessOrEqual": False}
    if step.op == "Equal":
        return False
    return larger[step.op] != turned if step.op in larger else None


def _divide(step: Step, arrays: list[Numbers]) -> Numbers | None:
    left, right = arrays
    if left.dtype == object or right.dtype == object:
        return _sizewise(step, left, right)
    if left.dtype.kind == "f":
        return np.asarray(left / right, left.dtype)
    if not np.all(right):
        raise Malformed("it divides by zero")
    return np.asarray(np.trunc(np.true_divide(left, right))).astype(left.dtype)


def _modulo(step: Step, arrays: list[Numbers]) -> Numbers | None:
    left, right = arrays
    if left.dtype.kind != "i" or right.dtype.kind != "i" or not np.all(right):
        return None
    by = np.fmod if step.integer("fmod", 0) else np.remainder
    return np.asarray(by(left, right))


def _unary(step: Step, arrays: list[Numbers]) -> Numbers | None:
    (array,) = arrays
    if array.dtype == object:
        return array if step.op == "Identity" else None
    return np.asarray(_UNARY[step.op](array)).astype(array.dtype)


def _cast(step: Step, arrays: list[Numbers]) -> Numbers | None:
    (array,) = arrays
    dtype = DTYPES.get(step.integer("to", 0))
    if array.dtype == object:
        return array if dtype in _INTEGERS else None
    return None if dtype is None else array.astype(dtype)


def _concat(step: Step, arrays: list[Numbers]) -> Numbers | None:
    if sum(array.size for array in arrays) > MOST:
        return None
    return np.concatenate(arrays, axis=step.integer("axis", 0))


def _gather(step: Step, arrays: list[Numbers]) -> Numbers | None:
    data, indices = arrays
    axis = step.axis(step.integer("axis", 0), data.ndim)
    if indices.dtype.kind != "i" or data.size * max(indices.size, 1) > MOST * 16:
        return None
    return np.asarray(np.take(data, indices, axis=axis))


def _slice(step: Step, arrays: list[Numbers]) -> Numbers | None:
    data = arrays[0]
    if any(array.dtype.kind != "i" for array in arrays[1:]):
        return None
    starts, ends = (array.ravel().tolist() for array in arrays[1:3])
    axes = arrays[3].ravel().tolist() if len(arrays) > 3 else list(range(len(starts)))
    steps = arrays[4].ravel().tolist() if len(arrays) > 4 else [1] * len(starts)
    cut = [slice(None)] * data.ndim
    for start, end, axis, by in zip(starts, ends, axes, steps, strict=True):
        at = step.axis(axis, data.ndim)
        last = None if by < 0 and end < -data.shape[at] else end
        cut[at] = slice(start, last, by)
    return data[tuple(cut)]


def _squeeze(step: Step, arrays: list[Numbers]) -> Numbers | None:
    axes = _axes(step, arrays)
    return np.squeeze(arrays[0], axes)


def _unsqueeze(step: Step, arrays: list[Numbers]) -> Numbers | None:
    axes = _axes(step, arrays)
    if axes is None:
        raise Malformed("it lacks its axes")
    return np.expand_dims(arrays[0], axes)


def _axes(step: Step, arrays: list[Array]) -> tuple[int, ...] | None:
    if len(arrays) > 1:
        return tuple(int(one) for one in arrays[1].ravel())
    return step.integers("axes")


def _reshape(step: Step, arrays: list[Numbers]) -> Numbers | None:
    data, shape = arrays
    if shape.dtype.kind != "i" or step.integer("allowzero", 0):
        return None
    sizes = [
        data.shape[at] if size == 0 and at < data.ndim else size
        for at, size in enumerate(shape.ravel().tolist())
    ]
    return data.reshape(sizes)


def _transpose(step: Step, arrays: list[Numbers]) -> Numbers | None:
    return arrays[0].transpose(step.integers("perm"))


def _expand(step: Step, arrays: list[Numbers]) -> Numbers | None:
    data, shape = arrays
    if shape.dtype.kind != "i":
        return None
    wide = np.broadcast_shapes(data.shape, tuple(shape.ravel().tolist()))
    return None if math.prod(wide) > MOST else np.broadcast_to(data, wide)


def _tile(step: Step, arrays: list[Numbers]) -> Numbers | None:
    data, repeats = arrays
    if repeats.dtype.kind != "i" or math.prod(repeats.ravel().tolist()) * data.size > MOST:
        return None
    return np.tile(data, repeats.ravel().tolist())


def _filled(step: Step, arrays: list[Numbers]) -> Numbers | None:
    (shape,) = arrays
    if shape.dtype.kind != "i" or math.prod(shape.ravel().tolist()) > MOST or (shape < 0).any():
        return None
    return np.full(shape.ravel().tolist(), filling(step))


def filling(step: Step) -> Array:
    """What a ConstantOfShape node fills with: 0-d."""
    if "value" not in step.attributes:
        return np.array(0, np.float32)
    array = step.reading.array(step.attributes["value"].t)
    if array.size != 1:
        raise Malformed("it fills with more than one number")
    return array.reshape(())


def _range(step: Step, arrays: list[Numbers]) -> Numbers | None:
    if any(array.dtype == object or array.size != 1 for array in arrays):
        return None
    start, limit, by = (array.reshape(()) for array in arrays)
    if by == 0 or not np.isfinite((limit - start) / by) or (limit - start) / by > MOST:
        return None
    return np.arange(start.item(), limit.item(), by.item(), dtype=start.dtype)


def _where(step: Step, arrays: list[Numbers]) -> Numbers | None:
    condition, yes, no = arrays
    if condition.dtype == object:
        return None
    wide = np.broadcast_shapes(condition.shape, yes.shape, no.shape)
    return None if math.prod(wide) > MOST else np.where(condition, yes, no)


def _reduce(step: Step, arrays: list[Numbers]) -> Numbers | None:
    data = arrays[0]
    if data.dtype == object and data.size != 1:
        return None
    axes = _axes(step, arrays)
    keep = bool(step.integer("keepdims", 1))
    if axes is None and step.integer("noop_with_empty_axes", 0):
        return data
    if data.dtype == object:  # of one size alone
        return data if keep else data.reshape(())
    by = {"ReduceProd": np.prod, "ReduceSum": np.sum, "ReduceMax": np.max, "ReduceMin": np.min}
    made = cast(Any, by[step.op])(data, axis=axes, keepdims=keep)
    return np.asarray(made, data.dtype)


_FOLDS: dict[str, Fold] = {
    **dict.fromkeys(_BINARY, _elementwise), **dict.fromkeys(_UNARY, _unary), "Div": _divide,
    "Mod": _modulo,
    "Cast": _cast, "Concat": _concat, "Gather": _gather, "Slice": _slice, "Squeeze": _squeeze,
    "Unsqueeze": _unsqueeze, "Reshape": _reshape, "Transpose": _transpose, "Expand": _expand,
    "Tile": _tile, "ConstantOfShape": _filled, "Range": _range, "Where": _where,
    **dict.fromkeys(("ReduceProd", "ReduceSum", "ReduceMax", "ReduceMin"), _reduce),
}  # fmt: skip
