"""Precision over recall: average precision, and the trapezoid one should not report."""

from collections.abc import Callable
from typing import Literal

import numpy as np
from scipy import special, stats

from ml.estimate import Estimate, JsonValue, counted, undefined
from ml.stats.arrays import FloatArray, IntArray, checked_binary, ratio
from ml.stats.asked import checked_count, checked_share
from ml.stats.bootstrap import DEFAULT, Settings
from ml.stats.clusters import Clusters, checked_clusters
from ml.stats.discrimination.weighted_curve import (
    Bootstrap,
    Curves,
    WeightedCases,
    bootstrapped,
)
from ml.stats.interval import Interval

CONVENTION = "step-wise: sum of precision times gain in recall, equal scores called together"
TRAPEZOID = (
    "trapezoid between points of the precision-recall curve: optimistic (Davis & Goadrich 2006), "
    "for comparison with published numbers only"
)


def average_precision(
    scores: FloatArray,
    present: IntArray,
    clusters: Clusters | None = None,
    settings: Settings = DEFAULT,
    *,
    interval: Bootstrap | Literal["logit"] | None = None,
) -> Estimate:
    """Average precision: area under the precision-recall steps.

    It depends on how common the finding is: that share, which is what calls by chance reach in
    large samples, is ``extra["chance"]``.

    Args:
        scores: (n,) higher means present; never flipped.
        present: (n,) 1 or 0.
        clusters: independent units; None means every case is its own.
        settings: level; draws and seed of a bootstrap of whole clusters.
        interval: "logit" (Boyd), "percentile" or "bca"; None takes logit when every case is
            its own unit, percentile when not.

    Returns:
        Undefined when no case has the finding. Where all have it, 1 whatever the scores.

    Raises:
        ValueError: for NaN, unequal shapes, another interval, or "logit" with clusters.

    Example:
        >>> scores, present = np.array([0.1, 0.4, 0.35, 0.8]), np.array([0, 0, 1, 1])
        >>> round(average_precision(scores, present).value, 4)
        0.8333

    Source:
        Boyd, Eng, Page (2013). Area under the precision-recall curve: point estimates and
        confidence intervals. ECML PKDD, LNCS 8190:451-466.
    """
    return _estimate("average_precision", CONVENTION, _steps, scores, present, clusters,
                     settings, interval)  # fmt: skip


def auprc_trapezoid(
    scores: FloatArray,
    present: IntArray,
    clusters: Clusters | None = None,
    settings: Settings = DEFAULT,
    *,
    interval: Bootstrap = "percentile",
) -> Estimate:
    """Area under straight lines between points of the precision-recall curve, which is optimistic.

    Precision does not move along a straight line between two thresholds, so the area promises
    points no threshold reaches. Offered under its name to compare with published numbers.

    Args:
        scores, present, clusters, settings: as for ``average_precision``.
        interval: "percentile" or "bca".

    Returns:
        As ``average_precision``; the curve starts at recall 0 with precision 1.

    Raises:
        ValueError: as ``average_precision``.

    Example:
        >>> scores, present = np.array([0.1, 0.4, 0.35, 0.8]), np.array([0, 0, 1, 1])
        >>> round(auprc_trapezoid(scores, present).value, 4)
        0.7917

    Source:
        Davis, Goadrich (2006). The relationship between precision-recall and ROC curves. ICML.
    """
    return _estimate("auprc_trapezoid", TRAPEZOID, _trapezoid, scores, present, clusters,
                     settings, interval)  # fmt: skip


def _precision(curves: Curves) -> FloatArray:
    """Precision after each threshold, (c, t); 1 before anything is called."""
    called = curves.hits[:, 1:] + curves.alarms[:, 1:]
    return np.divide(curves.hits[:, 1:], called, out=np.ones_like(called), where=called > 0)


def _steps(curves: Curves) -> FloatArray:
    gained = np.einsum("ij,ij->i", np.diff(curves.hits, axis=1), _precision(curves))
    return ratio(gained, curves.hits[:, -1])


def _trapezoid(curves: Curves) -> FloatArray:
    precision = _precision(curves)
    before = np.concatenate([np.ones((precision.shape[0], 1)), precision[:, :-1]], axis=1)
    gained = np.einsum("ij,ij->i", np.diff(curves.hits, axis=1), precision + before) / 2
    return ratio(gained, curves.hits[:, -1])


def _estimate(
    name: str,
    convention: str,
    of_curves: Callable[[Curves], FloatArray],
    scores: FloatArray,
    present: IntArray,
    clusters: Clusters | None,
    settings: Settings,
    interval: Bootstrap | Literal["logit"] | None,
) -> Estimate:
    scores, positive = checked_binary(scores, present)
    n, n_events = scores.size, int(positive.sum())
    units = checked_clusters(clusters, n)
    if interval is None:
        interval = "logit" if units.each_alone else "percentile"
    if interval == "logit" and not units.each_alone:
        raise ValueError("the logit interval knows no clusters: take percentile or bca")
    if n_events == 0:
        reason = f"Not estimated: none of {counted(n, 'case')} has the finding."
        return undefined(name, reason, n=n, n_events=0, convention=convention)
    cases = WeightedCases(scores, positive, units.codes)

    def measure(counts: FloatArray) -> FloatArray:
        return of_curves(cases.curves(counts))

    value = min(1.0, float(measure(np.ones((1, units.count)))[0]))
    if value == 1.0:
        ends = Interval(None, None, "", "No interval: precision is 1 throughout, without spread.")
    elif interval == "logit":
        ends = Interval(*boyd_logit(value, n_events, settings.level), "logit (Boyd 2013)")
    else:
        ends = bootstrapped(value, measure, units, settings, interval)
    extra: dict[str, JsonValue] = {**units.extra, "chance": n_events / n, "unit": "fraction"}
    return Estimate(
        name, value, ends.low, ends.high, settings.level, n, n_events,
        convention=convention, method=ends.method, reason=ends.reason, extra=extra,
    )  # fmt: skip


def boyd_logit(value: float, n_events: int, level: float) -> tuple[float, float]:
    """Logit interval of an average precision with the binomial variance of its events.

    Args:
        value: between 0 and 1, ends excluded.
        n_events: cases with the finding.
        level: of the interval.

    Raises:
        ValueError: for other values.

    Example:
        >>> [round(end, 4) for end in boyd_logit(0.5, 100, 0.95)]
        [0.4032, 0.5968]

    Source:
        Boyd, Eng, Page (2013), section 3.2.
    """
    if not 0 < value < 1:
        raise ValueError(f"the logit interval is of a value between 0 and 1, got {value}")
    n_events, level = checked_count("n_events", n_events), checked_share("level", level)
    margin = float(stats.norm.ppf((1 + level) / 2)) / (n_events * value * (1 - value)) ** 0.5
    centre = float(special.logit(value))
    return float(special.expit(centre - margin)), float(special.expit(centre + margin))
