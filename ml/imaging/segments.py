"""DICOM segmentations become masks: frames placed by where they lie and which segment they show."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset

from ml.imaging.dicom import check_present, read_dicom, reading
from ml.imaging.dicom_kinds import SEGMENTATIONS
from ml.imaging.dicom_pixels import decoded
from ml.imaging.frames import has_groups, of_frame
from ml.imaging.picture import FloatArray, ImageError
from ml.imaging.planes import Plane, plane_of
from ml.imaging.series import volume_of
from ml.imaging.volume import straightened

Labels = NDArray[np.uint8]
_MOST_VOXELS = 2**28
_OFF = 0.1  # of a voxel: frames that lie further from the image's voxels are on another grid
_HALF = 0.5  # from this fraction on, a voxel belongs to a segment
_GAP = 0.02  # share of the distance of slices by which one may differ from the others


@dataclass(frozen=True)
class Grid:
    """The voxels of an image, in RAS+."""

    shape: tuple[int, int, int]
    affine: FloatArray  # (4, 4) from voxels to mm


def grid_of(files: Sequence[bytes]) -> Grid:
    """The grid of the volume that some files are.

    Raises:
        ImageError: a code of :func:`ml.imaging.series.volume_of`.
    """
    volume = volume_of(files)
    x, y, z = volume.values.shape
    return Grid((x, y, z), volume.affine)


@dataclass(frozen=True)
class _Frame:
    marked: NDArray[np.bool_] | Labels  # (rows, columns); of a label map its labels
    label: int | None  # None: of a label map
    place: Dataset


def read_segments(
    data: bytes, structures: int, grid: Grid | None, *, flat: bool
) -> tuple[Labels, FloatArray | None]:
    """The labels of a segmentation: 0 is background, segment i is structure i of the manifest.

    Args:
        data: the file; binary, fractional (half and more is marked) or a label map.
        structures: how many the manifest names. Of one, the only segment may have any number.
        grid: of the image, on which the labels are put, for a segmentation leaves out the slices
            that it marks nothing in; None: from its first to its last frame.
        flat: the image is one picture: its frames are taken by their size, wherever they lie.

    Returns:
        labels (x, y, z) in RAS+ with their affine, or (rows, columns) and None where flat.

    Raises:
        ImageError: mask_unsupported, mask_unreadable, mask_values, mask_grid, or a code of
            :func:`ml.imaging.dicom.decode_dicom`.

    Source:
        DICOM PS3.3, C.8.20
    """
    with reading():
        dataset = read_dicom(data)
        if str(dataset.get("SOPClassUID", "")) not in SEGMENTATIONS:
            raise ImageError(
                "mask_unsupported", "Of DICOM files only segmentations (SEG) are masks."
            )
        check_present(dataset)
        frames = _frames(dataset, structures)
        if flat:
            return _flat(frames), None
        if not has_groups(dataset) or "ImagePositionPatient" not in frames[0].place:
            raise ImageError("mask_grid", "The segmentation does not say where its frames lie.")
        planes = [plane_of(frame.place) for frame in frames]
    if grid is not None:
        return _placed(frames, planes, grid.affine, grid.shape), grid.affine
    affine, shape = _own_grid(frames, planes)
    labels, straight, _ = straightened(_placed(frames, planes, affine, shape), affine)
    return np.ascontiguousarray(labels), straight


def _frames(dataset: Dataset, structures: int) -> list[_Frame]:
    pixels = decoded(dataset, bits=(1, 8, 16))
    if pixels.ndim != 3:
        raise ImageError("mask_values", "A segmentation has one value per pixel.")
    kind = str(dataset.get("SegmentationType", ""))
    if kind == "LABELMAP":
        return _label_map(dataset, pixels, structures)
    if kind not in ("BINARY", "FRACTIONAL"):
        raise ImageError("mask_unsupported", "The segmentation does not say of which type it is.")
    numbers = [int(one.SegmentNumber) for one in dataset.get("SegmentSequence") or ()]
    found = []
    most = float(dataset.get("MaximumFractionalValue") or 0) if kind == "FRACTIONAL" else 1.0
    if most <= 0:
        raise ImageError("mask_values", "The segmentation does not say what fraction 1 is.")
    for index, frame in enumerate(pixels):
        own = of_frame(dataset, index)
        number = own.get("ReferencedSegmentNumber")
        if number is None and len(numbers) == 1:
            number = numbers[0]
        if number not in numbers:
            raise ImageError("mask_values", "A frame does not say which segment it shows.")
        label = 1 if structures == 1 and len(numbers) == 1 else int(number)
        _check_label(label, structures)
        found.append(_Frame(frame >= max(1.0, _HALF * most), label, own))
    return found


def _label_map(dataset: Dataset, pixels: NDArray[np.generic], structures: int) -> list[_Frame]:
    numbers = [int(number) for number in np.unique(pixels) if number]
    if structures == 1 and len(numbers) == 1:
        pixels = (pixels != 0).astype(np.uint8)
    else:
        for number in numbers:
            _check_label(number, structures)
    return [
        _Frame(frame.astype(np.uint8), None, of_frame(dataset, index))
        for index, frame in enumerate(pixels)
    ]


def _check_label(label: int, structures: int) -> None:
    if not 1 <= label <= structures:
        raise ImageError(
            "mask_values",
            f"The segment {label} stands for no structure: {structures} are declared.",
        )


def _flat(frames: list[_Frame]) -> Labels:
    """(rows, columns) of one picture."""
    labels = np.zeros(frames[0].marked.shape, np.uint8)
    seen = set()
    for frame in frames:
        if frame.label in seen:
            raise ImageError(
                "mask_grid", "The segmentation has several slices, and the case one picture."
            )
        seen.add(frame.label)
        _mark(labels, frame, np.nonzero(frame.marked))
    return labels


def _placed(
    frames: list[_Frame], planes: list[Plane], affine: FloatArray, shape: tuple[int, ...]
) -> Labels:
    """The frames on a grid; what a frame marks outside of it is no mask of its image."""
    labels = np.zeros(shape, np.uint8)
    to_voxels = np.linalg.inv(affine)
    for frame, plane in zip(frames, planes, strict=True):
        lies = to_voxels @ plane.affine(np.zeros(3))  # from column and row to voxels
        if not _on_voxels(lies, frame.marked.shape):
            raise ImageError(
                "mask_grid", "The segmentation lies on another grid of voxels than its image."
            )
        marked = np.nonzero(frame.marked)
        ends = np.stack([marked[1], marked[0], np.zeros_like(marked[0]), np.ones_like(marked[0])])
        voxels = np.rint(lies[:3] @ ends).astype(np.int64)
        if ((voxels < 0) | (voxels >= np.array(shape)[:, None])).any():
            raise ImageError("mask_grid", "The segmentation marks voxels outside of its image.")
        _mark(labels, frame, marked, tuple(voxels))
    return labels


def _on_voxels(lies: FloatArray, sides: tuple[int, ...]) -> bool:
    """Whether a frame's pixels lie on voxels: one on one, from corner to corner."""
    steps = np.rint(lies[:3, :2])
    alike = np.abs(lies[:3, :2] - steps).max() <= _OFF and (np.abs(steps).sum(axis=0) == 1).all()
    rows, columns = sides
    ends = np.array([[c, r, 0, 1] for c in (0, columns - 1) for r in (0, rows - 1)])
    corners = (lies @ ends.T)[:3]
    return bool(alike and np.abs(corners - np.rint(corners)).max() <= _OFF)


def _mark(
    labels: Labels,
    frame: _Frame,
    marked: tuple[NDArray[np.int64], ...],
    voxels: tuple[NDArray[np.int64], ...] | None = None,
) -> None:
    """Write what one frame marks; a voxel belongs to one structure."""
    at = marked if voxels is None else voxels
    before = labels[at]
    new = frame.marked[marked] if frame.label is None else np.uint8(frame.label)
    if ((before != 0) & (before != new)).any():
        raise ImageError(
            "mask_values", "Two segments mark the same voxel, and a mask has one value there."
        )
    labels[at] = new


def _own_grid(frames: list[_Frame], planes: list[Plane]) -> tuple[FloatArray, tuple[int, int, int]]:
    """The grid from the first to the last frame; slices between them may be left out."""
    first = planes[0]
    if not all(plane.parallel(first) for plane in planes):
        raise ImageError("mask_grid", "The frames differ in the size or direction of pixels.")
    normal = first.normal
    heights = np.array([float(plane.position @ normal) for plane in planes])
    apart = _apart(heights, frames[0].place)
    count = round(float(np.ptp(heights)) / apart) + 1
    rows, columns = frames[0].marked.shape
    if count * rows * columns > _MOST_VOXELS:
        raise ImageError("pixel_limit", f"The segmentation has more than {_MOST_VOXELS:,} voxels.")
    lowest = planes[int(np.argmin(heights))]
    return lowest.affine(normal * apart), (columns, rows, count)


def _apart(heights: FloatArray, place: Dataset) -> float:
    """How far slices are apart, in mm: as the file says, else as its frames lie."""
    said = float(place.get("SpacingBetweenSlices") or 0)
    gaps = np.diff(np.unique(np.round(heights, 3)))
    apart = said or (float(gaps.min()) if gaps.size else float(place.get("SliceThickness") or 0))
    if not apart > 0:
        raise ImageError("mask_grid", "The segmentation does not say how far slices are apart.")
    if np.abs(gaps / apart - np.rint(gaps / apart)).max(initial=0) > _GAP * max(gaps.size, 1):
        raise ImageError("mask_grid", "The frames of the segmentation are not evenly apart.")
    return apart
