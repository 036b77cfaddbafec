"""Components of variance of differences in units, and the intervals of what they add up to."""

from dataclasses import dataclass

import numpy as np
from scipy import stats

from ml.stats.arrays import BoolArray, FloatArray
from ml.stats.interval import Interval, interval_between


@dataclass(frozen=True)
class Parts:
    """One entry per replicate; terms add up to the variance of single differences."""

    bias: FloatArray  # (r,)
    bias_variance: FloatArray
    terms: FloatArray  # (r, t)
    df: FloatArray  # (r, t)

    @property
    def variance(self) -> FloatArray:
        total: FloatArray = self.terms.sum(axis=1)
        return total


def linked_rows(many: FloatArray, total: FloatArray, squares: FloatArray) -> FloatArray:
    """What each unit adds to the sums of ``linked``, (n, 8).

    Args:
        many: (n,) differences of the unit, one or more.
        total: (n,) their sum, less a constant that is near to their mean.
        squares: (n,) sum of squares about the unit's own mean.

    Example:
        >>> linked_rows(np.array([2.0]), np.array([4.0]), np.array([2.0])).tolist()  # of 1 and 3
        [[1.0, 2.0, 4.0, 4.0, 8.0, 2.0, 16.0, 8.0]]
    """
    one = np.ones(many.size)
    return np.column_stack([one, many, many**2, total, total**2 / many, squares,
                            total**2, many * total])  # fmt: skip


def linked(sums: FloatArray) -> Parts:
    """Components of variance of replicate differences, by a one-way analysis of units.

    Args:
        sums: (r, 8) of ``linked_rows``, a row for each replicate.

    Returns:
        The bias less the constant that ``linked_rows`` took off; terms of units and of what is
        within them.

    Example:
        >>> many, total, squares = np.array([2.0, 2.0]), np.array([4.0, 12.0]), np.array([2.0, 2.0])
        >>> rows = linked_rows(many, total, squares)  # of 1, 3 and 5, 7
        >>> parts = linked(rows.sum(axis=0)[None, :])
        >>> parts.bias.tolist(), parts.terms.tolist()
        ([4.0], [[8.0, 1.0]])
    """
    n, m, m2, total, between, within, total2, cross = sums.T
    bias = total / m
    ms_between = np.maximum(between - total**2 / m, 0) / np.maximum(n - 1, 1)
    ms_within = within / np.maximum(m - n, 1)
    m0 = (m - m2 / m) / np.maximum(n - 1, 1)
    # sum over cases of (total - m * bias)^2: the variance of a ratio, as of clusters
    of_cases = total2 - 2 * bias * cross + bias**2 * m2
    bias_variance = np.maximum(of_cases, 0) * n / np.maximum(n - 1, 1) / m**2
    m0 = np.maximum(m0, 1e-12)
    terms = np.stack([ms_between / m0, (1 - 1 / m0) * ms_within], axis=1)
    return Parts(bias, bias_variance, terms, np.stack([n - 1, m - n], axis=1))


def mover(
    parts: Parts, values: tuple[float, float, float, float], multiplier: float, level: float,
    scale: float,
) -> list[Interval]:  # fmt: skip
    """Intervals of bias, SD and both limits of agreement, from components of variance.

    Args:
        parts: of the sample itself, r = 1.
        values: bias, SD, lower and upper limit, in the unit of the numbers.
        multiplier: SDs from the bias to a limit.
        level: coverage, between 0 and 1.
        scale: as ``interval_between``.

    Example:
        >>> one = np.ones(1)
        >>> parts = Parts(0 * one, one / 4, one[:, None], 20 * one[:, None])
        >>> found = mover(parts, (0.0, 1.0, -2.0, 2.0), 2.0, 0.95, 1.0)
        >>> round(found[0].high, 3), round(found[1].high, 3)  # 2.086 * 0.5; (20 / 9.591) ** 0.5
        (1.043, 1.444)

    Source:
        Zou (2013), Statistical Methods in Medical Research 22:630-642.
    """
    bias, sd, lower, upper = values
    tail = (1 - level) / 2
    some: BoolArray = (parts.terms[0] != 0) & (parts.df[0] > 0)
    terms, df = parts.terms[0][some], parts.df[0][some]
    shorter = terms * (1 - df / stats.chi2.ppf(1 - tail, df))
    longer = terms * (df / stats.chi2.ppf(tail, df) - 1)
    low_sd = float(np.sqrt(max(sd**2 - np.sqrt((shorter**2).sum()), 0.0)))
    high_sd = float(np.sqrt(sd**2 + np.sqrt((longer**2).sum())))
    half = float(stats.t.ppf(1 - tail, parts.df[0, 0]) * np.sqrt(parts.bias_variance[0]))
    inner = float(np.hypot(half, multiplier * (sd - low_sd)))
    outer = float(np.hypot(half, multiplier * (high_sd - sd)))
    method = "MOVER (Zou 2013)"
    return [
        interval_between(low, high, words, scale=scale)
        for low, high, words in (
            (bias - half, bias + half, "t distribution over cases"),
            (low_sd, high_sd, method),
            (lower - outer, lower + inner, method),
            (upper - inner, upper + outer, method),
        )
    ]
