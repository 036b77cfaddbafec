"""Convolutions, pooling and padding of an ONNX graph as operations of a program."""

from collections.abc import Sequence
from typing import Literal

import numpy as np

from ml.intake.onnx_program_step import Result, Step, reads
from ml.intake.schema import Malformed
from ml.program.graph import Argument, Array, Ref

Pads = list[tuple[int, int]]  # before and after, for each spatial axis


def _window(step: Step, kernel: Sequence[int], at_rank: int) -> tuple[tuple[int, ...], ...]:
    """Strides and dilations of a window."""
    n = len(kernel)
    if n not in (1, 2, 3) or at_rank != n + 2:
        raise step.unfit(f"it works on {at_rank - 2} spatial axes; 1 to 3 are read")
    return step.positive("strides", n, (1,) * n), step.positive("dilations", n, (1,) * n)


def _pads(
    step: Step, kernel: Sequence[int], strides: Sequence[int], dilations: Sequence[int]
) -> Pads:
    """Padding as declared, or as ``auto_pad`` works it out of the sizes."""
    n, how = len(kernel), step.text("auto_pad", "NOTSET")
    if how == "VALID":
        return [(0, 0)] * n
    if how in ("SAME_UPPER", "SAME_LOWER"):
        found = []
        spatial = zip(step.shape(0)[2:], kernel, strides, dilations, strict=True)
        for size, side, stride, apart in spatial:
            reach = (side - 1) * apart + 1
            if size is None and stride > 1:
                raise step.unfit("its padding depends on a size that is free")
            over = reach - stride if size is None else (-(-size // stride) - 1) * stride + reach
            total = max(over if size is None else over - size, 0)
            less, more = total // 2, total - total // 2
            found.append((less, more) if how == "SAME_UPPER" else (more, less))
        return found
    if how != "NOTSET":
        raise Malformed(f"there is no auto_pad {how[:40]!r}")
    given = step.integers("pads") or (0,) * (2 * n)
    if len(given) != 2 * n or min(given) < 0:
        raise Malformed(f"'pads' is not {2 * n} whole numbers from 0 upwards")
    return list(zip(given[:n], given[n:], strict=True))


def _flat(pads: Pads) -> tuple[int, ...]:
    """As torch writes padding: the last axis first."""
    return tuple(size for pair in reversed(pads) for size in pair)


@reads("Conv")
def conv(step: Step) -> Result:
    weight = step.shape(1)
    kernel = tuple(size or 0 for size in weight[2:])
    if step.integers("kernel_shape") not in (None, kernel) or min(kernel, default=0) < 1:
        raise Malformed("its kernel has another shape than its weight")
    strides, dilations = _window(step, kernel, step.rank(0))
    pads = _pads(step, kernel, strides, dilations)
    image = step.ref(0)
    if any(before != after for before, after in pads):
        image = step.call("constant_pad_nd", self=image, pad=_flat(pads), value=0)
        pads = [(0, 0)] * len(kernel)
    return step.call(
        f"conv{len(kernel)}d", input=image, weight=step.ref(1), bias=step.ref_or_none(2),
        stride=strides, padding=tuple(before for before, _ in pads), dilation=dilations,
        groups=step.integer("group", 1),
    )  # fmt: skip


@reads("ConvTranspose")
def conv_transpose(step: Step) -> Result:
    kernel = tuple(size or 0 for size in step.shape(1)[2:])
    if step.integers("kernel_shape") not in (None, kernel) or min(kernel, default=0) < 1:
        raise Malformed("its kernel has another shape than its weight")
    n = len(kernel)
    strides, dilations = _window(step, kernel, step.rank(0))
    more = list(step.integers("output_padding") or (0,) * n)
    if len(more) != n or min(more) < 0:
        raise Malformed(f"'output_padding' is not {n} whole numbers from 0 upwards")
    pads = _cut(step, kernel, strides, dilations, more)
    even = all(before == after >= 0 for before, after in pads)
    made = step.call(
        f"conv_transpose{n}d" + ("" if n == 1 else ".input"), input=step.ref(0),
        weight=step.ref(1), bias=step.ref_or_none(2), stride=strides,
        padding=tuple(before for before, _ in pads) if even else (0,) * n,
        output_padding=tuple(more), groups=step.integer("group", 1), dilation=dilations,
    )  # fmt: skip
    if not even:  # a negative pad cuts off
        off = [(-before, -after) for before, after in pads]
        made = step.call("constant_pad_nd", self=made, pad=_flat(off), value=0)
    return made


def _cut(
    step: Step, kernel: Sequence[int], strides: Sequence[int], dilations: Sequence[int],
    more: Sequence[int],
) -> Pads:  # fmt: skip
    """What is cut off the result of a transposed convolution, before and after."""
    how, wanted = step.text("auto_pad", "NOTSET"), step.integers("output_shape")
    if wanted is None and how in ("NOTSET", "VALID"):
        return _pads(step, kernel, strides, dilations)
    n = len(kernel)
    if wanted is not None and len(wanted) not in (n, n + 2):
        raise Malformed("'output_shape' has another number of axes")
    found = []
    for at, size in enumerate(step.shape(0)[2:]):
        reach = (kernel[at] - 1) * dilations[at] + 1 + more[at]
        if wanted is None:
            total = max(reach - strides[at], 0)
        elif size is None:
            raise step.unfit("its output_shape depends on a size that is free")
        else:
            total = (size - 1) * strides[at] + reach - wanted[at - n]
        if total < 0:
            raise step.unfit("its output_shape is larger than what it computes")
        less, rest = total // 2, total - total // 2
        found.append((less, rest) if how == "SAME_UPPER" else (rest, less))
    return found


@reads("MaxPool", "AveragePool")
def pool(step: Step) -> Result:
    step.refuse_used(1)
    n = step.rank(0) - 2
    kernel = step.positive("kernel_shape", n)
    strides, dilations = _window(step, kernel, n + 2)
    highest = step.op == "MaxPool"
    if not step.is_float(0):
        raise step.unfit("it pools whole numbers")
    if step.integer("storage_order", 0) or (not highest and max(dilations) > 1):
        raise step.unfit("its dilations or its order of storage have no equal")
    pads = _pads(step, kernel, strides, dilations)
    over = [0] * n
    ceil = bool(step.integer("ceil_mode", 0)) and step.text("auto_pad", "NOTSET") == "NOTSET"
    fits = all(a == b and a <= side // 2 for (a, b), side in zip(pads, kernel, strict=True))
    if ceil and not fits:
        over = _over(step, pads, kernel, strides, dilations)
    image = step.ref(0)
    window: dict[str, Argument] = {"kernel_size": kernel, "stride": strides}
    window["ceil_mode"] = ceil and fits
    window["padding"] = tuple(a for a, _ in pads) if fits else (0,) * n
    whole = [(a, b + c) for (a, b), c in zip(pads, over, strict=True)]
    if highest:
        if not fits:
            image = step.call(
                "constant_pad_nd", self=image, pad=_flat(whole), value=float("-inf")
            )  # fmt: skip
        return step.call(f"max_pool{n}d", self=image, dilation=dilations, **window)
    counted = bool(step.integer("count_include_pad", 0))
    if fits:
        return step.call(f"avg_pool{n}d", self=image, count_include_pad=counted, **window)
    return _average(step, image, pads, over, counted, window)


def _average(
    step: Step, image: Ref, pads: Pads, over: Sequence[int], counted: bool,
    window: dict[str, Argument],
) -> Ref:  # fmt: skip
    """Averages where the padding is not the same on both sides: sums over counts.

    Args:
        counted: padded places count; those that only rounding up reaches never do.
    """
    n = len(pads)
    one = step.call("narrow", self=step.call("narrow", self=image, dim=0, start=0, length=1),
                    dim=1, start=0, length=1)  # fmt: skip
    ones = step.call("ones_like", self=one)
    if counted:
        ones = step.call("constant_pad_nd", self=ones, pad=_flat(pads), value=1)
        ones = step.call(
            "constant_pad_nd", self=ones, pad=_flat([(0, c) for c in over]), value=0
        )  # fmt: skip
    whole = _flat([(a, b + c) for (a, b), c in zip(pads, over, strict=True)])
    if not counted:
        ones = step.call("constant_pad_nd", self=ones, pad=whole, value=0)
    image = step.call("constant_pad_nd", self=image, pad=whole, value=0)
    total, count = (
        step.call(f"avg_pool{n}d", self=one, count_include_pad=True, **window)
        for one in (image, ones)
    )
    return step.call("div.Tensor", self=total, other=count)


def _over(
    step: Step, pads: Pads, kernel: Sequence[int], strides: Sequence[int],
    dilations: Sequence[int],
) -> list[int]:  # fmt: skip
    """How far the last window reaches beyond the padding where sizes are rounded up."""
    found = []
    for at, size in enumerate(step.shape(0)[2:]):
        if size is None:
            raise step.unfit("it rounds up a size that is free, with uneven padding")
        before, after = pads[at]
        reach = (kernel[at] - 1) * dilations[at] + 1
        steps = -(-(size + before + after - reach) // strides[at])
        if steps * strides[at] >= size + before:  # the last window starts beyond the picture
            steps -= 1
        found.append(max(steps * strides[at] + reach - size - before - after, 0))
    return found


@reads("GlobalAveragePool", "GlobalMaxPool")
def global_pool(step: Step) -> Result:
    axes = tuple(range(2, step.rank(0)))
    if not axes or not step.is_float(0):
        raise step.unfit("there is nothing to pool over")
    name = "mean.dim" if step.op == "GlobalAveragePool" else "amax"
    return step.call(name, self=step.ref(0), dim=axes, keepdim=True)


_PADDED: dict[str, Literal["reflect", "edge", "wrap"]] = {
    "reflect": "reflect", "edge": "edge", "wrap": "wrap",
}  # fmt: skip


def _places(size: int, before: int, after: int, mode: str) -> Array:
    """Which number of an axis stands in each place after padding; negative pads cut off."""
    ends = max(before, 0), max(after, 0)
    whole = np.pad(np.arange(size, dtype=np.int64), ends, _PADDED[mode])
    return whole[max(-before, 0) : len(whole) - max(-after, 0)]


@reads("Pad")
def pad(step: Step) -> Result:
    """Padding with a number; reflected, repeated and wrapped edges are picked by their places."""
    rank, mode = step.rank(0), step.text("mode", "constant")
    axes = [step.axis(one, rank) for one in step.whole(3)] if step.has(3) else list(range(rank))
    given = step.whole(1)
    if len(given) != 2 * len(axes) or len(set(axes)) < len(axes):
        raise Malformed("'pads' are not two for each axis")
    pads: Pads = [(0, 0)] * rank
    for at, axis in enumerate(axes):
        pads[axis] = given[at], given[at + len(axes)]
    if mode == "constant":
        filled = step.known(2).item() if step.has(2) else 0
        return step.call("constant_pad_nd", self=step.ref(0), pad=_flat(pads), value=filled)
    if mode not in _PADDED:
        raise Malformed(f"there is no mode {mode[:40]!r}")
    image = step.ref(0)
    for axis, (before, after) in enumerate(pads):
        if before or after:
            size = step.shape(0)[axis]
            if not size:
                raise step.unfit("it pads an axis whose size is free")
            if max(before, after) > 64 * size:
                raise step.unfit("it pads with more than 64 times the picture")
            index = step.weight(_places(size, before, after, mode))
            image = step.call("index_select", self=image, dim=axis, index=index)
    return image if step.drafts else step.value(0)
