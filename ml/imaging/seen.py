"""An image on its way into a network, as pictures for people: values and nothing else."""

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ml.imaging.declared import Input
from ml.imaging.preprocess import Float32Array
from ml.imaging.steps import Values
from ml.imaging.volume import ends_of, grey

MOST_SIDE = 1024  # pixels of a picture; a larger one is drawn smaller
POSITIONS = 9  # at which a volume is cut; the one in the middle is its middle
_GAP = 2  # pixels between the slices of a volume


def seen(array: Float32Array, declared: Input) -> Image.Image:
    """A prepared case as 8 bits, from its lowest value (black) to its highest (white).

    Args:
        array: one prepared case in the declared layout, without a batch.
        declared: the ``input`` part of a model's manifest.

    Returns:
        A picture, gray or RGB; of a volume its three middle slices side by side: across the
        first axis, the second, the third, each with the earlier of its axes downwards.

    Example:
        >>> declared = Input.model_validate({"dims": 3, "size": [2, 4, 6]})
        >>> seen(np.zeros((1, 2, 4, 6), np.float32), declared).size
        (20, 4)
    """
    if declared.layout == "NCHW":
        array = np.moveaxis(array, 0, -1)
    if declared.dims == 3:
        return drawn(array[..., 0], 3)[POSITIONS // 2]
    return drawn(array, 2)[0]


def drawn(values: Values, dims: int) -> list[Image.Image]:
    """Values as 8 bits, from the lowest (black) to the highest (white) of all of them.

    Args:
        values: (h, w) or (h, w, c) of a picture; (a, b, c) of a volume.
        dims: 2 for a picture, 3 for a volume.

    Returns:
        One picture; of a volume ``POSITIONS`` sheets of three slices, as ``seen`` has them, at
        evenly spaced places along each axis.

    Example:
        >>> [sheet.getpixel((0, 0)) for sheet in drawn(np.arange(9.0).reshape(9, 1, 1), 3)][:3]
        [0, 32, 64]
    """
    if dims == 3:
        ends = ends_of(values)
        return [Image.fromarray(_slices(values, at, ends)) for at in range(POSITIONS)]
    pixels = grey(values)
    if pixels.ndim == 3:  # more than three are transparency and the like
        pixels = pixels[..., :3] if pixels.shape[2] >= 3 else pixels[..., 0]
    return [Image.fromarray(np.ascontiguousarray(pixels))]


def place(side: int, at: int) -> int:
    """The slice of an axis that is shown at a position.

    Example:
        >>> [place(9, at) for at in (0, 4, 8)], place(40, 4), place(1, 8)
        ([0, 4, 8], 20, 0)
    """
    return (2 * at + 1) * side // (2 * POSITIONS)


def _slices(volume: Values, at: int, ends: tuple[float, float]) -> NDArray[np.uint8]:
    cuts = (np.take(volume, place(n, at), axis=axis) for axis, n in enumerate(volume.shape))
    planes = [grey(plane, ends) for plane in cuts]
    height = max(len(plane) for plane in planes)
    width = sum(plane.shape[1] for plane in planes) + _GAP * (len(planes) - 1)
    sheet, left = np.zeros((height, width), np.uint8), 0
    for plane in planes:
        sheet[: plane.shape[0], left : left + plane.shape[1]] = plane
        left += plane.shape[1] + _GAP
    return sheet


def for_eyes(picture: NDArray[np.floating]) -> Image.Image:
    """Intensities (height, width, channels) from 0, black, to 1, white, as 8 bits.

    Example:
        >>> for_eyes(np.array([[[-0.1], [0.5], [2.0]]])).tobytes()
        b'\\x00\\x80\\xff'
    """
    pixels = np.rint(picture.clip(0, 1) * 255).astype(np.uint8)
    grey = pixels.shape[2] < 3 or bool((pixels[:, :, :3] == pixels[:, :, :1]).all())
    return Image.fromarray(np.ascontiguousarray(pixels[..., 0] if grey else pixels[..., :3]))
