"""Decision curves: what acting on a probability is worth at each threshold probability."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ml.estimate import Estimate, JsonValue, undefined
from ml.stats.arrays import BoolArray, FloatArray, IntArray, checked_probabilities, ratio
from ml.stats.bootstrap import DEFAULT, Settings, pattern_replicate_sums, replicate_sums
from ml.stats.clusters import Clusters, checked_clusters, too_few
from ml.stats.interval import percentile_interval, pointwise


@dataclass(frozen=True)
class DecisionCurve:
    """Net benefit at each threshold; every array is (thresholds,), NaN where undefined."""

    threshold: FloatArray
    net_benefit: FloatArray  # true positives per case, false ones deducted at the odds
    low: FloatArray  # pointwise interval of it
    high: FloatArray
    treat_all: FloatArray
    standardised: FloatArray  # net benefit / prevalence; 1 is perfect
    interventions_avoided: FloatArray  # per case, net of harm, against treating all
    advantage: FloatArray  # over the better of treating all and none
    advantage_low: FloatArray
    advantage_high: FloatArray
    relative_utility: FloatArray  # share of the perfect model's advantage that is reached
    tp_rate: FloatArray  # true positives per case
    fp_rate: FloatArray  # false positives per case
    prevalence: float
    n: int
    n_events: int
    convention: str
    method: str
    reason: str | None = None  # why there is no interval


def decision_curve(
    probabilities: FloatArray,
    present: IntArray,
    thresholds: FloatArray | Sequence[float],
    clusters: Clusters | None = None,
    settings: Settings = DEFAULT,
    *,
    prevalence: float | None = None,
) -> DecisionCurve:
    """Net benefit of a model over thresholds, beside treating all and treating none.

    A case is treated when its probability is at or above the threshold t. Net benefit =
    true positives / n - false positives / n · t / (1 - t). Nothing is smoothed.

    Args:
        probabilities: (n,) P(finding), 0..1, calibrated where the model will be used.
        present: (n,) 1 or 0.
        thresholds: (m,) between 0 and 1, rising.
        clusters: independent units; replicates draw whole clusters.
        settings: level, draws, seed.
        prevalence: of the population, where cases were sampled by outcome (case-control); it is
            taken as known. None takes the cohort's own, which then varies with the replicates.

    Returns:
        Pointwise percentile intervals; not a band for the whole curve. NaN at a threshold where
        all replicates are alike, e.g. where no case is treated.

    Raises:
        ValueError: for probabilities outside 0..1, thresholds not inside 0..1 or not rising, a
            prevalence not inside 0..1, or a prevalence given where one class is missing.

    Example:
        >>> curve = decision_curve(np.array([0.1, 0.4, 0.8]), np.array([0, 1, 1]), [0.2])
        >>> curve.net_benefit.round(4).item(), curve.treat_all.round(4).item()
        (0.6667, 0.5833)

    Source:
        Vickers, Elkin (2006), Medical Decision Making 26:565-574. Case-control: Pfeiffer, Gail
        (2020), Biometrical Journal 62:764-776. Standardised: Kerr et al. (2016), JCO 34:2534.
        Relative utility: Baker (2009), JRSS A 172:729-748.
    """
    probabilities, positive = checked_probabilities(probabilities, present)
    levels = _thresholds(thresholds)
    n, n_events = positive.size, int(positive.sum())
    if n == 0:
        raise ValueError("a decision curve needs at least one case")
    _check_prevalence(prevalence)
    if prevalence is not None and n_events in (0, n):
        raise ValueError("a prevalence from outside needs cases with and without the finding")
    clusters = checked_clusters(clusters, n)
    sums = _sums(probabilities, positive, levels)
    share = n_events / n if prevalence is None else prevalence
    parts = _parts(sums.sum(axis=0)[None, :], levels, prevalence)
    refusal = too_few(clusters)
    none = np.full(levels.size, np.nan)
    ends, method, reason = (none, none, none, none), "", refusal
    if refusal is None:
        drawn = _parts(_replicates(probabilities, sums, levels, clusters, settings, positive),
                       levels, prevalence)  # fmt: skip
        # The sum over thresholds stands for the curve: it has no spread where none of them has.
        whole = percentile_interval(drawn.net_benefit.sum(axis=1), clusters, settings)
        method, reason = whole.method, whole.reason
        low_high, above = (
            pointwise(part, settings) for part in (drawn.net_benefit, drawn.advantage)
        )
        if reason is None and low_high is not None and above is not None:
            ends = (*low_high, *above)
    odds = levels / (1 - levels)
    observed = _Parts(*(part[0] for part in (parts.tp, parts.fp, parts.net_benefit, parts.all)))
    best = np.maximum(observed.all, 0.0)
    return DecisionCurve(
        levels, observed.net_benefit, ends[0], ends[1], observed.all,
        ratio(observed.net_benefit, np.full(levels.size, share)),
        (observed.net_benefit - observed.all) / odds,
        observed.advantage, ends[2], ends[3],
        ratio(observed.advantage, share - best, least=1e-12),
        observed.tp, observed.fp, share, n, n_events,
        convention="treated when P ≥ threshold; prevalence "
        + ("of the cohort" if prevalence is None else f"{prevalence:g}, taken as known"),
        method=method and f"{method}, pointwise", reason=reason,
    )  # fmt: skip


def net_benefit(
    probabilities: FloatArray,
    present: IntArray,
    threshold: float,
    clusters: Clusters | None = None,
    settings: Settings = DEFAULT,
    *,
    prevalence: float | None = None,
    against: str = "none",
) -> Estimate:
    """Net benefit at one threshold, or how much more it is than a strategy without the model.

    Args:
        probabilities, present, clusters, settings, prevalence: as ``decision_curve``.
        threshold: between 0 and 1.
        against: "none" (treat none, net benefit 0), "all" (treat all) or "better" of the two.

    Raises:
        ValueError: as ``decision_curve``, or for another strategy.

    Example:
        >>> p, y = np.linspace(0.05, 0.95, 20), np.arange(20) >= 12
        >>> round(net_benefit(p, y.astype(int), 0.5).value, 4)
        0.3

    Source:
        As ``decision_curve``; the difference is taken replicate by replicate.
    """
    if against not in ("none", "all", "better"):
        raise ValueError(f"against must be none, all or better, got {against!r}")
    probabilities, positive = checked_probabilities(probabilities, present)
    levels = _thresholds([threshold])
    clusters = checked_clusters(clusters, positive.size)
    _check_prevalence(prevalence)
    measure = "net_benefit" if against == "none" else f"net_benefit_over_{against}"
    n, n_events = positive.size, int(positive.sum())
    convention = f"treated when P ≥ {threshold:g}" + (
        "" if prevalence is None else f"; prevalence {prevalence:g}, taken as known"
    )
    if n == 0 or (prevalence is not None and n_events in (0, n)):
        reason = "Not estimated: it needs cases with and without the finding."
        return undefined(measure, reason, n=n, n_events=n_events, convention=convention)

    def pick(parts: _Parts) -> FloatArray:
        chosen = {"none": parts.net_benefit, "all": parts.net_benefit - parts.all,
                  "better": parts.advantage}  # fmt: skip
        return chosen[against][:, 0]

    sums = _sums(probabilities, positive, levels)
    value = float(pick(_parts(sums.sum(axis=0)[None, :], levels, prevalence))[0])
    drawn = _replicates(probabilities, sums, levels, clusters, settings, positive)
    interval = percentile_interval(pick(_parts(drawn, levels, prevalence)), clusters, settings)
    extra: dict[str, JsonValue] = {"threshold": threshold, **clusters.extra}
    return Estimate(
        measure, value, interval.low, interval.high, settings.level, n, n_events,
        convention=convention, method=interval.method, reason=interval.reason, extra=extra,
    )  # fmt: skip


def weighted_net_benefit(
    probabilities: FloatArray,
    present: IntArray,
    thresholds: FloatArray | Sequence[float],
    weights: FloatArray | Sequence[float],
    clusters: Clusters | None = None,
    settings: Settings = DEFAULT,
    *,
    prevalence: float | None = None,
) -> Estimate:
    """Advantage over the better of treating all and none, averaged over thresholds in use.

    Args:
        thresholds: (m,) between 0 and 1, rising.
        weights: (m,) how common each threshold is among those who decide; not negative, scaled
            to sum 1.
        probabilities, present, clusters, settings, prevalence: as ``decision_curve``.

    Raises:
        ValueError: as ``decision_curve``, or for weights below 0 or all 0.

    Example:
        >>> p, y = np.linspace(0.05, 0.95, 20), (np.arange(20) >= 12).astype(int)
        >>> round(weighted_net_benefit(p, y, [0.4, 0.5], [1, 1]).value, 4)
        0.2833

    Source:
        Talluri, Shete (2016), BMC Medical Informatics and Decision Making 16:94.
    """
    probabilities, positive = checked_probabilities(probabilities, present)
    levels = _thresholds(thresholds)
    _check_prevalence(prevalence)
    share = np.asarray(weights, dtype=np.float64)
    if share.shape != levels.shape or not np.isfinite(share).all() or (share < 0).any():
        raise ValueError(f"expected {levels.size} weights of at least 0, got {share.shape}")
    if share.sum() <= 0:
        raise ValueError("one of the weights must be above 0")
    share = share / share.sum()
    clusters = checked_clusters(clusters, positive.size)
    n, n_events = positive.size, int(positive.sum())
    convention = f"mean over {levels.size} weighted thresholds, over the better of all and none"
    if n == 0 or (prevalence is not None and n_events in (0, n)):
        reason = "Not estimated: it needs cases with and without the finding."
        return undefined("weighted_net_benefit", reason, n=n, convention=convention)
    sums = _sums(probabilities, positive, levels)
    value = float((_parts(sums.sum(axis=0)[None, :], levels, prevalence).advantage @ share)[0])
    drawn = _replicates(probabilities, sums, levels, clusters, settings, positive)
    interval = percentile_interval(
        _parts(drawn, levels, prevalence).advantage @ share, clusters, settings
    )
    return Estimate(
        "weighted_net_benefit", value, interval.low, interval.high, settings.level, n, n_events,
        convention=convention, method=interval.method, reason=interval.reason,
        extra=clusters.extra,
    )  # fmt: skip


@dataclass(frozen=True)
class _Parts:
    """Per case: true and false positives, net benefit, and that of treating all; (r, m)."""

    tp: FloatArray
    fp: FloatArray
    net_benefit: FloatArray
    all: FloatArray

    @property
    def advantage(self) -> FloatArray:
        better: FloatArray = self.net_benefit - np.maximum(self.all, 0.0)
        return better


def _check_prevalence(prevalence: float | None) -> None:
    if prevalence is not None and not 0 < prevalence < 1:
        raise ValueError(f"prevalence must be between 0 and 1, got {prevalence}")


def _thresholds(thresholds: FloatArray | Sequence[float]) -> FloatArray:
    levels = np.asarray(thresholds, dtype=np.float64)
    if levels.ndim != 1 or not levels.size or not ((levels > 0) & (levels < 1)).all():
        raise ValueError("thresholds must be (m,) numbers between 0 and 1, at least one")
    if (np.diff(levels) <= 0).any():
        raise ValueError("thresholds must rise")
    return levels


def _sums(probabilities: FloatArray, positive: BoolArray, levels: FloatArray) -> FloatArray:
    """(n, 2 m + 2) true positive and false positive at each threshold, finding, case."""
    treated = probabilities[:, None] >= levels
    return np.concatenate(
        [treated & positive[:, None], treated & ~positive[:, None], positive[:, None],
         np.ones((positive.size, 1), dtype=bool)], axis=1,
    ).astype(np.float64)  # fmt: skip


def _replicates(
    probabilities: FloatArray,
    sums: FloatArray,
    levels: FloatArray,
    clusters: Clusters,
    settings: Settings,
    positive: BoolArray,
) -> FloatArray:
    """Sums of every replicate; cases that lie between the same thresholds are alike."""
    if not clusters.each_alone:
        return replicate_sums(clusters.sums(sums), settings)
    kind = 2 * np.searchsorted(levels, probabilities, side="right") + positive
    _, first, multiplicity = np.unique(kind, return_index=True, return_counts=True)
    return pattern_replicate_sums(sums[first], multiplicity.astype(np.int64), settings)


def _parts(sums: FloatArray, levels: FloatArray, prevalence: float | None) -> _Parts:
    m = levels.size
    hits, alarms, events, n = sums[:, :m], sums[:, m : 2 * m], sums[:, 2 * m], sums[:, -1]
    if prevalence is None:
        tp, fp, share = hits / n[:, None], alarms / n[:, None], (events / n)[:, None]
    else:
        tp = ratio(hits, events[:, None]) * prevalence
        fp = ratio(alarms, (n - events)[:, None]) * (1 - prevalence)
        share = np.full((sums.shape[0], 1), prevalence)
    odds = levels / (1 - levels)
    return _Parts(tp, fp, tp - fp * odds, share - (1 - share) * odds)
