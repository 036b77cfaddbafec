"""From what a model takes back to intensities from 0 to 1, and forth: nothing is rounded."""

import numpy as np
from numpy.typing import NDArray

from ml.imaging.declared import Input
from ml.imaging.preprocess import Float32Array

FloatArray = NDArray[np.float64]


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
