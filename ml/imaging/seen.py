"""What a network was given, as a picture for people: the prepared array and nothing else."""

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ml.imaging.declared import Input
from ml.imaging.preprocess import Float32Array
from ml.imaging.volume import grey

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
    pixels = grey(array)
    if declared.dims == 3:
        return Image.fromarray(_slices(pixels[..., 0]))
    return Image.fromarray(pixels if declared.n_channels == 3 else pixels[..., 0])


def _slices(volume: NDArray[np.uint8]) -> NDArray[np.uint8]:
    planes = [np.take(volume, side // 2, axis=axis) for axis, side in enumerate(volume.shape)]
    height = max(len(plane) for plane in planes)
    width = sum(plane.shape[1] for plane in planes) + _GAP * (len(planes) - 1)
    sheet, left = np.zeros((height, width), np.uint8), 0
    for plane in planes:
        sheet[: plane.shape[0], left : left + plane.shape[1]] = plane
        left += plane.shape[1] + _GAP
    return sheet
