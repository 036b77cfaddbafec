"""Ultrasound: speckle, gain, attenuation with depth, shadow, depth setting.

A picture is taken as log-compressed: its range spans 60 dB of echo amplitude, depth runs down, and
what is black (outside the sector) holds no echo and stays black.
"""

from functools import partial

import numpy as np

from ml.corruptions.grid import (
    coloured_noise,
    cosine_frequencies,
    places,
    side,
    sign,
    warped,
)
from ml.corruptions.registry import Corruption, FloatArray

RANGE_DB = 60.0
FULL_SPECKLE_DB = float(20 / np.log(10) * np.pi / np.sqrt(24))  # of a Rayleigh amplitude: 5.57
_ALONG, _ACROSS = 0.003, 0.007  # standard deviation of the pulse, in sides: depth, width
_ECHO = 0.05  # intensity above which a pixel counts as within the sector
_SHADOW_DB = 30.0
_SOFT = 0.01  # of the side, at the border of a shadow


def speckle(picture: FloatArray, decibels: float, numbers: np.random.Generator) -> FloatArray:
    """The interference of echoes too close together to be told apart.

    The logarithm of a Rayleigh amplitude whose grains are as wide as the pulse; at 5.57 dB it
    is what a picture of scatterers alone would have.

    Source:
        Burckhardt (1978), IEEE Trans Sonics Ultrason 25(1), 1-6.
    """
    height, width, _ = picture.shape
    down, right = cosine_frequencies(height, width)
    pulse = np.hypot(down * _ALONG, right * _ACROSS) * side(picture)
    gain = np.exp(-2 * (np.pi * pulse) ** 2)
    parts = coloured_noise((height, width, 2), gain, numbers)
    amplitude = np.hypot(parts[:, :, :1], parts[:, :, 1:])
    grains = 20 * np.log10(np.maximum(amplitude, 1e-6))
    grains = (grains - grains.mean()) * (decibels / FULL_SPECKLE_DB / RANGE_DB)
    return np.asarray(picture + _within(picture) * grains)


def gain(picture: FloatArray, decibels: float, numbers: np.random.Generator) -> FloatArray:
    """The overall gain too high or too low."""
    return picture + _within(picture) * (sign(numbers) * decibels / RANGE_DB)


def depth_gain(picture: FloatArray, decibels: float, numbers: np.random.Generator) -> FloatArray:
    """Attenuation that the time-gain compensation did not make good, in full at the deepest row."""
    del numbers
    y, _ = places(*picture.shape[:2])
    return picture - (decibels / RANGE_DB) * y[:, :, None]


def shadow(picture: FloatArray, share: float, numbers: np.random.Generator) -> FloatArray:
    """Behind something that sound does not pass, all echoes are 30 dB fainter.

    Source:
        Prabhu et al. (2014), Ultrasound Q 30(2), 145-157.
    """
    middle, top = numbers.uniform(0.35, 0.65), numbers.uniform(0.2, 0.4)
    y, x = places(*picture.shape[:2])
    across = ((share / 2 - np.abs(x - middle)) / _SOFT + 0.5).clip(0, 1)
    behind = ((y - top) / _SOFT + 0.5).clip(0, 1)
    deep = (share > 0) * across * behind
    return np.asarray(picture - (_SHADOW_DB / RANGE_DB) * deep[:, :, None])


def depth(picture: FloatArray, factor: float, numbers: np.random.Generator) -> FloatArray:
    """The depth set too large: everything smaller, towards the probe in the middle of the top."""
    del numbers
    return warped(picture, [[factor, 0.0], [0.0, factor]], [0.0, picture.shape[1] / 2])


def _within(picture: FloatArray) -> FloatArray:
    """1 where there are echoes, 0 where there are none."""
    return np.asarray((picture / _ECHO).clip(0, 1))


_us = partial(Corruption, pack="ultrasound")

CORRUPTIONS = (
    _us("us-speckle", "Speckle", "standard deviation in dB; 5.57 is fully developed",
        (1.0, 2.0, 3.2, 4.4, 5.57), 0.0, speckle,
        formula="x + (dB/5.57) 20 log10(a)/60, mean removed; a Rayleigh, grains 0.3 x 0.7 % of "
        "the side",
        source="Burckhardt (1978), IEEE Trans Sonics Ultrason 25(1), 1-6"),
    _us("us-gain", "Gain", "dB, too high or too low", (3.0, 6.0, 9.0, 13.0, 18.0), 0.0, gain,
        same_draw=True, formula="x + or - dB/60 where there are echoes"),
    _us("us-depth-gain", "Time-gain compensation", "dB that the deepest echoes lack",
        (6.0, 12.0, 18.0, 26.0, 36.0), 0.0, depth_gain,
        formula="x - (dB/60) y; y from 0 at the top to 1"),
    _us("us-shadow", "Acoustic shadow", "width, as a share of the picture's",
        (0.06, 0.12, 0.2, 0.3, 0.42), 0.0, shadow, same_draw=True,
        formula="x - 30/60 behind a drawn place",
        source="Prabhu et al. (2014), Ultrasound Q 30(2), 145-157"),
    _us("us-depth", "Depth setting", "depth that is set over the one that was meant",
        (1.05, 1.1, 1.18, 1.3, 1.5), 1.0, depth,
        formula="x(depth y, depth x) from the middle of the top, black outside"),
)  # fmt: skip
