"""How each operation of a network of pictures is written in ONNX; see ``ml.program.to_onnx``."""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from ml.program.graph import Node, Ref

if TYPE_CHECKING:
    from ml.program.to_onnx import Graph

Rule = Callable[["Graph", Node], object]


class NotWritten(Exception):
    """The program has something that has no rule here; says what."""


def _nothing(graph: "Graph", node: Node) -> None:
    """Sizes: the trial walks know them."""


def _plain(kind: str, **attributes: Any) -> Rule:
    def write(graph: "Graph", node: Node) -> str:
        return graph.add(kind, [graph.ref(node, _first(node))], node.name, **attributes)

    return write


def _reshaped(graph: "Graph", node: Node) -> str:
    return graph.reshaped(graph.ref(node, _first(node)), node.name)


def _binary(kind: str, *, turned: bool = False) -> Rule:
    def write(graph: "Graph", node: Node) -> str:
        _only(node, alpha=1)
        given = [graph.value(node.arguments[key]) for key in ("self", "other")]
        return graph.add(kind, given[::-1] if turned else given, node.name)

    return write


def _conv(graph: "Graph", node: Node) -> str:
    pad = _pair(node, "padding", 0)
    return graph.add(
        "Conv", _given(graph, node, "input", "weight", "bias"), node.name,
        strides=_pair(node, "stride", 1), pads=[*pad, *pad],
        dilations=_pair(node, "dilation", 1), group=_number(node, "groups", 1),
    )  # fmt: skip


def _conv_transpose(graph: "Graph", node: Node) -> str:
    pad = _pair(node, "padding", 0)
    return graph.add(
        "ConvTranspose", _given(graph, node, "input", "weight", "bias"), node.name,
        strides=_pair(node, "stride", 1), pads=[*pad, *pad],
        dilations=_pair(node, "dilation", 1), group=_number(node, "groups", 1),
        output_padding=_pair(node, "output_padding", 0),
    )  # fmt: skip


def _linear(graph: "Graph", node: Node) -> str:
    source, bias = graph.ref(node, "input"), graph.ref(node, "bias")
    weight = graph.ref(node, "weight")
    if len(graph.shape(source)) == 2 and len(graph.shape(weight)) == 2:
        return graph.add("Gemm", [source, weight, *filter(None, [bias])], node.name, transB=1)
    stored = graph.weight(node, "weight")
    turned = (
        graph.add("Transpose", [weight], perm=[1, 0])
        if stored is None
        else graph.constant(np.asarray(stored).T)
    )
    product = graph.add("MatMul", [source, turned], "" if bias else node.name)
    return graph.add("Add", [product, bias], node.name) if bias else product


def _addmm(graph: "Graph", node: Node) -> str:
    given = [graph.ref(node, key) for key in ("mat1", "mat2", "self")]
    scale = {key: float(_number(node, key, 1)) for key in ("alpha", "beta")}
    return graph.add("Gemm", given, node.name, **scale)


def _product(graph: "Graph", node: Node) -> str:
    given = [graph.ref(node, key) for key in (_first(node), node.operation.parameters[1].name)]
    return graph.add("MatMul", given, node.name)


def _einsum(graph: "Graph", node: Node) -> str:
    given = [graph.value(one) for one in _many(node, "tensors")]
    return graph.add("Einsum", given, node.name, equation=node.arguments["equation"])


def _attention(graph: "Graph", node: Node) -> str:
    _only(node, is_causal=False, enable_gqa=False, dropout_p=0.0)
    query, key, value, mask = (
        graph.ref(node, name) for name in ("query", "key", "value", "attn_mask")
    )
    sides = len(graph.shape(key))
    turned = graph.add("Transpose", [key], perm=[*range(sides - 2), sides - 1, sides - 2])
    scale = node.arguments.get("scale")
    factor = graph.shape(query)[-1] ** -0.5 if scale is None else float(cast(float, scale))
    small = graph.add("Mul", [query, graph.value(factor)])
    found = graph.add("MatMul", [small, turned])
    if mask:
        found = graph.add("Add", [found, mask])
    shares = graph.add("Softmax", [found], axis=-1)
    return graph.add("MatMul", [shares, value], node.name)


def _batch_norm(graph: "Graph", node: Node) -> str:
    if node.arguments.get("running_mean") is None:
        raise NotWritten("normalisation by the statistics of the batch is not written")
    ones, zeros = _filled(graph, node)
    given = [
        graph.ref(node, key) or other
        for key, other in (("input", ""), ("weight", ones), ("bias", zeros),
                           ("running_mean", zeros), ("running_var", ones))
    ]  # fmt: skip
    return graph.add("BatchNormalization", given, node.name, epsilon=node.arguments["eps"])


def _instance_norm(graph: "Graph", node: Node) -> str:
    if node.arguments.get("running_mean") is not None:
        return _batch_norm(graph, node)
    ones, zeros = _filled(graph, node)
    given = [
        graph.ref(node, "input"), graph.ref(node, "weight") or ones,
        graph.ref(node, "bias") or zeros,
    ]  # fmt: skip
    return graph.add("InstanceNormalization", given, node.name, epsilon=node.arguments["eps"])


def _group_norm(graph: "Graph", node: Node) -> str:
    """Groups as instances of a longer row; the factors of channels come after."""
    groups, source = _number(node, "num_groups", 1), graph.ref(node, "input")
    rows = graph.add("Reshape", [source, graph.sizes([0, groups, -1])])
    ones, zeros = (graph.constant(np.full(groups, n, np.float32)) for n in (1, 0))
    eps = node.arguments.get("eps", 1e-5)
    normal = graph.add("InstanceNormalization", [rows, ones, zeros], epsilon=eps)
    factors = [
        (kind, graph.constant(_per_channel(graph, node, key)))
        for kind, key in (("Mul", "weight"), ("Add", "bias"))
        if node.arguments.get(key) is not None
    ]
    found = graph.reshaped_as(normal, node.name, "" if factors else node.name)
    for at, (kind, factor) in enumerate(factors, 1):
        found = graph.add(kind, [found, factor], node.name if at == len(factors) else "")
    return found


def _layer_norm(graph: "Graph", node: Node) -> str:
    shape = cast(tuple[int, ...], node.arguments["normalized_shape"])
    weight = graph.ref(node, "weight") or graph.constant(np.ones(shape, np.float32))
    given = [graph.ref(node, "input"), weight, *filter(None, [graph.ref(node, "bias")])]
    eps = node.arguments.get("eps", 1e-5)
    return graph.add("LayerNormalization", given, node.name, axis=-len(shape), epsilon=eps)


def _prelu(graph: "Graph", node: Node) -> str:
    slope = graph.constant(_per_channel(graph, node, "weight", of="self"))
    return graph.add("PRelu", [graph.ref(node, "self"), slope], node.name)


def _silu(graph: "Graph", node: Node) -> str:
    source = graph.ref(node, "self")
    return graph.add("Mul", [source, graph.add("Sigmoid", [source])], node.name)


def _gelu(graph: "Graph", node: Node) -> str:
    kind = node.arguments.get("approximate", "none")
    return graph.add("Gelu", [graph.ref(node, "self")], node.name, approximate=kind)


def _leaky_relu(graph: "Graph", node: Node) -> str:
    slope = float(cast(float, node.arguments.get("negative_slope", 0.01)))
    return graph.add("LeakyRelu", [graph.ref(node, "self")], node.name, alpha=slope)


def _elu(graph: "Graph", node: Node) -> str:
    _only(node, scale=1, input_scale=1)
    alpha = float(_number(node, "alpha", 1))
    return graph.add("Elu", [graph.ref(node, "self")], node.name, alpha=alpha)


def _clip(low: str, high: str, otherwise: tuple[float, float] | None = None) -> Rule:
    def write(graph: "Graph", node: Node) -> str:
        both = zip((low, high), otherwise or (None, None), strict=True)
        given = [node.arguments.get(key, other) for key, other in both]
        ends = ["" if end is None else graph.value(end) for end in given]
        return graph.add("Clip", [graph.ref(node, "self"), *ends], node.name)

    return write


def _softmax(graph: "Graph", node: Node) -> str:
    return graph.add("Softmax", [graph.ref(node, "self")], node.name, axis=_number(node, "dim", 0))


def _pool(kind: str) -> Rule:
    def write(graph: "Graph", node: Node) -> str:
        _only(node, divisor_override=None)
        pad, size = _pair(node, "padding", 0), _pair(node, "kernel_size", 1)
        stride = _pair(node, "stride", 1) if node.arguments.get("stride") else size
        more: dict[str, Any] = (
            {"count_include_pad": int(bool(node.arguments.get("count_include_pad", True)))}
            if kind == "AveragePool"
            else {"dilations": _pair(node, "dilation", 1)}
        )
        return graph.add(
            kind, [graph.ref(node, "self")], node.name, kernel_shape=size, strides=stride,
            pads=[*pad, *pad], ceil_mode=int(bool(node.arguments.get("ceil_mode", False))), **more,
        )  # fmt: skip

    return write


def _adaptive(graph: "Graph", node: Node) -> str:
    source = graph.ref(node, "self")
    sides, wanted = graph.shape(source)[-2:], graph.two[node.name][-2:]
    if wanted == (1, 1):
        return graph.add("GlobalAveragePool", [source], node.name)
    if any(side % want for side, want in zip(sides, wanted, strict=True)):
        raise NotWritten(f"pooling of {sides} to {wanted} is not written")
    size = [side // want for side, want in zip(sides, wanted, strict=True)]
    return graph.add("AveragePool", [source], node.name, kernel_shape=size, strides=size)


def _mean(graph: "Graph", node: Node) -> str:
    source = graph.ref(node, "self")
    n = len(graph.shape(source))
    axes = sorted(axis % n for axis in cast(tuple[int, ...], node.arguments["dim"] or range(n)))
    keep = bool(node.arguments.get("keepdim", False))
    if n == 4 and axes == [2, 3]:  # this one stays in the layout of convolutions
        pooled = graph.add("GlobalAveragePool", [source], node.name if keep else "")
        return pooled if keep else graph.reshaped(pooled, node.name)
    return graph.add("ReduceMean", [source, graph.sizes(axes)], node.name, keepdims=int(keep))


def _cat(graph: "Graph", node: Node) -> str:
    given = [graph.value(one) for one in _many(node, "tensors")]
    return graph.add("Concat", given, node.name, axis=_number(node, "dim", 0))


def _permute(graph: "Graph", node: Node) -> str:
    source = graph.ref(node, "self")
    n = len(graph.shape(source))
    order = list(range(n))
    if node.operation.base == "permute":
        order = [axis % n for axis in cast(tuple[int, ...], node.arguments["dims"])]
    else:
        first, second = (
            (0, 1) if node.operation.base == "t" else
            (_number(node, "dim0", 0) % n, _number(node, "dim1", 0) % n)
        )  # fmt: skip
        order[first], order[second] = order[second], order[first]
    return graph.add("Transpose", [source], node.name, perm=order)


def _select(graph: "Graph", node: Node) -> str:
    index = graph.constant(np.array(_number(node, "index", 0), dtype=np.int64))
    axis = _number(node, "dim", 0)
    return graph.add("Gather", [graph.ref(node, "self"), index], node.name, axis=axis)


def _unbind(graph: "Graph", node: Node) -> None:
    source, axis = graph.ref(node, "self"), _number(node, "dim", 0)
    for at, name in enumerate(node.outputs):
        if name:
            index = graph.constant(np.array(at, dtype=np.int64))
            graph.add("Gather", [source, index], name, axis=axis)


def _slice(graph: "Graph", node: Node) -> str:
    start, end, step = (
        _number(node, key, other) for key, other in (("start", 0), ("end", 2**62), ("step", 1))
    )
    ends = [graph.sizes([n]) for n in (start, end, _number(node, "dim", 0), step)]
    return graph.add("Slice", [graph.ref(node, "self"), *ends], node.name)


def _split(graph: "Graph", node: Node) -> None:
    source, axis, at = graph.ref(node, "self"), _number(node, "dim", 0), 0
    for name in node.outputs:
        if not name:
            raise NotWritten("a part of a split is not used")
        if graph.free(name)[axis] is None:
            raise NotWritten("cases are split")
        end = at + graph.two[name][axis]
        graph.add("Slice", [source, *(graph.sizes([n]) for n in (at, end, axis))], name)
        at = end


def _expand(graph: "Graph", node: Node) -> str:
    return graph.add("Expand", [graph.ref(node, "self"), graph.grown(node.name)], node.name)


def _pad(graph: "Graph", node: Node) -> str:
    _only(node, mode="constant")
    widths = cast(tuple[int, ...], node.arguments["pad"])
    if not all(isinstance(width, int) for width in widths):
        raise NotWritten("padding by a computed width is not written")
    n = len(graph.shape(graph.ref(node, "self")))
    sides = [(0, 0)] * (n - len(widths) // 2)
    sides += [(widths[at], widths[at + 1]) for at in range(len(widths) - 2, -1, -2)]
    pads = graph.sizes([low for low, _ in sides] + [high for _, high in sides])
    value = graph.value(float(cast(float, node.arguments.get("value") or 0)))
    return graph.add("Pad", [graph.ref(node, "self"), pads, value], node.name)


def _upsample(kind: str) -> Rule:
    def write(graph: "Graph", node: Node) -> str:
        source = graph.ref(node, "input")
        before, after = graph.shape(source)[2:], graph.two[node.name][2:]
        factors = [new / old for new, old in zip(after, before, strict=True)]
        where = "asymmetric" if kind == "nearest" else "half_pixel"
        if node.arguments.get("align_corners"):
            where = "align_corners"
        scales = graph.constant(np.array([1, 1, *factors], dtype=np.float32))
        more = {"nearest_mode": "floor"} if kind == "nearest" else {}
        return graph.add(
            "Resize", [source, "", scales], node.name, mode=kind,
            coordinate_transformation_mode=where, **more,
        )  # fmt: skip

    return write


def _first(node: Node) -> str:
    return node.operation.parameters[0].name


def _given(graph: "Graph", node: Node, *names: str) -> list[str]:
    """Values of a layer of pictures; those left out at the end are left out."""
    if len(graph.shape(graph.ref(node, names[0]))) != 4:
        raise NotWritten(f"{node.operation.name} of a single picture is not written")
    return [name for name in (graph.ref(node, one) for one in names) if name]


def _filled(graph: "Graph", node: Node) -> tuple[str, str]:
    channels = graph.shape(graph.ref(node, "input"))[1]
    ones, zeros = (graph.constant(np.full(channels, n, np.float32)) for n in (1, 0))
    return ones, zeros


def _per_channel(
    graph: "Graph", node: Node, key: str, of: str = "input"
) -> np.ndarray[Any, np.dtype[np.float32]]:
    """A stored vector of channels, shaped to be spread over a picture."""
    stored = graph.weight(node, key)
    if stored is None:
        raise NotWritten(f"{node.operation.name} computes its {key}")
    sides = (1,) * (len(graph.shape(graph.ref(node, of))) - 2)
    return np.asarray(stored, dtype=np.float32).reshape(-1, *sides)


def _many(node: Node, key: str) -> tuple[Ref, ...]:
    return cast(tuple[Ref, ...], node.arguments[key])


def _number(node: Node, key: str, otherwise: int) -> int:
    found = node.arguments.get(key)
    if found is None:
        return otherwise
    if not isinstance(found, (int, float)):
        raise NotWritten(f"{node.operation.name} takes a computed {key}")
    return cast(int, found)


def _pair(node: Node, key: str, otherwise: int) -> list[int]:
    found = node.arguments.get(key, otherwise)
    numbers = found if isinstance(found, tuple) else (found,)
    if not all(isinstance(one, int) for one in numbers):
        raise NotWritten(f"{node.operation.name} takes a computed {key}")
    return [cast(int, numbers[0]), cast(int, numbers[-1])]


def _only(node: Node, **known: object) -> None:
    """Raises NotWritten where an argument is not what rules here know."""
    for key, value in known.items():
        if node.arguments.get(key, value) != value:
            raise NotWritten(f"{node.operation.name} with {key} is not written")


RULES: Mapping[str, Rule] = {
    **dict.fromkeys(("sym_size.int", "sym_numel", "add.int", "sub.int", "mul.int",
                     "floordiv.int"), _nothing),
    **dict.fromkeys(("view", "reshape", "_unsafe_view", "flatten.using_ints", "squeeze",
                     "squeeze.dim", "squeeze.dims", "unsqueeze", "unflatten.int"), _reshaped),
    **dict.fromkeys(("dropout", "feature_dropout", "alpha_dropout", "feature_alpha_dropout",
                     "contiguous", "clone", "alias", "detach"), _plain("Identity")),
    **dict.fromkeys(("add.Tensor", "add.Scalar"), _binary("Add")),
    **dict.fromkeys(("sub.Tensor", "sub.Scalar"), _binary("Sub")),
    **dict.fromkeys(("mul.Tensor", "mul.Scalar"), _binary("Mul")),
    **dict.fromkeys(("div.Tensor", "div.Scalar"), _binary("Div")),
    **dict.fromkeys(("matmul", "bmm", "mm"), _product),
    **dict.fromkeys(("permute", "transpose.int", "t"), _permute),
    **dict.fromkeys(("split.Tensor", "split_with_sizes", "chunk"), _split),
    **dict.fromkeys(("expand", "expand_as"), _expand),
    **dict.fromkeys(("pad", "constant_pad_nd"), _pad),
    "rsub.Scalar": _binary("Sub", turned=True),
    "conv2d": _conv, "conv_transpose2d.input": _conv_transpose, "linear": _linear,
    "addmm": _addmm, "einsum": _einsum, "scaled_dot_product_attention": _attention,
    "batch_norm": _batch_norm, "instance_norm": _instance_norm, "group_norm": _group_norm,
    "layer_norm": _layer_norm,
    "relu": _plain("Relu"), "sigmoid": _plain("Sigmoid"), "tanh": _plain("Tanh"),
    "hardswish": _plain("HardSwish"), "hardsigmoid": _plain("HardSigmoid", alpha=1 / 6, beta=0.5),
    "mish": _plain("Mish"), "exp": _plain("Exp"), "sqrt": _plain("Sqrt"),
    "silu": _silu, "gelu": _gelu, "leaky_relu": _leaky_relu, "elu": _elu, "prelu": _prelu,
    "relu6": _clip("", "", (0.0, 6.0)), "hardtanh": _clip("min_val", "max_val", (-1.0, 1.0)),
    "clamp": _clip("min", "max"), "softmax.int": _softmax,
    "max_pool2d": _pool("MaxPool"), "avg_pool2d": _pool("AveragePool"),
    "adaptive_avg_pool2d": _adaptive, "mean.dim": _mean,
    "cat": _cat, "select.int": _select, "unbind.int": _unbind, "slice.Tensor": _slice,
    "upsample_nearest2d.vec": _upsample("nearest"), "upsample_bilinear2d.vec": _upsample("linear"),
}  # fmt: skip
