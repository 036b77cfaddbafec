"""Drawn pictures that stand for a modality in tests, benchmarks and documentation; none is real."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy.fft import idctn

FloatArray = NDArray[np.float64]


def drawn_picture(kind: str, height: int = 224, width: int | None = None) -> FloatArray:
    """A simulated picture, the same at every size.

    Args:
        kind: a pack of corruptions; what has no drawing of its own gets the one of CT.

    Returns:
        (height, width, channels) 0..1; three channels of "photo", else one.
    """
    width = width or height
    y = ((np.arange(height) + 0.5) / height * 2 - 1)[:, None]
    x = ((np.arange(width) + 0.5) / width * 2 - 1)[None]
    return _DRAWINGS.get(kind, _section)(y, x).clip(0, 1)


def _oval(
    y: FloatArray, x: FloatArray, at: tuple[float, float], radii: tuple[float, float]
) -> FloatArray:
    """1 within an ellipse, 0 outside, with an edge that is soft over 2 % of the side."""
    away = np.hypot((y - at[0]) / radii[0], (x - at[1]) / radii[1])
    return np.asarray(((1 - away) * (min(radii) / 0.04) + 0.5).clip(0, 1))


def _texture(y: FloatArray, x: FloatArray, seed: int) -> FloatArray:
    """Smooth irregularities of standard deviation 1, coarse ones strongest; no finer than 64."""
    numbers = np.random.default_rng(seed)
    fine = 64
    away = np.hypot(*np.meshgrid(np.arange(fine), np.arange(fine), indexing="ij"))
    coefficients = numbers.standard_normal((fine, fine)) / np.maximum(away, 2)
    coefficients[0, 0] = 0
    whole = np.zeros((y.size, x.size))
    rows, columns = min(fine, y.size), min(fine, x.size)
    whole[:rows, :columns] = coefficients[:rows, :columns]
    scale = np.sqrt(y.size * x.size / np.sum(coefficients**2))
    return np.asarray(idctn(whole * scale, norm="ortho"))


def _section(y: FloatArray, x: FloatArray) -> FloatArray:
    """A slice: soft tissue, two dark organs, bone behind."""
    body = _oval(y, x, (0, 0), (0.68, 0.86))
    found = body * (0.5 + 0.02 * _texture(y, x, 1))
    for side in (-1, 1):
        found -= 0.36 * _oval(y, x, (-0.1, 0.4 * side), (0.42, 0.27))
    found += 0.32 * _oval(y, x, (0.46, 0), (0.14, 0.16)) * body
    found += 0.08 * _oval(y, x, (-0.2, 0.42), (0.1, 0.09))
    return np.asarray(found[:, :, None])


def _brain(y: FloatArray, x: FloatArray) -> FloatArray:
    """A head: bright rim, brain, dark ventricles, a lesion."""
    found = 0.8 * _oval(y, x, (0, 0), (0.86, 0.7)) - 0.7 * _oval(y, x, (0, 0), (0.8, 0.64))
    brain = _oval(y, x, (0, 0), (0.74, 0.59))
    found += brain * (0.4 + 0.05 * _texture(y, x, 2))
    for side in (-1, 1):
        found -= 0.3 * _oval(y, x, (-0.05, 0.13 * side), (0.26, 0.08))
    found += 0.3 * _oval(y, x, (0.25, 0.3), (0.11, 0.13))
    return np.asarray(found[:, :, None])


def _chest(y: FloatArray, x: FloatArray) -> FloatArray:
    """A radiograph: dark lungs with ribs, bright middle and heart."""
    found = 0.35 + 0.4 * np.exp(-((x / 0.9) ** 2)) + 0.03 * _texture(y, x, 3)
    for side in (-1, 1):
        lung = _oval(y, x, (-0.05, 0.45 * side), (0.68, 0.34))
        ribs = 0.09 * (np.sin(9 * (y + 0.35 * np.abs(x)) * np.pi / 2) > 0.3)
        found += lung * (ribs - 0.42)
    found += 0.25 * _oval(y, x, (0.28, 0.12), (0.34, 0.3))
    return np.asarray(found[:, :, None])


def _fan(y: FloatArray, x: FloatArray) -> FloatArray:
    """An ultrasound sector: layers, a cyst, a bright reflector; black outside."""
    depth = np.hypot(y + 1.1, x)
    inside = ((0.72 - np.abs(np.arctan2(x, y + 1.1))) * 40).clip(0, 1)
    inside = inside * ((2.0 - depth) * 25).clip(0, 1) * ((depth - 0.15) * 25).clip(0, 1)
    found = 0.45 + 0.1 * np.sin(depth * 9) + 0.07 * _texture(y, x, 4)
    found -= 0.38 * _oval(y, x, (0.1, -0.15), (0.2, 0.24))
    found += 0.4 * _oval(y, x, (0.42, 0.25), (0.05, 0.16))
    return np.asarray((found * inside)[:, :, None])


def _tissue(y: FloatArray, x: FloatArray) -> FloatArray:
    """A stained section in pink with violet nuclei."""
    numbers = np.random.default_rng(6)
    eosin = 0.55 + 0.12 * _texture(y, x, 5)
    nuclei = np.zeros((y.size, x.size))
    for row, column, size in numbers.uniform((-0.95, -0.95, 0.05), (0.95, 0.95, 0.12), (24, 3)):
        nuclei = np.maximum(nuclei, _oval(y, x, (row, column), (size, size * 0.8)))
    density = eosin[:, :, None] * [0.09, 0.95, 0.28] + nuclei[:, :, None] * [0.9, 0.9, 0.35]
    return np.asarray(np.exp(-density.clip(0)) * 0.97)


_DRAWINGS: dict[str, Callable[[FloatArray, FloatArray], FloatArray]] = {
    "ct": _section,
    "mr": _brain,
    "xray": _chest,
    "ultrasound": _fan,
    "photo": _tissue,
}
