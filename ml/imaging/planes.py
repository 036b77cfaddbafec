"""Where slices and frames lie in the patient, and whether they make one stack."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from pydicom.dataset import Dataset

from ml.imaging.frames import has_groups, of_frame
from ml.imaging.picture import FloatArray, ImageError

LPS_TO_RAS = np.diag([-1.0, -1.0, 1.0])
_MM = 0.01  # positions, directions and sizes of pixels that differ by less are the same
_GAP = 0.02  # share of the distance of slices by which one may differ from the others
_MOST_TILT = 45.0  # degrees; gantries tilt by 30
_ALIKE_UP = 0.9  # cosine to the long axis of the body from which slices are transverse


@dataclass(frozen=True)
class Plane:
    """Where the pixels of a slice or frame lie, LPS in mm."""

    position: FloatArray  # (3,) of the first pixel
    across: FloatArray  # (3,) direction along a row
    down: FloatArray  # (3,) along a column
    size_mm: tuple[float, float]  # between rows, between columns

    @property
    def normal(self) -> FloatArray:
        return np.cross(self.across, self.down)

    def parallel(self, other: "Plane") -> bool:
        """Whether pixels have the same size and directions."""
        return all(
            np.allclose(one, two, atol=_MM, rtol=0)
            for one, two in (
                (self.size_mm, other.size_mm),
                (self.across, other.across),
                (self.down, other.down),
            )
        )

    def affine(self, step: FloatArray) -> FloatArray:
        """(4, 4) from (column, row, slice) to mm in RAS+, slices ``step`` apart."""
        affine = np.eye(4)
        affine[:3, 0] = LPS_TO_RAS @ self.across * self.size_mm[1]
        affine[:3, 1] = LPS_TO_RAS @ self.down * self.size_mm[0]
        affine[:3, 2] = LPS_TO_RAS @ step
        affine[:3, 3] = LPS_TO_RAS @ self.position
        return affine


class Place(NamedTuple):
    """What a slice or frame says of itself besides its values."""

    plane: Plane
    shape: tuple[int, int]  # rows, columns
    identity: tuple[str, str]  # patient, series


def places_of(dataset: Dataset, frames: int) -> tuple[Place, ...]:
    """Where each frame lies.

    Raises:
        ImageError: series_geometry.
    """
    if frames > 1 and not has_groups(dataset):
        raise ImageError("series_geometry", "The file does not say where each of its frames lies.")
    identity = (str(dataset.get("PatientID", "")), str(dataset.get("SeriesInstanceUID", "")))
    shape = (int(dataset.Rows), int(dataset.Columns))
    return tuple(
        Place(plane_of(of_frame(dataset, index)), shape, identity) for index in range(frames)
    )


def plane_of(dataset: Dataset) -> Plane:
    """Where a slice, or a frame as :func:`ml.imaging.frames.of_frame` gives it, lies.

    Raises:
        ImageError: series_geometry.
    """
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
    position = _numbers(dataset, "ImagePositionPatient", 3)
    return Plane(position, across, down, (float(rows_mm), float(columns_mm)))


def _numbers(dataset: Dataset, name: str, count: int) -> FloatArray:
    value = dataset.get(name)
    try:
        found = np.array([float(one) for one in value or ()], dtype=np.float64)
    except (TypeError, ValueError):
        found = np.empty(0)
    if found.size != count or not np.isfinite(found).all():
        raise ImageError("series_geometry", f"A slice does not say where it lies: {name}.")
    return found


class Stacked(NamedTuple):
    """One stack of slices."""

    order: tuple[int, ...]  # of the slices, from the first to the last along the normal
    step: FloatArray  # (3,) from one to the next, LPS in mm
    notes: tuple[str, ...]


def stacked(places: Sequence[Place]) -> Stacked:
    """How slices follow each other, in whatever order they come.

    Raises:
        ImageError: series_geometry, series_identity.
    """
    first = places[0]
    if len({one.identity for one in places}) > 1:
        raise ImageError("series_identity", "The files are of several series or patients.")
    for one in places:
        if one.shape != first.shape or not one.plane.parallel(first.plane):
            raise ImageError("series_geometry", "The slices differ in size, pixels or direction.")
    if len(places) < 2:
        raise ImageError("series_geometry", "One slice is no volume.")
    normal = first.plane.normal
    positions = np.array([one.plane.position for one in places])
    order = np.argsort(positions @ normal, kind="stable")
    step = _step(positions[order], normal)
    return Stacked(tuple(int(at) for at in order), step, _notes(step, normal))


def _step(positions: FloatArray, normal: FloatArray) -> FloatArray:
    """From one slice to the next, in mm; the same between all of them, and near the normal."""
    steps = np.diff(positions, axis=0)
    along = steps @ normal
    middle = float(np.median(along))
    if middle < _MM or np.abs(along - middle).max() > max(_MM, _GAP * middle):
        raise ImageError(
            "series_geometry",
            "The slices are not evenly apart: one is missing, there twice, or of another stack.",
        )
    mean: FloatArray = steps.mean(axis=0)
    if np.abs(steps - mean).max() > max(_MM, _GAP * middle):
        raise ImageError("series_geometry", "The slices are not shifted evenly: resample before.")
    if _tilt(mean, normal) > _MOST_TILT:
        raise ImageError(
            "series_geometry", f"The stack is sheared by more than {_MOST_TILT:g} degrees."
        )
    return mean


def _tilt(step: FloatArray, normal: FloatArray) -> float:
    """Degrees between the way from slice to slice and what is upright on a slice."""
    return math.degrees(math.acos(min(1.0, float(step @ normal) / float(np.linalg.norm(step)))))


def _notes(step: FloatArray, normal: FloatArray) -> tuple[str, ...]:
    aside = np.abs(step - normal * (step @ normal)).max()
    said = {
        "gantry_tilt": aside > max(_MM, _GAP * float(step @ normal)),
        "not_transverse": abs(normal[2]) < _ALIKE_UP,
    }
    return tuple(code for code, so in said.items() if so)
