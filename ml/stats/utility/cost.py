"""What errors cost: expected cost of calls, and the cost curve of a score."""

from dataclasses import dataclass

import numpy as np

from ml.estimate import Estimate, undefined
from ml.stats.arrays import BoolArray, FloatArray, IntArray, checked_binary, ratio
from ml.stats.bootstrap import DEFAULT, Settings, replicate_sums
from ml.stats.clusters import Clusters, checked_clusters
from ml.stats.discrimination.roc import roc_curve
from ml.stats.interval import percentile_interval


def expected_cost(
    called: BoolArray | IntArray,
    present: IntArray,
    cost_miss: float,
    cost_alarm: float,
    clusters: Clusters | None = None,
    settings: Settings = DEFAULT,
    *,
    prevalence: float | None = None,
    normalised: bool = False,
) -> Estimate:
    """Mean cost per case of misses and false alarms.

    Miss rate · prevalence · cost_miss + false alarm rate · (1 - prevalence) · cost_alarm.

    Args:
        called: (n,) 1 or 0.
        present: (n,) 1 or 0.
        cost_miss, cost_alarm: of one miss and one false alarm, any unit, above 0.
        clusters, settings: for the percentile bootstrap of clusters.
        prevalence: of the population, taken as known; None takes the cohort's own.
        normalised: divide by the cost of the better of calling all and calling none; 1 is then
            as good as no model.

    Returns:
        Undefined where one class is missing.

    Raises:
        ValueError: for costs not above 0, a prevalence not inside 0..1, or unequal shapes.

    Example:
        >>> expected_cost(np.array([1, 0, 0, 1]), np.array([1, 1, 0, 0]), 5.0, 1.0).value
        1.5

    Source:
        Metz (1978), Seminars in Nuclear Medicine 8:283-298. Drummond, Holte (2006), Machine
        Learning 65:95-130.
    """
    if cost_miss <= 0 or cost_alarm <= 0:
        raise ValueError(f"costs must be above 0, got {cost_miss} and {cost_alarm}")
    if prevalence is not None and not 0 < prevalence < 1:
        raise ValueError(f"prevalence must be between 0 and 1, got {prevalence}")
    calls, positive = checked_binary(np.asarray(called, dtype=np.float64), present)
    if not np.isin(calls, (0, 1)).all():
        raise ValueError("calls must be 0 or 1")
    n, n_events = positive.size, int(positive.sum())
    measure = "normalised_expected_cost" if normalised else "expected_cost"
    convention = f"a miss costs {cost_miss:g}, a false alarm {cost_alarm:g}" + (
        "" if prevalence is None else f"; prevalence {prevalence:g}, taken as known"
    )
    if n_events in (0, n):
        reason = "Not estimated: it needs cases with and without the finding."
        return undefined(measure, reason, n=n, n_events=n_events, convention=convention)
    clusters = checked_clusters(clusters, n)
    rows = np.stack(
        [positive & (calls == 0), ~positive & (calls == 1), positive, ~positive], axis=1
    ).astype(np.float64)

    def cost(sums: FloatArray) -> FloatArray:
        share = sums[:, 2] / (sums[:, 2] + sums[:, 3])
        if prevalence is not None:
            share = np.full(sums.shape[0], prevalence)
        missed, raised = share * cost_miss, (1 - share) * cost_alarm
        mean = ratio(sums[:, 0], sums[:, 2]) * missed + ratio(sums[:, 1], sums[:, 3]) * raised
        return ratio(mean, np.minimum(missed, raised)) if normalised else mean

    interval = percentile_interval(
        cost(replicate_sums(clusters.sums(rows), settings)), clusters, settings
    )
    return Estimate(
        measure, float(cost(rows.sum(axis=0)[None, :])[0]), interval.low, interval.high,
        settings.level, n, n_events, convention=convention, method=interval.method,
        reason=interval.reason, extra=clusters.extra,
    )  # fmt: skip


@dataclass(frozen=True)
class CostCurve:
    """Lower envelope of normalised expected cost over all thresholds; arrays (m,)."""

    probability_cost: FloatArray  # share of the cost that misses make when all are wrong, 0..1
    cost: FloatArray  # normalised expected cost at the best threshold for it
    without_model: FloatArray  # of the better of calling all and none


def cost_curve(scores: FloatArray, present: IntArray, steps: int = 101) -> CostCurve:
    """Cost of the best threshold for every mix of prevalence and costs.

    The best threshold is chosen on the same cases: the curve is what could be reached, not what a
    fixed threshold costs.

    Args:
        scores: (n,) higher means present.
        present: (n,) 1 or 0; both must occur.
        steps: points from 0 to 1.

    Raises:
        ValueError: as ``roc_curve``, and for fewer than two steps.

    Example:
        >>> cost_curve(np.array([0.1, 0.9]), np.array([0, 1]), 3).cost.tolist()
        [0.0, 0.0, 0.0]

    Source:
        Drummond, Holte (2006).
    """
    if steps < 2:
        raise ValueError(f"a curve needs two steps, got {steps}")
    roc = roc_curve(scores, present)
    at = np.linspace(0, 1, steps)
    lines = (1 - roc.true_positive_rate)[:, None] * at + roc.false_positive_rate[:, None] * (1 - at)
    return CostCurve(at, lines.min(axis=0), np.minimum(at, 1 - at))
