"""An image becomes what a model takes, and what the model marks goes back to the image's grid."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ml.imaging.declared import AXES, Input
from ml.imaging.picture import FloatArray, Picture
from ml.imaging.preprocess import Float32Array, normalised, prepare, taps
from ml.imaging.volume import Volume

IntArray = NDArray[np.int64]
LabelArray = NDArray[np.uint8]


@dataclass(frozen=True)
class Placed:
    """How the voxels of a prepared image lie on those of the image it was made of.

    Attributes:
        order: of the image's axes, the one that became the first, and so on.
        flips: whether each of those then runs the other way.
        nearest: for each of them, the prepared voxel nearest to each of the image's.
    """

    order: tuple[int, ...]
    flips: tuple[bool, ...]
    nearest: tuple[IntArray, ...]

    def back(self, labels: LabelArray) -> LabelArray:
        """Labels of the prepared image, on the image's own grid; no label is mixed with another.

        Args:
            labels: of the prepared image's sides.
        """
        found = labels[np.ix_(*self.nearest)]
        turned = _flipped(found, self.flips)
        return np.ascontiguousarray(turned.transpose(np.argsort(self.order)))


def prepare_picture(picture: Picture, declared: Input) -> tuple[Float32Array, Placed]:
    """As :func:`ml.imaging.preprocess.prepare`, and where its pixels lie."""
    sides = (picture.height, picture.width)
    size = declared.size or sides
    nearest = tuple(_nearest(n, None, n, after) for n, after in zip(sides, size, strict=True))
    return prepare(picture, declared), Placed((0, 1), (False, False), nearest)


def prepare_volume(volume: Volume, declared: Input) -> tuple[Float32Array, Placed]:
    """Turned, resampled, cut to a window or clip, resized and scaled, in this order.

    Resampling to ``spacing_mm`` keeps the centre of the first voxel, and resizing the outer edges
    of the volume, both by trilinear interpolation (or nearest, where ``resize.mode`` is), with the
    border repeated beyond the border: as MONAI's Orientation, Spacing and Resize do.

    Args:
        volume: (x, y, z), RAS+.
        declared: the ``input`` part of a model's manifest, with ``dims: 3``.

    Returns:
        (1, a, b, c) float32, and where its voxels lie.
    """
    order, flips = turn_of(declared.axes)
    values = _flipped(volume.values.transpose(order), flips)
    mode = declared.resize.mode
    nearest = []
    for axis, name in enumerate(order):
        n = values.shape[axis]
        step = None
        if declared.spacing_mm is not None:
            step = declared.spacing_mm[axis] / volume.spacing_mm[name]
            values = _along(values, axis, _stepped(n, step, mode))
        between = values.shape[axis]
        after = between if declared.size is None else declared.size[axis]
        nearest.append(_nearest(n, step, between, after))
    values = _cut(values, declared)
    for axis, after in enumerate(declared.size or ()):
        values = _along(values, axis, taps(values.shape[axis], after, mode))
    prepared = normalised(np.asarray(values, dtype=np.float32), declared.intensity)
    return np.ascontiguousarray(prepared[None]), Placed(order, flips, tuple(nearest))


def turn_of(axes: str) -> tuple[tuple[int, ...], tuple[bool, ...]]:
    """Which axis of RAS+ comes first, second, third, and which of them run the other way.

    Example:
        >>> turn_of("SAL")
        ((2, 1, 0), (False, False, True))
    """
    order = tuple(next(at for at, two in enumerate(AXES) if sign in two) for sign in axes)
    return order, tuple(sign not in "RAS" for sign in axes)


def _flipped(
    values: NDArray[np.generic], flips: Sequence[bool]
) -> NDArray[np.generic]:  # fmt: skip
    return values[tuple(slice(None, None, -1 if flip else 1) for flip in flips)]


def _stepped(n: int, step: float, mode: str) -> tuple[IntArray, FloatArray]:
    """As ``taps``, of voxels ``step`` old ones apart, the first staying where it is."""
    places = (np.arange(round((n - 1) / step + 1)) * step).clip(0, n - 1)
    if mode == "nearest":
        return np.rint(places).astype(np.int64)[:, None], np.ones((places.size, 1))
    first = np.minimum(places.astype(np.int64), max(n - 2, 0))
    share = places - first
    index = np.stack([first, np.minimum(first + 1, n - 1)], axis=1)
    return index, np.stack([1 - share, share], axis=1)


def _along(
    values: NDArray[np.generic], axis: int, made: tuple[IntArray, FloatArray]
) -> NDArray[np.generic]:
    """New values along one axis, each a weighted sum of some old ones."""
    index, weights = made
    first = np.moveaxis(np.asarray(values, dtype=np.float64), axis, 0)
    found = np.zeros((len(index), *first.shape[1:]))
    for at in range(index.shape[1]):
        found += weights[:, at].reshape(-1, *[1] * (first.ndim - 1)) * first[index[:, at]]
    return np.moveaxis(found, 0, axis)


def _cut(values: NDArray[np.generic], declared: Input) -> NDArray[np.generic]:
    given = declared.intensity
    if given.window is None and given.clip is None:
        return values
    low, high = given.window or given.clip or (0.0, 1.0)
    cut = np.asarray(values, dtype=np.float64).clip(low, high)
    return (cut - low) / (high - low) if given.window else cut


def _nearest(n: int, step: float | None, between: int, after: int) -> IntArray:
    """(n,) for each old voxel the nearest of ``after`` ones.

    Args:
        n: voxels of the image.
        step: of the resampled ones, in old ones; None where nothing was resampled.
        between: voxels after resampling.
        after: voxels after resizing.
    """
    places = np.arange(n) / step if step else np.arange(n, dtype=np.float64)
    resized = (places + 0.5) * after / between - 0.5
    return np.floor(resized + 0.5).astype(np.int64).clip(0, after - 1)
