"""Layers with weights, normalisation, dropout and attention of an ONNX graph."""

import re

from ml.intake.onnx_program_step import Result, Step, reads
from ml.intake.onnx_program_values import Known
from ml.intake.schema import Malformed
from ml.program.graph import Ref

_EQUATION = re.compile(r"[a-zA-Z., ]*(->[a-zA-Z. ]*)?")
_MODES = {"bilinear": 0, "linear": 0, "nearest": 1, "bicubic": 2, "cubic": 2}
_PADDING = {"zeros": 0, "border": 1, "reflection": 2}


@reads("BatchNormalization")
def batch_norm(step: Step) -> Result | tuple[Result, ...]:
    step.refuse_used(1)
    return step.call(
        "batch_norm", input=step.ref(0), weight=step.ref(1), bias=step.ref(2),
        running_mean=step.ref(3), running_var=step.ref(4), training=False, momentum=0.1,
        eps=step.number("epsilon", 1e-5), cudnn_enabled=False,
    )  # fmt: skip


@reads("InstanceNormalization")
def instance_norm(step: Step) -> Result:
    return step.call(
        "instance_norm", input=step.ref(0), weight=step.ref(1), bias=step.ref(2),
        running_mean=None, running_var=None, use_input_stats=True, momentum=0.1,
        eps=step.number("epsilon", 1e-5), cudnn_enabled=False,
    )  # fmt: skip


@reads("GroupNormalization")
def group_norm(step: Step) -> Result:
    """With one weight for each channel: the form of opset 18, one for each group, is withdrawn."""
    return step.call(
        "group_norm", input=step.ref(0), num_groups=step.positive_integer("num_groups"),
        weight=step.ref(1), bias=step.ref(2), eps=step.number("epsilon", 1e-5),
        cudnn_enabled=False,
    )  # fmt: skip


@reads("LayerNormalization", "RMSNormalization")
def layer_norm(step: Step) -> Result:
    step.refuse_used(1)
    shape = step.shape(0)
    axis = step.axis(step.integer("axis", -1), len(shape))
    tail = tuple(size for size in shape[axis:] if size is not None)
    if len(tail) < len(shape) - axis:
        raise step.unfit("it normalises over a size that is free")
    eps, x, weight = step.number("epsilon", 1e-5), step.ref(0), step.ref(1)
    plain = step.shape(1) == tail and (not step.has(2) or step.shape(2) == tail)
    name = "layer_norm" if step.op == "LayerNormalization" else "rms_norm"
    rest = {"cudnn_enable": False} if name == "layer_norm" else {}
    if plain:
        if step.has(2):
            return step.call(name, input=x, normalized_shape=tail, weight=weight,
                             bias=step.ref(2), eps=eps, **rest)  # fmt: skip
        return step.call(name, input=x, normalized_shape=tail, weight=weight, eps=eps, **rest)
    made = step.call(name, input=x, normalized_shape=tail, eps=eps, **rest)
    made = step.call("mul.Tensor", self=made, other=weight)
    return step.call("add.Tensor", self=made, other=step.ref(2)) if step.has(2) else made


@reads("LpNormalization")
def lp_norm(step: Step) -> Result:
    power = step.integer("p", 2)
    if power not in (1, 2):
        raise Malformed(f"there is no norm {power}")
    axis = step.axis(step.integer("axis", -1), step.rank(0))
    norm = step.call(
        "linalg_vector_norm", self=step.ref(0), ord=power, dim=(axis,), keepdim=True
    )  # fmt: skip
    nothing = step.call("eq.Scalar", self=norm, other=0)
    norm = step.call("masked_fill.Scalar", self=norm, mask=nothing, value=1)
    return step.call("div.Tensor", self=step.ref(0), other=norm)


@reads("Gemm")
def gemm(step: Step) -> Result:
    alpha, beta = step.number("alpha", 1.0), step.number("beta", 1.0)
    if step.rank(0) != 2 or step.rank(1) != 2:
        raise Malformed("it multiplies what are not two matrices")
    left, right = step.ref(0), step.ref(1)
    turned = step.integer("transB", 0)
    if step.integer("transA", 0):
        left = step.call("t", self=left)
    row = not step.has(2) or step.rank(2) == 1
    if turned and alpha == beta == 1 and row:
        return step.call("linear", input=left, weight=right, bias=step.ref_or_none(2))
    if turned:
        right = step.call("t", self=right)
    if step.has(2):
        return step.call("addmm", self=step.ref(2), mat1=left, mat2=right, beta=beta, alpha=alpha)
    made = step.call("mm", self=left, mat2=right)
    return made if alpha == 1 else step.call("mul.Tensor", self=made, other=alpha)


@reads("MatMul")
def matmul(step: Step) -> Result:
    """A product with a stored matrix is a linear layer."""
    right = step.value(1)
    if isinstance(right, Known) and right.array.ndim == 2 and step.rank(0) >= 2:
        return step.call("linear", input=step.ref(0), weight=step.call("t", self=step.ref(1)))
    return step.call("matmul", self=step.ref(0), other=step.ref(1))


@reads("Einsum")
def einsum(step: Step) -> Result:
    equation = step.text("equation", "")
    if not _EQUATION.fullmatch(equation) or equation.count(",") + 1 != len(step.node.input):
        raise Malformed("its equation is not one")
    tensors = tuple(step.ref(at) for at in range(len(step.node.input)))
    return step.call("einsum", equation=equation.replace(" ", ""), tensors=tensors)


@reads("Softmax", "LogSoftmax")
def softmax(step: Step) -> Result:
    """Until opset 13 the axes from ``axis`` on were taken together."""
    name = "softmax.int" if step.op == "Softmax" else "log_softmax.int"
    shape = step.shape(0)
    if step.opset >= 13:
        return step.call(
            name, self=step.ref(0), dim=step.axis(step.integer("axis", -1), len(shape))
        )  # fmt: skip
    axis = step.axis(step.integer("axis", 1), len(shape))
    if all(size == 1 for size in shape[axis + 1 :]):
        return step.call(name, self=step.ref(0), dim=axis)
    sizes = step.dims(0)
    flat = step.call("flatten.using_ints", self=step.ref(0), start_dim=axis, end_dim=-1)
    return step.call("reshape", self=step.call(name, self=flat, dim=axis), shape=sizes)


@reads("Dropout")
def dropout(step: Step) -> Result:
    """A dropout site, whatever the mode of the export: the walk switches it."""
    step.refuse_used(1)
    rate = step.number("ratio", 0.5) if step.opset < 12 else step.scalar(1, 0.5)
    if not 0 <= rate <= 1:
        raise Malformed("its ratio is not between 0 and 1")
    return step.call("dropout", input=step.ref(0), p=_short(rate), train=False)


def _short(rate: float) -> float:
    """0.1 again, where a file holds the nearest number of single precision."""
    short = float(f"{rate:.6g}")
    return short if abs(short - rate) < 1e-7 else rate


@reads("GridSample")
def grid_sample(step: Step) -> Result:
    mode, padding = step.text("mode", "linear"), step.text("padding_mode", "zeros")
    if mode not in _MODES or padding not in _PADDING:
        raise Malformed("there is no such mode")
    return step.call(
        "grid_sampler", input=step.ref(0), grid=step.ref(1), interpolation_mode=_MODES[mode],
        padding_mode=_PADDING[padding], align_corners=bool(step.integer("align_corners", 0)),
    )  # fmt: skip


@reads("Attention")
def attention(step: Step) -> Result:
    """Scaled dot-product attention of heads that are an axis of their own."""
    step.refuse_used(1)
    odd = step.number("softcap", 0) or step.integer("qk_matmul_output_mode", 0)
    if odd or any(step.has(at) for at in (4, 5, 6)) or {step.rank(at) for at in range(3)} != {4}:
        raise step.unfit("it keeps earlier keys, or its heads are no axis of their own")
    scale = step.number("scale", 0.0)
    masked: Ref | None = step.ref_or_none(3)
    causal = bool(step.integer("is_causal", 0))
    if causal and masked is not None:
        raise step.unfit("it has a mask and is causal as well")
    heads = step.shape(0)[1] != step.shape(1)[1]
    return step.call(
        "scaled_dot_product_attention", query=step.ref(0), key=step.ref(1), value=step.ref(2),
        attn_mask=masked, is_causal=causal, scale=scale or None, enable_gqa=heads,
    )  # fmt: skip
