"""A volume, whatever files it came in, with its axes running to right, front and up (RAS+)."""

from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ml.imaging.nifti import read_nifti
from ml.imaging.picture import FloatArray, ImageError, Picture

NIFTI = "application/nifti"
Float32Array = NDArray[np.float32]
Values = TypeVar("Values", bound=np.generic)


@dataclass(frozen=True)
class Volume:
    """Values in the file's unit (e.g. Hounsfield), turned but never resampled."""

    values: Float32Array  # (x, y, z)
    spacing_mm: tuple[float, float, float]  # of each axis
    affine: FloatArray  # (4, 4) from voxels to mm
    stacked: int | None = None  # the axis that the slices of a series follow each other on
    notes: tuple[str, ...] = ()  # codes of what is odd and no obstacle


def volume_of_nifti(data: bytes) -> Volume:
    """
    Raises:
        ImageError: image_unreadable, pixel_limit.
    """
    found = read_nifti(
        data, what="image", unreadable="image_unreadable", axes="image_unreadable"
    )  # fmt: skip
    return turned(found.values, found.affine)


def turned(values: NDArray[np.generic], affine: FloatArray, stacked: int | None = None) -> Volume:
    """A volume whose axes are brought nearest to right, front and up.

    Args:
        values: three axes, of any directions.
        affine: (4, 4) from voxels to mm in RAS+.
        stacked: the axis of ``values`` that slices follow each other on, where that is known.

    Raises:
        ImageError: image_unreadable where the values are no plain numbers.
    """
    if values.dtype.kind not in "biuf":
        raise ImageError("image_unreadable", f"An image holds numbers, not {values.dtype}.")
    straight, placed, axes = straightened(values, affine)
    floats = np.ascontiguousarray(straight, dtype=np.float32)
    if not np.isfinite(floats).all():
        raise ImageError("image_unreadable", "The image holds NaN or infinity.")
    return Volume(floats, lengths_of(placed), placed, None if stacked is None else axes[stacked])


def straightened(
    values: NDArray[Values], affine: FloatArray
) -> tuple[NDArray[Values], FloatArray, tuple[int, ...]]:
    """An array whose axes are brought nearest to right, front and up, without resampling.

    Returns:
        the array (a view), its affine, and which of its axes each axis has become.
    """
    from nibabel import orientations  # here, because who has pictures alone need not wait for it

    turn = orientations.io_orientation(affine)  # type: ignore[no-untyped-call]
    straight = orientations.apply_orientation(values, turn)  # type: ignore[no-untyped-call]
    back = orientations.inv_ornt_aff(turn, values.shape)  # type: ignore[no-untyped-call]
    return straight, affine @ back, tuple(int(axis) for axis in turn[:, 0])


def lengths_of(affine: FloatArray) -> tuple[float, float, float]:
    """Of a voxel along each axis, in mm."""
    x, y, z = (float(length) for length in np.linalg.norm(affine[:3, :3], axis=0))
    return x, y, z


def middle_slice(volume: Volume) -> Picture:
    """The middle transverse slice as people look at it: front above, the patient's right at left.

    Without a window in the file, from the lowest to the highest value.
    """
    plane = volume.values[::-1, ::-1, volume.values.shape[2] // 2].T
    return Picture(
        media_type=NIFTI,
        width=plane.shape[1],
        height=plane.shape[0],
        frames=volume.values.shape[2],
        bits=8 * volume.values.dtype.itemsize,
        mode="volume",
        eight_bits=Image.fromarray(grey(plane)),
    )


def grey(plane: NDArray[np.generic], ends: tuple[float, float] | None = None) -> NDArray[np.uint8]:
    """0 for the lowest value, 255 for the highest; of ``ends``, where it is a piece of more."""
    low, high = ends or ends_of(plane)
    scale = 255 / (high - low) if high > low else 0.0
    return np.rint((plane.astype(np.float64) - low) * scale).astype(np.uint8)


def ends_of(values: NDArray[np.generic]) -> tuple[float, float]:
    """The lowest and the highest value."""
    return float(values.min()), float(values.max())
