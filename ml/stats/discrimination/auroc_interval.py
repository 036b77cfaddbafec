"""Intervals of one AUROC, by name."""

from typing import Literal, get_args

import numpy as np
from scipy import special, stats

from ml.stats.arrays import BoolArray, FloatArray
from ml.stats.asked import checked_count, checked_share
from ml.stats.bootstrap import Settings
from ml.stats.clusters import Clusters, too_few
from ml.stats.discrimination.auroc_bootstrap import bootstrap_auroc, left_out_auroc
from ml.stats.discrimination.clustered import obuchowski_covariance
from ml.stats.discrimination.placements import Placements, delong_variance
from ml.stats.interval import Interval, bca_interval, percentile_interval

Method = Literal["logit_delong", "delong_wald", "hanley_mcneil", "percentile", "bca"]
METHODS: tuple[Method, ...] = get_args(Method)


def auroc_interval(
    placed: Placements,
    scores: FloatArray,
    positive: BoolArray,
    clusters: Clusters,
    settings: Settings,
    method: Method | None = None,
) -> Interval:
    """Interval of an AUROC, or the sentence why there is none.

    Args:
        placed: placements of the scores.
        scores, positive: (n,) as they were placed.
        clusters: independent units. ``logit_delong`` and ``delong_wald`` take Obuchowski's
            variance where cases cluster, the bootstraps draw whole clusters, and
            ``hanley_mcneil`` refuses clusters.
        settings: level; draws and seed of a bootstrap.
        method: None takes ``logit_delong``. A perfect ranking gets an exact one-sided bound
            by any method.

    Raises:
        ValueError: for an unknown method, or ``hanley_mcneil`` with clusters.

    Example:
        >>> from ml.stats.discrimination.placements import placements
        >>> scores, positive = np.zeros(20), np.arange(20) % 2 == 1
        >>> placed, own = placements(scores, positive), Clusters.singles(20)
        >>> auroc_interval(placed, scores, positive, own, Settings()).reason
        'No interval: all scores are equal, nothing is ranked.'
    """
    if method is not None and method not in METHODS:
        raise ValueError(f"method must be one of {', '.join(METHODS)}, got {method!r}")
    if method == "hanley_mcneil" and not clusters.each_alone:
        raise ValueError("hanley_mcneil knows no clusters: take logit_delong or percentile")
    value = placed.value
    if (scores == scores[0]).all():
        return Interval(None, None, "", "No interval: all scores are equal, nothing is ranked.")
    if value in (0.0, 1.0):
        return _one_sided(value, positive, clusters, settings.level)
    if method is None:
        method = "logit_delong"
    if method in ("percentile", "bca"):
        refusal = too_few(clusters)
        if refusal:
            return Interval(None, None, "", refusal)
        drawn = bootstrap_auroc(scores, positive, clusters, settings)
        if method == "percentile":
            return percentile_interval(drawn, clusters, settings)
        left_out = left_out_auroc(scores, positive, clusters)
        return bca_interval(value, drawn, left_out, clusters, settings)
    if method == "hanley_mcneil":
        m, n = placed.of_present.size, placed.of_absent.size
        variance = hanley_mcneil_variance(value, m, n)
        return Interval(*_wald(value, variance, settings.level), "Hanley-McNeil 1982, Wald")
    return _delong(placed, positive, clusters, settings.level, method)


def hanley_mcneil_variance(value: float, n_present: int, n_absent: int) -> float:
    """Variance of an AUROC if both classes scored exponentially; 0 for a perfect ranking.

    Args:
        value: the AUROC, 0..1.
        n_present, n_absent: cases of each class.

    Raises:
        ValueError: for a value outside 0..1, or a class without a case.

    Example:
        >>> round(hanley_mcneil_variance(0.893, 51, 58) ** 0.5, 3)
        0.033

    Source:
        Hanley, McNeil (1982). The meaning and use of the area under a ROC curve. Radiology
        143:29-36, with Q1 = A/(2-A) and Q2 = 2A²/(1+A).
    """
    _check(value, 0.0)
    n_present, n_absent = (
        checked_count(name, n) for name, n in (("n_present", n_present), ("n_absent", n_absent))
    )
    q1, q2 = value / (2 - value), 2 * value**2 / (1 + value)
    return (
        value * (1 - value) + (n_present - 1) * (q1 - value**2) + (n_absent - 1) * (q2 - value**2)
    ) / (n_present * n_absent)


def _wald(value: float, variance: float, level: float) -> tuple[float, float]:
    """Value ± z standard errors, cut at 0 and 1.

    Raises:
        ValueError: for a value outside 0..1, a variance below 0, or another level.
    """
    _check(value, variance)
    level = checked_share("level", level)
    margin = float(stats.norm.ppf((1 + level) / 2)) * variance**0.5
    return max(0.0, value - margin), min(1.0, value + margin)


def _logit_delong(value: float, variance: float, level: float) -> tuple[float, float]:
    """Wald interval on the logit scale, which stays inside 0..1 and covers near its ends.

    Raises:
        ValueError: for a value that is not between 0 and 1, or as ``_wald``.
    """
    _check(value, variance)
    if value in (0, 1):
        raise ValueError(f"the logit of {value:g} is infinite: a perfect ranking has a bound")
    level = checked_share("level", level)
    margin = float(stats.norm.ppf((1 + level) / 2)) * variance**0.5 / (value * (1 - value))
    centre = float(special.logit(value))
    return float(special.expit(centre - margin)), float(special.expit(centre + margin))


def _check(value: float, variance: float) -> None:
    if not 0 <= value <= 1 or not 0 <= variance < np.inf:
        raise ValueError(
            f"an AUROC lies in 0..1 and its variance is not below 0, got {value} and {variance}"
        )


def auroc_variance(placed: Placements, positive: BoolArray, clusters: Clusters) -> float | str:
    """DeLong's variance, Obuchowski's where cases cluster, or the sentence why there is none.

    Args:
        placed: placements of a score.
        positive: (n,) as they were placed.
        clusters: of the same rows.

    Example:
        >>> from ml.stats.discrimination.placements import placements
        >>> positive = np.array([False, False, True, True])
        >>> placed = placements(np.array([0.1, 0.4, 0.35, 0.8]), positive)
        >>> auroc_variance(placed, positive, Clusters.singles(4))
        0.125
    """
    if clusters.each_alone:
        if min(placed.of_present.size, placed.of_absent.size) < 2:
            return "No interval: one of the classes has a single case, so no spread."
        variance = delong_variance(placed)
        name = "DeLong"
    else:
        refusal = too_few(clusters)
        if refusal:
            return refusal
        of_present, of_absent = clusters.codes[positive], clusters.codes[~positive]
        if min(np.unique(of_present).size, np.unique(of_absent).size) < 2:
            return "No interval: one of the classes comes from a single cluster, so no spread."
        variance = float(obuchowski_covariance([placed], positive, clusters)[0, 0])
        name = "Obuchowski"
    # Rounding dust counts as zero.
    return variance if variance > 1e-15 else f"No interval: the {name} variance is zero."


def _delong(
    placed: Placements, positive: BoolArray, clusters: Clusters, level: float, method: Method
) -> Interval:
    variance = auroc_variance(placed, positive, clusters)
    if isinstance(variance, str):
        return Interval(None, None, "", variance)
    name = "logit-DeLong" if method == "logit_delong" else "DeLong, Wald"
    if not clusters.each_alone:
        name += f", clusters respected (Obuchowski 1997, {clusters.words})"
    scale = _logit_delong if method == "logit_delong" else _wald
    return Interval(*scale(placed.value, variance, level), name)


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
