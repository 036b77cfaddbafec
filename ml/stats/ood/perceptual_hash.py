"""A short fingerprint of a small picture, by which two are told alike whatever wrote them."""

import numpy as np
from scipy.fft import dctn

from ml.stats.arrays import BoolArray, FloatArray

BITS = 64
_KEPT = 8  # lowest frequencies in each direction


def perceptual_hash(pictures: FloatArray) -> BoolArray:
    """64 bits of each picture: which of its 64 lowest frequencies lie above their median.

    Args:
        pictures: (n, side, side) grey values, side 8 or more.

    Returns:
        (n, 64), row by row; all False where a picture holds NaN.

    Raises:
        ValueError: for another shape, or infinite numbers.

    Example:
        >>> picture = np.random.default_rng(1).random((32, 32))
        >>> found = perceptual_hash(np.stack([picture, picture * 2 + 1]))
        >>> int((found[0] != found[1]).sum()), int(found[0].sum())
        (0, 32)

    Source:
        Zauner (2010), thesis, Hagenberg (pHash); the convention is that of ImageHash's ``phash``:
        the constant term is one of the 64 and of the median.
    """
    given = np.asarray(pictures, dtype=np.float64)
    if given.ndim != 3 or given.shape[1] != given.shape[2] or given.shape[1] < _KEPT:
        raise ValueError(f"expected (n, side, side) with side {_KEPT} or more, got {given.shape}")
    if np.isinf(given).any():
        raise ValueError("grey values must be finite")
    lost: BoolArray = np.asarray(np.isnan(given).any(axis=(1, 2)))
    low = dctn(np.where(lost[:, None, None], 0.0, given), axes=(1, 2))[:, :_KEPT, :_KEPT]
    flat = low.reshape(len(given), -1)
    found: BoolArray = np.asarray(flat > np.median(flat, axis=1, keepdims=True))
    found[lost] = False
    return found
