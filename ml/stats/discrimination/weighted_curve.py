"""ROC curves of weighted cases, and the interval of any number read from one."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np

from ml.estimate import Estimate, JsonValue, undefined
from ml.stats.arrays import BoolArray, FloatArray, IntArray, checked_binary, ratio
from ml.stats.bootstrap import Settings, replicates
from ml.stats.clusters import Clusters, checked_clusters, too_few
from ml.stats.interval import Interval, bca_interval, percentile_interval

Bootstrap = Literal["percentile", "bca"]
_HELD = 1_000_000  # numbers held at once while units are left out in turn


@dataclass(frozen=True)
class Curves:
    """One ROC curve per row of weights, from no call to all called."""

    hits: FloatArray  # (c, t + 1) weight of present cases called, thresholds falling
    alarms: FloatArray  # (c, t + 1) weight of absent cases called

    @property
    def true_positive_rate(self) -> FloatArray:
        """(c, t + 1), NaN where no present case has weight."""
        return _share(self.hits)

    @property
    def false_positive_rate(self) -> FloatArray:
        """(c, t + 1), NaN where no absent case has weight."""
        return _share(self.alarms)


def _share(running: FloatArray) -> FloatArray:
    total = running[:, -1:]
    return ratio(running, total)


class WeightedCases:
    """Cases in falling order of score, ready to be weighted; equal scores are called together."""

    def __init__(self, scores: FloatArray, positive: BoolArray, codes: IntArray) -> None:
        """From (n,) scores, classes, and the unit each case belongs to."""
        order = np.argsort(-scores, kind="stable")
        self.thresholds = scores[order][np.flatnonzero(np.r_[np.diff(scores[order]) < 0, True])]
        self._last = np.flatnonzero(np.r_[np.diff(scores[order]) < 0, True])
        self._codes = codes[order]
        self._present = positive[order].astype(np.float64)

    def curves(self, counts: FloatArray) -> Curves:
        """Curves where each unit counts as in (c, units)."""
        weights = counts.take(self._codes, axis=1)
        hits = np.zeros((counts.shape[0], self._last.size + 1))
        alarms = hits.copy()
        present = weights * self._present
        hits[:, 1:] = np.cumsum(present, axis=1).take(self._last, axis=1)
        weights -= present
        alarms[:, 1:] = np.cumsum(weights, axis=1).take(self._last, axis=1)
        return Curves(hits, alarms)


def _left_out_values(measure: Callable[[FloatArray], FloatArray], count: int) -> FloatArray:
    """A measure of counts (c, count) without each unit in turn: (count,)."""
    step = max(1, _HELD // max(count, 1))
    parts = [np.zeros(0)]
    for start in range(0, count, step):
        size = min(step, count - start)
        counts = np.ones((size, count))
        counts[np.arange(size), start + np.arange(size)] = 0
        parts.append(measure(counts))
    return np.concatenate(parts)


def bootstrapped(
    value: float,
    measure: Callable[[FloatArray], FloatArray],
    clusters: Clusters,
    settings: Settings,
    kind: Bootstrap,
) -> Interval:
    """Interval of a measure of counts (c, clusters.count), or the sentence why there is none.

    Args:
        value: the measure itself.
        measure: from counts (c, clusters.count) to (c,).
        clusters: the units that are drawn.
        settings: level, draws, seed.
        kind: "percentile" or "bca".

    Raises:
        ValueError: for another kind than "percentile" and "bca".

    Example:
        >>> own = Clusters.singles(3)
        >>> bootstrapped(1.0, lambda counts: counts.mean(axis=1), own, Settings(), "bca").reason
        'No interval: only 3 cases, and at least 10 are needed.'
    """
    if kind not in get_args(Bootstrap):
        raise ValueError(f"interval must be percentile or bca, got {kind!r}")
    refusal = too_few(clusters)
    if refusal:
        return Interval(None, None, "", refusal)
    drawn = replicates(measure, clusters.count, settings, width=clusters.codes.size)
    if kind == "percentile":
        return percentile_interval(drawn, clusters, settings)
    left_out = _left_out_values(measure, clusters.count)
    return bca_interval(value, drawn, left_out, clusters, settings)


def curve_estimate(
    name: str,
    convention: str,
    of_curves: Callable[[Curves], FloatArray],
    scores: FloatArray,
    present: IntArray,
    clusters: Clusters | None,
    settings: Settings,
    kind: Bootstrap,
    extra: dict[str, JsonValue] | None = None,
) -> Estimate:
    """A number read from a ROC curve, with its bootstrap interval; undefined for one class.

    Args:
        name, convention: of the estimate.
        of_curves: from c curves to (c,) numbers.
        scores: (n,) higher means present; present: (n,) 1 or 0.
        clusters: independent units; None means every case is its own.
        settings: level, draws, seed.
        kind: "percentile" or "bca".
        extra: more that the estimate says.

    Raises:
        ValueError: as ``checked_binary``, ``checked_clusters`` and ``bootstrapped``.

    Example:
        >>> scores, present = np.array([0.1, 0.4, 0.35, 0.8]), np.array([0, 0, 1, 1])
        >>> def sensitivity(curves):  # at the highest threshold, 0.8: one of the two is found
        ...     return curves.true_positive_rate[:, 1]
        >>> few = Settings(draws=0)
        >>> curve_estimate("tpr", "", sensitivity, scores, present, None, few, "bca").value
        0.5
    """
    scores, positive = checked_binary(scores, present)
    n, n_events = scores.size, int(positive.sum())
    units = checked_clusters(clusters, n)
    if n_events in (0, n):
        reason = "Not estimated: a ROC curve needs cases with and without the finding."
        return undefined(name, reason, n=n, n_events=n_events, convention=convention)
    cases = WeightedCases(scores, positive, units.codes)

    def measure(counts: FloatArray) -> FloatArray:
        return of_curves(cases.curves(counts))

    value = float(measure(np.ones((1, units.count)))[0])
    interval = bootstrapped(value, measure, units, settings, kind)
    return Estimate(
        name, value, interval.low, interval.high, settings.level, n, n_events,
        convention=convention, method=interval.method, reason=interval.reason,
        extra={**units.extra, "unit": "fraction", **(extra or {})},
    )  # fmt: skip
