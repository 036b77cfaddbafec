"""Drawn volumes for tests of what happens to volumes; simulated."""

import numpy as np

from ml.zoo.pictures import drawn_picture


def solid(kind="ct", slices=24, side=40):
    """(slices, rows, columns) 0..1: a drawn picture, smaller to both ends, and a small ball."""
    found = np.zeros((slices, side, side), np.float32)
    z, y, x = (np.linspace(-1, 1, n) for n in found.shape)
    for at, height in enumerate(z):
        share = np.sqrt(max(1 - 0.8 * height**2, 0.1))
        inner = max(4, round(side * share))
        start = (side - inner) // 2
        picture = drawn_picture(kind, inner)[:, :, 0]
        found[at, start : start + inner, start : start + inner] = picture
    away = np.sqrt(z[:, None, None] ** 2 + (y[:, None] - 0.1) ** 2 + (x - 0.4) ** 2)
    return np.maximum(found, 0.9 * ((0.18 - away) * 12).clip(0, 1)).astype(np.float32)
