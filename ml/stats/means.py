"""Means of one number per case, and of paired differences, with intervals by cluster."""

from collections.abc import Sequence

import numpy as np

from ml.estimate import Estimate, counted, undefined
from ml.stats.arrays import FloatArray, ratio
from ml.stats.asked import LARGEST
from ml.stats.bootstrap import DEFAULT, Settings, replicate_sums, replicates
from ml.stats.clusters import Clusters, checked_clusters
from ml.stats.interval import percentile_interval


def case_mean(
    measure: str,
    values: FloatArray | Sequence[float | None],
    clusters: Clusters | None = None,
    settings: Settings = DEFAULT,
    *,
    convention: str = "mean over cases",
    scale: float | None = None,
) -> Estimate:
    """Mean of one number per case; cases without a value are left out and counted.

    Args:
        measure: id of the estimate.
        values: (n,) numbers; None or NaN where the number is undefined for that case.
        clusters: independent units; None means every case is its own.
        settings: level, draws, seed.
        convention: passed on to the estimate.
        scale: size of what the numbers were made of, beside which rounding is told from spread;
            that of the numbers themselves when None.

    Returns:
        The mean; ``extra`` holds ``n_undefined``. Undefined when no case has a value.

    Raises:
        ValueError: for a number that is infinite or above 1e70, or another shape than (n,).

    Example:
        >>> case_mean("gap", [0.25, None, 0.75]).value
        0.5

    Source:
        Davison, Hinkley (1997), Bootstrap Methods, section 3.8 (clusters as units drawn).
    """
    chosen, kept, lost = _known(measure, values, clusters)
    if chosen.size == 0:
        reason = f"Not estimated: none of {counted(lost, 'case')} has a value."
        return undefined(measure, reason, convention=convention)
    sums = kept.sums(np.stack([chosen, np.ones_like(chosen)], axis=1))
    drawn = replicate_sums(sums, settings)
    size = float(np.abs(chosen).max()) if scale is None else scale
    interval = percentile_interval(ratio(drawn[:, 0], drawn[:, 1]), kept, settings, scale=size)
    return Estimate(
        measure, float(chosen.mean()), interval.low, interval.high, settings.level, chosen.size,
        convention=convention, method=interval.method, reason=interval.reason,
        extra={**kept.extra, "n_undefined": lost},
    )  # fmt: skip


def case_median(
    measure: str,
    values: FloatArray | Sequence[float | None],
    clusters: Clusters | None = None,
    settings: Settings = DEFAULT,
    *,
    convention: str = "median over cases",
) -> Estimate:
    """Median of one number per case; otherwise as ``case_mean``.

    Example:
        >>> case_median("hd95", [1.0, 2.0, 9.0]).value
        2.0
    """
    chosen, kept, lost = _known(measure, values, clusters)
    if chosen.size == 0:
        reason = f"Not estimated: none of {counted(lost, 'case')} has a value."
        return undefined(measure, reason, convention=convention)
    order = np.argsort(chosen, kind="stable")
    rising, codes = chosen[order], kept.codes[order]

    def of_counts(counts: FloatArray) -> FloatArray:
        reached = np.cumsum(counts[:, codes], axis=1)
        half = reached[:, -1:] / 2
        low = (reached < half).sum(axis=1)  # the first case with half of the draw at or below it
        high = np.minimum((reached <= half).sum(axis=1), rising.size - 1)
        middle: FloatArray = (rising[low] + rising[high]) / 2
        return middle

    drawn = replicates(of_counts, kept.count, settings, width=rising.size)
    size = float(np.abs(chosen).max())
    interval = percentile_interval(drawn, kept, settings, scale=size)
    return Estimate(
        measure, float(np.median(rising)), interval.low, interval.high, settings.level,
        rising.size, convention=convention, method=interval.method, reason=interval.reason,
        extra={**kept.extra, "n_undefined": lost},
    )  # fmt: skip


def _known(
    measure: str, values: FloatArray | Sequence[float | None], clusters: Clusters | None
) -> tuple[FloatArray, Clusters, int]:
    """The defined numbers, their clusters, and how many are not."""
    numbers = _summable(measure, values)
    known = np.isfinite(numbers)
    kept = checked_clusters(clusters, numbers.size).where(np.flatnonzero(known))
    return numbers[known], kept, int((~known).sum())


def _summable(measure: str, values: FloatArray | Sequence[float | None]) -> FloatArray:
    """Numbers that may be added up, NaN where there is none; or a ValueError."""
    numbers = np.array(values, dtype=np.float64)
    if numbers.ndim != 1 or np.isinf(numbers).any():
        raise ValueError(f"{measure}: expected (n,) finite numbers or None, got {numbers.shape}")
    if (np.abs(numbers) > LARGEST).any():
        raise ValueError(f"{measure}: numbers above {LARGEST:g} need another unit")
    return numbers


def mean_difference(
    measure: str,
    first: FloatArray | Sequence[float | None],
    second: FloatArray | Sequence[float | None],
    clusters: Clusters | None = None,
    settings: Settings = DEFAULT,
    *,
    convention: str = "first minus second, paired by case",
) -> Estimate:
    """Mean of the paired differences first - second, with a cluster bootstrap of the difference.

    Args:
        measure, clusters, settings, convention: as for ``case_mean``.
        first, second: (n,) numbers of the same cases; a pair with an undefined member is left out.

    Raises:
        ValueError: for unequal shapes, or numbers as ``case_mean`` refuses them.

    Example:
        >>> mean_difference("change", [1.0, 2.0], [0.5, 1.0]).value
        0.75

    Source:
        Efron, Tibshirani (1993), An Introduction to the Bootstrap, section 8.3 (paired data).
    """
    one, two = _summable(measure, first), _summable(measure, second)
    if one.shape != two.shape:
        raise ValueError(f"{measure}: expected paired arrays, got {one.shape} and {two.shape}")
    both = np.isfinite(one) & np.isfinite(two)
    scale = float(np.abs([one[both], two[both]]).max(initial=0.0))
    return case_mean(
        measure, one - two, clusters, settings, convention=convention, scale=scale
    )  # fmt: skip


def mean_of_known(columns: Sequence[FloatArray], n: int) -> FloatArray:
    """(n,) the mean of several numbers of each case, over those that are there.

    Args:
        columns: (n,) each; NaN where there is no number.

    Returns:
        NaN where no column has a number.

    Example:
        >>> mean_of_known([np.array([1.0, np.nan]), np.array([3.0, np.nan])], 2).tolist()
        [2.0, nan]
    """
    if not columns:
        return np.full(n, np.nan)
    known = np.isfinite(columns)
    total, count = np.where(known, columns, 0).sum(axis=0), known.sum(axis=0)
    found = np.full(n, np.nan)
    np.divide(total, count, out=found, where=count > 0)
    return found
