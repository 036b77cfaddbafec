"""A prepared volume as the viewer takes it: its voxels in one file, and how they lie."""

from collections.abc import Mapping
from math import isfinite, prod
from pathlib import Path
from typing import Annotated, Any, cast

import numpy as np
from pydantic import Field, TypeAdapter, ValidationError

from ml.engine.cases import Prepared
from ml.engine.volume_copies import stack_in
from ml.estimate import JsonObject, JsonValue
from ml.imaging.declared import Input, Strict
from ml.imaging.intensity import unit_range
from ml.sandbox.results import ResultError, take

MOST_VOXELS = 1 << 24  # of a volume that is shown: 64 MB of float32
_FILE = "volume.f32"
_BYTES = 4


def own_values(declared: Input) -> tuple[float, float]:
    """Slope and intercept from what a network of volumes takes to the file's own unit.

    What lies beyond a declared window or clip was cut and does not come back.

    Example:
        >>> from ml.imaging.declared import Intensity
        >>> ct = Intensity(window=(-1000, 1000), mean=0.5, std=0.25)
        >>> own_values(Input(dims=3, size=[8, 8, 8], intensity=ct))
        (500.0, 0.0)
    """
    (gain,), (offset,) = unit_range(declared)
    low, high = declared.intensity.window or declared.intensity.clip or (0.0, 255.0)
    slope = (high - low) / float(gain)
    return slope, low - slope * float(offset)


def voxel_mm(found: Prepared, declared: Input) -> tuple[float, float, float]:
    """How long a voxel of the prepared volume is along each of its axes."""
    stack = stack_in(found, declared)
    first, second, third = (stack.spacing_mm[stack.order.index(axis)] for axis in range(3))
    return first, second, third


def write_volume(found: Prepared, declared: Input, folder: Path) -> JsonObject:
    """Leave a prepared volume for the viewer.

    Returns:
        shape, axes (the directions that they run to), spacing_mm, slope and intercept (see
        :func:`own_values`), low and high of the voxels as they are; file, or "" where it has more
        than MOST_VOXELS. The file holds float32, little-endian, the last axis the fastest.
    """
    voxels = found.array[0]
    slope, intercept = own_values(declared)
    fits = voxels.size <= MOST_VOXELS
    if fits:
        (folder / _FILE).write_bytes(np.ascontiguousarray(voxels, dtype="<f4").tobytes())
    return {
        "file": _FILE if fits else "",
        "shape": list[JsonValue](voxels.shape),
        "axes": declared.axes,
        "spacing_mm": list[JsonValue](voxel_mm(found, declared)),
        "slope": slope,
        "intercept": intercept,
        "low": float(voxels.min()),
        "high": float(voxels.max()),
    }


_Side = Annotated[int, Field(ge=1, le=8192)]
_Mm = Annotated[float, Field(gt=0, le=1e4)]


class _Volume(Strict):
    file: Annotated[str, Field(max_length=40)]
    shape: tuple[_Side, _Side, _Side]
    axes: Annotated[str, Field(pattern="^[RLAPSI]{3}$")]
    spacing_mm: tuple[_Mm, _Mm, _Mm]
    slope: float
    intercept: float
    low: float
    high: float


def volume_left(folder: Path, told: Mapping[str, Any]) -> tuple[JsonObject, bytes]:
    """What a child told of a volume, and its voxels; it has opened a stranger's file.

    Returns:
        What :func:`write_volume` has but the file; the bytes, b"" where it is too large to show.

    Raises:
        ResultError: where it is anything else.
    """
    try:
        # Tuples came as lists of JSON.
        volume = TypeAdapter(_Volume).validate_python(dict(told))
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        raise ResultError(f"Its volume is not as declared ({first['msg'][:100]}).") from None
    numbers = (volume.slope, volume.intercept, volume.low, volume.high, *volume.spacing_mm)
    if not all(map(isfinite, numbers)):
        raise ResultError("A number of its volume is not finite.")
    about = cast(JsonObject, volume.model_dump(mode="json", exclude={"file"}))
    if not volume.file:
        return about, b""
    size = prod(volume.shape) * _BYTES
    data = take(folder, volume.file, most_bytes=MOST_VOXELS * _BYTES)
    if len(data) != size:
        raise ResultError("Its voxels are not as many as its sides say.")
    if not np.isfinite(np.frombuffer(data, "<f4")).all():
        raise ResultError("A voxel that it left is no number.")
    return about, data
