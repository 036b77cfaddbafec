"""For each operation, which places of what it reads one place of its result depends on."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from math import prod
from typing import cast

from ml.program.graph import Argument, Node, Ref, where

Shape = tuple[int, ...]


@dataclass(frozen=True)
class Step:
    """Back along one axis: place o depends on (o * stride + low) // per to (.. + high) // per."""

    stride: int = 1
    low: int = 0
    high: int = 0
    per: int = 1

    def back(self, first: int, last: int) -> tuple[int, int]:
        """The interval that the interval depends on.

        Example:
            >>> Step(stride=2, low=-1, high=1).back(3, 3)  # 3 wide, stride 2, padding 1
            (5, 7)
        """
        low, high = first * self.stride + self.low, last * self.stride + self.high
        return low // self.per, high // self.per


STILL = Step()


@dataclass(frozen=True)
class Traced:
    """A value whose places are places of the picture.

    Attributes:
        dims: its dimensions that are the picture's axes, in their order.
        sources: the values it is made of place by place, with a step for each axis.
        whole: a sentence where it takes numbers of the whole picture besides; "" if not.
    """

    dims: tuple[int, ...]
    sources: tuple[tuple[str, tuple[Step, ...]], ...] = ()
    whole: str = ""


@dataclass(frozen=True)
class Untraced:
    """A value that depends on the picture in a way that is not followed; a sentence says why."""

    reason: str


Values = Mapping[str, Traced | Untraced]
Shapes = Mapping[str, Shape]
ELEMENTWISE = {
    "_to_copy", "abs", "add", "alias", "ceil", "clamp", "clamp_max", "clamp_min", "clone",
    "contiguous", "cos", "detach", "div", "elu", "eq", "erf", "exp", "floor", "fmod", "ge", "gelu",
    "gt", "hardsigmoid", "hardswish", "hardtanh", "isnan", "le", "leaky_relu", "lift_fresh_copy",
    "log", "logical_and", "logical_not", "logical_or", "logical_xor", "lt", "masked_fill",
    "maximum", "minimum", "mish", "mul", "ne", "neg", "pow", "prelu", "reciprocal", "relu", "relu6",
    "remainder", "round", "rsqrt", "rsub", "selu", "sigmoid", "sign", "silu", "sin", "softplus",
    "sqrt", "square", "sub", "tanh", "threshold", "to", "type_as", "where", "dropout",
    "feature_dropout", "alpha_dropout", "feature_alpha_dropout",
}  # fmt: skip
_OF_SIZES = {"sym_size", "sym_numel", "zeros_like", "ones_like", "full_like", "new_full",
             "new_ones", "new_zeros"}  # fmt: skip


def follow(node: Node, values: Values, shapes: Shapes) -> Traced | Untraced | None:
    """Where the result of a node comes from; None if it does not depend on the picture.

    Args:
        values: those before it that depend on the picture.
        shapes: of all values.
    """
    read = [name for name in node.uses if name in values]
    if not read or node.operation.base in _OF_SIZES or node.name not in shapes:
        return None
    lost = [found for name in read if isinstance(found := values[name], Untraced)]
    traced = [name for name in read if isinstance(values[name], Traced)]
    if not traced:
        return lost[0]
    rule = _RULES.get(node.operation.base)
    try:
        found = rule(_Call(node, traced, values, shapes)) if rule else _unknown(node)
    except TypeError:  # a size that the network computes itself
        found = _unknown(node)
    if isinstance(found, Untraced):
        return found
    whole = [cast(Traced, values[name]).whole for name in traced] + [one.reason for one in lost]
    return replace(found, whole=next(filter(None, [*whole, found.whole]), ""))


@dataclass(frozen=True)
class _Call:
    node: Node
    traced: list[str]
    values: Values
    shapes: Shapes

    @property
    def source(self) -> str:
        return self.traced[0]

    @property
    def dims(self) -> tuple[int, ...]:
        return cast(Traced, self.values[self.source]).dims

    @property
    def shape(self) -> Shape:
        return self.shapes[self.source]

    @property
    def result(self) -> Shape:
        return self.shapes[self.node.name]

    def given(self, name: str, default: Argument = None) -> Argument:
        found = self.node.arguments.get(name, default)
        return default if found is None or found == () else found

    def shapes_of(self, name: str) -> Shape:
        return self.shapes[cast(Ref, self.node.arguments[name]).name]

    def per_axis(self, name: str, default: int) -> tuple[int, ...]:
        """A size for each axis, as torch takes them: one for all, or one each.

        Raises:
            TypeError: where it is computed by the network.
        """
        found = self.given(name, default)
        many = found if isinstance(found, tuple) else (found,)
        if not all(type(one) is int for one in many):
            raise TypeError(name)
        sizes = cast(tuple[int, ...], many)
        return sizes * len(self.dims) if len(sizes) == 1 else sizes

    def dim(self, name: str, default: int = 0) -> int:
        found = cast(int, self.given(name, default))
        return found % len(self.shape)

    def made(self, steps: tuple[Step, ...] | None = None, dims: Shape | None = None) -> Traced:
        steps = steps or (STILL,) * len(self.dims)
        return Traced(self.dims if dims is None else dims, ((self.source, steps),))


_Rule = Callable[[_Call], Traced | Untraced]


def _unknown(node: Node) -> Untraced:
    return Untraced(f"{node.operation.base} ({where(node)}) is not followed place by place.")


def _all(call: _Call, what: str) -> Untraced:
    return Untraced(f"{what} ({where(call.node)}): every place takes part.")


def _elementwise(call: _Call) -> Traced | Untraced:
    """What is alike goes on place by place; what one number stands for all of, is of the whole."""
    result, sources, dims = call.result, [], None
    for name in call.traced:
        shift = len(result) - len(call.shapes[name])
        own = tuple(dim + shift for dim in cast(Traced, call.values[name]).dims)
        if any(result[dim] != call.shapes[name][dim - shift] for dim in own):
            return _all(call, "A value of one place is spread over all")
        if dims not in (None, own):
            return _unknown(call.node)
        dims = own
        sources.append((name, (STILL,) * len(own)))
    return Traced(dims or (), tuple(sources))


def _window(call: _Call, kernel: Shape) -> Traced | Untraced:
    if call.dims != tuple(range(len(call.shape) - len(kernel), len(call.shape))):
        return _unknown(call.node)  # a window over channels
    stride = call.per_axis("stride", 1)
    if "pool" in call.node.operation.base and not call.given("stride"):
        stride = kernel
    dilation = call.per_axis("dilation", 1)
    if call.given("padding") == "same":  # the odd one goes to the end
        padding = tuple(d * (k - 1) // 2 for k, d in zip(kernel, dilation, strict=True))
    else:
        padding = call.per_axis("padding", 0) if call.given("padding") != "valid" else (0,) * 9
    if "transpose" in call.node.operation.base or call.given("transposed") is True:
        return call.made(tuple(
            Step(1, p - (k - 1) * d + s - 1, p, s)
            for k, s, p, d in zip(kernel, stride, padding, dilation, strict=False)
        ))  # fmt: skip
    return call.made(tuple(
        Step(s, -p, (k - 1) * d - p)
        for k, s, p, d in zip(kernel, stride, padding, dilation, strict=False)
    ))  # fmt: skip


def _convolution(call: _Call) -> Traced | Untraced:
    if len(call.traced) > 1:
        return _unknown(call.node)  # a kernel computed from the picture
    return _window(call, call.shapes_of("weight")[2:])


def _pool(call: _Call) -> Traced | Untraced:
    return _window(call, call.per_axis("kernel_size", 1))


def _adaptive(call: _Call) -> Traced | Untraced:
    before = [call.shape[dim] for dim in call.dims]
    after = call.result[len(call.result) - len(before) :]
    if any(n > 1 and m == 1 for n, m in zip(before, after, strict=True)):
        return _all(call, "Pooling over the whole picture")
    return call.made(tuple(Step(n, 0, n - 1, m) for n, m in zip(before, after, strict=True)))


def _reduced(call: _Call) -> Traced | Untraced:
    given = call.given("dim", tuple(range(len(call.shape))))
    gone = {
        int(str(one)) % len(call.shape) for one in (given if isinstance(given, tuple) else (given,))
    }
    if any(dim in gone and call.shape[dim] > 1 for dim in call.dims):
        return _all(call, f"{call.node.operation.base} over the whole picture")
    kept = call.given("keepdim") is True
    lower = [0 if kept else sum(one < dim for one in gone) for dim in call.dims]
    if any(dim in gone for dim in call.dims) and not kept:
        return _unknown(call.node)
    return call.made(dims=tuple(d - less for d, less in zip(call.dims, lower, strict=True)))


def _along(call: _Call) -> Traced | Untraced:
    """Softmax and the like: over channels each place is its own."""
    if call.dim("dim", -1) in call.dims:
        return _all(call, f"{call.node.operation.base} over places")
    return call.made()


def _normalised(call: _Call) -> Traced:
    """Statistics of the picture take part, besides what stands at the place."""
    return replace(call.made(), whole=(
        f"{call.node.operation.base} ({where(call.node)}) takes mean and variance of the whole "
        "picture."
    ))  # fmt: skip


def _instance(call: _Call) -> Traced:
    return call.made() if call.given("running_mean") is not None else _normalised(call)


def _layer_norm(call: _Call) -> Traced:
    count = len(cast(tuple[int, ...], call.given("normalized_shape", ())))
    inside = any(dim >= len(call.shape) - count for dim in call.dims)
    return _normalised(call) if inside else call.made()


def _linear(call: _Call) -> Traced | Untraced:
    if len(call.traced) > 1 or len(call.shape) - 1 in call.dims or call.source not in (
        getattr(call.given(name), "name", "") for name in ("input", "self", "mat1", "batch1")
    ):  # fmt: skip
        return _all(call, "A product over places, such as attention")
    moved = len(call.result) - len(call.shape)
    return call.made(dims=tuple(dim + moved for dim in call.dims))


def _mixed(call: _Call) -> Untraced:
    return _all(call, "Attention")


def _permuted(call: _Call) -> Traced | Untraced:
    count, base = len(call.shape), call.node.operation.base
    order = list(range(count))
    if base == "permute":
        order = [one % count for one in cast(tuple[int, ...], call.given("dims"))]
    elif base in ("transpose", "swapaxes", "t"):
        names = ("axis0", "axis1") if base == "swapaxes" else ("dim0", "dim1")
        first, second = (0, 1) if base == "t" else (call.dim(names[0]), call.dim(names[1]))
        order[first], order[second] = order[second], order[first]
    else:
        return _unknown(call.node)
    return call.made(dims=tuple(order.index(dim) for dim in call.dims))


def _reshaped(call: _Call) -> Traced | Untraced:
    """The picture's axes are found again where as much stands before them as did."""
    found = []
    for dim in call.dims:
        before, side = prod(call.shape[:dim]), call.shape[dim]
        same = [
            at for at, other in enumerate(call.result)
            if other == side and prod(call.result[:at]) == before and at not in found
        ]  # fmt: skip
        if not same:
            return Untraced(f"The picture is laid out anew ({where(call.node)}).")
        found.append(same[-1] if side == 1 else same[0])
    return call.made(dims=tuple(found))


def _joined(call: _Call) -> Traced | Untraced:
    stacked = call.node.operation.base == "stack"
    at = cast(int, call.given("dim", 0)) % len(call.result)
    alike = {cast(Traced, call.values[name]).dims for name in call.traced}
    if len(alike) > 1 or (not stacked and at in call.dims):
        return _unknown(call.node)
    dims = tuple(dim + (stacked and dim >= at) for dim in call.dims)
    return Traced(dims, tuple((name, (STILL,) * len(dims)) for name in call.traced))


def _sliced(call: _Call) -> Traced | Untraced:
    dim = call.dim("dim")
    if dim not in call.dims:
        return call.made()
    start, step = call.given("start", 0), call.given("step", 1)
    if type(start) is not int or type(step) is not int:
        return _unknown(call.node)
    side = call.shape[dim]
    first = max(start + side, 0) if start < 0 else min(start, side)
    return call.made(tuple(
        Step(step, first, first) if one == dim else STILL for one in call.dims
    ))  # fmt: skip


def _split(call: _Call) -> Traced | Untraced:
    return _unknown(call.node) if call.dim("dim") in call.dims else call.made()


def _taken(call: _Call) -> Traced | Untraced:
    """select, unbind: one dimension goes."""
    gone = call.dim("dim")
    if gone in call.dims:
        return _unknown(call.node)
    return call.made(dims=tuple(dim - (dim > gone) for dim in call.dims))


def _padded(call: _Call) -> Traced | Untraced:
    sides = cast(tuple[int, ...], call.given("pad", ()))
    if call.given("mode", "constant") != "constant" or not all(type(s) is int for s in sides):
        return _unknown(call.node)
    left = {len(call.shape) - 1 - at: sides[2 * at] for at in range(len(sides) // 2)}
    return call.made(tuple(
        Step(1, -left.get(dim, 0), -left.get(dim, 0)) for dim in call.dims
    ))  # fmt: skip


def _resized(call: _Call) -> Traced | Untraced:
    base, corners = call.node.operation.base, call.given("align_corners") is True
    before = [call.shape[dim] for dim in call.dims]
    after = [call.result[dim] for dim in call.dims]
    scales = call.given("scale_factors", ())
    exact = all(
        n * scale == m
        for n, m, scale in zip(before, after, cast(tuple[float, ...], scales), strict=False)
    )
    if "bicubic" in base or not exact:
        return _unknown(call.node)
    sides = list(zip(before, after, strict=True))
    if "nearest" in base:
        return call.made(tuple(Step(n, 0, 0, m) for n, m in sides))
    if corners:
        return call.made(tuple(
            Step(n - 1, 0, m - 2, m - 1) if m > 1 else STILL for n, m in sides
        ))  # fmt: skip
    return call.made(tuple(Step(2 * n, n - m, n + m - 1, 2 * m) for n, m in sides))


def _shuffled(call: _Call) -> Traced | Untraced:
    factor = call.given("upscale_factor")
    if type(factor) is int:
        return call.made((Step(1, 0, 0, factor),) * len(call.dims))
    factor = cast(int, call.given("downscale_factor"))
    return call.made((Step(factor, 0, factor - 1),) * len(call.dims))


_GROUPS: dict[_Rule, str] = {
    _convolution: "conv1d conv2d conv3d convolution conv_transpose1d conv_transpose2d "
    "conv_transpose3d",
    _pool: "max_pool1d max_pool2d max_pool3d avg_pool1d avg_pool2d avg_pool3d",
    _adaptive: "adaptive_avg_pool1d adaptive_avg_pool2d adaptive_avg_pool3d "
    "adaptive_max_pool2d adaptive_max_pool3d",
    _reduced: "mean sum amax amin argmax argmin max prod logsumexp std var norm linalg_vector_norm",
    _along: "softmax log_softmax cumsum",
    _instance: "batch_norm instance_norm",
    _normalised: "group_norm",
    _layer_norm: "layer_norm rms_norm",
    _linear: "linear matmul mm bmm addmm baddbmm",
    _mixed: "scaled_dot_product_attention einsum",
    _permuted: "permute transpose swapaxes t",
    _reshaped: "view reshape flatten unflatten unsqueeze squeeze _unsafe_view",
    _joined: "cat stack",
    _sliced: "slice",
    _split: "chunk split split_with_sizes",
    _taken: "select unbind",
    _padded: "pad constant_pad_nd",
    _resized: "upsample_nearest1d upsample_nearest2d upsample_nearest3d upsample_linear1d "
    "upsample_bilinear2d upsample_trilinear3d upsample_bicubic2d",
    _shuffled: "pixel_shuffle pixel_unshuffle",
}
_RULES: dict[str, _Rule] = {
    **dict.fromkeys(ELEMENTWISE, _elementwise),
    **{name: rule for rule, names in _GROUPS.items() for name in names.split()},
}
