"""The slices of a DICOM series, sorted by where they lie, as one volume."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np

from ml.imaging.decode import media_type
from ml.imaging.dicom import modality_values, read_header, reading
from ml.imaging.dicom_pixels import decoded
from ml.imaging.frames import of_frame
from ml.imaging.picture import ImageError
from ml.imaging.planes import Place, places_of, stacked
from ml.imaging.volume import NIFTI, Float32Array, Volume, turned, volume_of_nifti

_MOST_VOXELS = 2**28  # 1 GiB of float32


def volume_of(files: Sequence[bytes]) -> Volume:
    """The volume of a case: one NIfTI file, or one DICOM series.

    A series is slices in any order, one file each, or the frames of enhanced files. Values are in
    the unit of each slice's own rescaling; MONOCHROME1 says how they are shown and turns none. Its
    notes: ``gantry_tilt`` where slices are shifted against each other (the affine is sheared, no
    value is moved), ``not_transverse``.

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
    with reading():
        slices = [one for data in files for one in _slices(data)]
    return _volume([place for place, _ in slices], [values for _, values in slices])


def _slices(data: bytes) -> Iterator[tuple[Place, Float32Array]]:
    """The one slice of a classic file, the frames of an enhanced one; (rows, columns) each."""
    dataset = read_header(data)
    pixels = decoded(dataset)
    if pixels.ndim != 3 or dataset.PhotometricInterpretation == "PALETTE COLOR":
        raise ImageError("series_geometry", "The slices of a volume are gray.")
    for index, place in enumerate(places_of(dataset, len(pixels))):
        values = modality_values(of_frame(dataset, index), pixels[index])
        yield place, values.astype(np.float32)


def _volume(places: list[Place], slices: list[Float32Array]) -> Volume:
    stack = stacked(places)
    if math.prod(slices[0].shape) * len(slices) > _MOST_VOXELS:
        raise ImageError("pixel_limit", f"The series has more than {_MOST_VOXELS:,} voxels.")
    affine = places[stack.order[0]].plane.affine(stack.step)
    # Columns of a slice are the first axis, rows the second.
    values = np.stack([slices[at].T for at in stack.order], axis=2)
    return replace(turned(values, affine, stacked=2), notes=stack.notes)
