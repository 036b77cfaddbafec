"""A share of cases with its interval, Wilson's unless another is named, clusters respected."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy import stats

from ml.estimate import Estimate, undefined
from ml.stats.arrays import BoolArray, checked_outcomes
from ml.stats.asked import checked_number, checked_share
from ml.stats.clusters import Clusters, checked_clusters, too_few

_LEAST = 1e-9  # of a size whose square is still a number
IntervalName = Literal["wilson", "clopper_pearson", "jeffreys", "agresti_coull"]


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
        level: coverage, between 0 and 1.

    Raises:
        ValueError: for numbers outside (all intervals here).

    Example:
        >>> [round(end, 4) for end in wilson(0.5, 10, 0.95)]
        [0.2366, 0.7634]

    Source:
        Wilson (1927), JASA 22:209-212; Brown, Cai, DasGupta (2001), Statistical Science 16.
    """
    share, n, level = _checked(share, n, level)
    z2 = float(stats.norm.ppf((1 + level) / 2)) ** 2
    centre = (share + z2 / (2 * n)) / (1 + z2 / n)
    half = (z2 * (share * (1 - share) / n + z2 / (4 * n * n))) ** 0.5 / (1 + z2 / n)
    # The ends are 0 and 1 exactly when the share is; rounding must not push past them.
    return (
        0.0 if share == 0 else max(0.0, centre - half),
        1.0 if share == 1 else min(1.0, centre + half),
    )


def _checked(share: float, n: float, level: float) -> tuple[float, float, float]:
    if not 0 <= share <= 1:
        raise ValueError(f"a share lies in 0..1, got {share}")
    return share, checked_number("n", n, above=_LEAST), checked_share("level", level)


def clopper_pearson(share: float, n: float, level: float) -> tuple[float, float]:
    """Clopper-Pearson ("exact") interval of a share: never covers too rarely, often too often.

    Args:
        share, n, level: as for ``wilson``.

    Example:
        >>> [round(end, 4) for end in clopper_pearson(0.5, 10, 0.95)]
        [0.1871, 0.8129]

    Source:
        Clopper, Pearson (1934), Biometrika 26:404-413. For a size that is not whole, the same
        quantiles of the beta distribution: Korn, Graubard (1998), Survey Methodology 24:193-201.
    """
    share, n, level = _checked(share, n, level)
    hits, tail = share * n, (1 - level) / 2
    low = 0.0 if share == 0 else float(stats.beta.ppf(tail, hits, n - hits + 1))
    high = 1.0 if share == 1 else float(stats.beta.ppf(1 - tail, hits + 1, n - hits))
    return low, high


def jeffreys(share: float, n: float, level: float) -> tuple[float, float]:
    """Equal-tailed interval of a share under Jeffreys' prior; 0 and 1 are ends when reached.

    Args:
        share, n, level: as for ``wilson``.

    Example:
        >>> [round(end, 4) for end in jeffreys(0.5, 10, 0.95)]
        [0.2235, 0.7765]

    Source:
        Brown, Cai, DasGupta (2001), Statistical Science 16:101-133, section 4.3.
    """
    share, n, level = _checked(share, n, level)
    hits, tail = share * n, (1 - level) / 2
    low, high = stats.beta.ppf((tail, 1 - tail), hits + 0.5, n - hits + 0.5)
    return 0.0 if share == 0 else float(low), 1.0 if share == 1 else float(high)


def agresti_coull(share: float, n: float, level: float, *, cut: bool = True) -> tuple[float, float]:
    """Agresti-Coull interval of a share: Wald around Wilson's centre.

    Args:
        share, n, level: as for ``wilson``.
        cut: keep the ends inside 0..1; without it they are those of the formula.

    Example:
        >>> [round(end, 4) for end in agresti_coull(0.5, 10, 0.95)]
        [0.2366, 0.7634]

    Source:
        Agresti, Coull (1998), The American Statistician 52:119-126.
    """
    share, n, level = _checked(share, n, level)
    z = float(stats.norm.ppf((1 + level) / 2))
    size = n + z * z
    centre = (share * n + z * z / 2) / size
    half = z * (centre * (1 - centre) / size) ** 0.5
    low, high = centre - half, centre + half
    return (max(0.0, low), min(1.0, high)) if cut else (low, high)


INTERVALS: dict[IntervalName, Callable[[float, float, float], tuple[float, float]]] = {
    "wilson": wilson,
    "clopper_pearson": clopper_pearson,
    "jeffreys": jeffreys,
    "agresti_coull": agresti_coull,
}
_WORDS: dict[IntervalName, str] = {
    "wilson": "Wilson",
    "clopper_pearson": "Clopper-Pearson",
    "jeffreys": "Jeffreys",
    "agresti_coull": "Agresti-Coull, cut at 0 and 1",
}


def effective_size(success: BoolArray, clusters: Clusters) -> EffectiveSize:
    """Effective sample size from the ratio estimator's variance.

    The design effect is the variance of the share with whole clusters as units, divided by
    the variance with cases as units; never taken below 1. Where all cases agree, or all are of
    one cluster, there is no variance to compare: then the cases of a cluster are taken as copies
    of one (Kish's worst case, sum of squared sizes over n).

    Args:
        success: (n,) at least one.
        clusters: of the same rows.

    Example:
        >>> effective_size(np.ones(4, dtype=bool), Clusters.of(np.array([0, 0, 1, 1])))
        EffectiveSize(n=2.0, design_effect=2.0, assumed=True)

    Source:
        Cochran (1977), Sampling Techniques, section 6.4; Rao, Scott (1992), Biometrics
        48:577-585 (effective sizes of clustered binary data); Kish (1965), section 8.2.
    """
    n = success.size
    sizes = np.bincount(clusters.codes, minlength=clusters.count).astype(np.float64)
    share = float(success.mean())
    if clusters.each_alone:
        return EffectiveSize(float(n), 1.0, assumed=False)
    if share in (0.0, 1.0) or clusters.count == 1:
        effect = float((sizes**2).sum() / n)
        return EffectiveSize(n / effect, effect, assumed=True)
    residual = np.bincount(clusters.codes, success, clusters.count) - share * sizes
    m = clusters.count
    variance = m / (m - 1) * float((residual**2).sum()) / n**2
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
    interval: IntervalName = "wilson",
) -> Estimate:
    """A share with its interval, on the effective sample size where cases cluster.

    Args:
        measure: id of the estimate.
        success: (n,) booleans, or 0 and 1.
        clusters: independent units; None means every case is its own.
        level: of the interval.
        convention, n_events: passed on to the estimate.
        of_what: noun for the sentence when there is no case.
        interval: wilson, clopper_pearson, jeffreys or agresti_coull.

    Raises:
        ValueError: for another interval or level, values other than 0 and 1, or clusters of
            other rows.

    Example:
        >>> proportion("sensitivity", np.array([True, False])).value
        0.5
    """
    if interval not in INTERVALS:
        raise ValueError(f"interval must be one of {', '.join(INTERVALS)}, got {interval!r}")
    level, success = checked_share("level", level), checked_outcomes(success)
    n = int(success.size)
    clusters = checked_clusters(clusters, n)
    if n == 0:
        reason = f"Not estimated: there are no {of_what}."
        return undefined(measure, reason, n_events=n_events, convention=convention)
    hits = int(success.sum())
    low = high = None
    reason_without = None if clusters.each_alone else too_few(clusters)
    method = ""
    if reason_without is None:
        size = effective_size(success, clusters)
        low, high = INTERVALS[interval](hits / n, size.n, level)
        method = _method(size, clusters, _WORDS[interval])
    return Estimate(
        measure, hits / n, low, high, level, n, n_events,
        convention=convention, method=method, reason=reason_without,
        extra={"numerator": hits, "denominator": n, **clusters.extra,
               "unit": "fraction"},
    )  # fmt: skip


def _method(size: EffectiveSize, clusters: Clusters, name: str) -> str:
    if clusters.each_alone:
        return name
    how = "assumed: all cases agree" if size.assumed else f"over {clusters.words}"
    return f"{name}, design effect {size.design_effect:.2f} ({how})"
