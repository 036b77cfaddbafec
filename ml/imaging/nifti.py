"""NIfTI files of strangers: one volume, its axes turned to right, front and up (RAS+)."""

import math
import warnings
import zlib
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ml.imaging.picture import MOST_PIXEL_BYTES, FloatArray, ImageError

_GZIP = b"\x1f\x8b"


class Nifti(NamedTuple):
    """What one file holds; turned, never resampled."""

    values: NDArray[np.generic]  # (x, y, z), scaled as the header says
    spacing_mm: tuple[float, ...]  # of each axis
    affine: FloatArray  # (4, 4) from voxels to mm


def is_nifti(data: bytes) -> bool:
    """Whether the first bytes are those of a single-file NIfTI, packed or not."""
    return data[:2] == _GZIP or data[344:348] == b"n+1\0"


def read_nifti(data: bytes, *, what: str, unreadable: str, axes: str) -> Nifti:
    """Decode a single-file NIfTI completely.

    Args:
        data: the file, gzipped or plain.
        what: what to call it in a refusal: "mask", "image".
        unreadable: the code for a file that cannot be decoded.
        axes: the code for one that has more than three axes.

    Raises:
        ImageError: pixel_limit, or one of the two codes.
    """
    import nibabel  # here, because a child that has pictures alone need not wait for it
    from nibabel.filebasedimages import ImageFileError
    from nibabel.spatialimages import HeaderDataError

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            image = nibabel.nifti1.Nifti1Image.from_bytes(_unzipped(data, what, unreadable))
            shape = image.shape
            if math.prod(shape) * 8 > MOST_PIXEL_BYTES:
                raise ImageError(
                    "pixel_limit",
                    f"The {what} has {math.prod(shape):,} voxels, too many to decode.",
                )
            if len(shape) > 3 and all(size == 1 for size in shape[3:]):
                image = image.slicer[(slice(None),) * 3 + (0,) * (len(shape) - 3)]
            if len(image.shape) != 3 or 0 in image.shape:
                raise ImageError(axes, f"A {what} has three axes, this one has {shape}.")
            image = nibabel.funcs.as_closest_canonical(image)  # type: ignore[no-untyped-call]
            values = np.asanyarray(image.dataobj)
            affine = np.asarray(image.affine, dtype=np.float64)
            spacing = tuple(float(size) for size in image.header.get_zooms()[:3])
    except (ImageError, MemoryError):
        raise
    except (OSError, ValueError, EOFError, ImageFileError, HeaderDataError, zlib.error) as error:
        raise ImageError(unreadable, f"The {what} cannot be decoded: {error}.") from None
    except Exception as error:  # the reader raises whatever it stumbles on
        raise ImageError(
            unreadable, f"The {what} cannot be decoded: {type(error).__name__}."
        ) from None
    usable = np.isfinite(affine).all() and np.isfinite(spacing).all() and min(spacing) > 0
    if not usable:
        raise ImageError(unreadable, f"The {what}'s voxels have no size.")
    return Nifti(values, spacing, affine)


def _unzipped(data: bytes, what: str, unreadable: str) -> bytes:
    """The plain bytes; a stream that unpacks to more than is decoded is stopped on the way."""
    if data[:2] != _GZIP:
        return data
    stream = zlib.decompressobj(wbits=31)
    plain = stream.decompress(data, MOST_PIXEL_BYTES + 1)
    if len(plain) > MOST_PIXEL_BYTES:
        raise ImageError(
            "pixel_limit", f"The {what} unpacks to more than {MOST_PIXEL_BYTES:,} bytes."
        )
    if not stream.eof:
        raise ImageError(unreadable, f"The {what} cannot be decoded: it is cut off.")
    return plain
