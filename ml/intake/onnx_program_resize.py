"""Resizing in an ONNX graph: those of its many modes that torch computes alike."""

import math

import numpy as np

from ml.intake.onnx_program_step import Result, Step, reads
from ml.intake.onnx_program_values import bounded
from ml.intake.schema import Malformed
from ml.program.graph import Array, Ref

_LINEAR = {3: "upsample_linear1d.vec", 4: "upsample_bilinear2d.vec", 5: "upsample_trilinear3d.vec"}
_NEAREST = {3: "upsample_nearest1d.vec", 4: "upsample_nearest2d.vec", 5: "upsample_nearest3d.vec"}


@reads("Resize")
def resize(step: Step) -> Result:
    """Nearest in every mode where sizes are known; linear and cubic as torch has them."""
    rank = step.rank(0)
    mode = step.text("mode", "nearest")
    how = step.text("coordinate_transformation_mode", "half_pixel")
    _refuse_odd(step)
    scales, sizes = _asked(step, rank)
    spatial = list(step.shape(0))[2:]
    if rank not in _LINEAR:
        raise step.unfit(f"it works on {rank} axes; 3 to 5 are read")
    if mode == "nearest":
        return _nearest(step, how, spatial, scales, sizes)
    # torch's own form of half_pixel differs where one place is left.
    half = how == "half_pixel" or (
        how == "pytorch_half_pixel" and (sizes is None or 1 not in sizes)
    )
    if not half and how != "align_corners":
        raise step.unfit(f"the mode '{mode[:20]}' with coordinates '{how[:40]}' has no equal")
    if mode == "cubic" and rank == 4:
        if abs(step.number("cubic_coeff_a", -0.75) + 0.75) > 1e-6 or step.integer(
            "exclude_outside", 0
        ):
            raise step.unfit("its cubic coefficients have no equal")
        name = "upsample_bicubic2d.vec"
    elif mode == "linear":
        name = _LINEAR[rank]
    else:
        raise step.unfit(f"the mode '{mode[:20]}' on {rank} axes has no equal")
    corners = how == "align_corners"
    if sizes is not None and (corners or _whole(spatial, sizes, scales)):
        return step.call(name, input=step.ref(0), output_size=sizes, align_corners=corners,
                         scale_factors=None)  # fmt: skip
    return step.call(name, input=step.ref(0), output_size=None, align_corners=corners,
                     scale_factors=scales)  # fmt: skip


def _refuse_odd(step: Step) -> None:
    if step.integer("antialias", 0):
        raise step.unfit("it smooths (antialias)")
    if step.text("keep_aspect_ratio_policy", "stretch") != "stretch":
        raise step.unfit("it keeps the aspect ratio")


def _asked(step: Step, rank: int) -> tuple[tuple[float, ...], tuple[int, ...] | None]:
    """Factors of the spatial axes, and their new sizes where those can be told."""
    axes = [step.axis(one, rank) for one in step.integers("axes") or range(rank)]
    old = step.shape(0)
    by_size = step.has(3) and (step.op != "Resize" or step.sizes(3) != ())
    factors: list[float] = [1.0] * rank
    new: list[int | None] = list(old)
    given = step.sizes(3) if by_size else tuple(step.known(2).ravel().tolist())
    if len(given) != len(axes) or len(set(axes)) < len(axes):
        raise Malformed("its factors or sizes are not one for each axis")
    for axis, one in zip(axes, given, strict=True):
        length = old[axis]
        if isinstance(one, Ref):
            if axis > 1 or length is not None:
                raise step.unfit("a new size is found only while the network runs")
        elif by_size:
            if length is None or one < 1 or not length:
                raise step.unfit("it resizes an axis whose size is free to a fixed size")
            new[axis], factors[axis] = int(one), int(one) / length
        else:
            if not math.isfinite(one) or one <= 0:
                raise Malformed("a factor is not above 0")
            factors[axis] = float(one)
            new[axis] = None if length is None else math.floor(length * one)
    if factors[:2] != [1.0, 1.0]:
        raise step.unfit("it resizes cases or channels")
    bounded(new, step.label, step.reading.file)  # before any place is counted
    spatial = [size for size in new[2:] if size is not None]
    if min(spatial, default=1) < 1:
        raise Malformed("it leaves nothing of the picture")
    return tuple(factors[2:]), tuple(spatial) if len(spatial) == rank - 2 else None


def _whole(
    old: list[int | None], new: tuple[int, ...], factors: tuple[float, ...]
) -> bool:  # fmt: skip
    """Are the factors those of the sizes, with nothing rounded?"""
    return all(
        size is not None and abs(size * factor - made) < 1e-6 * made
        for size, made, factor in zip(old, new, factors, strict=True)
    )


def _nearest(
    step: Step, how: str, old: list[int | None], factors: tuple[float, ...],
    new: tuple[int, ...] | None,
) -> Result:  # fmt: skip
    rounding = step.text("nearest_mode", "round_prefer_floor")
    if new is None or None in old:
        simple = all(factor == int(factor) for factor in factors)
        if how == "asymmetric" and (rounding == "floor" or (simple and rounding != "ceil")):
            return step.call(_NEAREST[step.rank(0)], input=step.ref(0), output_size=None,
                             scale_factors=factors)  # fmt: skip
        raise step.unfit("it picks the nearest of an axis whose size is free")
    made, same, axes = step.ref(0), True, []
    for size, result, factor in zip(old, new, factors, strict=True):
        assert size is not None
        places = _places(step, how, rounding, size, result, factor)
        same &= bool((places == np.arange(result) * size // result).all())
        axes.append(places)
    if same:
        return step.call(_NEAREST[step.rank(0)], input=made, output_size=new, scale_factors=None)
    for at, places in enumerate(axes):
        index = step.weight(places)
        made = step.call("index_select", self=made, dim=at + 2, index=index)
    return made


def _places(step: Step, how: str, rounding: str, old: int, new: int, factor: float) -> Array:
    """Which number of an axis each new place takes, by the standard's formulas."""
    at = np.arange(new, dtype=np.float64)
    if how == "asymmetric":
        x = at / factor
    elif how == "half_pixel" or (how == "pytorch_half_pixel" and new > 1):
        x = (at + 0.5) / factor - 0.5
    elif how == "align_corners":
        x = at * (old - 1) / (new - 1) if new > 1 else at * 0
    elif how == "half_pixel_symmetric":
        centre = old / 2 * (1 - new / (factor * old))
        x = centre + (at + 0.5) / factor - 0.5
    elif how == "tf_half_pixel_for_nn":
        x = (at + 0.5) / factor
    else:
        raise step.unfit(f"nearest with coordinates '{how[:40]}' has no equal")
    # Rounding half down is rounding up what is half less, and the other way about.
    shift = {"floor": 0.0, "ceil": 0.0, "round_prefer_floor": -0.5, "round_prefer_ceil": 0.5}
    if rounding not in shift:
        raise Malformed(f"there is no nearest_mode {rounding[:40]!r}")
    up = rounding in ("ceil", "round_prefer_floor")
    whole = np.ceil(x + shift[rounding]) if up else np.floor(x + shift[rounding])
    return np.asarray(whole.clip(0, old - 1)).astype(np.int64)
