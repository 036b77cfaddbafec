"""A picture of where a model is unsure of its mask, on the image's grid, in a bounded file."""

import json
import math
import zlib
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Codes = NDArray[np.uint8]

STEPS = 255  # of one bit: what is kept is a whole number of these
MOST_CELLS = 1 << 21
MOST_BYTES = 2 * MOST_CELLS + (1 << 16)  # of a packed map: what cannot be compressed, and its head
KINDS = ("total", "epistemic")
_MAGIC = b"PLUMBDOUBT1\n"


class MapError(ValueError):
    """Bytes that are no packed map."""


@dataclass(frozen=True)
class UncertaintyMap:
    """Total and epistemic uncertainty, each 0..255 for 0..1 bits.

    Attributes:
        codes: (2, ...) of both kinds; a cell holds the largest value of its voxels.
        step: voxels of the image along each side of a cell.
        shape: of the image.
        spacing_mm, grid: of the image's voxels; see :class:`ml.imaging.mask.Mask`.
    """

    codes: Codes
    step: int
    shape: tuple[int, ...]
    spacing_mm: tuple[float, ...] | None = None
    grid: tuple[float, ...] | None = None


def coded(bits: NDArray[np.float64]) -> Codes:
    """Uncertainties of 0..1 bits as steps of 1/255 bit.

    Example:
        >>> coded(np.array([0.0, 0.5, 1.0])).tolist()
        [0, 128, 255]
    """
    codes: Codes = np.rint(bits.clip(0, 1) * STEPS).astype(np.uint8)
    return codes


def step_for(shape: tuple[int, ...]) -> int:
    """Voxels along the side of a cell, so that a map of this image stays within its bound.

    Example:
        >>> step_for((64, 64)), step_for((512, 512, 100))
        (1, 3)
    """
    step = 1
    while math.prod(-(-side // step) for side in shape) > MOST_CELLS:
        step += 1
    return step


def coarsened(codes: Codes, step: int) -> Codes:
    """The largest of each cell: a small spot of doubt stays to be seen.

    Example:
        >>> coarsened(np.array([[1, 7, 3]], dtype=np.uint8), 2).tolist()
        [[7, 3]]
    """
    for axis, side in enumerate(codes.shape):
        starts = np.arange(0, side, step)
        codes = np.maximum.reduceat(codes, starts, axis=axis)
    return codes


def pack(found: UncertaintyMap) -> bytes:
    """The bytes in which a map is kept: the same map gives the same bytes."""
    head = {
        "shape": found.shape, "step": found.step, "spacing_mm": found.spacing_mm,
        "grid": found.grid, "kinds": KINDS, "unit": "bits", "steps": STEPS,
    }  # fmt: skip
    text = json.dumps(head, separators=(",", ":"), allow_nan=False).encode()
    return _MAGIC + text + b"\n" + zlib.compress(np.ascontiguousarray(found.codes).tobytes(), 6)


def unpack(data: bytes) -> UncertaintyMap:
    """A map that :func:`pack` wrote.

    Raises:
        MapError: if it is none.
    """
    try:
        if not data.startswith(_MAGIC):
            raise ValueError("it is no kept map")
        head, _, body = data[len(_MAGIC) :].partition(b"\n")
        said = json.loads(head)
        shape, step = tuple(int(side) for side in said["shape"]), int(said["step"])
        if step != step_for(shape) or min(shape) < 1:
            raise ValueError("its cells are not those of an image of its size")
        cells = (len(KINDS), *(-(-side // step) for side in shape))
        opened = zlib.decompressobj()
        plain = opened.decompress(body, math.prod(cells) + 1)
        if not opened.eof:
            raise ValueError("it is not whole")
        codes = np.frombuffer(plain, dtype=np.uint8).reshape(cells)
        spacing, grid = (
            None if said[name] is None else tuple(float(one) for one in said[name])
            for name in ("spacing_mm", "grid")
        )
        return UncertaintyMap(codes, step, shape, spacing, grid)
    except (ValueError, KeyError, TypeError, zlib.error) as error:
        raise MapError(f"The kept map cannot be read: {error}.") from None
