"""Small moves of a picture: they change where a thing lies in it, and nothing of the patient."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import affine_transform

from ml.drawn import drawn
from ml.imaging.intensity import once_if_grey
from ml.protocol import FLIPS

FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]
Matrix = tuple[tuple[float, float], tuple[float, float]]

_SPLINE = 3  # linear interpolation would blur what lies half a pixel off: a blur is no move
_ROUNDING = 1e-9  # pixels
_DIRECTIONS = ((0.0, 1.0), (0.0, -1.0), (1.0, 0.0), (-1.0, 0.0))


@dataclass(frozen=True)
class Way:
    """Where each place of a moved picture is read in the picture as it is.

    Attributes:
        matrix: about the middle of the picture, of (row, column).
        shift: pixels, added after it.
    """

    matrix: Matrix = ((1.0, 0.0), (0.0, 1.0))
    shift: tuple[float, float] = (0.0, 0.0)

    def on(self, sides: Sequence[int]) -> tuple[FloatArray, FloatArray]:
        """The matrix (2, 2) and what is added after it (2,), for places counted from the first.

        Args:
            sides: (height, width) of the picture.
        """
        matrix, middle = np.asarray(self.matrix), (np.asarray(sides[:2]) - 1) / 2
        return matrix, middle + np.asarray(self.shift) - matrix @ middle

    @property
    def back(self) -> "Way":
        """The way by which what was moved comes to lie where it was.

        Example:
            >>> Way(shift=(0.0, 2.0)).back.shift
            (0.0, -2.0)
        """
        inverse = np.linalg.inv(np.asarray(self.matrix))
        shift = (0.0 - inverse @ np.asarray(self.shift)).tolist()
        (a, b), (c, d) = inverse.tolist()
        return Way(((a, b), (c, d)), (shift[0], shift[1]))


def moved(picture: FloatArray, way: Way) -> FloatArray:
    """The picture read elsewhere; beyond its border the value at the border is repeated.

    Where no place lies between pixels (whole shifts, mirrors) values are taken as they are.
    Elsewhere a cubic spline goes through the pixels, cut to the picture's own range. Nothing is
    smoothed before.

    Args:
        picture: (height, width, channels).

    Returns:
        The same shape.

    Example:
        >>> moved(np.array([[[1.0], [2.0], [3.0]]]), Way(shift=(0.0, 1.0))).ravel().tolist()
        [2.0, 3.0, 3.0]

    Source:
        Unser (1999), IEEE Signal Processing Magazine 16(6), 22-38 (interpolation by splines).
    """
    matrix, offset = way.on(picture.shape)
    if _is_whole(matrix, offset):
        rows, columns = (
            np.rint(step * np.arange(n) + start).astype(np.int64).clip(0, n - 1)
            for step, start, n in zip(
                matrix.diagonal(), offset, picture.shape[:2], strict=True
            )
        )  # fmt: skip
        return np.asarray(picture[rows][:, columns])
    channels = [
        affine_transform(picture[:, :, at], matrix, offset, order=_SPLINE, mode="nearest")
        for at in range(picture.shape[2])
    ]
    return np.asarray(np.stack(channels, axis=2).clip(picture.min(), picture.max()))


def inside(sides: Sequence[int], way: Way) -> BoolArray:
    """(height, width) places of a moved picture that are read within it, and not at its border.

    Example:
        >>> inside((1, 3), Way(shift=(0.0, 1.0))).tolist()
        [[True, True, False]]
    """
    height, width = sides[:2]
    matrix, offset = way.on(sides)
    places = np.indices((height, width), dtype=np.float64).reshape(2, -1)
    read = matrix @ places + offset[:, None]
    last = np.array([[height - 1.0], [width - 1.0]])
    within = (read >= -_ROUNDING) & (read <= last + _ROUNDING)
    return np.asarray(within.all(axis=0).reshape(height, width))


def _is_whole(matrix: FloatArray, offset: FloatArray) -> bool:
    """Every place of the result is a pixel of the picture, or beyond its border."""
    straight = matrix[0, 1] == matrix[1, 0] == 0 and bool((np.abs(matrix.diagonal()) == 1).all())
    return straight and bool((np.abs(offset - np.rint(offset)) < _ROUNDING).all())


@dataclass(frozen=True)
class Move:
    """One way in which a picture can lie a little differently.

    Attributes:
        id: kebab-case; in evidence and keys, never reused.
        parameter: what the values are, with the unit.
        values: one for each step, from 1, ever larger.
        said: what a picture is at each step, as it follows "the picture is".
        way: from a value and a source of random numbers.
    """

    id: str
    title: str
    parameter: str
    values: tuple[float, ...]
    said: tuple[str, ...]
    way: Callable[[float, np.random.Generator], Way]

    def __post_init__(self) -> None:
        if len(self.said) != len(self.values) or sorted(set(self.values)) != list(self.values):
            raise ValueError(f"{self.id}: a word for each value, each larger than the one before")

    def drawn_way(self, step: int, case: str, seed: int) -> Way:
        """Where the picture of a case goes at a step; its direction is the same at every step.

        Args:
            step: from 1.
            case: its id. Random numbers depend on seed, case and move alone.
            seed: of the pass.

        Raises:
            ValueError: for another step.
        """
        if not 1 <= step <= len(self.values):
            raise ValueError(f"step is 1 to {len(self.values)}, not {step}")
        return self.way(self.values[step - 1], drawn(seed, case, self.id))

    def __call__(self, picture: FloatArray, step: int, case: str, seed: int) -> FloatArray:
        """The moved picture; see :func:`moved` and :meth:`drawn_way`.

        Args:
            picture: (height, width, channels). Channels that are all alike stay alike.

        Returns:
            (height, width, channels), of the picture's type.
        """
        way = self.drawn_way(step, case, seed)
        return once_if_grey(picture, lambda one: moved(one, way))


def _translation(pixels: float, numbers: np.random.Generator) -> Way:
    down, right = _DIRECTIONS[int(numbers.integers(len(_DIRECTIONS)))]
    return Way(shift=(pixels * down, pixels * right))


def _rotation(degrees: float, numbers: np.random.Generator) -> Way:
    angle = np.deg2rad(degrees) * (1.0 if numbers.random() < 0.5 else -1.0)
    cos, sin = float(np.cos(angle)), float(np.sin(angle))
    return Way(((cos, -sin), (sin, cos)))


def _crop(share: float, numbers: np.random.Generator) -> Way:
    del numbers
    return Way(((1 - share, 0.0), (0.0, 1 - share)))


def _padding(share: float, numbers: np.random.Generator) -> Way:
    del numbers
    return Way(((1 + share, 0.0), (0.0, 1 + share)))


def _left_right(value: float, numbers: np.random.Generator) -> Way:
    del value, numbers
    return Way(((1.0, 0.0), (0.0, -1.0)))


def _up_down(value: float, numbers: np.random.Generator) -> Way:
    del value, numbers
    return Way(((-1.0, 0.0), (0.0, 1.0)))


_PIXELS, _DEGREES = (0.5, 1.0, 2.0, 4.0, 8.0), (1.0, 2.0, 5.0, 10.0, 15.0)
_SHARES = (0.02, 0.04, 0.08, 0.12, 0.16)

MOVES = (
    Move("translation", "Translation", "pixels of the model's input", _PIXELS,
         ("shifted by half a pixel", "shifted by 1 pixel", "shifted by 2 pixels",
          "shifted by 4 pixels", "shifted by 8 pixels"), _translation),
    Move("rotation", "Rotation", "degrees", _DEGREES,
         tuple(f"turned by {one:g} degree{'s' * (one > 1)}" for one in _DEGREES), _rotation),
    Move("crop", "Crop", "share of height and width that is cut away, half of it at either end",
         _SHARES, tuple(f"cropped by {one * 100:g} %" for one in _SHARES), _crop),
    Move("padding", "Padding", "share of height and width that is added, half of it at either end",
         _SHARES, tuple(f"padded by {one * 100:g} %" for one in _SHARES), _padding),
)  # fmt: skip
MIRRORS = (
    Move("mirror-left-right", "Mirror, left to right", "mirrored", (1.0,),
         ("mirrored left to right",), _left_right),
    Move("mirror-up-down", "Mirror, top to bottom", "mirrored", (1.0,),
         ("mirrored top to bottom",), _up_down),
)  # fmt: skip
_KNOWN = {one.id: one for one in (*MOVES, *MIRRORS)}


def move(name: str) -> Move:
    """The move of that id.

    Raises:
        LookupError: if there is none.
    """
    if name not in _KNOWN:
        raise LookupError(f"there is no move {name!r}; there are {', '.join(_KNOWN)}")
    return _KNOWN[name]


def moves_for(flips: Sequence[str] = ()) -> tuple[Move, ...]:
    """The moves that change nothing of a patient where some mirrors are declared legal.

    Args:
        flips: of ``ml.protocol.FLIPS``.

    Example:
        >>> [one.id for one in moves_for(["left-right"])]
        ['translation', 'rotation', 'crop', 'padding', 'mirror-left-right']
    """
    legal = {f"mirror-{flip}" for flip in FLIPS if flip in flips}
    return (*MOVES, *(one for one in MIRRORS if one.id in legal))
