"""Line integrals of a picture and filtered back-projection, coarse enough to be quick.

For errors that CT makes along its rays. What is added to a picture is reconstructed on a grid of
128 x 128 from 96 angles; the picture itself is never projected and back again.
"""

from functools import lru_cache

import numpy as np
from scipy.fft import irfft, next_fast_len, rfft, rfftfreq
from scipy.sparse import csr_matrix

from ml.corruptions.grid import averaged
from ml.corruptions.registry import FloatArray
from ml.imaging.preprocess import interpolate

GRID, ANGLES = 128, 96
BINS = int(np.ceil(GRID * np.sqrt(2))) + 3


@lru_cache(maxsize=1)
def _rays() -> tuple[csr_matrix, csr_matrix]:
    """The projection of a grid (BINS x ANGLES rays by GRID x GRID pixels), and its transpose."""
    place = (np.arange(GRID) + 0.5) / GRID - 0.5
    angle = angles()
    along = place[:, None, None] * np.sin(angle) + place[None, :, None] * np.cos(angle)
    at = along * GRID + (BINS - 1) / 2
    first = np.floor(at).astype(np.int64)
    share = at - first
    ray = first * ANGLES + np.arange(ANGLES)
    pixel = np.broadcast_to(np.arange(GRID**2).reshape(GRID, GRID, 1), ray.shape)
    rows = np.concatenate([ray.ravel(), (ray + ANGLES).ravel()])
    weights = np.concatenate([(1 - share).ravel(), share.ravel()]) / GRID
    matrix = csr_matrix(
        (weights, (rows, np.tile(pixel.ravel(), 2))), shape=(BINS * ANGLES, GRID**2)
    )
    return matrix, matrix.T.tocsr()


def angles() -> FloatArray:
    """(ANGLES,) of the rays, in radians."""
    return np.asarray(np.arange(ANGLES) * (np.pi / ANGLES), dtype=np.float64)


def offsets() -> FloatArray:
    """(BINS,) distance of the rays from the middle, in sides."""
    return (np.arange(BINS) - (BINS - 1) / 2) / GRID


def project(grid: FloatArray) -> FloatArray:
    """(BINS, ANGLES) line integrals of (GRID, GRID), in the grid's unit times its side."""
    return np.asarray(_rays()[0] @ grid.ravel()).reshape(BINS, ANGLES)


def backproject(rays: FloatArray) -> FloatArray:
    """(GRID, GRID) mean over the angles of what passes through each pixel."""
    return np.asarray(_rays()[1] @ rays.ravel()).reshape(GRID, GRID) * (GRID / ANGLES)


def reconstruct(rays: FloatArray) -> FloatArray:
    """(GRID, GRID) filtered back-projection of (BINS, ANGLES).

    Source:
        Kak, Slaney (1988), Principles of Computerized Tomographic Imaging, chapter 3.
    """
    size = next_fast_len(2 * BINS, real=True)
    spectrum = rfft(rays, size, axis=0) * _ramp(size)[:, None]
    return backproject(irfft(spectrum, size, axis=0)[:BINS]) * np.pi


@lru_cache(maxsize=2)
def _ramp(size: int) -> FloatArray:
    """Spectrum of the band-limited ramp, whose gain at zero is not cut to zero, by Hann's window.

    Without the window the grid's finest streaks would depend on how a picture's pixels lie on it.
    """
    kernel = np.zeros(size)
    kernel[0] = 1 / 4
    odd = np.arange(1, size // 2, 2)
    kernel[odd] = kernel[-odd] = -1 / (np.pi * odd) ** 2
    hann = np.cos(np.pi * rfftfreq(size)) ** 2
    return np.asarray(rfft(kernel).real * GRID * hann)


def to_grid(picture: FloatArray) -> FloatArray:
    """(GRID, GRID) mean over channels, with air around it where it is not square."""
    height, width, _ = picture.shape
    square = np.zeros((max(height, width),) * 2)
    top, left = _corner(picture)
    square[top : top + height, left : left + width] = picture.mean(axis=2)
    return averaged(averaged(square, GRID, 0), GRID, 1)


def from_grid(grid: FloatArray, picture: FloatArray) -> FloatArray:
    """(height, width, 1) of a grid, where the picture lies in it."""
    height, width, _ = picture.shape
    top, left = _corner(picture)
    square = interpolate(grid, (max(height, width),) * 2, "bilinear")
    return square[top : top + height, left : left + width, None]


def _corner(picture: FloatArray) -> tuple[int, int]:
    height, width, _ = picture.shape
    longer = max(height, width)
    return (longer - height) // 2, (longer - width) // 2
