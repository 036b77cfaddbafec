"""The Mann-Whitney test, whose statistic is the AUROC times the number of pairs."""

from dataclasses import dataclass

import numpy as np
from scipy import stats

from ml.stats.arrays import FloatArray, IntArray, checked_binary
from ml.stats.discrimination.placements import placements


@dataclass(frozen=True)
class MannWhitney:
    """U of the cases with the finding, and its test of no difference."""

    u: float | None  # pairs won, ties one half
    z: float | None
    p: float | None  # two-sided
    n_present: int
    n_absent: int
    method: str
    reason: str | None = None


def mann_whitney(scores: FloatArray, present: IntArray, *, continuity: bool = False) -> MannWhitney:
    """Mann-Whitney U and its normal two-sided p, corrected for ties.

    The test is of equal distributions, and takes every case as independent: no clusters.

    Args:
        scores: (n,) higher means present.
        present: (n,) 1 or 0.
        continuity: move U half a pair towards its mean first.

    Returns:
        U / (m n) is the AUROC. Constant scores have p = 1. No number for one class only.

    Raises:
        ValueError: for NaN, unequal shapes, outcomes other than 0 and 1.

    Example:
        >>> mann_whitney(np.array([0.1, 0.4, 0.35, 0.8]), np.array([0, 0, 1, 1])).u
        3.0

    Source:
        Mann, Whitney (1947), Annals of Mathematical Statistics 18:50-60; ties: Lehmann (1975),
        Nonparametrics, section 1.4.
    """
    scores, positive = checked_binary(scores, present)
    m = int(positive.sum())
    n = positive.size - m
    method = "normal, corrected for ties" + (", continuity correction" if continuity else "")
    if min(m, n) == 0:
        reason = "Not estimated: it needs cases with and without the finding."
        return MannWhitney(None, None, None, m, n, method, reason)
    u = placements(scores, positive).value * m * n
    u = round(2 * u) / 2  # pairs are whole or half
    ties = np.unique(scores, return_counts=True)[1].astype(np.float64)
    total = m + n
    variance = m * n / 12 * (total + 1 - float((ties**3 - ties).sum()) / (total * (total - 1)))
    if ties.size == 1:
        reason = "All scores are equal, so U has no variance; p is 1."
        return MannWhitney(u, None, 1.0, m, n, method, reason)
    away = u - m * n / 2
    if continuity:
        away = float(np.sign(away)) * max(abs(away) - 0.5, 0.0)
    z = away / variance**0.5
    return MannWhitney(u, z, min(1.0, float(2 * stats.norm.sf(abs(z)))), m, n, method)
