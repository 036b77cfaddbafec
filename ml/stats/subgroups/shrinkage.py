"""Rates of many small groups, drawn towards what all groups have in common."""

from dataclasses import replace

import numpy as np
from scipy import stats

from ml.estimate import Estimate, undefined
from ml.stats.arrays import FloatArray, IntArray
from ml.stats.asked import checked_share
from ml.stats.clusters import too_few
from ml.stats.proportion import effective_size
from ml.stats.subgroups.calls import GroupedCalls, Rate


def beta_prior(hits: IntArray | FloatArray, sizes: IntArray | FloatArray) -> tuple[float, float]:
    """Mean and weight (in cases) of the beta distribution that the groups' rates come from.

    The weight follows from the analysis-of-variance estimate of the correlation inside groups;
    infinite where groups vary no more than chance.

    Args:
        hits, sizes: (groups,) counts; sizes of 0 are left out.

    Raises:
        ValueError: with fewer than two groups that have cases.

    Example:
        >>> mean, weight = beta_prior(np.array([8, 2, 5]), np.array([10, 10, 10]))
        >>> round(mean, 3), round(weight, 2)
        (0.5, 3.06)

    Source:
        Kleinman (1973), JASA 68:46-54. Ridout, Demétrio, Firth (1999), Biometrics 55:137-148.
    """
    hits, sizes = np.asarray(hits, np.float64), np.asarray(sizes, np.float64)
    hits, sizes = hits[sizes > 0], sizes[sizes > 0]
    k, total = sizes.size, sizes.sum()
    if k < 2:
        raise ValueError(f"a prior needs two groups with cases, got {k}")
    pooled = float(hits.sum() / total)
    between = float((sizes * (hits / sizes - pooled) ** 2).sum()) / (k - 1)
    freedom = float(total - k)
    within = float((hits * (1 - hits / sizes)).sum()) / freedom if freedom > 0 else 0.0
    typical = float(total - (sizes**2).sum() / total) / (k - 1)
    alike = between + (typical - 1) * within
    correlation = (between - within) / alike if alike > 0 else 0.0
    if correlation <= 0:
        return pooled, float("inf")
    return pooled, (1 - min(correlation, 1.0)) / min(correlation, 1.0)


def shrunken_rates(calls: GroupedCalls, rate: Rate, *, level: float = 0.95) -> dict[str, Estimate]:
    """Empirical-Bayes rates of the groups: each borrows from all in the measure that it is small.

    (hits + weight · mean) / (n + weight), with the prior of ``beta_prior``. Made for many
    intersectional groups, where raw extremes are mostly noise. Where cases cluster, hits and n are
    those of the effective size: copies of a case are no reason to borrow less.

    Returns:
        By group name; ``extra`` holds the ``raw`` rate and ``own_weight``, 0..1. The interval is
        that of the beta posterior; it takes the prior as known, so it is a little too narrow. A
        group without cases is undefined.

    Example:
        >>> from ml.stats.subgroups.groups import Groups
        >>> calls = GroupedCalls.of([1] * 9 + [0] * 11, [1] * 20, Groups.of("a" * 10 + "b" * 10))
        >>> [round(found.value, 3) for found in shrunken_rates(calls, "tpr").values()]
        [0.894, 0.006]

    Source:
        Morris (1983), JASA 78:47-55. Louis (1984), JASA 79:393-398.
    """
    level = checked_share("level", level)
    counts, hits, sizes = _effective(calls, rate)
    refusal = None if calls.clusters.each_alone else too_few(calls.clusters)
    convention = f"empirical Bayes, beta prior of all groups, {rate}"
    found: dict[str, Estimate] = {}
    several = int((sizes > 0).sum()) >= 2
    mean, weight = beta_prior(hits, sizes) if several else (0.0, 0.0)
    for at, name in enumerate(calls.groups.names):
        n, hit, size = int(counts[at]), float(hits[at]), float(sizes[at])
        measure = f"shrunken_{rate}:{name}"
        if not several or n == 0:
            reason = (
                "Not estimated: there are no cases in this group." if several
                else "Not estimated: there are not two groups to borrow from each other."
            )  # fmt: skip
            found[name] = undefined(measure, reason, n=n, convention=convention)
        elif not np.isfinite(weight):
            found[name] = Estimate(
                measure, mean, n=n, convention=convention,
                reason="No interval: groups vary no more than chance, all take the common rate.",
                extra={"raw": hit / size, "own_weight": 0.0, "unit": "fraction"},
            )  # fmt: skip
        else:
            estimate = _posterior(measure, hit, size, mean, weight, level)
            found[name] = replace(estimate, n=n, convention=convention)
            if refusal and estimate.has_interval:
                found[name] = replace(found[name], low=None, high=None, method="", reason=refusal)
    return found


def _effective(calls: GroupedCalls, rate: Rate) -> tuple[IntArray, FloatArray, FloatArray]:
    """Of each group the cases, and hits and cases of the effective size; (groups,) each."""
    hit, counted = calls.parts(rate)
    counts = np.zeros(calls.groups.count, dtype=np.int64)
    hits, sizes = np.zeros(counts.size), np.zeros(counts.size)
    for at in range(counts.size):
        rows = calls.groups.rows(at)
        rows = rows[counted[rows]]
        if rows.size:
            counts[at] = rows.size
            sizes[at] = effective_size(hit[rows], calls.clusters.where(rows)).n
            hits[at] = hit[rows].mean() * sizes[at]
    return counts, hits, sizes


def _posterior(
    measure: str, hit: float, n: float, mean: float, weight: float, level: float
) -> Estimate:
    a, b = hit + weight * mean, n - hit + weight * (1 - mean)
    low = high = None
    reason = None
    if min(a, b) > 0:
        low, high = (float(end) for end in stats.beta.ppf([(1 - level) / 2, (1 + level) / 2], a, b))
    else:
        reason = "No interval: the groups leave no spread to borrow."
    return Estimate(
        measure, a / (a + b), low, high, level, reason=reason,
        method="beta posterior, prior taken as known" if reason is None else "",
        extra={"raw": hit / n, "own_weight": n / (n + weight), "prior_mean": mean,
               "prior_weight": weight, "unit": "fraction"},
    )  # fmt: skip
