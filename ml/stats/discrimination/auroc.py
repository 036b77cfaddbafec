"""Area under the ROC curve: how often a case with the finding is scored above one without."""

import numpy as np
from scipy import special, stats

from ml.estimate import Estimate, undefined
from ml.stats.arrays import BoolArray, FloatArray, IntArray, checked_binary
from ml.stats.bootstrap import (
    DEFAULT,
    Clusters,
    Interval,
    Settings,
    draw_counts,
    percentile_interval,
    too_few,
)

CONVENTION = "P(finding), higher means present; ties count one half"


def auroc(
    scores: FloatArray,
    present: IntArray,
    clusters: Clusters | None = None,
    settings: Settings = DEFAULT,
) -> Estimate:
    """Area under the ROC curve with its interval.

    The interval is logit-DeLong when every case is its own cluster, else a percentile bootstrap
    of clusters. A perfect (or perfectly wrong) ranking has no spread to estimate from: it gets a
    one-sided exact bound instead of [1, 1].

    Args:
        scores: (n,) higher means present; never flipped.
        present: (n,) 1 or 0.
        clusters: independent units; None means every case is its own.
        settings: level, draws, seed.

    Raises:
        ValueError: for NaN scores, unequal shapes, outcomes other than 0 and 1.

    Example:
        >>> auroc(np.array([0.1, 0.4, 0.35, 0.8]), np.array([0, 0, 1, 1])).value
        0.75

    Source:
        Hanley, McNeil (1982), Radiology 143:29-36. DeLong, DeLong, Clarke-Pearson (1988),
        Biometrics 44:837-845. Sun, Xu (2014), IEEE SPL 21:1389-1393 (midranks). Logit
        transform: Pepe (2003), section 5.2.
    """
    scores, positive = checked_binary(scores, present)
    clusters = clusters or Clusters.singles(scores.size)
    n_events = int(positive.sum())
    n = int(scores.size)
    if n_events in (0, n):
        which = "absent" if n_events == 0 else "present"
        reason = (
            f"Not estimated: the finding is {which} in all {n:,} cases, so there is no pair to "
            "compare."
        )
        return undefined("auroc", reason, n=n, n_events=n_events, convention=CONVENTION)
    of_present, of_absent = placements(scores, positive)
    value = float(of_present.mean())
    interval = _interval(value, scores, positive, of_present, of_absent, clusters, settings)
    return Estimate(
        "auroc", value, interval.low, interval.high, settings.level, n, n_events,
        convention=CONVENTION, method=interval.method, reason=interval.reason,
        extra={**clusters.extra, "unit": "fraction"},
    )  # fmt: skip


def placements(scores: FloatArray, positive: BoolArray) -> tuple[FloatArray, FloatArray]:
    """Of each case with the finding, the share of cases without it that it outranks, and back.

    Returns:
        (n_present,) share of absent cases scored below; (n_absent,) share of present cases
        scored above. Both have the AUROC as mean. Midranks: a tie counts one half.
    """
    ranks = stats.rankdata(scores)
    n_present = int(positive.sum())
    n_absent = scores.size - n_present
    of_present = (ranks[positive] - stats.rankdata(scores[positive])) / n_absent
    of_absent = 1 - (ranks[~positive] - stats.rankdata(scores[~positive])) / n_present
    return of_present, of_absent


def delong_variance(of_present: FloatArray, of_absent: FloatArray) -> float:
    """Variance of the AUROC from its placements; needs two cases of each class.

    Source:
        DeLong et al. (1988), equations 3 to 5.
    """
    spread = of_present.var(ddof=1) / of_present.size + of_absent.var(ddof=1) / of_absent.size
    return float(spread)


def logit_delong(value: float, variance: float, level: float) -> tuple[float, float]:
    """Wald interval on the logit scale, which stays inside 0..1 and covers near its ends."""
    margin = float(stats.norm.ppf((1 + level) / 2)) * variance**0.5 / (value * (1 - value))
    centre = float(special.logit(value))
    return float(special.expit(centre - margin)), float(special.expit(centre + margin))


def _interval(
    value: float,
    scores: FloatArray,
    positive: BoolArray,
    of_present: FloatArray,
    of_absent: FloatArray,
    clusters: Clusters,
    settings: Settings,
) -> Interval:
    if np.ptp(scores) == 0:
        return Interval(None, None, "", "No interval: all scores are equal, nothing is ranked.")
    # Placements are sums of halves over a count: the ends are hit exactly up to one rounding.
    if min(value, 1 - value) < 1e-12:
        return _one_sided(value, positive, clusters, settings.level)
    if not clusters.each_alone:
        refusal = too_few(clusters)
        if refusal:
            return Interval(None, None, "", refusal)
        return percentile_interval(
            bootstrap_auroc(scores, positive, clusters, settings), clusters, settings
        )
    if min(of_present.size, of_absent.size) < 2:
        return Interval(
            None, None, "", "No interval: one of the classes has a single case, so no spread."
        )
    variance = delong_variance(of_present, of_absent)
    if variance <= 0:
        return Interval(None, None, "", "No interval: the DeLong variance is zero.")
    return Interval(*logit_delong(value, variance, settings.level), "logit-DeLong")


def _one_sided(value: float, positive: BoolArray, clusters: Clusters, level: float) -> Interval:
    """Exact bound of a perfect ranking.

    Pairs of one present and one absent case that share no cluster with another pair are
    independent trials that all succeeded; their probability of success is the AUROC.
    """
    pairs = _disjoint_pairs(positive, clusters)
    if pairs == 0:
        return Interval(
            None, None, "", "No interval: present and absent cases share their only cluster."
        )
    bound = float((1 - level) ** (1 / pairs))
    method = (
        f"one-sided exact binomial bound over {pairs:,} disjoint pairs: the ranking is "
        f"{'perfect' if value > 0.5 else 'perfectly reversed'}"
    )
    return Interval(bound, 1.0, method) if value > 0.5 else Interval(0.0, 1 - bound, method)


def _disjoint_pairs(positive: BoolArray, clusters: Clusters) -> int:
    has_present = np.bincount(clusters.codes[positive], minlength=clusters.count) > 0
    has_absent = np.bincount(clusters.codes[~positive], minlength=clusters.count) > 0
    return min(int(has_present.sum()), int(has_absent.sum()), max(clusters.count // 2, 0))


def bootstrap_auroc(
    scores: FloatArray, positive: BoolArray, clusters: Clusters, settings: Settings
) -> FloatArray:
    """AUROC of every replicate, (draws,); NaN where a replicate drew one class only.

    One sort serves all replicates: a replicate only changes how often each case counts.
    """
    order = np.argsort(scores, kind="stable")
    codes = clusters.codes[order]
    is_present = positive[order].astype(np.float64)
    ties = np.flatnonzero(np.r_[True, np.diff(scores[order]) > 0])
    parts = []
    for counts in draw_counts(clusters.count, settings, width=scores.size):
        weights = counts[:, codes]
        of_present = weights * is_present
        of_absent = weights - of_present
        if ties.size < scores.size:
            of_present = np.add.reduceat(of_present, ties, axis=1)
            of_absent = np.add.reduceat(of_absent, ties, axis=1)
        below = np.cumsum(of_absent, axis=1)
        total = below[:, -1] * of_present.sum(axis=1)
        won = np.einsum("ij,ij->i", of_present, below - of_absent / 2)
        parts.append(np.divide(won, total, out=np.full(total.shape, np.nan), where=total > 0))
    return np.concatenate(parts)
