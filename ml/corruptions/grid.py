"""What corruptions share: sizes, smoothing and noise by frequency, turning and zooming.

Lengths are shares of the shorter side, so that a severity is the same on every picture size.
"""

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from scipy.fft import dctn, idctn
from scipy.ndimage import affine_transform

from ml.corruptions.registry import FloatArray

_PLANE = (0, 1)


def side(picture: FloatArray) -> int:
    """Pixels of the shorter side."""
    return min(int(n) for n in picture.shape[:2])


@lru_cache(maxsize=16)
def cosine_frequencies(height: int, width: int) -> tuple[FloatArray, FloatArray]:
    """Of the cosine transform's terms, in cycles per pixel: (height, 1) and (1, width)."""
    return np.arange(height)[:, None] / (2 * height), np.arange(width)[None] / (2 * width)


def radial(height: int, width: int) -> FloatArray:
    """(height, width) distance from frequency zero, in cycles per pixel."""
    return np.asarray(np.hypot(*cosine_frequencies(height, width)))


def filtered(picture: FloatArray, gain: FloatArray) -> FloatArray:
    """Multiply every frequency by a gain; beyond the border the picture is mirrored.

    Args:
        picture: (height, width, channels).
        gain: (height, width), of the frequencies of :func:`cosine_frequencies`.
    """
    spectrum = dctn(picture, axes=_PLANE, norm="ortho") * gain[:, :, None]
    return np.asarray(idctn(spectrum, axes=_PLANE, norm="ortho"))


def smoothed(picture: FloatArray, sd: float) -> FloatArray:
    """Through a Gaussian of ``sd`` pixels; beyond the border the picture is mirrored."""
    height, width, _ = picture.shape
    return filtered(picture, np.exp(-2 * (np.pi * sd * radial(height, width)) ** 2))


def coloured_noise(
    shape: tuple[int, ...], amplitude: FloatArray, numbers: np.random.Generator
) -> FloatArray:
    """Normal noise of standard deviation 1 over the picture, whose spectrum has a shape.

    Args:
        shape: (height, width, channels); channels are independent.
        amplitude: (height, width), of the frequencies of :func:`cosine_frequencies`.
    """
    power = float(np.sqrt(np.mean(amplitude**2))) or 1.0
    white = numbers.standard_normal(shape)
    return np.asarray(idctn(white * (amplitude / power)[:, :, None], axes=_PLANE, norm="ortho"))


def averaged(picture: FloatArray, n: int, axis: int) -> FloatArray:
    """n pixels along an axis, each the mean over the stretch that it covers."""
    values = np.moveaxis(picture, axis, 0)
    below = np.concatenate([np.zeros((1, *values.shape[1:])), values.cumsum(axis=0)])
    edges = np.linspace(0, len(values), n + 1)
    whole = np.minimum(edges.astype(np.int64), len(values) - 1)
    part = (edges - whole).reshape(-1, *[1] * (values.ndim - 1))
    area = below[whole] + part * values[whole]
    return np.moveaxis(np.diff(area, axis=0) * n / len(values), 0, axis)


def places(height: int, width: int) -> tuple[FloatArray, FloatArray]:
    """Pixel centres: (height, 1) and (1, width), 0 at the first edge and 1 at the last."""
    return (np.arange(height)[:, None] + 0.5) / height, (np.arange(width)[None] + 0.5) / width


def centred(height: int, width: int) -> tuple[FloatArray, FloatArray]:
    """Pixel centres from the middle, in shares of the shorter side: (height, 1), (1, width)."""
    y, x = places(height, width)
    shorter = min(height, width)
    return (y - 0.5) * (height / shorter), (x - 0.5) * (width / shorter)


def warped(
    picture: FloatArray, matrix: Sequence[Sequence[float]], origin: Sequence[float]
) -> FloatArray:
    """Read the picture elsewhere, by linear interpolation; outside it is black.

    Args:
        picture: (height, width, channels).
        matrix: 2 x 2, in pixels: from a place in the result to one in the picture.
        origin: the place (row, column), in pixels from the first edge, that stays where it is.
    """
    turn, still = np.asarray(matrix, dtype=np.float64), np.asarray(origin) - 0.5
    offset = still - turn @ still
    channels = [
        affine_transform(picture[:, :, at], turn, offset, order=1, mode="constant", cval=0.0)
        for at in range(picture.shape[2])
    ]
    return np.stack(channels, axis=2)


def sign(numbers: np.random.Generator) -> float:
    """1 or -1, each as likely."""
    return 1.0 if numbers.random() < 0.5 else -1.0
