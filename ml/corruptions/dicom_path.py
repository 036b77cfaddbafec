"""Errors on the way of a picture from the scanner to the model: how its file is read.

Some happen to a file or do not. Their severity is the share of the cases that they happen to: which
ones is drawn for each case, and who is hit at one severity is hit at every higher one.
"""

from collections.abc import Callable
from functools import partial

import numpy as np

from ml.corruptions.grid import sign
from ml.corruptions.registry import Apply, Corruption, FloatArray

STORED = 4095  # the largest value of 12 bits
_EXACT = 16.0  # bits that are as good as none lost


def of_a_share(error: Callable[[FloatArray], FloatArray]) -> Apply:
    """An error that happens to a share of the cases, in full."""

    def apply(picture: FloatArray, share: float, numbers: np.random.Generator) -> FloatArray:
        return error(picture) if numbers.random() < share else picture

    return apply


def inverted(picture: FloatArray) -> FloatArray:
    """MONOCHROME1 shown as MONOCHROME2."""
    return 1 - picture


def swapped(picture: FloatArray) -> FloatArray:
    """Both bytes of 12-bit values exchanged, and the window of 16 bits over what comes of it.

    It rounds to the 12 bits that are stored, by its nature.
    """
    stored = np.rint(picture.clip(0, 1) * STORED).astype(np.uint16)
    return np.asarray(stored.byteswap() / 65535.0)


def left_right(picture: FloatArray) -> FloatArray:
    """The picture in a mirror."""
    return picture[:, ::-1]


def upside_down(picture: FloatArray) -> FloatArray:
    """The last row first."""
    return picture[::-1]


def slope(picture: FloatArray, factor: float, numbers: np.random.Generator) -> FloatArray:
    """Stored values multiplied by the wrong number."""
    del numbers
    return picture * factor


def intercept(picture: FloatArray, off: float, numbers: np.random.Generator) -> FloatArray:
    """The wrong number added to stored values."""
    return picture + sign(numbers) * off


def bit_depth(picture: FloatArray, bits: float, numbers: np.random.Generator) -> FloatArray:
    """Only the highest bits are left."""
    del numbers
    steps = 2.0**bits - 1
    return np.asarray(np.rint(picture * steps) / steps)


_path = partial(Corruption, pack="dicom-path")
_SHARES = (0.1, 0.25, 0.5, 0.75, 1.0)
_WHO = "share of the cases"

CORRUPTIONS = (
    _path("dicom-inverted", "MONOCHROME1 not inverted", _WHO, _SHARES, 0.0, of_a_share(inverted),
          same_draw=True, of="gray", formula="1 - x", source="DICOM PS3.3, C.7.6.3.1.2"),
    _path("dicom-byte-order", "Byte order", _WHO, _SHARES, 0.0, of_a_share(swapped),
          same_draw=True, of="gray",
          formula="both bytes of the 12-bit value exchanged, over 65535; rounds by its nature",
          source="DICOM PS3.5, 7.3"),
    _path("dicom-left-right", "Left and right exchanged", _WHO, _SHARES, 0.0,
          of_a_share(left_right), same_draw=True, formula="columns in reverse",
          source="DICOM PS3.3, C.7.6.2.1.1"),
    _path("dicom-upside-down", "Upside down", _WHO, _SHARES, 0.0, of_a_share(upside_down),
          same_draw=True, formula="rows in reverse", source="DICOM PS3.3, C.7.6.2.1.1"),
    _path("dicom-slope", "Wrong rescale slope", "slope that is used over the one that was meant",
          (1.1, 1.25, 1.5, 2.0, 3.0), 1.0, slope, formula="x factor", of="gray",
          source="DICOM PS3.3, C.11.1"),
    _path("dicom-intercept", "Wrong rescale intercept", "share of the intensity range, up or down",
          (0.03, 0.08, 0.15, 0.25, 0.4), 0.0, intercept, same_draw=True, of="gray",
          formula="x + off or x - off", source="DICOM PS3.3, C.11.1"),
    _path("dicom-bit-depth", "Bit depth", "bits that are left", (6.0, 5.0, 4.0, 3.0, 2.0), _EXACT,
          bit_depth, formula="x rounded to one of 2^bits values, by its nature",
          source="DICOM PS3.5, 8.1.1"),
)  # fmt: skip
