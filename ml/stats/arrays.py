"""Shapes and refusals that every measure shares."""

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
BoolArray = NDArray[np.bool_]

_ROUNDING = 1e-12  # share of a sum that may be left of it by rounding alone


def ratio(top: FloatArray, bottom: FloatArray, *, least: float = 0.0) -> FloatArray:
    """Elementwise top / bottom, NaN where the bottom is not above ``least``.

    Args:
        top, bottom: of any shapes that broadcast.
        least: the bottom must be above it.

    Example:
        >>> ratio(np.array([1.0, 0.0]), np.array([2.0, 0.0])).tolist()
        [0.5, nan]
    """
    result = np.full(np.broadcast(top, bottom).shape, np.nan)
    np.divide(top, bottom, out=result, where=bottom > least)
    return result


def squares_around_mean(count: FloatArray, total: FloatArray, squares: FloatArray) -> FloatArray:
    """Sum of squares around the mean, from the number, sum and sum of squares of values near 0.

    Exactly 0 where nothing but the rounding of the sums is left: draws of one value repeated
    have no spread, and a quotient by what rounding leaves of it would be anything.

    Example:
        >>> squares_around_mean(np.array([2.0, 3.0]), np.array([1.0, 0.3]), np.array([1.0, 0.03]))
        array([0.5, 0. ])
    """
    left = squares - ratio(total**2, count)
    return np.where(left > _ROUNDING * squares, left, 0.0)


def checked_outcomes(outcomes: IntArray | BoolArray, what: str = "outcomes") -> BoolArray:
    """Outcomes (n,) of any type as booleans, so that 0 and 1 never serve as row numbers.

    Args:
        outcomes: (n,) booleans, or numbers that are 0 or 1.
        what: they are, for the sentence.

    Raises:
        ValueError: for another shape, NaN, or values other than 0 and 1.

    Example:
        >>> checked_outcomes(np.array([1, 0])).tolist()
        [True, False]
    """
    given = np.asarray(outcomes)
    if given.ndim != 1:
        raise ValueError(f"{what} must be an (n,) array, got {given.shape}")
    found: BoolArray = given == 1
    if not (found | (given == 0)).all():
        raise ValueError(f"{what} must be 0 or 1: leave cases without a value out and count them")
    return found


def checked_binary(
    scores: FloatArray, present: IntArray | BoolArray
) -> tuple[FloatArray, BoolArray]:
    """Scores and outcomes of the same cases, as float64 and booleans.

    Args:
        scores: (n,) finite numbers.
        present: (n,) 1 finding present, 0 absent.

    Raises:
        ValueError: for unequal shapes, NaN, or outcomes other than 0 and 1.

    Example:
        >>> scores, outcomes = checked_binary([0.2, 0.9], [0, 1])
        >>> scores.tolist(), outcomes.tolist()
        ([0.2, 0.9], [False, True])
    """
    scores = np.asarray(scores, dtype=np.float64)
    given = np.asarray(present)
    if scores.ndim != 1 or scores.shape != given.shape:
        raise ValueError(f"expected two (n,) arrays, got {scores.shape} and {given.shape}")
    if not np.isfinite(scores).all():
        raise ValueError("scores must be finite: leave failed cases out and count them")
    outcomes: BoolArray = given == 1
    if not (outcomes | (given == 0)).all():
        raise ValueError("outcomes must be 0 or 1: leave cases without a label out")
    return scores, outcomes


def checked_losses(scores: FloatArray, losses: FloatArray) -> tuple[FloatArray, FloatArray]:
    """As ``checked_binary``, of losses that may lie anywhere in 0..1.

    Raises:
        ValueError: for unequal shapes, NaN, or losses outside 0..1.

    Example:
        >>> checked_losses(np.array([0.2]), np.array([0.5]))[1].tolist()
        [0.5]
    """
    pair = [np.asarray(one, dtype=np.float64) for one in (scores, losses)]
    if pair[0].ndim != 1 or pair[0].shape != pair[1].shape:
        raise ValueError(f"expected two (n,) arrays, got {pair[0].shape} and {pair[1].shape}")
    if not all(np.isfinite(one).all() for one in pair):
        raise ValueError("scores and losses must be finite: leave other cases out and count them")
    if pair[1].size and not (pair[1].min() >= 0 and pair[1].max() <= 1):
        raise ValueError("losses must lie in 0..1")
    return pair[0], pair[1]


def checked_probabilities(
    probabilities: FloatArray, present: IntArray | BoolArray
) -> tuple[FloatArray, BoolArray]:
    """As ``checked_binary``, and every probability lies in 0..1.

    Raises:
        ValueError: also for values outside 0..1, e.g. logits.

    Example:
        >>> checked_probabilities([0.2, 1.0000001], [0, 1])[0].tolist()  # rounding is cut
        [0.2, 1.0]
    """
    probabilities, outcomes = checked_binary(probabilities, present)
    # Sums of rounded class probabilities pass 1 in the last digit.
    if probabilities.size and (probabilities.min() < -1e-6 or probabilities.max() > 1 + 1e-6):
        raise ValueError(
            f"probabilities must lie in 0..1, got {probabilities.min():.6g} to "
            f"{probabilities.max():.6g}"
        )
    return probabilities.clip(0.0, 1.0), outcomes
