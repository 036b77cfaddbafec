"""Radiography and mammography: dose, scatter, exposure, processing, positioning, markers.

A picture is taken as the logarithm of what reached the detector: bright is little exposure (what
MONOCHROME2 shows), and the whole range is a hundredfold of exposure.
"""

from functools import partial

import numpy as np

from ml.corruptions.grid import places, side, sign, smoothed, warped
from ml.corruptions.registry import Corruption, FloatArray
from ml.imaging.preprocess import interpolate

RANGE = float(np.log(100))  # exposure that the intensity range spans, as a logarithm
QUANTA = 10_000  # counted in a pixel behind nothing, of the picture as it came
_SCATTER_SD = 0.1  # of the side
_PENUMBRA = 0.01  # of the side
_LETTERS = {
    "L": ("10000", "10000", "10000", "10000", "10000", "10000", "11111"),
    "R": ("11110", "10001", "10001", "11110", "10100", "10010", "10001"),
}


def exposure_of(picture: FloatArray) -> FloatArray:
    """What reached the detector, 1 behind nothing and 0.01 behind the densest."""
    return np.asarray(np.exp(-RANGE * picture))


def picture_of(exposure: FloatArray) -> FloatArray:
    """The inverse of :func:`exposure_of`."""
    return np.asarray(-np.log(exposure) / RANGE)


def dose(picture: FloatArray, share: float, numbers: np.random.Generator) -> FloatArray:
    """Each quantum is counted with a chance of ``share``: the noise that the lower dose adds.

    Quanta are whole, so the counts are; what is added to the picture is not rounded.

    Source:
        Veldkamp et al. (2009), J Digit Imaging 22(2), 114-125.
    """
    expected = QUANTA * exposure_of(picture.clip(0, 1))
    counts = np.rint(expected).astype(np.int64)
    error = numbers.binomial(counts, share) / share - counts
    # Of a pixel without a single quantum the logarithm is none: half a quantum stands for it.
    return picture - np.log(np.maximum(1 + error / expected, 0.5 / expected)) / RANGE


def scatter(picture: FloatArray, ratio: float, numbers: np.random.Generator) -> FloatArray:
    """Scattered quanta over primary ones: a Gaussian of 10 % of the side, at the same exposure.

    Source:
        Boone, Arnold, Seibert (1986), Med Phys 13(2), 254-256.
    """
    del numbers
    primary = exposure_of(picture)
    scattered = smoothed(primary, _SCATTER_SD * side(picture))
    return picture_of((primary + ratio * scattered.clip(0)) / (1 + ratio))


def exposure(picture: FloatArray, decibels: float, numbers: np.random.Generator) -> FloatArray:
    """Exposed too much or too little, and shown as if it were right.

    Source:
        IEC 62494-1 (2008): the deviation index is 10 log10(exposure / target).
    """
    return picture + sign(numbers) * decibels * float(np.log(10)) / 10 / RANGE


def lut(picture: FloatArray, steep: float, numbers: np.random.Generator) -> FloatArray:
    """A table of values with a shoulder and a toe: the middle steeper, both ends flat."""
    del numbers
    if steep == 0:
        return picture
    return np.asarray(0.5 + 0.5 * np.tanh(steep * (picture - 0.5)) / np.tanh(steep / 2))


def collimation(picture: FloatArray, margin: float, numbers: np.random.Generator) -> FloatArray:
    """A closer field, its surroundings blackened; the edge is soft over 1 % of the side."""
    del numbers
    y, x = places(*picture.shape[:2])
    height, width = (n / side(picture) for n in picture.shape[:2])
    inside = np.minimum(np.minimum(y, 1 - y) * height, np.minimum(x, 1 - x) * width)
    return np.asarray(picture * ((inside - margin) / _PENUMBRA + 1).clip(0, 1)[:, :, None])


def rotation(picture: FloatArray, degrees: float, numbers: np.random.Generator) -> FloatArray:
    """The patient or the detector turned, either way; black where nothing was measured."""
    angle = np.radians(degrees) * sign(numbers)
    turn = [[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]
    return warped(picture, turn, [n / 2 for n in picture.shape[:2]])


def marker(picture: FloatArray, height: float, numbers: np.random.Generator) -> FloatArray:
    """A white letter L or R in one of the upper corners."""
    letter = _LETTERS["LR"[int(numbers.integers(2))]]
    on_left = numbers.random() < 0.5
    rows = max(1, round(height * side(picture)))
    if height == 0:
        return picture
    ink = np.array([[float(cell) for cell in row] for row in letter])
    drawn = interpolate(ink, (rows, max(1, round(rows * 5 / 7))), "bilinear")[:, :, None]
    edge = round(0.04 * side(picture))
    drawn = drawn[: picture.shape[0] - edge, : picture.shape[1] - edge]
    left = edge if on_left else picture.shape[1] - edge - drawn.shape[1]
    place = np.s_[edge : edge + drawn.shape[0], left : left + drawn.shape[1]]
    found = picture.copy()
    found[place] += drawn * (1 - found[place])
    return found


_xray = partial(Corruption, pack="xray")

CORRUPTIONS = (
    _xray("xray-dose", "Dose", "share of the dose that is left",
          (0.5, 0.25, 0.1, 0.04, 0.015), 1.0, dose,
          formula="-log((q + (B(q, dose)/dose - q))/10000)/log 100, q = 10000 exp(-x log 100) "
          "quanta, B binomial",
          source="Veldkamp et al. (2009), J Digit Imaging 22(2), 114-125"),
    _xray("xray-scatter", "Scatter", "scattered over primary exposure",
          (0.3, 0.7, 1.5, 3.0, 6.0), 0.0, scatter,
          formula="E = exp(-x log 100) becomes (E + ratio G*E)/(1 + ratio); G Gaussian, "
          "sd 0.1 side",
          source="Boone, Arnold, Seibert (1986), Med Phys 13(2), 254-256"),
    _xray("xray-exposure", "Exposure", "deviation index in dB, over or under",
          (1.0, 2.0, 3.5, 5.5, 8.0), 0.0, exposure, same_draw=True,
          formula="x + or - dB log(10)/(10 log 100)", source="IEC 62494-1:2008"),
    _xray("xray-lut", "Table of values", "steepness of an S-shaped table",
          (1.5, 2.5, 4.0, 6.0, 10.0), 0.0, lut,
          formula="0.5 + 0.5 tanh(steepness (x - 0.5)) / tanh(steepness / 2)"),
    _xray("xray-collimation", "Collimation", "margin on each side, as a share of the shorter side",
          (0.04, 0.08, 0.13, 0.19, 0.26), 0.0, collimation,
          formula="x times 0 outside the margin, edge soft over 1 % of the side"),
    _xray("xray-rotation", "Rotation", "degrees, either way",
          (2.0, 5.0, 10.0, 18.0, 30.0), 0.0, rotation, same_draw=True,
          formula="turned about the middle, linear interpolation, black outside"),
    _xray("xray-marker", "Burnt-in marker", "height of a letter, as a share of the side",
          (0.05, 0.08, 0.12, 0.18, 0.27), 0.0, marker, same_draw=True,
          formula="a white L or R, 4 % of the side from an upper corner"),
)  # fmt: skip
