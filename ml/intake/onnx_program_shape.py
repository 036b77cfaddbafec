"""Shapes and places of an ONNX graph: what moves numbers and changes none."""

import math

import numpy as np

from ml.intake.onnx_program_fold import filling, of_sizes
from ml.intake.onnx_program_step import Result, Step, constant_of, reads
from ml.intake.onnx_program_values import Given, Known, Size, bounded
from ml.intake.schema import Malformed
from ml.program.graph import Dtype, Ref

_ALL = 2**63 - 1
MOST_AXES = 25  # what torch's operations take


@reads("Identity")
def identity(step: Step) -> Result:
    return step.value(0)


@reads("Constant")
def constant(step: Step) -> Result:
    return constant_of(step)


@reads("Shape")
def shape(step: Step) -> Result:
    rank = step.rank(0)
    picked = range(rank)[slice(step.integer("start", 0), step.integer("end", rank))]
    sizes = step.dims(0)
    return Known(of_sizes([sizes[axis] for axis in picked]))


@reads("Size")
def size(step: Step) -> Result:
    known = step.shape(0)
    if None not in known:
        return Known(np.array(math.prod(one for one in known if one is not None), np.int64))
    found = np.empty((), object)
    found[()] = step.call("sym_numel", self=step.ref(0))
    return Known(found)


@reads("Reshape")
def reshape(step: Step) -> Result:
    """The one size that is not known is left to torch (-1), so that the cases stay free."""
    old, asked = step.shape(0), list(step.sizes(1))
    if not step.integer("allowzero", 0):
        for at, size in enumerate(asked):
            if isinstance(size, int) and size == 0:
                if at >= len(old):
                    raise Malformed("it keeps a size of an axis that is not there")
                kept = old[at]
                asked[at] = step.dims(0)[at] if kept is None else kept
    if 0 not in asked:
        _worked_out(step, asked)
    negative = [at for at, size in enumerate(asked) if isinstance(size, int) and size < 0]
    if len(negative) > 1 or any(asked[at] != -1 for at in negative):
        raise Malformed("its shape has several sizes that are to be worked out")
    free = [at for at, size in enumerate(asked) if isinstance(size, Ref)]
    labels = tuple(_label(step, size) for size in asked)
    known = [size for size in asked if isinstance(size, int) and size >= 0]
    new: list[int | None] = [one if isinstance(one, int) and one >= 0 else None for one in asked]
    if len(negative) + len(free) == 1 and 0 not in known:
        at = (negative + free)[0]
        asked[at] = -1
        whole = [size for size in old if size is not None]
        if len(whole) == len(old):
            if math.prod(whole) % math.prod(known):
                raise Malformed(f"{old} does not fit into {tuple(new)}")
            new[at] = math.prod(whole) // math.prod(known)
    made = step.call("reshape", self=step.ref(0), shape=tuple(asked))
    return Given(made.name, step.dtype(0), tuple(new), labels)


def _worked_out(step: Step, asked: list[Size]) -> None:
    """Put a number in the place of -1, where all free sizes are those of the input.

    (n, 32, 32, 12) as (n, 1024, -1) has 12 there whatever n is; without it, layers that need to
    know how wide they are (SwinUNETR's normalisation) could not be taken over.
    """
    value = step.value(0)
    if not isinstance(value, Given) or value.sizes is None or asked.count(-1) != 1:
        return
    left = [one for one in value.sizes if isinstance(one, str)]
    for size in asked:
        if isinstance(size, Ref):
            label = _label(step, size)
            if label not in left:
                return
            left.remove(label)
    known = [one for one in asked if isinstance(one, int) and one > 0]
    whole = math.prod(one for one in value.sizes if isinstance(one, int))
    if left or not whole or whole % math.prod(known):
        return
    asked[asked.index(-1)] = whole // math.prod(known)


def _label(step: Step, size: Size) -> str:
    return step.reading.measured.get(size.name, "") if isinstance(size, Ref) else ""


@reads("Flatten")
def flatten(step: Step) -> Result:
    rank = step.rank(0)
    axis = step.integer("axis", 1)
    if not -rank <= axis <= rank:
        raise Malformed(f"there is no axis {axis} among {rank}")
    axis = axis + rank if axis < 0 else axis
    if axis == 0:
        return step.call("reshape", self=step.ref(0), shape=(1, -1))
    if axis == rank:
        return step.call("reshape", self=step.ref(0), shape=(-1, 1))
    made = step.ref(0)
    if axis > 1:
        made = step.call("flatten.using_ints", self=made, start_dim=0, end_dim=axis - 1)
    return step.call("flatten.using_ints", self=made, start_dim=1, end_dim=-1)


@reads("Transpose")
def transpose(step: Step) -> Result:
    rank = step.rank(0)
    order = step.integers("perm") or tuple(reversed(range(rank)))
    if sorted(order) != list(range(rank)):
        raise Malformed(f"'perm' is no order of {rank} axes")
    return step.call("permute", self=step.ref(0), dims=order)


@reads("Squeeze")
def squeeze(step: Step) -> Result:
    shape = step.shape(0)
    given = step.axes(1)
    if given is None:
        if None in shape:
            raise step.unfit("it drops axes of size 1, and a size is free")
        axes = tuple(at for at, size in enumerate(shape) if size == 1)
    else:
        axes = tuple(step.axis(one, len(shape)) for one in given)
    if any(shape[at] not in (1, None) for at in axes):
        raise Malformed("it drops an axis that is longer than 1")
    if any(shape[at] is None for at in axes):  # torch would keep it where there are more
        left = [one for at, one in enumerate(step.dims(0)) if at not in axes]
        return step.call("reshape", self=step.ref(0), shape=tuple(left))
    return step.call("squeeze.dims", self=step.ref(0), dim=axes)


@reads("Unsqueeze")
def unsqueeze(step: Step) -> Result:
    axes = step.axes(1)
    if axes is None:
        raise Malformed("it lacks its axes")
    rank = step.rank(0) + len(axes)
    if rank > MOST_AXES:
        raise Malformed(f"it makes {rank} axes")
    places = sorted({step.axis(one, rank) for one in axes})
    if len(places) < len(axes):
        raise Malformed("it names an axis twice")
    made = step.ref(0)
    for axis in places:
        made = step.call("unsqueeze", self=made, dim=axis)
    return made if step.drafts else step.value(0)


@reads("Expand")
def expand(step: Step) -> Result:
    shape, asked = step.shape(0), step.sizes(1)
    rank = max(len(shape), len(asked))
    old = (1,) * (rank - len(shape)) + shape
    wide: list[Size] = []
    new: list[int | None] = []
    for at, size in enumerate((1,) * (rank - len(asked)) + asked):
        own = old[at]
        added = at < rank - len(shape)
        if isinstance(size, int) and size < 0:
            raise Malformed("it expands to a negative size")
        # Of 1 or the same, which one it is does not matter: its own size stays.
        kept = own not in (None, 1) if isinstance(size, Ref) else size == 1 and not added
        wide.append(-1 if kept else size)
        new.append(own if kept else size if isinstance(size, int) else None)
    made = step.call("expand", self=step.ref(0), size=tuple(wide))
    return Given(made.name, step.dtype(0), tuple(new))


@reads("Tile")
def tile(step: Step) -> Result:
    repeats = step.sizes(1)
    if len(repeats) != step.rank(0) or any(isinstance(one, int) and one < 0 for one in repeats):
        raise Malformed("its repeats are not one for each axis")
    return step.call("repeat", self=step.ref(0), repeats=repeats)


@reads("ConstantOfShape")
def filled(step: Step) -> Result:
    value, sizes = filling(step), step.sizes(0)
    new = tuple(one if isinstance(one, int) else None for one in sizes)
    if min((one for one in new if one is not None), default=0) < 0:
        raise Malformed("a size is negative")
    bounded(new, step.label, step.reading.file)
    made = step.call(
        "full", size=sizes, fill_value=value.item(), dtype=Dtype(str(value.dtype))
    )  # fmt: skip
    return Given(made.name, str(value.dtype), new)


@reads("Range")
def arange(step: Step) -> Result:
    """Only where a limit is a size; other ranges are numbers before the network runs."""
    ends = [one for at in range(3) for one in step.sizes(at)]
    if len(ends) != 3 or not any(isinstance(one, Ref) for one in ends):
        raise step.unfit("it counts too far, or in steps that are not whole")
    made = step.call(
        "arange.start_step", start=ends[0], end=ends[1], step=ends[2], dtype=Dtype("int64")
    )  # fmt: skip
    return Given(made.name, "int64", (None,))


@reads("Concat")
def concat(step: Step) -> Result:
    axis = step.axis(step.integer("axis", 0), step.rank(0))
    tensors = tuple(step.ref(at) for at in range(len(step.node.input)))
    return step.call("cat", tensors=tensors, dim=axis)


@reads("Split")
def split(step: Step) -> tuple[Result, ...]:
    n = len(step.node.output)
    axis = step.axis(step.integer("axis", 0), step.rank(0))
    sizes = step.whole(1) if step.has(1) else step.integers("split")
    if sizes is None:
        length = step.shape(0)[axis]
        if length is None:
            raise step.unfit("it divides an axis whose size is free")
        each = -(-length // step.integer("num_outputs", n))
        sizes = (each,) * (n - 1) + (length - each * (n - 1),)
    if len(sizes) != n or min(sizes) < 0:
        raise Malformed("its parts are not as many as its results")
    return step.calls("split_with_sizes", n, self=step.ref(0), split_sizes=sizes, dim=axis)


@reads("Slice")
def cut(step: Step) -> Result:
    starts, ends, rank = step.sizes(1), step.sizes(2), step.rank(0)
    axes = step.whole(3) if step.has(3) else tuple(range(len(starts)))
    strides = step.whole(4) if step.has(4) else (1,) * len(starts)
    once = len({step.axis(one, rank) for one in axes}) == len(axes)
    if not (len(starts) == len(ends) == len(axes) == len(strides) and once) or 0 in strides:
        raise Malformed("starts, ends, axes and steps do not fit each other")
    made = step.ref(0)
    for start, end, given, by in zip(starts, ends, axes, strides, strict=True):
        axis = step.axis(given, rank)
        if by < 0:
            made = _backwards(step, made, axis, start, end, by)
        elif (start, by) != (0, 1) or isinstance(end, Ref) or end < _ALL // 2**32:
            made = step.call("slice.Tensor", self=made, dim=axis, start=start, end=end, step=by)
    return made if step.drafts else step.value(0)


def _backwards(step: Step, made: Ref, axis: int, start: Size, end: Size, by: int) -> Ref:
    """Turn the axis around, then go forwards."""
    length = step.shape(0)[axis]
    made = step.call("flip", self=made, dims=(axis,))
    if isinstance(start, Ref) or isinstance(end, Ref):
        raise step.unfit("it goes backwards from a size that is free")
    if length is None:
        if start not in (-1, _ALL) or end > -(2**31):
            raise step.unfit("it goes backwards along an axis whose size is free")
        first, last = 0, _ALL
    else:
        first = length - 1 - min(max(start + length if start < 0 else start, 0), length - 1)
        last = length - 1 - min(max(end + length if end < 0 else end, -1), length - 1)
    return step.call("slice.Tensor", self=made, dim=axis, start=first, end=last, step=-by)


@reads("Gather")
def gather(step: Step) -> Result:
    rank = step.rank(0)
    axis = step.axis(step.integer("axis", 0), rank)
    places = step.value(1)
    if places.dtype not in ("int64", "int32"):
        raise Malformed("its places are no whole numbers")
    if isinstance(places, Known) and places.array.ndim == 0:
        place = places.array.item()
        return step.call("select.int", self=step.ref(0), dim=axis, index=place)
    return step.call("index.Tensor", self=step.ref(0), indices=(None,) * axis + (step.ref(1),))


@reads("GatherElements")
def gather_elements(step: Step) -> Result:
    axis = step.axis(step.integer("axis", 0), step.rank(0))
    places = step.value(1)
    known = places.array if isinstance(places, Known) else None
    if known is not None and known.dtype.kind == "i" and (known.astype(np.int64) < 0).any():
        length = step.shape(0)[axis]
        if length is None:
            raise step.unfit("it counts from the end of an axis whose size is free")
        array = np.mod(known.astype(np.int64), length)
        index = step.weight(array.astype(np.int64))
    else:
        index = step.call("to.dtype", self=step.ref(1), dtype=Dtype("int64"))
    return step.call("gather", self=step.ref(0), dim=axis, index=index)


@reads("GatherND")
def gather_points(step: Step) -> Result:
    """Places given by their coordinates: one index for each axis they name."""
    depth = step.shape(1)[-1] if step.shape(1) else None
    if step.integer("batch_dims", 0) or depth is None or not 0 < depth <= step.rank(0):
        raise step.unfit("it picks within each case, or by coordinates of no fixed number")
    places = step.ref(1)
    each = tuple(step.call("select.int", self=places, dim=-1, index=at) for at in range(depth))
    return step.call("index.Tensor", self=step.ref(0), indices=each)


@reads("ScatterND")
def scatter_points(step: Step) -> Result:
    """Writes at places given by their coordinates, as the other one reads them."""
    depth = step.shape(1)[-1] if step.shape(1) else None
    if step.text("reduction", "none") != "none" or depth is None or not 0 < depth <= step.rank(0):
        raise step.unfit("it adds to what is there, or writes by coordinates of no fixed number")
    places = step.ref(1)
    each = tuple(step.call("select.int", self=places, dim=-1, index=at) for at in range(depth))
    return step.call("index_put", self=step.ref(0), indices=each, values=step.ref(2))


@reads("Trilu")
def triangle(step: Step) -> Result:
    name = "triu" if step.integer("upper", 1) else "tril"
    return step.call(name, self=step.ref(0), diagonal=int(step.scalar(1, 0)))


@reads("SpaceToDepth", "DepthToSpace")
def depth(step: Step) -> Result:
    side = step.positive_integer("blocksize")
    n, channels, height, width = step.dims(0)
    if any(isinstance(one, Ref) for one in (channels, height, width)):
        raise step.unfit("a size it moves is free")
    assert isinstance(channels, int)
    assert isinstance(height, int)
    assert isinstance(width, int)
    x = step.ref(0)
    if step.op == "SpaceToDepth":
        if height % side or width % side:
            raise Malformed("its blocks do not fill the picture")
        h, w = height // side, width // side
        x = step.call("reshape", self=x, shape=(n, channels, h, side, w, side))
        x = step.call("permute", self=x, dims=(0, 3, 5, 1, 2, 4))
        return step.call("reshape", self=x, shape=(n, channels * side * side, h, w))
    if channels % (side * side):
        raise Malformed("its channels do not fill the blocks")
    mode = step.text("mode", "DCR")
    if mode == "CRD":
        return step.call("pixel_shuffle", self=x, upscale_factor=side)
    if mode != "DCR":
        raise Malformed(f"there is no mode {mode[:40]!r}")
    left = channels // (side * side)
    x = step.call("reshape", self=x, shape=(n, side, side, left, height, width))
    x = step.call("permute", self=x, dims=(0, 3, 4, 1, 5, 2))
    return step.call("reshape", self=x, shape=(n, left, height * side, width * side))
