"""Options of measures, refused in one way: levels, shares, counts, and numbers too large."""

import math

import numpy as np

from ml.stats.arrays import FloatArray

LARGEST = 1e70  # the fourth power of it, summed over all cases, is still a number
SMALLEST = 1e-70  # the fourth power of it is not yet zero
_LEAST = 1e-9  # of a share; quantiles further out say nothing


def checked_share(name: str, share: float) -> float:
    """A share that is neither 0 nor 1, nor nearer to them than 1e-9: a level, a power, an error.

    Raises:
        ValueError: naming it.

    Example:
        >>> checked_share("level", 0.95)
        0.95
    """
    if not _LEAST <= share <= 1 - _LEAST:
        raise ValueError(f"{name} must lie between 0 and 1, and be neither, got {share}")
    return float(share)


def checked_count(name: str, count: float, least: int = 1, most: int = 2**53) -> int:
    """A whole number within bounds.

    Raises:
        ValueError: naming it.

    Example:
        >>> checked_count("readers", 3)
        3
    """
    if not (math.isfinite(count) and least <= count <= most) or count != int(count):
        bound = f" and {most:,} at most" if most < 2**53 else ""
        raise ValueError(f"{name} must be a whole number, {least:,} at least{bound}, got {count}")
    return int(count)


def checked_number(
    name: str, number: float, *, above: float = -LARGEST, most: float = LARGEST
) -> float:
    """A finite number above a bound, of a size that can be squared.

    Raises:
        ValueError: naming it.

    Example:
        >>> checked_number("margin", 0.1, above=0)
        0.1
    """
    if not (math.isfinite(number) and above < number <= most):
        words = f" above {above:g}" if above > -LARGEST else ""
        raise ValueError(f"{name} must be a finite number{words}, {most:g} at most, got {number}")
    return float(number)


def checked_size(name: str, numbers: FloatArray) -> FloatArray:
    """Numbers (any shape, NaN where missing) whose squares and sums are numbers too.

    Raises:
        ValueError: where the largest lies outside 1e-70..1e70 in size: squares would overflow, or
            vanish and show numbers as equal that are not.

    Example:
        >>> checked_size("scores", np.array([1.0, np.nan])).size
        2
    """
    if numbers.size == 0:
        return numbers
    # Without a copy of them; NaN only where every number is missing.
    largest = max(float(np.fmax.reduce(numbers, None)), -float(np.fmin.reduce(numbers, None)))
    if largest > LARGEST or 0 < largest < SMALLEST:
        raise ValueError(
            f"{name} as large as {largest:.3g} cannot be squared: give them in a unit that "
            f"brings the largest into {SMALLEST:g} to {LARGEST:g}"
        )
    return numbers
