"""How well a score tells foreign inputs from familiar ones."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from ml.estimate import Estimate, undefined
from ml.stats.arrays import BoolArray, FloatArray, IntArray
from ml.stats.bootstrap import DEFAULT, Settings, replicates
from ml.stats.clusters import Clusters, checked_clusters
from ml.stats.discrimination.auroc import auroc
from ml.stats.interval import percentile_interval

_CONVENTIONS = {
    "ood_auroc": "P(OOD scored above ID), ties count one half",
    "ood_aupr_out": "positive = OOD; step-wise (average precision)",
    "ood_aupr_in": "positive = ID; step-wise (average precision)",
    "ood_fpr95_id_positive": "OOD accepted when at least 95% of ID are accepted (ODIN)",
    "ood_fpr95_ood_positive": "ID flagged when at least 95% of OOD are flagged (Hendrycks)",
    "ood_detection_error": "min over thresholds of (1 - TPR) / 2 + FPR / 2",
}
_SLACK = 1e-9  # counts are whole; 0.95 of them is not


@dataclass(frozen=True)
class Detection:
    """The measures of one score; fields in the order of ``_CONVENTIONS``."""

    auroc: Estimate
    aupr_out: Estimate
    aupr_in: Estimate
    fpr95_id_positive: Estimate
    fpr95_ood_positive: Estimate
    detection_error: Estimate


def detection(
    id_scores: FloatArray,
    ood_scores: FloatArray,
    id_clusters: Clusters | None = None,
    ood_clusters: Clusters | None = None,
    settings: Settings = DEFAULT,
    *,
    clusters: Clusters | None = None,
) -> Detection:
    """Measures of a score with intervals; the direction is never flipped.

    The interval is a percentile bootstrap of clusters, drawn within ID and within OOD, so that
    their ratio (on which AUPR depends) stays. A perfect ranking gets the one-sided exact bound
    of ``auroc``.

    Args:
        id_scores, ood_scores: (n,) and (m,) finite; higher = more foreign.
        id_clusters, ood_clusters: independent units of each sample, none of them in both.
        settings: level, draws, seed.
        clusters: of all n + m rows, ID first, in place of the two: a unit may then lie on both
            sides (a patient with a familiar and a foreign image). Units of ID alone, of OOD
            alone and of both are drawn within their kind.

    Returns:
        All undefined when either sample is empty.

    Raises:
        ValueError: for scores that are not finite, another shape, or clusters given twice.

    Example:
        >>> detection(np.array([0.1, 0.2]), np.array([0.15, 0.9])).auroc.value
        0.75

    Source:
        Hendrycks, Gimpel (2017), ICLR; Liang, Li, Srikant (2018), ICLR (ODIN: FPR at 95% TPR,
        detection error); Davis, Goadrich (2006), ICML (why AUPR is not a trapezoid).
    """
    own, foreign = _checked(id_scores), _checked(ood_scores)
    n, m = own.size, foreign.size
    if n == 0 or m == 0:
        reason = f"Not estimated: {n:,} in-distribution and {m:,} foreign cases, both are needed."
        gone = [
            undefined(name, reason, n=n + m, n_events=m, convention=convention)
            for name, convention in _CONVENTIONS.items()
        ]
        return Detection(*gone)
    clusters = _units(n, m, id_clusters, ood_clusters, clusters)
    side = np.stack([np.bincount(part, minlength=clusters.count) > 0
                     for part in (clusters.codes[:n], clusters.codes[n:])])  # fmt: skip
    strata = side[0] + 2 * side[1].astype(np.int64)
    scores = np.concatenate([own, foreign])
    measure = _measure(scores, np.arange(n + m) >= n, clusters.codes)
    values = measure(np.ones((1, clusters.count)))[0]
    drawn = replicates(measure, clusters.count, settings, width=n + m, strata=strata)
    estimates = [
        _estimate(
            at,
            values,
            drawn,
            clusters,
            settings,
            n + m,
            m,
            (int(side[0].sum()), int(side[1].sum())),
        )
        for at in range(len(_CONVENTIONS))
    ]
    if values[0] in (0.0, 1.0):
        exact = auroc(scores, (np.arange(n + m) >= n).astype(np.int64), clusters, settings)
        estimates[0] = exact.renamed("ood_auroc", convention=_CONVENTIONS["ood_auroc"])
    return Detection(*estimates)


def _units(
    n: int, m: int, first: Clusters | None, second: Clusters | None, every: Clusters | None
) -> Clusters:
    """The clusters of all rows, from those of each side or from those of all."""
    if every is not None:
        if first is not None or second is not None:
            raise ValueError("give clusters of all rows, or of each sample, not both")
        return Clusters.of(checked_clusters(every, n + m).codes, every.kind)
    first, second = checked_clusters(first, n), checked_clusters(second, m)
    kind = first.kind if first.kind == second.kind else "cluster"
    codes = np.concatenate([first.codes, second.codes + first.count])
    return Clusters(codes, first.count + second.count, kind)


def _estimate(
    at: int,
    values: FloatArray,
    drawn: FloatArray,
    clusters: Clusters,
    settings: Settings,
    n: int,
    n_events: int,
    units: tuple[int, int],
) -> Estimate:
    name = list(_CONVENTIONS)[at]
    interval = percentile_interval(drawn[:, at], clusters, settings)
    low, high, method, reason = interval.low, interval.high, interval.method, interval.reason
    if reason is None and min(units) < 2:
        low, high, method = None, None, ""
        reason = "No interval: one of the samples is a single cluster, so no spread."
    method += "; drawn within ID and within OOD" if method else ""
    return Estimate(
        name, float(values[at]), low, high, settings.level, n, n_events,
        convention=_CONVENTIONS[name], method=method, reason=reason,
        extra={"n_id_clusters": units[0], "n_ood_clusters": units[1], "unit": "fraction"},
    )  # fmt: skip


def _measure(
    scores: FloatArray, foreign: BoolArray, codes: IntArray
) -> Callable[[FloatArray], FloatArray]:
    """From counts of clusters (c, count) to the six measures (c, 6); one sort serves all."""
    order = np.argsort(scores, kind="stable")
    ties = np.flatnonzero(np.r_[True, np.diff(scores[order]) > 0])
    sorted_codes, is_ood = codes[order], foreign[order].astype(np.float64)

    def measure(counts: FloatArray) -> FloatArray:
        weights = counts[:, sorted_codes]
        ood = np.add.reduceat(weights * is_ood, ties, axis=1)
        own = np.add.reduceat(weights * (1 - is_ood), ties, axis=1)
        return _from_counts(own, ood)

    return measure


def _from_counts(own: FloatArray, ood: FloatArray) -> FloatArray:
    """Six measures from counts (c, k) of ID and OOD at each distinct score, ascending."""
    own_to, ood_to = own.cumsum(axis=1), ood.cumsum(axis=1)  # at or below each score
    n, m = own_to[:, -1:], ood_to[:, -1:]
    own_from, ood_from = n - own_to + own, m - ood_to + ood  # at or above each score
    ranked = (ood * (own_to - own / 2)).sum(axis=1) / (n * m)[:, 0]
    aupr_out = _precision(ood, ood_from, own_from, m)
    aupr_in = _precision(own, own_to, ood_to, n)
    accepts = (own_to >= 0.95 * n - _SLACK).argmax(axis=1)
    flags = own.shape[1] - 1 - (ood_from >= 0.95 * m - _SLACK)[:, ::-1].argmax(axis=1)
    rows = np.arange(len(own))
    error = (ood_to - ood) / m / 2 + own_from / n / 2
    return np.column_stack([
        ranked, aupr_out, aupr_in,
        ood_to[rows, accepts] / m[:, 0], own_from[rows, flags] / n[:, 0],
        error.min(axis=1),  # the lowest threshold has 1/2
    ])  # fmt: skip


def _precision(
    hits: FloatArray, hits_so_far: FloatArray, others_so_far: FloatArray, total: FloatArray
) -> FloatArray:
    called = hits_so_far + others_so_far
    precision = np.divide(hits_so_far, called, out=np.zeros_like(called), where=called > 0)
    area: FloatArray = (hits * precision).sum(axis=1) / total[:, 0]
    return area


def _checked(scores: FloatArray) -> FloatArray:
    scores = np.asarray(scores, dtype=np.float64)
    if scores.ndim != 1 or not np.isfinite(scores).all():
        raise ValueError(f"expected (n,) finite scores, got {scores.shape}: leave failed cases out")
    return scores
