"""Coefficient of individual agreement of two methods that were both repeated."""

from typing import Literal

import numpy as np

from ml.estimate import Estimate, undefined
from ml.stats.agreement.anova import checked_ratings
from ml.stats.arrays import FloatArray, ratio
from ml.stats.bootstrap import DEFAULT, Settings, replicate_sums
from ml.stats.clusters import Clusters, checked_clusters
from ml.stats.interval import percentile_interval


def individual_agreement(
    a: FloatArray,
    b: FloatArray,
    reference: Literal["a"] | None = None,
    clusters: Clusters | None = None,
    settings: Settings = DEFAULT,
) -> Estimate:
    """Disagreement of replicates within a method over disagreement between the methods.

    1 when a measurement by the other method is as good as a replicate by the same one; 0.8 is often
    asked for. Disagreement is the mean squared difference; for answers 0 and 1 that is the share
    of unequal answers. Each case has equal weight. The value may pass 1, and is not clipped.

    Args:
        a, b: (n, replicates) of the same cases, NaN where missing.
        reference: ``a`` if only a is an accepted method: its replicates are the standard. None when
            neither is: the mean of both methods' replicates is.
        clusters: independent units; None means every case is its own.
        settings: level, draws, seed.

    Returns:
        Undefined when no case has two replicates of the standard and one of the other method, or
        the methods never differ. Without a reference, cases need two replicates of both.

    Raises:
        ValueError: for another reference or unequal numbers of cases.

    Example:
        >>> a, b = np.array([[1.0, 3], [2, 4]]), np.array([[2.0, 4], [4, 6]])
        >>> round(individual_agreement(a, b).value, 4)
        0.8889

    Source:
        Barnhart, Kosinski, Haber (2007), Journal of Biopharmaceutical Statistics 17:697-719;
        Haber, Barnhart (2008), Statistical Methods in Medical Research 17:151-169.
    """
    if reference not in ("a", None):
        raise ValueError(f"reference must be 'a' or None, got {reference!r}")
    a, b = checked_ratings(a), checked_ratings(b)
    if a.shape[0] != b.shape[0]:
        raise ValueError(f"expected replicates of the same cases, got {a.shape} and {b.shape}")
    of_a, of_b = ((~np.isnan(values)).sum(axis=1) for values in (a, b))
    enough = (of_a >= 2) & (of_b >= (1 if reference else 2))
    rows = np.flatnonzero(enough)
    standard = "replicates of a" if reference else "replicates of both"
    convention = f"mean squared differences, {standard} are the standard, cases of equal weight"
    name = "individual_agreement"
    if rows.size == 0:
        reason = "Not estimated: no case has the replicates that are needed."
        return undefined(name, reason, convention=convention)
    own = checked_clusters(clusters, a.shape[0]).where(rows)
    within_a, between = _within(a[rows]), _between(a[rows], b[rows])
    within = within_a if reference else (within_a + _within(b[rows])) / 2
    sums = np.column_stack([within, between])
    value = float(ratio(*sums.sum(axis=0)[:, None])[0])
    if not np.isfinite(value):
        reason = "Not estimated: the two methods never differ."
        return undefined(name, reason, n=rows.size, convention=convention)
    drawn = replicate_sums(own.sums(sums), settings)
    interval = percentile_interval(ratio(drawn[:, 0], drawn[:, 1]), own, settings)
    return Estimate(
        name, value, interval.low, interval.high, settings.level, rows.size,
        convention=convention, method=interval.method, reason=interval.reason,
        extra={**own.extra},
    )  # fmt: skip


def _within(values: FloatArray) -> FloatArray:
    """Mean squared difference of two replicates of one case: twice their variance."""
    return np.asarray(2 * np.nanvar(values, axis=1, ddof=1), dtype=np.float64)


def _between(a: FloatArray, b: FloatArray) -> FloatArray:
    return np.asarray(np.nanmean((a[:, :, None] - b[:, None, :]) ** 2, axis=(1, 2)))
