"""Measures that are a function of sums over cases: value and bootstrap interval in one step."""

from collections.abc import Callable, Mapping

import numpy as np

from ml.estimate import Estimate, JsonValue, undefined
from ml.stats.arrays import FloatArray
from ml.stats.bootstrap import DEFAULT, Settings, replicate_sums
from ml.stats.clusters import Clusters, checked_clusters
from ml.stats.interval import percentile_interval, within

NO_CASES = "Not estimated: there are no cases."


def estimate_of_sums(
    measure: str,
    rows: FloatArray,
    function: Callable[[FloatArray], FloatArray],
    clusters: Clusters | None = None,
    settings: Settings = DEFAULT,
    *,
    convention: str = "",
    n_events: int | None = None,
    recentred: bool = False,
    least: float | None = None,
    undefined_reason: str = "Not estimated: its denominator is zero.",
    scale: float = 1.0,
    extra: Mapping[str, JsonValue] | None = None,
) -> Estimate:
    """An estimate from what each case adds to the sums.

    Args:
        measure: id of the estimate.
        rows: (n, q) what each case adds.
        function: from sums (r, q) to values (r,), NaN where undefined.
        clusters: independent units; None means every case is its own.
        settings: level, draws, seed.
        convention, n_events, extra: as in ``Estimate``.
        recentred: shift the replicates to the estimate (measures biased upward by noise).
        least: lower end below which the interval is cut.
        undefined_reason: why there is no value where the function has none.
        scale: of the numbers, as ``interval_between``; 1 for shares.

    Example:
        >>> rows = np.array([[1.0, 1.0], [3.0, 1.0]])
        >>> estimate_of_sums("mean", rows, lambda s: s[:, 0] / s[:, 1]).value
        2.0
    """
    n = rows.shape[0]
    clusters = checked_clusters(clusters, n)
    if n == 0:
        return undefined(measure, NO_CASES, n_events=n_events, convention=convention)
    value = float(function(rows.sum(axis=0)[None, :])[0])
    if not np.isfinite(value):
        return undefined(measure, undefined_reason, n=n, n_events=n_events, convention=convention)
    interval = percentile_interval(
        function(replicate_sums(clusters.sums(rows), settings)),
        clusters, settings, centre=value if recentred else None, scale=scale,
    )  # fmt: skip
    if least is not None:
        interval = within(interval, least, scale=scale)
    return Estimate(
        measure, value, interval.low, interval.high, settings.level, n, n_events,
        convention=convention, method=interval.method, reason=interval.reason,
        extra={**(extra or {}), **clusters.extra},
    )  # fmt: skip


def mean_estimate(
    measure: str,
    values: FloatArray,
    clusters: Clusters | None = None,
    settings: Settings = DEFAULT,
    *,
    convention: str = "",
    n_events: int | None = None,
    extra: Mapping[str, JsonValue] | None = None,
) -> Estimate:
    """The mean of one number per case (n,), with its interval.

    Example:
        >>> mean_estimate("mean", np.array([1.0, 2.0])).value
        1.5
    """
    rows = np.stack([values, np.ones(values.size)], axis=1)
    return estimate_of_sums(
        measure, rows, lambda sums: sums[:, 0] / sums[:, 1], clusters, settings,
        convention=convention, n_events=n_events, extra=extra,
        scale=float(np.abs(values).max(initial=0.0)),
    )  # fmt: skip
