"""Corruptions that act in three dimensions, where a volume is more than its slices.

A volume here is (slices, rows, columns) with intensities from 0 to 1, in single precision. Lengths
along the slices are those of a slice's own pixels in mm, so that a blur is a ball in the patient
and no disc in each slice.
"""

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d

from ml.corruptions.registry import Corruption, FloatArray

VOLUME = "volume"  # the pack of what only volumes can suffer
Float32Array = NDArray[np.float32]
InSpace = Callable[
    [Float32Array, Sequence[float], float, np.random.Generator], Float32Array
]  # of a volume, mm between slices, rows and columns, the parameter's value, random numbers
_DEGREE = 3  # of the polynomial of a bias field


def bias_field(
    volume: Float32Array, spacing_mm: Sequence[float], ratio: float, numbers: np.random.Generator
) -> Float32Array:
    """A smooth gain in space: the exponential of a polynomial of the third degree in its axes.

    ``ratio`` is the largest gain in the volume over the smallest; their geometric mean is 1.
    """
    del spacing_mm
    terms = [
        np.stack(
            [np.polynomial.Legendre.basis(k)(np.linspace(-1, 1, n)) for k in range(_DEGREE + 1)]
        )
        for n in volume.shape
    ]
    weights = numbers.uniform(-1, 1, (_DEGREE + 1,) * 3)
    weights[np.indices(weights.shape).sum(axis=0) > _DEGREE] = 0

    def field(at: int) -> FloatArray:
        of_slice = np.einsum("abc,a->bc", weights, terms[0][:, at])
        return np.asarray(terms[1].T @ of_slice @ terms[2])

    ends = [(one.min(), one.max()) for one in map(field, range(len(volume)))]
    low, high = min(one for one, _ in ends), max(one for _, one in ends)
    scale = np.log(ratio) / ((high - low) or 1.0)
    found = np.empty_like(volume)
    for at, plane in enumerate(volume):  # a field as large as the volume is never held
        found[at] = plane * np.exp((field(at) - (high + low) / 2) * scale)
    return found


def gaussian_blur(
    volume: Float32Array, spacing_mm: Sequence[float], sd: float, numbers: np.random.Generator
) -> Float32Array:
    """A Gaussian as wide in mm along every axis; beyond the border the volume is mirrored."""
    del numbers
    for axis, pixels in enumerate(_pixels(spacing_mm, sd)):
        if pixels > 0:
            volume = gaussian_filter1d(volume, pixels, axis=axis, mode="reflect")
    return volume


def low_resolution(
    volume: Float32Array, spacing_mm: Sequence[float], factor: float, numbers: np.random.Generator
) -> Float32Array:
    """Fewer, larger voxels, each the mean of what it covers, then linear interpolation back.

    Along the slices they are as long in mm as in the plane, or as long as they were.
    """
    del numbers
    for axis, (n, voxels) in enumerate(zip(volume.shape, _pixels(spacing_mm, factor), strict=True)):
        fewer = max(1, round(n / max(voxels, 1.0)))
        if fewer < n:
            volume = _along(volume, axis, _thicker(n, n / fewer))
    return volume


def thicker_slices(
    volume: Float32Array, spacing_mm: Sequence[float], mm: float, numbers: np.random.Generator
) -> Float32Array:
    """Slices of a thickness, side by side, each the mean of what it covers; then back by lines.

    The stack of thick slices lies in the middle of the volume; of what lies beyond it nothing is
    counted. Slices that are as thick already stay as they are.

    Source:
        Billot et al. (2020), arXiv:2004.10221 (partial volumes of thick slices).
    """
    del numbers
    if mm <= spacing_mm[0]:
        return volume
    return _along(volume, 0, _thicker(len(volume), mm / spacing_mm[0]))


def _pixels(spacing_mm: Sequence[float], pixels: float) -> list[float]:
    """A length given in pixels of a slice, in voxels of each axis.

    A slice whose pixels are no squares has the shorter side's.
    """
    own = min(spacing_mm[1:])
    return [
        pixels * own / spacing_mm[0],
        pixels * own / spacing_mm[1],
        pixels * own / spacing_mm[2],
    ]


def _thicker(n: int, length: float) -> Float32Array:
    """(n, n) what each of n voxels becomes of all when they are averaged over a length and back.

    Args:
        n: voxels.
        length: of the new ones, in old ones; above 1.
    """
    count = int(np.ceil(n / length - 1e-9))
    edges = n / 2 + (np.arange(count + 1) - count / 2) * length
    voxel = np.arange(n)
    covered = np.minimum(voxel + 1, edges[1:, None]) - np.maximum(voxel, edges[:-1, None])
    means = covered.clip(0)
    means /= means.sum(axis=1, keepdims=True)
    place = ((voxel + 0.5 - edges[0]) / length - 0.5).clip(0, count - 1)
    first = np.minimum(place.astype(np.int64), max(count - 2, 0))
    share = (place - first)[:, None]
    back = (1 - share) * means[first] + share * means[np.minimum(first + 1, count - 1)]
    return np.asarray(back, dtype=np.float32)


def _along(volume: Float32Array, axis: int, weights: Float32Array) -> Float32Array:
    """New voxels along an axis, each a weighted sum of the old ones."""
    found = np.empty_like(volume)
    across = 1 if axis == 0 else 0  # planes that hold the whole axis, one after the other
    old, new = np.moveaxis(volume, across, 0), np.moveaxis(found, across, 0)
    for plane, made in zip(old, new, strict=True):
        made[...] = weights @ plane if axis < 2 else plane @ weights.T
    return found


def _of_volumes(picture: FloatArray, value: float, numbers: np.random.Generator) -> FloatArray:
    del picture, value, numbers
    raise ValueError("a single slice does not know its neighbours: this is of volumes alone")


IN_SPACE: dict[str, InSpace] = {
    "bias-field": bias_field,
    "gaussian-blur": gaussian_blur,
    "low-resolution": low_resolution,
    "slice-thickness": thicker_slices,
}
CORRUPTIONS = (
    Corruption("slice-thickness", "Slice thickness", "thickness of a slice, in mm",
               (3.0, 5.0, 7.5, 10.0, 15.0), 0.0, _of_volumes, pack=VOLUME,
               formula="means of x over stretches of the slice axis, then linear interpolation "
               "back to the slices as they were",
               source="ours; partial volumes as in Billot et al. (2020), arXiv:2004.10221"),
)  # fmt: skip
