"""The slices of a DICOM series, sorted by where they lie, as one volume."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from pydicom.dataset import Dataset

from ml.imaging.decode import media_type
from ml.imaging.dicom import decode_with_header
from ml.imaging.picture import FloatArray, ImageError
from ml.imaging.volume import NIFTI, Volume, turned, volume_of_nifti

_LPS_TO_RAS = np.diag([-1.0, -1.0, 1.0])
_MM = 0.01  # positions, directions and sizes of pixels that differ by less are the same
_GAP = 0.02  # share of the distance of slices by which one may differ from the others
_MOST_VOXELS = 2**28  # 1 GiB of float32


@dataclass(frozen=True)
class _Slice:
    values: FloatArray  # (rows, columns)
    position: FloatArray  # (3,) mm, of the first pixel, LPS
    across: FloatArray  # (3,) direction along a row
    down: FloatArray  # (3,) along a column
    size_mm: tuple[float, float]  # between rows, between columns
    identity: tuple[str, str]  # patient, series


def volume_of(files: Sequence[bytes]) -> Volume:
    """The volume of a case: one NIfTI file, or the slices of one DICOM series in any order.

    Raises:
        ImageError: no_image, image_unsupported, series_geometry, series_identity, or a code of
            the readers of single files.
    """
    if not files:
        raise ImageError("no_image", "The case has no image.")
    kinds = {media_type(data) for data in files}
    if kinds == {NIFTI} and len(files) == 1:
        return volume_of_nifti(files[0])
    if kinds != {"application/dicom"}:
        raise ImageError(
            "image_unsupported", "A volume is one NIfTI file, or the slices of a DICOM series."
        )
    return _stacked([_read(data) for data in files])


def _read(data: bytes) -> _Slice:
    picture, dataset = decode_with_header(data)
    if picture.frames > 1 or picture.values is None:
        raise ImageError("series_geometry", "The slices of a volume are gray, with one frame each.")
    lies = _numbers(dataset, "ImageOrientationPatient", 6)
    rows_mm, columns_mm = _numbers(dataset, "PixelSpacing", 2)
    across, down = lies[:3], lies[3:]
    straight = abs(float(across @ down)) < _MM
    if not straight or not np.allclose(np.linalg.norm([across, down], axis=1), 1, atol=_MM):
        raise ImageError(
            "series_geometry", "The directions of rows and columns are no right angle."
        )
    if min(rows_mm, columns_mm) <= 0:
        raise ImageError("series_geometry", "The pixels have no size.")
    return _Slice(
        picture.values,
        _numbers(dataset, "ImagePositionPatient", 3),
        across,
        down,
        (float(rows_mm), float(columns_mm)),
        (str(dataset.get("PatientID", "")), str(dataset.get("SeriesInstanceUID", ""))),
    )


def _numbers(dataset: Dataset, name: str, count: int) -> FloatArray:
    value = dataset.get(name)
    try:
        found = np.array([float(one) for one in value or ()], dtype=np.float64)
    except (TypeError, ValueError):
        found = np.empty(0)
    if found.size != count or not np.isfinite(found).all():
        raise ImageError("series_geometry", f"A slice does not say where it lies: {name}.")
    return found


def _stacked(slices: list[_Slice]) -> Volume:
    first = slices[0]
    if len({one.identity for one in slices}) > 1:
        raise ImageError("series_identity", "The files are of several series or patients.")
    for one in slices:
        alike = (
            one.values.shape == first.values.shape
            and np.allclose(one.size_mm, first.size_mm, atol=_MM, rtol=0)
            and np.allclose(one.across, first.across, atol=_MM, rtol=0)
            and np.allclose(one.down, first.down, atol=_MM, rtol=0)
        )
        if not alike:
            raise ImageError("series_geometry", "The slices differ in size, pixels or direction.")
    if len(slices) < 2:
        raise ImageError("series_geometry", "One slice is no volume.")
    if math.prod(first.values.shape) * len(slices) > _MOST_VOXELS:
        raise ImageError("pixel_limit", f"The series has more than {_MOST_VOXELS:,} voxels.")
    normal = np.cross(first.across, first.down)
    ordered = sorted(slices, key=lambda one: float(one.position @ normal))
    step = _step(np.array([one.position for one in ordered]), normal)
    affine = np.eye(4)
    affine[:3, 0] = _LPS_TO_RAS @ first.across * first.size_mm[1]
    affine[:3, 1] = _LPS_TO_RAS @ first.down * first.size_mm[0]
    affine[:3, 2] = _LPS_TO_RAS @ step
    affine[:3, 3] = _LPS_TO_RAS @ ordered[0].position
    # Columns of a slice are the first axis, rows the second.
    values = np.stack([one.values.T.astype(np.float32) for one in ordered], axis=2)
    return turned(values, affine, stacked=2)


def _step(positions: FloatArray, normal: FloatArray) -> FloatArray:
    """From one slice to the next, in mm; the same between all of them, and along the normal."""
    steps = np.diff(positions, axis=0)
    along = steps @ normal
    middle = float(np.median(along))
    if middle < _MM or np.abs(along - middle).max() > max(_MM, _GAP * middle):
        raise ImageError(
            "series_geometry",
            "The slices are not evenly apart: one is missing, there twice, or of another stack.",
        )
    mean: FloatArray = steps.mean(axis=0)
    if np.abs(mean - normal * (mean @ normal)).max() > max(_MM, _GAP * middle):
        raise ImageError(
            "series_geometry", "The stack is sheared (a tilted gantry): resample it before."
        )
    return mean
