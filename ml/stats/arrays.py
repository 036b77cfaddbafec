"""Shapes and refusals that every measure shares."""

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
BoolArray = NDArray[np.bool_]


def ratio(top: FloatArray, bottom: FloatArray, *, least: float = 0.0) -> FloatArray:
    """Elementwise top / bottom, NaN where the bottom is not above ``least``."""
    result = np.full(np.broadcast(top, bottom).shape, np.nan)
    np.divide(top, bottom, out=result, where=bottom > least)
    return result


def checked_binary(
    scores: FloatArray, present: IntArray | BoolArray
) -> tuple[FloatArray, BoolArray]:
    """Scores and outcomes of the same cases, as float64 and booleans.

    Args:
        scores: (n,) finite numbers.
        present: (n,) 1 finding present, 0 absent.

    Raises:
        ValueError: for unequal shapes, NaN, or outcomes other than 0 and 1.
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


def checked_probabilities(
    probabilities: FloatArray, present: IntArray | BoolArray
) -> tuple[FloatArray, BoolArray]:
    """As ``checked_binary``, and every probability lies in 0..1.

    Raises:
        ValueError: also for values outside 0..1, e.g. logits.
    """
    probabilities, outcomes = checked_binary(probabilities, present)
    # Sums of rounded class probabilities pass 1 in the last digit.
    if probabilities.size and (probabilities.min() < -1e-6 or probabilities.max() > 1 + 1e-6):
        raise ValueError(
            f"probabilities must lie in 0..1, got {probabilities.min():.6g} to "
            f"{probabilities.max():.6g}"
        )
    return probabilities.clip(0.0, 1.0), outcomes
