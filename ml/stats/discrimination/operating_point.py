"""Points of the ROC curve: one rate at a stated other, and the threshold of the largest sum."""

from collections.abc import Callable
from typing import Literal

import numpy as np
from scipy import stats

from ml.estimate import Estimate, JsonValue, undefined
from ml.stats.arrays import FloatArray, IntArray, checked_binary
from ml.stats.bootstrap import DEFAULT, Settings, replicates
from ml.stats.clusters import Clusters, checked_clusters, too_few
from ml.stats.discrimination.weighted_curve import (
    Bootstrap,
    Curves,
    WeightedCases,
    curve_estimate,
)
from ml.stats.interval import MAX_UNDEFINED, NO_DRAWS, NO_SPREAD, Interval, within

Between = Literal["linear", "attainable"]


def sensitivity_at_specificity(
    scores: FloatArray,
    present: IntArray,
    specificity: float,
    clusters: Clusters | None = None,
    settings: Settings = DEFAULT,
    *,
    between: Between = "linear",
    interval: Bootstrap | Literal["agresti_coull"] = "percentile",
) -> Estimate:
    """Sensitivity where the ROC curve has a stated specificity.

    Args:
        scores: (n,) higher means present; never flipped.
        present: (n,) 1 or 0.
        specificity: 0..1.
        clusters: independent units; None means every case is its own.
        settings: level, draws, seed of the bootstrap of whole clusters.
        between: "linear" reads the straight line between two thresholds, which no single
            threshold reaches; "attainable" takes the best threshold with at least that
            specificity.
        interval: "percentile"; "bca" (Platt, Hanley, Yang 2000); or "agresti_coull", the
            bootstrap of the sensitivity with z²/2 added to hits and misses (BTII of Zhou and
            Qin 2005), which covers better near 1. The threshold varies in all three.

    Returns:
        Undefined for one class only.

    Raises:
        ValueError: for a specificity outside 0..1, another option, NaN, unequal shapes.

    Example:
        >>> scores, present = np.array([0.1, 0.4, 0.35, 0.8]), np.array([0, 0, 1, 1])
        >>> sensitivity_at_specificity(scores, present, 0.75).value
        0.5

    Source:
        Platt, Hanley, Yang (2000), Statistics in Medicine 19:313-322; Zhou, Qin (2005),
        Statistics in Medicine 24:465-477.
    """
    _check(specificity, between)

    def measure(curves: Curves) -> FloatArray:
        x, y = curves.false_positive_rate, curves.true_positive_rate
        return _highest(x, y, 1 - specificity, between)

    return _at(
        "sensitivity_at_specificity", "specificity", specificity, between, measure,
        scores, present, clusters, settings, interval, 1,
    )  # fmt: skip


def specificity_at_sensitivity(
    scores: FloatArray,
    present: IntArray,
    sensitivity: float,
    clusters: Clusters | None = None,
    settings: Settings = DEFAULT,
    *,
    between: Between = "linear",
    interval: Bootstrap | Literal["agresti_coull"] = "percentile",
) -> Estimate:
    """Specificity where the ROC curve has a stated sensitivity.

    Args:
        sensitivity: 0..1.
        scores, present, clusters, settings, between, interval: as for
            ``sensitivity_at_specificity``.

    Returns:
        Undefined for one class only.

    Raises:
        ValueError: as ``sensitivity_at_specificity``.

    Example:
        >>> scores, present = np.array([0.1, 0.4, 0.35, 0.8]), np.array([0, 0, 1, 1])
        >>> specificity_at_sensitivity(scores, present, 1.0).value
        0.5

    Source:
        As ``sensitivity_at_specificity``.
    """
    _check(sensitivity, between)

    def measure(curves: Curves) -> FloatArray:
        # The same curve walked from its end, with misses and true negatives.
        x, y = 1 - curves.true_positive_rate[:, ::-1], 1 - curves.false_positive_rate[:, ::-1]
        return _highest(x, y, 1 - sensitivity, between)

    return _at(
        "specificity_at_sensitivity", "sensitivity", sensitivity, between, measure,
        scores, present, clusters, settings, interval, 0,
    )  # fmt: skip


def youden_threshold(scores: FloatArray, present: IntArray) -> Estimate:
    """Largest sensitivity + specificity - 1 over all thresholds, and where it is.

    The threshold is chosen on the same cases, so that the value, and rates at the threshold on
    these cases, are optimistic: state rates on other cases (``rates.Calls`` of scores above it).

    Args:
        scores: (n,) higher means present; never flipped.
        present: (n,) 1 or 0.

    Returns:
        ``extra``: threshold (half way between two scores, so that >= and > agree; None where
        all or no cases are called), sensitivity, specificity, and tied, the number of
        thresholds as good, of which the one with the highest specificity is taken. Never an
        interval. Undefined for one class only.

    Raises:
        ValueError: for NaN, unequal shapes, outcomes other than 0 and 1.

    Example:
        >>> found = youden_threshold(np.array([0.1, 0.4, 0.35, 0.8]), np.array([0, 0, 1, 1]))
        >>> found.value, round(found.extra["threshold"], 3), found.extra["tied"]
        (0.5, 0.6, 2)

    Source:
        Youden (1950), Cancer 3:32-35. Optimism: Leeflang et al. (2008), Clinical Chemistry
        54:729-737.
    """
    scores, positive = checked_binary(scores, present)
    n, n_events = scores.size, int(positive.sum())
    convention = "largest over thresholds, chosen on the same cases: optimistic"
    if n_events in (0, n):
        reason = "Not estimated: it needs cases with and without the finding."
        return undefined("youden_max", reason, n=n, n_events=n_events, convention=convention)
    cases = WeightedCases(scores, positive, np.arange(n))
    curves = cases.curves(np.ones((1, n)))
    hits, alarms = curves.hits[0], curves.alarms[0]
    # Whole numbers, so that equal thresholds are seen as equal.
    merit = hits * (n - n_events) - alarms * n_events
    at = int(merit.argmax())
    ends = (0, merit.size - 1)
    middle = None if at in ends else float(cases.thresholds[at - 1 : at + 1].mean())
    sensitivity, specificity = float(hits[at] / n_events), float(1 - alarms[at] / (n - n_events))
    extra: dict[str, JsonValue] = {
        "threshold": middle, "sensitivity": sensitivity, "specificity": specificity,
        "tied": int((merit == merit[at]).sum()),
    }  # fmt: skip
    return Estimate(
        "youden_max", float(merit[at] / (n_events * (n - n_events))), n=n, n_events=n_events,
        convention=convention, extra=extra,
        reason="No interval: the threshold is chosen on the same cases.",
    )  # fmt: skip


def _check(rate: float, between: Between) -> None:
    if not 0 <= rate <= 1:
        raise ValueError(f"the stated rate must lie in 0..1, got {rate}")
    if between not in ("linear", "attainable"):
        raise ValueError(f"between must be linear or attainable, got {between!r}")


def _highest(x: FloatArray, y: FloatArray, at: float, between: Between) -> FloatArray:
    """Height of rising lines (c, t) at x = at, the upper end of a vertical one: (c,)."""
    # Rates are ratios of counts; the stated one may miss its count by a rounding.
    within = x <= at + 1e-12
    lost = np.isnan(x[:, -1]) | np.isnan(y[:, -1])
    last = np.maximum(within.sum(axis=1) - 1, 0)[:, None]
    low_y = np.take_along_axis(y, last, axis=1)[:, 0]
    if between == "linear":
        after = np.minimum(last + 1, x.shape[1] - 1)
        low_x, high_x = (np.take_along_axis(x, one, axis=1)[:, 0] for one in (last, after))
        rise = np.take_along_axis(y, after, axis=1)[:, 0] - low_y
        width = high_x - low_x
        part = np.divide(at - low_x, width, out=np.zeros_like(width), where=width > 0)
        low_y = low_y + rise * part.clip(0, 1)
    return np.where(lost, np.nan, low_y)


def _at(
    name: str,
    given: str,
    rate: float,
    between: Between,
    measure: Callable[[Curves], FloatArray],
    scores: FloatArray,
    present: IntArray,
    clusters: Clusters | None,
    settings: Settings,
    interval: Bootstrap | Literal["agresti_coull"],
    side: int,
) -> Estimate:
    how = (
        "straight line between thresholds"
        if between == "linear"
        else "best threshold that reaches it"
    )
    convention = f"at {given} {rate:g}, {how}"
    extra: dict[str, JsonValue] = {given: float(rate)}
    if interval != "agresti_coull":
        return curve_estimate(
            name, convention, measure, scores, present, clusters, settings, interval, extra
        )
    scores, positive = checked_binary(scores, present)
    units = checked_clusters(clusters, scores.size)
    n, n_events = scores.size, int(positive.sum())
    if n_events in (0, n):
        reason = "Not estimated: a ROC curve needs cases with and without the finding."
        return undefined(name, reason, n=n, n_events=n_events, convention=convention)
    cases = WeightedCases(scores, positive, units.codes)
    value = float(measure(cases.curves(np.ones((1, units.count))))[0])
    ends = _adjusted(value, cases, measure, units, settings, side)
    return Estimate(
        name, value, ends.low, ends.high, settings.level, n, n_events, convention=convention,
        method=ends.method, reason=ends.reason, extra={**units.extra, "unit": "fraction", **extra},
    )  # fmt: skip


def _adjusted(
    value: float,
    cases: WeightedCases,
    measure: Callable[[Curves], FloatArray],
    units: Clusters,
    settings: Settings,
    side: int,
) -> Interval:
    """Mean ± z standard deviations of replicates with z²/2 added to either outcome."""
    refusal = too_few(units) or (None if settings.draws else NO_DRAWS)
    if refusal:
        return Interval(None, None, "", refusal)
    z = float(stats.norm.ppf((1 + settings.level) / 2))

    def of(counts: FloatArray) -> FloatArray:
        curves = cases.curves(counts)
        size = (curves.hits if side else curves.alarms)[:, -1]
        plain = measure(curves)
        return np.column_stack([plain, (plain * size + z * z / 2) / (size + z * z)])

    drawn = replicates(of, units.count, settings, width=units.codes.size)
    drawn = drawn[np.isfinite(drawn).all(axis=1)]
    if drawn.shape[0] < (1 - MAX_UNDEFINED) * settings.draws:
        reason = "No interval: too many replicates drew one class only."
        return Interval(None, None, "", reason)
    # What is added moves with the size of the class: that is no spread of the rate itself.
    if np.ptp(drawn[:, 0]) == 0:
        return Interval(None, None, "", NO_SPREAD)
    centre, reach = float(drawn[:, 1].mean()), z * float(drawn[:, 1].std(ddof=1))
    method = (
        f"Agresti-Coull bootstrap (BTII) over {units.words}, {settings.draws:,} draws, "
        f"seed {settings.seed}"
    )
    # The adjusted centre is drawn towards a half; the estimate itself stays inside.
    low, high = min(centre - reach, value), max(centre + reach, value)
    return within(Interval(low, high, method), 0.0, 1.0)
