"""The images of a case, read, checked and made into what the network takes."""

import hashlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ml.imaging.declared import Input
from ml.imaging.decode import decode
from ml.imaging.mask import LabelArray, Mask
from ml.imaging.picture import ImageError, Picture
from ml.imaging.prepare import Placed, prepare_picture, prepare_volume
from ml.imaging.preprocess import Float32Array, prepare
from ml.imaging.steps import Tell, nobody
from ml.imaging.volume import NIFTI


@dataclass(frozen=True)
class Case:
    case_id: str
    images: tuple[Path, ...]


@dataclass(frozen=True)
class Prepared:
    """What the network takes, and the grid that it was made from.

    Attributes:
        array: in the declared layout, without a batch.
        placed: how its pixels lie on those of the image.
        spacing_mm, grid: of the image; see :class:`ml.imaging.mask.Mask`.
        stacked: its axis that slices follow each other on, where the files say so.
    """

    array: Float32Array
    placed: Placed
    spacing_mm: tuple[float, ...] | None = None
    grid: tuple[float, ...] | None = None
    stacked: int | None = None

    def mask(self, labels: LabelArray) -> Mask:
        """Labels of what the network took, as a mask of the image."""
        return Mask(self.placed.back(labels), self.spacing_mm, self.grid)


def prepare_case(case: Case, declared: Input, out: Float32Array | None = None) -> Float32Array:
    """Read, check and prepare the image of a case.

    Args:
        out: where to write it, in the declared shape; absent: a new array.

    Raises:
        ImageError: as ``prepared``.
    """
    if declared.dims == 2:  # how pixels lie on those of the image is not asked
        return prepare(_picture(case), declared, out)
    array = prepared(case, declared).array
    if out is None:
        return array
    out[...] = array
    return out


def prepared(case: Case, declared: Input, tell: Tell = nobody) -> Prepared:
    """As ``prepare_case``, with the grid; ``tell`` is told of every declared step.

    Raises:
        ImageError: no_image, several_images, several_frames, image_changed, image_missing, or a
            code of :func:`ml.imaging.decode.decode` or :func:`ml.imaging.series.volume_of`.
    """
    if declared.dims == 3:
        _check_there(case)
        from ml.imaging.series import volume_of  # the readers of DICOM, where there may be some

        volume = volume_of([bytes_of(path) for path in case.images])
        array, placed = prepare_volume(volume, declared, tell)
        grid = tuple(np.ravel(volume.affine).tolist())
        return Prepared(array, placed, volume.spacing_mm, grid, volume.stacked)
    return Prepared(*prepare_picture(_picture(case), declared, tell))


def _check_there(case: Case) -> None:
    if not case.images:
        raise ImageError("no_image", "The case has no image.")


def _picture(case: Case) -> Picture:
    """The one picture of a case, decoded."""
    _check_there(case)
    if len(case.images) > 1:
        raise ImageError("several_images", "The model takes one image, the case has several.")
    picture = decode(bytes_of(case.images[0]))
    if picture.frames > 1 or picture.media_type == NIFTI:
        raise ImageError("several_frames", "The model takes one picture, the image has several.")
    return picture


def bytes_of(path: Path) -> bytes:
    """The bytes of a stored image; a file that is called by a SHA-256 must have it.

    Raises:
        ImageError: image_missing, image_changed.
    """
    try:
        data = path.read_bytes()
    except OSError:
        raise ImageError("image_missing", "The image file is not there any more.") from None
    if len(path.name) == 64 and hashlib.sha256(data).hexdigest() != path.name:
        raise ImageError("image_changed", "The stored image is not the one that was handed in.")
    return data
