"""Placements: how many cases of the other class each case outranks, and their covariance."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ml.stats.arrays import BoolArray, FloatArray, IntArray, checked_binary


@dataclass(frozen=True)
class Placements:
    """Placement values of one score, cases in the order they were given."""

    of_present: FloatArray  # (m,) share of absent cases that a present case outranks
    of_absent: FloatArray  # (n,) share of present cases that outrank an absent case
    value: float  # mean of either: the AUROC


def placements(scores: FloatArray, present: IntArray | BoolArray) -> Placements:
    """Of each case with the finding, the share of cases without it that it outranks, and back.

    A tie counts one half (midranks). One sort, O(n log n); counts are whole numbers until the
    last division, so that a perfect ranking is exactly 1.

    Args:
        scores: (m + n,) higher means present; never flipped.
        present: (m + n,) 1 or 0; both must occur.

    Raises:
        ValueError: for NaN, unequal shapes, outcomes other than 0 and 1, or one class only.

    Example:
        >>> placed = placements(np.array([0.1, 0.4, 0.35, 0.8]), np.array([0, 0, 1, 1]))
        >>> placed.of_present.tolist(), placed.of_absent.tolist(), placed.value
        ([0.5, 1.0], [1.0, 0.5], 0.75)

    Source:
        DeLong, DeLong, Clarke-Pearson (1988), Biometrics 44:837-845 (structural components);
        Sun, Xu (2014), IEEE Signal Processing Letters 21:1389-1393 (by ranks).
    """
    scores, positive = checked_binary(scores, present)
    n_present = int(np.count_nonzero(positive))
    n_absent = positive.size - n_present
    if n_present == 0 or n_absent == 0:
        raise ValueError(
            f"placements compare two classes, got {n_present} present and {n_absent} absent"
        )
    order = np.argsort(scores)
    ranked, found = scores[order], positive[order]
    present_at, absent_at = np.flatnonzero(found), np.flatnonzero(~found)
    starts = np.flatnonzero(ranked[1:] != ranked[:-1]) + 1
    if starts.size == ranked.size - 1:
        # Without ties the rivals below are the positions less those of one's own class.
        won = 2 * (present_at - np.arange(n_present))
        lost = 2 * (absent_at - np.arange(n_absent))
    else:
        sizes = np.diff(np.concatenate([[0], starts, [ranked.size]]))
        at, present_to = np.cumsum(sizes), np.cumsum(found)
        twice_present = _twice_middle(present_to[at - 1])
        won = np.repeat(_twice_middle(at) - twice_present, sizes)[present_at]
        lost = np.repeat(twice_present, sizes)[absent_at]
    twice = np.empty(found.size, dtype=np.int64)
    twice[order[present_at]] = won
    twice[order[absent_at]] = 2 * n_present - lost
    return Placements(
        twice[np.flatnonzero(positive)] / (2 * n_absent),
        twice[np.flatnonzero(~positive)] / (2 * n_present),
        int(won.sum()) / (2 * n_present * n_absent),
    )


def _twice_middle(running: IntArray) -> IntArray:
    """Twice the mean of a running count before and after each run of equal scores."""
    middle: IntArray = running.copy()
    middle[1:] += running[:-1]
    return middle


def delong_variance(placed: Placements) -> float:
    """Variance of an AUROC; needs two cases of each class.

    Raises:
        ValueError: when a class has a single case.

    Example:
        >>> placed = placements(np.array([0.1, 0.4, 0.35, 0.8]), np.array([0, 0, 1, 1]))
        >>> delong_variance(placed)
        0.125

    Source:
        DeLong et al. (1988), equations 3 to 5.
    """
    _refuse_single(placed)
    return float(
        placed.of_present.var(ddof=1) / placed.of_present.size
        + placed.of_absent.var(ddof=1) / placed.of_absent.size
    )


def delong_covariance(placed: Sequence[Placements]) -> FloatArray:
    """Covariance (k, k) of the AUROCs of k scores of the same cases.

    Raises:
        ValueError: for unequal numbers of cases, or a class with a single case.

    Example:
        >>> placed = placements(np.array([0.1, 0.4, 0.35, 0.8]), np.array([0, 0, 1, 1]))
        >>> delong_covariance([placed, placed]).tolist()
        [[0.125, 0.125], [0.125, 0.125]]

    Source:
        DeLong et al. (1988), equation 6.
    """
    for one in placed:
        _refuse_single(one)
        if one.of_present.size != placed[0].of_present.size or (
            one.of_absent.size != placed[0].of_absent.size
        ):
            raise ValueError("scores to be compared must be of the same cases")
    of_present = _covariance(np.array([one.of_present for one in placed]))
    of_absent = _covariance(np.array([one.of_absent for one in placed]))
    total: FloatArray = of_present + of_absent
    return total


def _covariance(rows: FloatArray) -> FloatArray:
    """Covariance of the means of rows (k, m)."""
    away = rows - rows.mean(axis=1, keepdims=True)
    covariance: FloatArray = away @ away.T / (rows.shape[1] - 1) / rows.shape[1]
    return covariance


def _refuse_single(placed: Placements) -> None:
    if min(placed.of_present.size, placed.of_absent.size) < 2:
        raise ValueError("a class with a single case has no spread to estimate from")
