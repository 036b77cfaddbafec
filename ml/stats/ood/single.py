"""Points in single precision, centred, with the bound of what rounding does to their scores."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ml.stats.arrays import FloatArray, IntArray
from ml.stats.asked import LARGEST, SMALLEST, checked_size

ROUNDING = 2.0**-24  # of single precision
VANISHING = 1e-30  # more than all that is lost where numbers come below its range
NOBODY = -1e30  # a score less than any, for places that no other fills
_ROWS = 32  # turned into double precision at once: they stay near the processor
_ORTHONORMAL = 1e-10  # more than directions and parts in double precision are off by, of a square
Given = NDArray[np.floating]
Float32 = NDArray[np.float32]


def checked_rows(rows: FloatArray) -> Given:
    """Points (n, d), in single precision where they are given so, else in double.

    Raises:
        ValueError: for another shape, or numbers that are not finite or too large.

    Example:
        >>> checked_rows(np.ones((2, 3), np.float32)).dtype.name
        'float32'
    """
    given = np.asarray(rows)
    if given.dtype != np.float32:
        given = np.asarray(given, dtype=np.float64)
    if given.ndim != 2:
        raise ValueError(f"expected (n, d) points, got {given.shape}")
    largest = largest_of(given)
    if not np.isfinite(largest):
        raise ValueError("points must be finite: leave failed cases out and count them")
    if largest and not SMALLEST <= largest <= LARGEST:
        checked_size("points", given.astype(np.float64))
    return given


def largest_of(rows: Given) -> float:
    """The largest size of a number; NaN where one is missing.

    Example:
        >>> largest_of(np.array([[1.0, -3.0]]))
        3.0
    """
    return max(float(rows.max(initial=0)), -float(rows.min(initial=0)))


def rounding_of(terms: int) -> float:
    """The share of the sizes that a sum of so many products in single precision is off by at most.

    Example:
        >>> rounding_of(1) < 6.0e-8
        True

    Source:
        Higham (2002), Accuracy and Stability of Numerical Algorithms, section 3.1, in any order of
        the sum.
    """
    return terms * ROUNDING / (1 - terms * ROUNDING)


@dataclass(frozen=True)
class Rows:
    """Points as they were given, and the length that each is divided by."""

    given: Given  # (n, d)
    length: FloatArray | None  # (n, 1); None where they are compared as they are

    @staticmethod
    def of(given: Given, unit: bool) -> "Rows":
        """Rows that are compared as they are, or divided by their length before.

        Raises:
            ValueError: for a row of zeros that is to have a direction.

        Example:
            >>> Rows.of(np.array([[3.0, 4.0]]), unit=True).exact(slice(1)).tolist()
            [[0.6, 0.8]]
        """
        if not unit:
            return Rows(given, None)
        length = np.empty((len(given), 1))
        for start in range(0, len(given), _ROWS):
            part = given[start : start + _ROWS].astype(np.float64)
            length[start : start + _ROWS, 0] = np.sqrt(np.einsum("ij,ij->i", part, part))
        if not (length > 0).all():
            raise ValueError("a feature vector of zeros has no direction to compare")
        return Rows(given, length)

    def exact(self, at: IntArray | slice) -> FloatArray:
        """(rows, d) in double precision."""
        found: FloatArray = self.given[at].astype(np.float64)
        if self.length is not None:
            found /= self.length[at]
        return found

    def middle(self) -> FloatArray:
        """(d,) about the mean: any vector serves, one in the midst leaves small numbers."""
        if not len(self.given):
            return np.zeros(self.given.shape[1])
        share = np.full(len(self.given), 1 / len(self.given))
        if self.length is not None:
            share /= self.length[:, 0]
        return np.asarray(share.astype(self.given.dtype) @ self.given, dtype=np.float64)


@dataclass(frozen=True)
class Frame:
    """From where, and in which unit, both sides are seen: about their midst, in numbers near 1."""

    middle: FloatArray  # (d,)
    scale: float

    @staticmethod
    def of(points: Rows, others: Rows) -> "Frame":
        """About the mean of the others, in a unit that single precision holds.

        Example:
            >>> rows = Rows.of(np.array([[0.0], [4.0]]), unit=False)
            >>> Frame.of(rows, rows).away(rows, slice(2)).tolist()
            [[-0.5], [0.5]]
        """
        if points.length is not None:
            return Frame(others.middle(), 1.0)
        scale = max(largest_of(one.given) for one in (points, others)) or 1.0
        return Frame(others.middle(), scale)

    def away(self, rows: Rows, at: IntArray | slice) -> FloatArray:
        """(rows, d) as they are seen, in double precision."""
        found = rows.exact(at)
        found -= self.middle
        if self.scale != 1:
            found /= self.scale
        return found


@dataclass(frozen=True)
class Single:
    """Points and others in a frame, in single precision; their product row by row is the score.

    Attributes:
        left: (n, d + 1) points, and 1.
        right: (m and more, d + 1) others, and -|b|^2 / 2; rows beyond m are nobody's.
        left_parts: (n, r + 2) of few numbers: the parts along r directions, the length of what is
            left, and 1.
        right_parts: (m and more, r + 2) likewise, and -|b|^2 / 2.
        reach: (n,) what a score of the point is at most, which its rounding is a share of.
    """

    left: Float32
    right: Float32
    left_parts: Float32
    right_parts: Float32
    reach: FloatArray

    @property
    def error(self) -> FloatArray:
        """(n,) that a score of the point is off by at most.

        d products and the half, each number rounded once before.
        """
        return 1.01 * rounding_of(self.left.shape[1] + 7) * self.reach + VANISHING

    @property
    def parts_error(self) -> FloatArray:
        """(n,) that a product of the parts may be below the true score.

        By its own rounding alone: parts are taken in double precision, and rounded once. As
        a.b = p.q + s.t, with p and q the parts and s and t what is left, and s.t is |s| |t| at
        most, the product is else no less than the score.
        """
        return 1.02 * rounding_of(self.left_parts.shape[1] + 6) * self.reach + VANISHING


def in_single(
    points: Rows, others: Rows, places: int, frame: Frame, basis: FloatArray | None = None
) -> Single:
    """Both in single precision, with as many places for others as are asked for.

    Args:
        points, others: n and m rows.
        places: more than m.
        frame: of both.
        basis: (d, r) orthonormal directions of the parts; None for no parts.

    Example:
        >>> rows = Rows.of(np.array([[0.0], [4.0]]), unit=False)
        >>> pair = in_single(rows, rows, 3, Frame.of(rows, rows))
        >>> (pair.left @ pair.right.T)[0].tolist()[:2]  # of 0 and 0, 0 and 4 about their mean
        [0.125, -0.375]
    """
    m = len(others.given)
    basis = np.zeros((len(frame.middle), 0)) if basis is None else basis
    left, left_parts, sizes = _filled(points, frame, len(points.given), basis)
    right, right_parts, lengths = _filled(others, frame, places, basis)
    for mine, theirs in ((left, right), (left_parts, right_parts)):
        mine[:, -1], theirs[:m, -1], theirs[m:, -1] = 1, -(lengths**2) / 2, NOBODY
    most = float(lengths.max(initial=0.0))
    return Single(left, right, left_parts, right_parts, sizes * most + most**2 / 2)


def _filled(
    rows: Rows, frame: Frame, places: int, basis: FloatArray
) -> tuple[Float32, Float32, FloatArray]:
    (n, d), r = rows.given.shape, basis.shape[1]
    found, sizes = np.zeros((places, d + 1), np.float32), np.empty(n)
    parts = np.zeros((places, r + 2), np.float32)
    for start in range(0, n, _ROWS):
        at = slice(start, min(start + _ROWS, n))
        away = frame.away(rows, at)
        found[at, :d] = away
        squares = np.einsum("ij,ij->i", away, away)
        sizes[at] = np.sqrt(squares)
        along = away @ basis
        parts[at, :r] = along
        rest = (squares - np.einsum("ij,ij->i", along, along)).clip(0) + _ORTHONORMAL * squares
        parts[at, r] = np.sqrt(rest) * (1 + 4 * ROUNDING)
    return found, parts, sizes
