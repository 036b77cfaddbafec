"""An image as a short list of numbers that anybody could have thought of, and as a thumbnail.

No network is asked: these numbers are what a network has to beat, and what two images are told
alike by.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage

from ml.imaging.decode import decode, media_type
from ml.imaging.picture import FloatArray, ImageError, Picture
from ml.imaging.series import volume_of
from ml.imaging.volume import NIFTI, Volume

THUMBNAIL = 32  # pixels of a side; numbers of a thumbnail are its square
_SLABS, _SLAB_SIDE = 4, 16  # the thumbnail of a volume: four parts from below upwards
_MOST_SLICES = 32  # of a volume, evenly spread, on which its numbers are measured
_BINS = 64
_BORDER = 0.05  # of each side
Float32Array = NDArray[np.float32]


@dataclass(frozen=True)
class Described:
    """One case in numbers.

    Attributes:
        numbers: by name, finite; the sizes of voxels are those of volumes alone.
        thumbnail: (1024,) the image made small, in its own values.
        pixels: SHA-256 of the decoded values: equal however the file was written.
    """

    numbers: Mapping[str, float]
    thumbnail: Float32Array
    pixels: bytes


def described(files: Sequence[bytes]) -> Described:
    """The case that some files are.

    One NIfTI file, the slices of one DICOM series, and the frames of an enhanced DICOM file that
    make a stack are a volume, in the file's own values. Every
    other file is a picture as it is shown, grey from 0 to 1; of several the numbers are averaged.

    Raises:
        ImageError: no_image, or a code of :func:`ml.imaging.decode.decode` or
            :func:`ml.imaging.series.volume_of`.
    """
    if not files:
        raise ImageError("no_image", "The case has no image.")
    kinds = {media_type(data) for data in files}
    if kinds == {NIFTI} and len(files) == 1:
        return of_volume(volume_of(files), sum(map(len, files)))
    if kinds == {"application/dicom"} and len(files) > 1:
        try:
            return of_volume(volume_of(files), sum(map(len, files)))
        except ImageError as error:
            if not error.code.startswith("series_"):  # else several pictures of one examination
                raise
    pictures = [decode(data) for data in files]
    if len(pictures) == 1 and len(pictures[0].places) > 1:  # frames that say where they lie
        try:
            return of_volume(volume_of(files), len(files[0]))
        except ImageError as error:
            if not error.code.startswith("series_"):
                raise
    each = [of_picture(picture, len(data)) for picture, data in zip(pictures, files, strict=True)]
    if len(each) == 1:
        return each[0]
    return Described(
        {name: float(np.mean([one.numbers[name] for one in each])) for name in each[0].numbers},
        np.asarray(np.mean([one.thumbnail for one in each], axis=0), dtype=np.float32),
        hashlib.sha256(b"".join(one.pixels for one in each)).digest(),
    )


def of_picture(picture: Picture, size_bytes: int) -> Described:
    """A picture as it is shown: the window of the file applied, inverted where it asks."""
    colours = _colours(picture.eight_bits)
    grey = Image.fromarray(colours[..., 0]) if colours.shape[2] == 1 else (
        Image.fromarray(colours).convert("L")
    )  # fmt: skip
    values = np.asarray(grey, dtype=np.float64)[None] / 255
    colour = float(np.ptp(colours.astype(np.int16), axis=2).mean()) / 255
    numbers = {**_measured(values), "colour": colour, "bytes per pixel": size_bytes / values.size}
    small = grey.resize((THUMBNAIL, THUMBNAIL), Image.Resampling.BILINEAR)
    thumbnail = np.asarray(small, dtype=np.float32).ravel() / np.float32(255)
    return Described(numbers, thumbnail, _sha256(_exact(picture, colours)))


def of_volume(volume: Volume, size_bytes: int) -> Described:
    """A volume in the file's own values, for example Hounsfield units.

    Numbers are measured in at most 32 transverse slices, evenly spread from end to end.
    """
    slices = volume.values.shape[2]
    chosen = np.unique(np.linspace(0, slices - 1, min(slices, _MOST_SLICES)).round().astype(int))
    planes = np.moveaxis(volume.values[:, :, chosen], (2, 1, 0), (0, 1, 2)).astype(np.float64)
    x, y, z = volume.spacing_mm
    numbers = {
        **_measured(planes), "colour": 0.0, "bytes per pixel": size_bytes / volume.values.size,
        "pixel size, mm": float(np.sqrt(x * y)), "slice distance, mm": z,
    }  # fmt: skip
    side, parts = (_SLAB_SIDE, _SLAB_SIDE), []
    for rows in np.array_split(np.arange(len(planes)), _SLABS):
        # Fewer slices than parts: a part without its own takes the nearest.
        own = planes[rows] if rows.size else planes[-1:]
        flat = Image.fromarray(own.mean(axis=0).astype(np.float32))
        parts.append(np.asarray(flat.resize(side, Image.Resampling.BILINEAR), dtype=np.float32))
    return Described(numbers, np.concatenate(parts).ravel(), _sha256(volume.values))


def _colours(image: Image.Image) -> NDArray[np.uint8]:
    """(height, width, 1 or 3); one channel where all three are the same everywhere."""
    if image.mode in ("L", "1", "LA"):
        return np.asarray(image.convert("L"))[..., None]
    channels = np.asarray(image.convert("RGB"))
    first = channels[..., :1]
    return first if (channels == first).all() else channels


def _exact(picture: Picture, colours: NDArray[np.uint8]) -> NDArray[np.generic]:
    """What two copies of one image have in common, whatever wrote their files."""
    return colours if picture.values is None else np.asarray(picture.values)


def _sha256(values: NDArray[np.generic]) -> bytes:
    exact = np.ascontiguousarray(values)
    head = f"{exact.dtype.str} {exact.shape} ".encode()
    return hashlib.sha256(head + exact.tobytes()).digest()


def _measured(planes: FloatArray) -> dict[str, float]:
    """Of (slices, height, width): all numbers but those of colours and of the file.

    The histogram has 64 bins from the lowest to the highest value; the darkest lie in the first.
    The border is 5 % of each side, the centre the middle half of both.
    """
    low, high = float(planes.min()), float(planes.max())
    spread = high - low
    bins = np.zeros(planes.shape, dtype=np.int64)
    if spread > 0:
        bins = np.minimum((planes - low) * (_BINS / spread), _BINS - 1).astype(np.int64)
    share = np.bincount(bins.ravel(), minlength=_BINS) / planes.size
    some = share[share > 0]
    border = _border(planes)
    rows, columns = (slice(n // 4, n - n // 4) for n in planes.shape[1:])
    box = ndimage.uniform_filter(planes, size=(1, 3, 3), mode="nearest")
    quantiles = np.quantile(planes, (0.05, 0.5, 0.95)).tolist()
    found = {
        "mean": planes.mean(),
        "sd": planes.std(),
        "5th percentile": quantiles[0],
        "median": quantiles[1],
        "95th percentile": quantiles[2],
        "entropy": abs((some * np.log2(some)).sum()),
        "share of darkest": share[0],
        "edge strength": _edges(planes),
        "fine detail": (planes - box).std(),
        "border mean": border.mean(),
        "border sd": border.std(),
        "centre minus border": planes[:, rows, columns].mean() - border.mean(),
        "left-right difference": np.abs(planes - planes[:, :, ::-1]).mean(),
    }
    return {name: float(value) for name, value in found.items()}


def _edges(planes: FloatArray) -> float:
    """Root mean square of the differences between neighbours, in both directions."""
    down, across = np.diff(planes, axis=1), np.diff(planes, axis=2)
    count = down.size + across.size
    return float(np.sqrt((np.sum(down**2) + np.sum(across**2)) / count)) if count else 0.0


def _border(planes: FloatArray) -> FloatArray:
    height, width = planes.shape[1:]
    rows, columns = (max(1, round(n * _BORDER)) for n in (height, width))
    inside = np.zeros((height, width), dtype=np.bool_)
    inside[rows : height - rows, columns : width - columns] = True
    return np.asarray(planes[:, ~inside])
