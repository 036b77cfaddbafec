"""Files of strangers become masks: which voxel belongs to which structure, and how large it is."""

import io
import json
import math
import warnings
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFile

from ml.imaging.decode import media_type
from ml.imaging.nifti import is_nifti, read_nifti
from ml.imaging.picture import MOST_PIXELS, ImageError, short
from ml.imaging.volume import lengths_of

if TYPE_CHECKING:
    from ml.imaging.segments import Grid

LabelArray = NDArray[np.uint8]

MOST_STRUCTURES = 250
_MAGIC = b"PLUMBMASK1\n"
_GRID_MM = 1e-2  # corners of two grids further apart than this are two grids


@dataclass(frozen=True)
class Mask:
    """Labels of one case: 0 is background, structure i (from 0) is label i + 1.

    Volumes are turned so that their axes run to the right, to the front and upwards (RAS+), as
    far as that goes without resampling.
    """

    labels: LabelArray  # (rows, columns) or (x, y, z)
    spacing_mm: tuple[float, ...] | None  # of each axis; None: the file does not say
    grid: tuple[float, ...] | None = None  # 4 x 4 voxel-to-world, row by row; None: no world

    @property
    def shape(self) -> tuple[int, ...]:
        return tuple(int(size) for size in self.labels.shape)

    def of(self, structure: int) -> NDArray[np.bool_]:
        """The voxels of one structure, counted from 0."""
        voxels: NDArray[np.bool_] = self.labels == structure + 1
        return voxels

    def same_grid(self, other: "Mask") -> bool:
        """True where voxels of both lie on each other, as far as the files say."""
        if self.shape != other.shape:
            return False
        if self.grid is not None and other.grid is not None:
            corners = np.array([[0, 0, 0, 1], [*self.shape, 1]], dtype=np.float64).T
            ours, theirs = (np.reshape(g, (4, 4)) @ corners for g in (self.grid, other.grid))
            return bool(np.abs(ours - theirs).max() <= _GRID_MM)
        if self.spacing_mm is None or other.spacing_mm is None:
            return True
        return bool(np.allclose(self.spacing_mm, other.spacing_mm, rtol=1e-3, atol=0))


def decode_mask(
    data: bytes, structures: int, grid: "Grid | None" = None, *, flat: bool = False
) -> Mask:
    """Decode a PNG, NIfTI or DICOM SEG file of labels completely.

    With one structure a file may mark it by any one value (1, 255, ...); with several, label i
    stands for the i-th structure of the manifest.

    Args:
        data: the file.
        structures: how many the manifest names, 1 or more.
        grid: of the image, which a segmentation is put on; others bring all their voxels.
        flat: the image is one picture.

    Raises:
        ImageError: empty_file, mask_unsupported, mask_unreadable, mask_values, pixel_limit; of a
            segmentation mask_grid and the codes of DICOM.
    """
    if not data:
        raise ImageError("empty_file", "The mask file is empty.")
    kind = media_type(data)
    if kind == "image/png":
        return Mask(_labels(_png(data), structures), None)
    if is_nifti(data):
        return _nifti(data, structures)
    if kind == "application/dicom":
        return _segments(data, structures, grid, flat)
    raise ImageError(
        "mask_unsupported",
        "Masks are read as PNG, single-file NIfTI (.nii, .nii.gz) or DICOM SEG: save it so.",
    )


def _png(data: bytes) -> NDArray[np.generic]:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            image = Image.open(io.BytesIO(data), formats=("PNG",))
            if image.size[0] * image.size[1] > MOST_PIXELS:
                raise ImageError("pixel_limit", f"At most {MOST_PIXELS:,} pixels are decoded.")
            ImageFile.LOAD_TRUNCATED_IMAGES = False
            image.load()
    except (ImageError, MemoryError):
        raise
    except Exception as error:  # the reader raises whatever it stumbles on
        raise ImageError(
            "mask_unreadable", f"The mask cannot be decoded: {short(error)}."
        ) from None
    # Of a palette the indices are the labels; what colours they are shown in does not matter.
    if image.mode not in ("1", "L", "P", "I;16", "I"):
        raise ImageError(
            "mask_values", f"A mask has one value per pixel; this picture is {image.mode}."
        )
    return np.asarray(image)


def _nifti(data: bytes, structures: int) -> Mask:
    found = read_nifti(data, what="mask", unreadable="mask_unreadable", axes="mask_values")
    grid = tuple(found.affine.ravel().tolist())
    return Mask(_labels(found.values, structures), found.spacing_mm, grid)


def _segments(data: bytes, structures: int, grid: "Grid | None", flat: bool) -> Mask:
    from ml.imaging.segments import read_segments  # the readers of DICOM, where there is some

    labels, affine = read_segments(data, structures, grid, flat=flat)
    if affine is None:
        return Mask(labels, None)
    return Mask(labels, lengths_of(affine), tuple(affine.ravel().tolist()))


def _labels(values: NDArray[np.generic], structures: int) -> LabelArray:
    numbers = np.asarray(values)
    if numbers.dtype.kind not in "biuf":
        raise ImageError("mask_values", f"A mask holds numbers, not {numbers.dtype}.")
    found = np.unique(numbers)
    if not np.isfinite(found.astype(np.float64)).all():
        raise ImageError("mask_values", "A mask holds whole numbers from 0, this one holds NaN.")
    named = found[found != 0]
    if structures == 1:
        if named.size > 1:
            listed = ", ".join(f"{value:g}" for value in named[:5].astype(np.float64))
            raise ImageError(
                "mask_values",
                f"One structure is declared, but the mask has several values ({listed}).",
            )
        marked: LabelArray = (numbers != 0).astype(np.uint8)
        return marked
    wrong = named[(named < 0) | (named > structures) | (named.astype(np.float64) % 1 != 0)]
    if wrong.size:
        raise ImageError(
            "mask_values",
            f"The value {float(wrong[0]):g} stands for no structure: {structures} are declared.",
        )
    return numbers.astype(np.uint8)


def pack(mask: Mask) -> bytes:
    """The one file in which a mask is kept: the same labels give the same bytes."""
    head = {"shape": mask.shape, "spacing_mm": mask.spacing_mm, "grid": mask.grid}
    text = json.dumps(head, separators=(",", ":"), allow_nan=False).encode()
    body = zlib.compress(np.ascontiguousarray(mask.labels).tobytes(), 6)
    return _MAGIC + text + b"\n" + body


def unpack(data: bytes) -> Mask:
    """A mask that :func:`pack` wrote.

    Raises:
        ImageError: mask_unreadable.
    """
    try:
        if not data.startswith(_MAGIC):
            raise ValueError("it is no kept mask")
        head, _, body = data[len(_MAGIC) :].partition(b"\n")
        said = json.loads(head)
        shape = tuple(int(size) for size in said["shape"])
        size = math.prod(shape)
        plain = zlib.decompressobj().decompress(body, size + 1)
        labels = np.frombuffer(plain, dtype=np.uint8).reshape(shape)
        return Mask(labels, _floats(said["spacing_mm"]), _floats(said["grid"]))
    except (ValueError, KeyError, TypeError, zlib.error) as error:
        raise ImageError("mask_unreadable", f"The kept mask cannot be read: {error}.") from None


def _floats(values: Sequence[float] | None) -> tuple[float, ...] | None:
    return None if values is None else tuple(float(value) for value in values)
