"""An image becomes what a model takes, and what the model marks goes back to the image's grid."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ml.imaging.declared import AXES, Input
from ml.imaging.picture import FloatArray, ImageError, Picture
from ml.imaging.preprocess import Float32Array, normalised, prepare, taps
from ml.imaging.steps import Tell, nobody, of_cut, of_layout, of_numbers, of_resize
from ml.imaging.volume import Volume

SAME_MM = 1e-3  # voxels that differ by less are as long as asked for, and stay as they are
_SAID = {
    "gantry_tilt": "slices shifted against each other (a tilted gantry), not straightened",
    "not_transverse": "not acquired in transverse slices",
}
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

    def forth(self, labels: LabelArray, sides: Sequence[int]) -> LabelArray:
        """Labels of the image, on the prepared one's grid: of several voxels the middle one.

        Args:
            labels: of the image's sides.
            sides: of the prepared image.
        """
        turned = _flipped(labels.transpose(self.order), self.flips)
        places = (_middles(one, side) for one, side in zip(self.nearest, sides, strict=True))
        return np.ascontiguousarray(turned[np.ix_(*places)], dtype=np.uint8)


def _middles(nearest: IntArray, side: int) -> IntArray:
    """For each of so many prepared voxels the place of the image's that is nearest to it.

    >>> _middles(np.array([0, 0, 0, 1, 1, 1]), 2).tolist()
    [1, 4]
    >>> _middles(np.array([1, 4]), 6).tolist()
    [0, 0, 0, 1, 1, 1]
    """
    voxels = np.arange(side)
    first, last = (np.searchsorted(nearest, voxels, side) for side in ("left", "right"))
    own = (first + last - 1) // 2
    # Where none is its own (it was made larger), the one whose nearest voxel is least far.
    before, after = (first - 1).clip(0), first.clip(max=nearest.size - 1)
    nearer = np.where(voxels - nearest[before] < nearest[after] - voxels, before, after)
    return np.where(last > first, own, nearer)


def prepare_picture(
    picture: Picture, declared: Input, tell: Tell = nobody
) -> tuple[Float32Array, Placed]:
    """As :func:`ml.imaging.preprocess.prepare`, and where its pixels lie."""
    sides = (picture.height, picture.width)
    size = declared.size or sides
    nearest = tuple(
        _nearest(Axis(n, 1.0, 0.0, n), after) for n, after in zip(sides, size, strict=True)
    )
    return prepare(picture, declared, tell=tell), Placed((0, 1), (False, False), nearest)


def prepare_volume(
    volume: Volume, declared: Input, tell: Tell = nobody
) -> tuple[Float32Array, Placed]:
    """Turned, resampled, cut to a window or clip, resized and scaled, in this order.

    Resampling to ``spacing_mm`` keeps the centre of the first voxel (of a tilted volume the middle
    of the whole, see :func:`resampled`), and resizing the outer edges of the volume, both by
    trilinear interpolation (or nearest, where ``resize.mode`` is), with the border repeated beyond
    the border: as MONAI's Orientation, Spacing and Resize do.

    Args:
        volume: (x, y, z), RAS+.
        declared: the ``input`` part of a model's manifest, with ``dims: 3``.
        tell: told of every step that the manifest declares.

    Returns:
        (1, a, b, c) float32, and where its voxels lie.
    """
    order, flips = turn_of(declared.axes)
    odd = "".join(f"; {_SAID[note]}" for note in volume.notes if note in _SAID)
    tell("decode", f"the file's own values, axes to right, front and top (RAS){odd}", volume.values)
    values = _flipped(volume.values.transpose(order), flips)
    if declared.orientation is not None:
        tell("orientation", f"axes to {declared.axes}", values)
    mode = declared.resize.mode
    grid = tuple(Axis(n, 1.0, 0.0, n) for n in values.shape)
    if declared.spacing_mm is not None:
        turn = volume.affine[:3, :3][:, order] * np.where(flips, -1.0, 1.0)
        grid = resampled(values.shape, turn, declared.spacing_mm)
    nearest = []
    for axis, along in enumerate(grid):
        if along.step != 1:
            values = _along(values, axis, _stepped(along, mode))
        after = along.after if declared.size is None else declared.size[axis]
        nearest.append(_nearest(along, after))
    if declared.spacing_mm is not None:
        every = " x ".join(f"{mm:g}" for mm in declared.spacing_mm)
        tell("spacing", f"one value every {every} mm", values)
    prepared = _sized(values, declared, tell)
    return prepared, Placed(order, flips, tuple(nearest))


def _sized(values: NDArray[np.generic], declared: Input, tell: Tell) -> Float32Array:
    """A straightened volume cut, resized and scaled as declared."""
    intensity = declared.intensity
    if intensity.window is not None or intensity.clip is not None:
        values = _cut(values, declared)
        tell("window" if intensity.window else "clip", of_cut(intensity), values)
    if declared.size is not None:
        for axis, after in enumerate(declared.size):
            values = _along(values, axis, taps(values.shape[axis], after, declared.resize.mode))
        tell("resize", of_resize(declared.size, declared.resize), values)
    scaled = normalised(np.asarray(values, dtype=np.float32), intensity)
    if said := of_numbers(intensity):
        tell("intensity", said, scaled)
    prepared = np.ascontiguousarray(scaled[None])
    tell("layout", of_layout(declared), prepared)
    return prepared


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


class Axis(NamedTuple):
    """How one axis is resampled, in voxels of before."""

    before: int  # voxels
    step: float  # between the new ones
    start: float  # where the first new one lies
    after: int  # voxels


def resampled(
    sides: Sequence[int], turn: FloatArray, spacing_mm: Sequence[float]
) -> tuple[Axis, ...]:
    """Where the voxels of a resampled volume lie, as MONAI's Spacing puts them.

    The first voxel stays where it is. Where the axes are not at right angles to the last digit,
    as those of tilted scans whose file keeps single precision, the middles of both volumes do
    instead. An axis whose voxels are as long as asked for, within ``SAME_MM``, stays as it is. A
    volume that is really oblique-angled is not straightened.

    Args:
        sides: of the volume.
        turn: (3, 3) from its voxels to mm.
        spacing_mm: of the new voxels.

    Raises:
        ImageError: image_unreadable where the axes lie in one plane.

    Source:
        MONAI 1.6, ``zoom_affine`` and ``compute_shape_offset`` of ``monai.data.utils``
    """
    own = np.linalg.norm(turn, axis=0)
    steps = np.where(np.abs(spacing_mm - own) <= SAME_MM, 1.0, spacing_mm / own)
    try:
        upright = np.linalg.cholesky(turn.T @ turn).T  # without the rotation
    except np.linalg.LinAlgError:
        raise ImageError("image_unreadable", "The axes of the image do not span a space.") from None
    ends = np.array(np.meshgrid(*[(0.0, n - 1.0) for n in sides], indexing="ij")).reshape(3, -1)
    moved = np.diag(1 / (own * steps)) @ upright @ ends
    first = any(np.allclose((moved - moved[:, [at]]).min(1), 0) for at in range(moved.shape[1]))
    grid = []
    for n, step in zip(sides, steps.tolist(), strict=True):
        after = round((n - 1) / step + 1)
        grid.append(Axis(n, step, 0.0 if first or step == 1 else (n - after * step) / 2, after))
    return tuple(grid)


def _stepped(along: Axis, mode: str) -> tuple[IntArray, FloatArray]:
    """As ``taps``, of voxels ``step`` old ones apart."""
    n = along.before
    places = (along.start + np.arange(along.after) * along.step).clip(0, n - 1)
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
    low, high = given.window or given.clip or (0.0, 1.0)
    cut = np.asarray(values, dtype=np.float64).clip(low, high)
    return (cut - low) / (high - low) if given.window else cut


def _nearest(along: Axis, after: int) -> IntArray:
    """(before,) for each old voxel the nearest of ``after`` ones that the resized axis has."""
    places = (np.arange(along.before) - along.start) / along.step if along.step != 1 else (
        np.arange(along.before, dtype=np.float64)
    )  # fmt: skip
    resized = (places + 0.5) * after / along.after - 0.5
    return np.floor(resized + 0.5).astype(np.int64).clip(0, after - 1)
