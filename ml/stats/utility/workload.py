"""The work that calls make: how many are called, looked at for nothing, or left to readers."""

from dataclasses import dataclass

import numpy as np
from scipy import stats

from ml.estimate import Estimate, undefined
from ml.stats.arrays import (
    BoolArray,
    FloatArray,
    IntArray,
    checked_binary,
    checked_outcomes,
    ratio,
)
from ml.stats.clusters import Clusters, checked_clusters
from ml.stats.proportion import proportion, wilson


def share_called(
    called: BoolArray, clusters: Clusters | None = None, *, level: float = 0.95
) -> Estimate:
    """Share of all cases that are called present and so make work.

    Raises:
        ValueError: for calls other than 0 and 1.

    Example:
        >>> share_called(np.array([True, False, False, False])).value
        0.25
    """
    return proportion(
        "share_called", checked_outcomes(called, "calls"), clusters, level=level,
        convention="called present, of all cases",
    )  # fmt: skip


def number_needed_to_evaluate(
    called: BoolArray,
    present: BoolArray,
    clusters: Clusters | None = None,
    *,
    level: float = 0.95,
) -> Estimate:
    """Calls that must be looked at for one right one: 1 / PPV, with PPV's interval inverted.

    Args:
        called, present: (n,) booleans, or 0 and 1.
        clusters: independent units.

    Returns:
        Undefined where nothing is called, or no call is right (it is infinite).

    Raises:
        ValueError: for unequal shapes, or values other than 0 and 1.

    Example:
        >>> called, present = np.array([True] * 4), np.array([True, False, False, False])
        >>> number_needed_to_evaluate(called, present).value
        4.0

    Source:
        Romero-Brufau et al. (2015), Critical Care 19:285.
    """
    return _inverse(
        "number_needed_to_evaluate", checked_outcomes(called, "calls"), checked_outcomes(present),
        clusters, level, "1 / PPV", "case is called present", "no call is right",
    )  # fmt: skip


def number_needed_to_screen(
    called: BoolArray,
    present: BoolArray,
    clusters: Clusters | None = None,
    *,
    level: float = 0.95,
) -> Estimate:
    """Cases the model must be run on for one true positive: n / true positives.

    Of detection, not of benefit: how many findings are helped by being found is not in it.

    Raises:
        ValueError: for unequal shapes, or values other than 0 and 1.

    Example:
        >>> called, present = np.array([True, False] * 2), np.array([True, False, False, False])
        >>> number_needed_to_screen(called, present).value
        4.0

    Source:
        Rembold (1998), BMJ 317:307-312 (of benefit); here for detection.
    """
    calls, positive = checked_outcomes(called, "calls"), checked_outcomes(present)
    if calls.shape != positive.shape:
        raise ValueError(f"expected two (n,) arrays, got {calls.shape} and {positive.shape}")
    found = calls & positive
    return _inverse(
        "number_needed_to_screen", np.ones(found.size, dtype=bool), found, clusters, level,
        "cases per true positive", "case", "nothing is found",
    )  # fmt: skip


def _inverse(
    measure: str,
    rows: BoolArray,
    success: BoolArray,
    clusters: Clusters | None,
    level: float,
    convention: str,
    what: str,
    never: str,
) -> Estimate:
    if rows.shape != success.shape:
        raise ValueError(f"expected two (n,) arrays, got {rows.shape} and {success.shape}")
    chosen = np.flatnonzero(rows)
    clusters = checked_clusters(clusters, rows.size).where(chosen)
    share = proportion(measure, success[chosen], clusters, level=level)
    n, hits = chosen.size, int(success[chosen].sum())
    if share.value is None:
        reason = f"Not estimated: no {what}."
        return undefined(measure, reason, n=n, convention=convention)
    if share.value == 0:
        reason = f"Not estimated: {never}, so the number is infinite."
        return undefined(measure, reason, n=n, n_events=hits, convention=convention)
    low, high = share.low, share.high
    return Estimate(
        measure, 1 / share.value, None if not high else 1 / high, None if not low else 1 / low,
        level, n, hits, convention=convention, method=share.method and f"{share.method}, inverted",
        reason=share.reason, extra=clusters.extra,
    )  # fmt: skip


@dataclass(frozen=True)
class RuleOut:
    """Cases below a threshold are not read; each array is (thresholds,)."""

    threshold: FloatArray
    share_not_read: FloatArray
    missed: IntArray  # findings among the cases not read
    sensitivity: FloatArray  # of reading the rest, every finding there being seen
    sensitivity_low: FloatArray
    sensitivity_high: FloatArray
    npv: FloatArray  # of not being read; NaN where all are read


def rule_out_curve(
    scores: FloatArray, present: IntArray, thresholds: FloatArray, *, level: float = 0.95
) -> RuleOut:
    """What is saved and what is missed when cases below a threshold are left unread.

    Readers are taken to see every finding they read; a real reader misses some as well.

    Args:
        scores: (n,) higher means present.
        present: (n,) 1 or 0; the finding must occur.
        thresholds: (m,) a case below is not read, at or above it is.
        level: of the Wilson intervals (cases as units).

    Raises:
        ValueError: as ``checked_binary``, for thresholds that are not finite, or without a case
            with the finding.

    Example:
        >>> curve = rule_out_curve(np.array([0.1, 0.2, 0.9]), np.array([0, 1, 1]), np.array([0.15]))
        >>> curve.share_not_read.round(2).tolist(), curve.missed.tolist()
        ([0.33], [0])

    Source:
        Dembrower et al. (2020), Lancet Digital Health 2:e468-e474.
    """
    scores, positive = checked_binary(scores, present)
    n_events = int(positive.sum())
    if n_events == 0:
        raise ValueError("a rule-out curve needs cases with the finding")
    levels = np.asarray(thresholds, dtype=np.float64)
    if levels.ndim != 1 or not np.isfinite(levels).all():
        raise ValueError("thresholds must be (m,) finite numbers")
    below = np.searchsorted(np.sort(scores), levels, side="left")
    missed = np.searchsorted(np.sort(scores[positive]), levels, side="left")
    kept = (n_events - missed) / n_events
    ends = np.array([wilson(float(share), n_events, level) for share in kept]).reshape(-1, 2)
    return RuleOut(
        levels, below / scores.size, missed.astype(np.int64), kept, ends[:, 0], ends[:, 1],
        ratio((below - missed).astype(np.float64), below.astype(np.float64)),
    )  # fmt: skip


@dataclass(frozen=True)
class Deferral:
    """The cases the model is least sure of go to readers; arrays (steps,)."""

    share_deferred: FloatArray
    error_rate: FloatArray  # of the calls that are kept; NaN where none is
    error_low: FloatArray
    error_high: FloatArray
    kept: IntArray


def deferral_curve(
    scores: FloatArray,
    present: IntArray,
    threshold: float,
    shares: FloatArray,
    clusters: Clusters | None = None,
    *,
    level: float = 0.95,
) -> Deferral:
    """Error rate of the kept calls when a share of the cases nearest the threshold is deferred.

    Nearness is the distance |score - threshold|, scaled on each side of the threshold so that
    both ends of the scale are equally sure. Ties are deferred together or not at all: the number
    deferred is the largest that does not pass the share.

    Args:
        scores: (n,) 0..1, higher means present.
        present: (n,) 1 or 0.
        threshold: at or above is called present, between 0 and 1.
        shares: (m,) 0..1 of the cases.
        clusters: independent units, for the Wilson intervals.

    Raises:
        ValueError: for scores, threshold or shares outside 0..1.

    Example:
        >>> scores, present = np.array([0.1, 0.45, 0.9]), np.array([0, 1, 1])
        >>> deferral_curve(scores, present, 0.5, np.array([0.0, 0.4])).error_rate.round(2).tolist()
        [0.33, 0.0]

    Source:
        El-Yaniv, Wiener (2010), JMLR 11:1605-1641 (selective prediction).
    """
    scores, positive = checked_binary(scores, present)
    clusters = checked_clusters(clusters, scores.size)
    shares = np.asarray(shares, dtype=np.float64)
    if not 0 < threshold < 1 or (scores < 0).any() or (scores > 1).any():
        raise ValueError("scores and threshold must lie in 0..1")
    if not ((shares >= 0) & (shares <= 1)).all():
        raise ValueError("shares must lie in 0..1")
    away = np.where(
        scores >= threshold,
        (scores - threshold) / (1 - threshold),
        (threshold - scores) / threshold,
    )
    wrong = (scores >= threshold) != positive
    rank = stats.rankdata(away, method="max")  # how many go when this one goes
    rates = []
    for share in shares:
        keep = np.flatnonzero(rank > share * scores.size + 1e-9)
        rates.append(proportion("error_rate", wrong[keep], clusters.where(keep), level=level))
    columns = [
        np.array([getattr(rate, name) for rate in rates], dtype=np.float64)
        for name in ("value", "low", "high")
    ]
    kept = np.array([rate.n for rate in rates], dtype=np.int64)
    deferred = 1 - kept / max(scores.size, 1)
    return Deferral(deferred, columns[0], columns[1], columns[2], kept)
