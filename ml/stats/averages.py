"""Means and medians of one number per case, with their interval over independent units."""

import numpy as np

from ml.estimate import Estimate, JsonValue, undefined
from ml.stats.arrays import FloatArray
from ml.stats.bootstrap import DEFAULT, Clusters, Settings, percentile_interval, replicates


def mean(
    measure: str,
    values: FloatArray,
    clusters: Clusters | None = None,
    settings: Settings = DEFAULT,
    *,
    convention: str = "",
    extra: dict[str, JsonValue] | None = None,
) -> Estimate:
    """The mean of a number per case with the percentile interval of a bootstrap of clusters.

    Args:
        measure: id of the estimate.
        values: (n,) NaN where a case has none; such cases enter nothing.
        clusters: (n,) independent units; None means every case is its own.
        settings: level, draws, seed.
        convention, extra: passed on to the estimate.

    Returns:
        Undefined, with a reason, when no case has a value.

    Raises:
        ValueError: for infinite values.

    Example:
        >>> mean("dice", np.array([0.5, 1.0, np.nan])).value
        0.75

    Source:
        Davison, Hinkley (1997), Bootstrap Methods, section 3.8 (clusters as the units drawn).
    """
    values = np.asarray(values, dtype=np.float64)
    if np.isinf(values).any():
        raise ValueError("values must be finite, or NaN where a case has none")
    rows = np.flatnonzero(~np.isnan(values))
    if rows.size == 0:
        return undefined(measure, "Not estimated: no case has a value.", convention=convention)
    own = (clusters or Clusters.singles(values.size)).where(rows)
    sums = own.sums(np.column_stack([values[rows], np.ones(rows.size)]))
    drawn = replicates(lambda counts: counts @ sums, own.count, settings)
    interval = percentile_interval(drawn[:, 0] / drawn[:, 1], own, settings)
    return Estimate(
        measure, float(values[rows].mean()), interval.low, interval.high, settings.level,
        rows.size, convention=convention, method=interval.method, reason=interval.reason,
        extra={**own.extra, **(extra or {})},
    )  # fmt: skip


def median(
    measure: str,
    values: FloatArray,
    clusters: Clusters | None = None,
    settings: Settings = DEFAULT,
    *,
    convention: str = "",
    extra: dict[str, JsonValue] | None = None,
) -> Estimate:
    """The median, of a draw by the multiplicities of its cases; otherwise as :func:`mean`.

    Example:
        >>> median("hd95", np.array([1.0, 2.0, 9.0])).value
        2.0
    """
    values = np.asarray(values, dtype=np.float64)
    if np.isinf(values).any():
        raise ValueError("values must be finite, or NaN where a case has none")
    rows = np.flatnonzero(~np.isnan(values))
    if rows.size == 0:
        return undefined(measure, "Not estimated: no case has a value.", convention=convention)
    own = (clusters or Clusters.singles(values.size)).where(rows)
    order = np.argsort(values[rows], kind="stable")
    rising, codes = values[rows][order], own.codes[order]

    def of_counts(counts: FloatArray) -> FloatArray:
        reached = np.cumsum(counts[:, codes], axis=1)
        half = reached[:, -1:] / 2
        low = (reached < half).sum(axis=1)  # the first case with half of the draw at or below it
        high = np.minimum((reached <= half).sum(axis=1), rising.size - 1)
        middle: FloatArray = (rising[low] + rising[high]) / 2
        return middle

    drawn = replicates(of_counts, own.count, settings, width=rows.size)
    interval = percentile_interval(drawn, own, settings)
    return Estimate(
        measure, float(np.median(rising)), interval.low, interval.high, settings.level, rows.size,
        convention=convention, method=interval.method, reason=interval.reason,
        extra={**own.extra, **(extra or {})},
    )  # fmt: skip
