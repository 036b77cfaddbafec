"""A share of cases, with the Wilson interval, clusters respected."""

from dataclasses import dataclass

import numpy as np
from scipy import stats

from ml.estimate import Estimate, undefined
from ml.stats.arrays import BoolArray
from ml.stats.bootstrap import Clusters, too_few


@dataclass(frozen=True)
class EffectiveSize:
    """How many independent cases a clustered sample is worth for one share."""

    n: float
    design_effect: float
    assumed: bool  # True when the data could not show the design effect


def wilson(share: float, n: float, level: float) -> tuple[float, float]:
    """Wilson score interval of a share.

    Args:
        share: 0..1.
        n: sample size above 0; need not be whole (effective size).
        level: coverage, 0..1.

    Example:
        >>> [round(end, 4) for end in wilson(0.5, 10, 0.95)]
        [0.2366, 0.7634]

    Source:
        Wilson (1927), JASA 22:209-212; Brown, Cai, DasGupta (2001), Statistical Science 16.
    """
    z2 = float(stats.norm.ppf((1 + level) / 2)) ** 2
    centre = (share + z2 / (2 * n)) / (1 + z2 / n)
    half = (z2 * (share * (1 - share) / n + z2 / (4 * n * n))) ** 0.5 / (1 + z2 / n)
    # The ends are 0 and 1 exactly when the share is; rounding must not push past them.
    return (
        0.0 if share == 0 else max(0.0, centre - half),
        1.0 if share == 1 else min(1.0, centre + half),
    )


def effective_size(success: BoolArray, clusters: Clusters) -> EffectiveSize:
    """Effective sample size from the ratio estimator's variance.

    The design effect is the variance of the share with whole clusters as units, divided by
    the variance with cases as units; never taken below 1. Where all cases agree there is no
    variance to compare: then the cases of a cluster are taken as copies of one (Kish's
    worst case, sum of squared sizes over n).

    Args:
        success: (n,) at least one.
        clusters: of the same rows.

    Source:
        Cochran (1977), Sampling Techniques, section 6.4; Rao, Scott (1992), Biometrics
        48:577-585 (effective sizes of clustered binary data); Kish (1965), section 8.2.
    """
    n = success.size
    sizes = np.bincount(clusters.codes, minlength=clusters.count).astype(np.float64)
    share = float(success.mean())
    if clusters.each_alone:
        return EffectiveSize(float(n), 1.0, assumed=False)
    if share in (0.0, 1.0):
        effect = float((sizes**2).sum() / n)
        return EffectiveSize(n / effect, effect, assumed=True)
    residual = np.bincount(clusters.codes, success, clusters.count) - share * sizes
    m = clusters.count
    variance = m / max(m - 1, 1) * float((residual**2).sum()) / n**2
    effect = max(1.0, variance / (share * (1 - share) / n))
    return EffectiveSize(n / effect, effect, assumed=False)


def proportion(
    measure: str,
    success: BoolArray,
    clusters: Clusters | None = None,
    *,
    level: float = 0.95,
    convention: str = "",
    n_events: int | None = None,
    of_what: str = "cases",
) -> Estimate:
    """A share with its Wilson interval, on the effective sample size where cases cluster.

    Args:
        measure: id of the estimate.
        success: (n,) booleans.
        clusters: independent units; None means every case is its own.
        level: of the interval.
        convention, n_events: passed on to the estimate.
        of_what: noun for the sentence when there is no case.

    Example:
        >>> proportion("sensitivity", np.array([True, False])).value
        0.5
    """
    n = int(success.size)
    if n == 0:
        reason = f"Not estimated: there are no {of_what}."
        return undefined(measure, reason, n_events=n_events, convention=convention)
    clusters = clusters or Clusters.singles(n)
    hits = int(success.sum())
    low = high = None
    reason_without = None if clusters.each_alone else too_few(clusters)
    method = ""
    if reason_without is None:
        size = effective_size(success, clusters)
        low, high = wilson(hits / n, size.n, level)
        method = _method(size, clusters)
    return Estimate(
        measure, hits / n, low, high, level, n, n_events,
        convention=convention, method=method, reason=reason_without,
        extra={"numerator": hits, "denominator": n, **clusters.extra,
               "unit": "fraction"},
    )  # fmt: skip


def _method(size: EffectiveSize, clusters: Clusters) -> str:
    if clusters.each_alone:
        return "Wilson"
    how = "assumed: all cases agree" if size.assumed else f"over {clusters.words}"
    return f"Wilson, design effect {size.design_effect:.2f} ({how})"
