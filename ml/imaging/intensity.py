"""From what a model takes back to intensities from 0 to 1, and forth: nothing is rounded."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from ml.imaging.declared import Input
from ml.imaging.preprocess import Float32Array

FloatArray = NDArray[np.float64]
# Of the range: channels that differ by less are copies of one grey picture, each normalised by its
# own mean and deviation and rounded. A step of 8 bits is forty times as much.
_GREY = 1e-4


def unit_range(declared: Input) -> tuple[FloatArray, FloatArray]:
    """The gain and offset that make what a model takes of intensities from 0 to 1.

    0 and 1 are the ends of the declared window or clip, else of 8 bits.

    Returns:
        (channels,) each.

    Example:
        >>> from ml.imaging.declared import Intensity
        >>> gain, offset = unit_range(Input(size=8, intensity=Intensity(scale=255, mean=0.5)))
        >>> gain.item(), offset.item()
        (1.0, -0.5)
    """
    given = declared.intensity
    low, high = given.clip or ((0.0, 1.0) if given.window else (0.0, 255.0))
    n = declared.n_channels
    mean = np.broadcast_to(np.asarray(given.mean or 0.0, dtype=np.float64), n)
    std = np.broadcast_to(np.asarray(given.std or 1.0, dtype=np.float64), n)
    return (high - low) / given.scale / std, (low / given.scale - mean) / std


def to_unit(prepared: Float32Array, declared: Input) -> FloatArray:
    """(height, width, channels) intensities from 0 to 1 of one prepared case."""
    gain, offset = unit_range(declared)
    picture = prepared.transpose(1, 2, 0) if declared.layout == "NCHW" else prepared
    return (picture.astype(np.float64) - offset) / gain


def from_unit(picture: FloatArray, declared: Input) -> Float32Array:
    """One prepared case, in the declared layout, of intensities (height, width, channels)."""
    gain, offset = unit_range(declared)
    prepared = (picture * gain + offset).astype(np.float32)
    return np.ascontiguousarray(
        prepared.transpose(2, 0, 1) if declared.layout == "NCHW" else prepared
    )


def once_if_grey(picture: FloatArray, change: Callable[[FloatArray], FloatArray]) -> FloatArray:
    """Change a picture; of channels that are all alike the first alone, so that grey stays grey.

    Args:
        picture: (height, width, channels).
        change: keeps the height and width of what it is given.

    Returns:
        (height, width, channels), of the picture's type.
    """
    one = picture[:, :, :1] if is_grey(picture, 2) else picture
    found = change(one).astype(picture.dtype, copy=False)
    return np.broadcast_to(found, picture.shape)


def is_grey(picture: FloatArray, axis: int) -> bool:
    """Whether all channels of intensities from 0 to 1 are alike, but for rounding.

    Args:
        axis: of the channels.

    Example:
        >>> is_grey(np.array([[[0.2, 0.2 + 1e-8]]]), 2), is_grey(np.array([[[0.2, 0.204]]]), 2)
        (True, False)
    """
    return bool(np.ptp(picture, axis=axis).max(initial=0.0) <= _GREY)
