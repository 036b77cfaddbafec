"""Activations, arithmetic, comparisons and reductions of an ONNX graph."""

from collections.abc import Callable

from ml.intake.onnx_program_step import Result, Step, reads
from ml.intake.onnx_program_values import DTYPES, Known
from ml.intake.schema import Malformed
from ml.program.graph import Argument, Dtype, Ref

_ALIKE = {
    "Relu": "relu", "Sigmoid": "sigmoid", "Tanh": "tanh", "Erf": "erf", "Exp": "exp", "Log": "log",
    "Sqrt": "sqrt", "Abs": "abs", "Neg": "neg", "Sign": "sign", "Floor": "floor", "Ceil": "ceil",
    "Round": "round", "Reciprocal": "reciprocal", "Sin": "sin", "Cos": "cos", "Not": "logical_not",
    "HardSwish": "hardswish", "Mish": "mish", "Softplus": "softplus", "IsNaN": "isnan",
}  # fmt: skip
_PAIRS = {
    "Add": "add.Tensor", "Sub": "sub.Tensor", "Mul": "mul.Tensor", "And": "logical_and",
    "Or": "logical_or", "Xor": "logical_xor",
}  # fmt: skip
_COMPARED = {
    "Equal": "eq", "Greater": "gt", "Less": "lt", "GreaterOrEqual": "ge", "LessOrEqual": "le",
}  # fmt: skip
_MANY = {"Min": "minimum", "Max": "maximum", "Sum": "add.Tensor", "Mean": "add.Tensor"}
_WHOLE_IS_LEFT = ("Floor", "Ceil", "Round")


@reads(*_ALIKE)
def alike(step: Step) -> Result:
    if step.op in _WHOLE_IS_LEFT and not step.is_float(0):
        return step.value(0)
    return step.call(_ALIKE[step.op], self=step.ref(0))


@reads(*_PAIRS)
def pair(step: Step) -> Result:
    plain = step.op in ("Add", "Sub", "Mul")  # torch takes a plain number there
    other = step.operand(1) if plain else step.ref(1)
    return step.call(_PAIRS[step.op], self=step.ref(0), other=other)


@reads(*_COMPARED)
def compare(step: Step) -> Result:
    other = step.operand(1)
    kind = "Tensor" if isinstance(other, Ref) else "Scalar"
    return step.call(f"{_COMPARED[step.op]}.{kind}", self=step.ref(0), other=other)


@reads("Div")
def divide(step: Step) -> Result:
    if step.is_float(0):
        return step.call("div.Tensor", self=step.ref(0), other=step.operand(1))
    return step.call(
        "div.Tensor_mode", self=step.ref(0), other=step.ref(1), rounding_mode="trunc"
    )  # fmt: skip


@reads("Mod")
def modulo(step: Step) -> Result:
    name = "fmod.Tensor" if step.integer("fmod", 0) else "remainder.Tensor"
    return step.call(name, self=step.ref(0), other=step.ref(1))


@reads("Pow")
def power(step: Step) -> Result:
    exponent = step.operand(1)
    if isinstance(exponent, Ref):
        made = step.call("pow.Tensor_Tensor", self=step.ref(0), exponent=exponent)
    else:
        made = step.call("pow.Tensor_Scalar", self=step.ref(0), exponent=exponent)
    if step.dtype(0) == step.dtype(1):
        return made
    return step.call("to.dtype", self=made, dtype=Dtype(step.dtype(0)))  # ONNX keeps the base's


@reads(*_MANY)
def many(step: Step) -> Result:
    n = len(step.node.input)
    made = step.ref(0)
    for at in range(1, n):
        made = step.call(_MANY[step.op], self=made, other=step.ref(at))
    if step.op == "Mean" and n > 1:
        made = step.call("div.Tensor", self=made, other=n)
    return made if step.drafts else step.value(0)


@reads("Where")
def where(step: Step) -> Result:
    return step.call("where.self", condition=step.ref(0), self=step.ref(1), other=step.ref(2))


@reads("Cast", "CastLike")
def cast(step: Step) -> Result:
    dtype = DTYPES.get(step.integer("to", 0)) if step.op == "Cast" else step.dtype(1)
    if not dtype:
        raise step.unfit("it gives numbers of a type that is not read")
    if dtype == step.dtype(0):
        return step.value(0)
    return step.call("to.dtype", self=step.ref(0), dtype=Dtype(dtype))


@reads("LeakyRelu")
def leaky(step: Step) -> Result:
    return step.call(
        "leaky_relu", self=step.ref(0), negative_slope=step.number("alpha", 0.01)
    )  # fmt: skip


@reads("PRelu")
def prelu(step: Step) -> Result:
    """One slope for all or one for each channel; any other shape by its formula."""
    x, slope, shape = step.ref(0), step.ref(1), step.shape(1)
    over = tuple(size for size in shape if size != 1)
    channels = len(shape) == step.rank(0) - 1 and shape[1:] == (1,) * (len(shape) - 1)
    if not over or channels:
        slope = step.call("reshape", self=slope, shape=(-1,))
        return step.call("prelu", self=x, weight=slope)
    below = step.call("mul.Tensor", self=slope, other=step.call("clamp_max", self=x, max=0))
    return step.call("add.Tensor", self=step.call("relu", self=x), other=below)


@reads("Elu", "Celu", "Selu")
def elu(step: Step) -> Result:
    if step.op == "Selu":
        alpha = step.number("alpha", 1.6732632423543772)
        return step.call(
            "elu", self=step.ref(0), alpha=alpha, scale=step.number("gamma", 1.0507009873554805)
        )  # fmt: skip
    alpha = step.number("alpha", 1.0)
    if step.op == "Elu":
        return step.call("elu", self=step.ref(0), alpha=alpha)
    if not alpha:
        raise Malformed("its alpha is 0")
    return step.call("elu", self=step.ref(0), alpha=alpha, scale=1, input_scale=1 / alpha)


@reads("HardSigmoid")
def hard_sigmoid(step: Step) -> Result:
    alpha, beta = step.number("alpha", 0.2), step.number("beta", 0.5)
    if abs(alpha - 1 / 6) < 1e-6 and beta == 0.5:
        return step.call("hardsigmoid", self=step.ref(0))
    made = step.call("mul.Tensor", self=step.ref(0), other=alpha)
    return step.call("clamp", self=step.call("add.Tensor", self=made, other=beta), min=0, max=1)


@reads("ThresholdedRelu")
def thresholded(step: Step) -> Result:
    return step.call(
        "threshold", self=step.ref(0), threshold=step.number("alpha", 1.0), value=0
    )  # fmt: skip


@reads("Softsign")
def softsign(step: Step) -> Result:
    below = step.call("add.Tensor", self=step.call("abs", self=step.ref(0)), other=1)
    return step.call("div.Tensor", self=step.ref(0), other=below)


@reads("Gelu")
def gelu(step: Step) -> Result:
    how = step.text("approximate", "none")
    if how not in ("none", "tanh"):
        raise Malformed(f"there is no approximation {how[:40]!r}")
    return step.call("gelu", self=step.ref(0), approximate=how)


@reads("Swish")
def swish(step: Step) -> Result:
    alpha = step.number("alpha", 1.0)
    if alpha == 1:
        return step.call("silu", self=step.ref(0))
    gate = step.call("sigmoid", self=step.call("mul.Tensor", self=step.ref(0), other=alpha))
    return step.call("mul.Tensor", self=step.ref(0), other=gate)


@reads("Clip")
def clip(step: Step) -> Result:
    made = step.ref(0)
    for at, name, operation in ((1, "min", "maximum"), (2, "max", "minimum")):
        if not step.has(at):
            continue
        value = step.value(at)
        if isinstance(value, Known) and value.array.size == 1 and value.array.dtype != object:
            number = value.array.reshape(-1)[0].item()
            made = step.call(f"clamp_{name}", self=made, **{name: number})
        else:
            made = step.call(operation, self=made, other=step.ref(at))
    return made if step.drafts else step.value(0)


# Reductions

_Reduce = Callable[[Step, Ref, tuple[int, ...], bool], Ref]


def _by(name: str, **more: Argument) -> _Reduce:
    def reduce(step: Step, x: Ref, axes: tuple[int, ...], keep: bool) -> Ref:
        return step.call(name, self=x, dim=axes, keepdim=keep, **more)

    return reduce


def _sum(step: Step, x: Ref, axes: tuple[int, ...], keep: bool) -> Ref:
    # torch widens sums of whole numbers, ONNX keeps their type.
    return step.call(
        "sum.dim_IntList", self=x, dim=axes, keepdim=keep, dtype=Dtype(step.dtype(0) or "float32")
    )  # fmt: skip


def _sum_square(step: Step, x: Ref, axes: tuple[int, ...], keep: bool) -> Ref:
    return _sum(step, step.call("mul.Tensor", self=x, other=x), axes, keep)


def _log_sum(step: Step, x: Ref, axes: tuple[int, ...], keep: bool) -> Ref:
    return step.call("log", self=_sum(step, x, axes, keep))


def _product(step: Step, x: Ref, axes: tuple[int, ...], keep: bool) -> Ref:
    for axis in sorted(axes, reverse=True):
        x = step.call(
            "prod.dim_int", self=x, dim=axis, keepdim=keep, dtype=Dtype(step.dtype(0) or "float32")
        )  # fmt: skip
    return x


_REDUCTIONS: dict[str, _Reduce] = {
    "ReduceMean": _by("mean.dim"), "ReduceMax": _by("amax"), "ReduceMin": _by("amin"),
    "ReduceL1": _by("linalg_vector_norm", ord=1), "ReduceL2": _by("linalg_vector_norm", ord=2),
    "ReduceLogSumExp": _by("logsumexp"), "ReduceSum": _sum, "ReduceSumSquare": _sum_square,
    "ReduceLogSum": _log_sum, "ReduceProd": _product,
}  # fmt: skip
_OF_WHOLE = {"ReduceMax", "ReduceMin", "ReduceSum", "ReduceProd", "ReduceSumSquare"}


@reads(*_REDUCTIONS)
def reduce(step: Step) -> Result:
    if not step.is_float(0) and step.op not in _OF_WHOLE:
        raise step.unfit("it averages whole numbers")
    rank = step.rank(0)
    given = step.axes(1) or ()
    if not given and step.integer("noop_with_empty_axes", 0):
        raise step.unfit("it reduces no axis")
    axes = tuple(sorted({step.axis(one, rank) for one in given} or range(rank)))
    if not axes:
        return step.value(0)
    return _REDUCTIONS[step.op](step, step.ref(0), axes, bool(step.integer("keepdims", 1)))


@reads("ArgMax", "ArgMin")
def arg(step: Step) -> Result:
    if step.integer("select_last_index", 0):
        raise step.unfit("of equal numbers it takes the last")
    axis = step.axis(step.integer("axis", 0), step.rank(0))
    return step.call(
        step.op.lower(), self=step.ref(0), dim=axis, keepdim=bool(step.integer("keepdims", 1))
    )  # fmt: skip


@reads("CumSum")
def cumsum(step: Step) -> Result:
    if step.integer("exclusive", 0):
        raise step.unfit("it leaves each number out of its own sum")
    axis = step.axis(int(step.scalar(1, 0)), step.rank(0))
    x, backwards = step.ref(0), step.integer("reverse", 0)
    if backwards:
        x = step.call("flip", self=x, dims=(axis,))
    made = step.call("cumsum", self=x, dim=axis, dtype=Dtype(step.dtype(0) or "float32"))
    return step.call("flip", self=made, dims=(axis,)) if backwards else made
