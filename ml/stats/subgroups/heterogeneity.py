"""Whether groups differ at all: chi-squared over rates, Cochran's Q over any estimates."""

from collections.abc import Mapping

import numpy as np
from scipy import stats

from ml.estimate import Estimate, undefined
from ml.stats.arrays import FloatArray
from ml.stats.clusters import too_few
from ml.stats.interval import STATISTIC
from ml.stats.proportion import effective_size
from ml.stats.subgroups.calls import GroupedCalls, Rate

_FEW_EXPECTED = 5.0  # Cochran's rule for the chi-squared approximation


def rate_heterogeneity(calls: GroupedCalls, rate: Rate) -> Estimate:
    """Pearson's chi-squared of one rate over all groups; with clusters on effective counts.

    Groups in which the rate is a share of no case are left out and counted in ``extra``.

    Returns:
        The statistic as value; ``extra`` holds ``df``, ``p``, ``smallest_expected`` and the
        groups left out. Undefined with fewer than two groups, or a rate of 0 or 1 throughout.

    Example:
        >>> from ml.stats.subgroups.groups import Groups
        >>> calls = GroupedCalls.of([1, 1, 1, 0] * 5, [1] * 20, Groups.of(list("aabb") * 5))
        >>> round(rate_heterogeneity(calls, "tpr").value, 4)
        6.6667

    Source:
        Pearson (1900). Rao, Scott (1992), Biometrics 48:577-585 (counts over design effects).
    """
    hit, counted = calls.parts(rate)
    hits, sizes = [], []
    convention = f"Pearson chi-squared of {rate} over groups, no continuity correction"
    for at in range(calls.groups.count):
        rows = calls.groups.rows(at)
        used = rows[counted[rows]]
        if used.size == 0:
            continue
        size = effective_size(hit[used], calls.clusters.where(used)).n
        hits.append(float(hit[used].mean()) * size)
        sizes.append(size)
    measure, n = f"heterogeneity:{rate}", int(counted.sum())
    refusal = None if calls.clusters.each_alone else too_few(calls.clusters)
    if refusal:
        reason = refusal.replace("No interval", "Not estimated")
        return undefined(measure, reason, n=n, convention=convention)
    successes, totals = np.array(hits), np.array(sizes)
    if totals.size < 2:
        reason = f"Not estimated: {rate} exists in fewer than two groups."
        return undefined(measure, reason, n=n, convention=convention)
    pooled = float(successes.sum() / totals.sum())
    if pooled < 1e-12 or pooled > 1 - 1e-12:
        reason = "Not estimated: the rate is the same 0 or 1 in every group."
        return undefined(measure, reason, n=n, convention=convention)
    value = float(((successes - totals * pooled) ** 2 / (totals * pooled * (1 - pooled))).sum())
    expected = float(totals.min() * min(pooled, 1 - pooled))
    few = expected < _FEW_EXPECTED
    return Estimate(
        measure, value, n=n, convention=convention,
        method="chi-squared" if calls.clusters.each_alone else
        f"chi-squared on effective counts, {calls.clusters.words}",
        reason="Read with care: an expected count is below 5; prefer the permutation test."
        if few else STATISTIC,
        extra={"df": totals.size - 1, "p": float(stats.chi2.sf(value, totals.size - 1)),
               "smallest_expected": expected,
               "groups_left_out": calls.groups.count - int(totals.size)},
    )  # fmt: skip


def cochran_q(values: FloatArray, variances: FloatArray, *, measure: str = "q") -> Estimate:
    """Cochran's Q: whether independent estimates differ more than their errors explain.

    Args:
        values: (groups,) any estimate of each group, on a scale where it is nearly normal.
        variances: (groups,) their squared standard errors, above 0.
        measure: qualifies the id.

    Returns:
        Q as value; ``extra`` holds ``df``, ``p``, ``i2`` (share of the variation beyond chance,
        0..1) and the ``pooled`` value. Undefined with fewer than two groups.

    Raises:
        ValueError: for unequal shapes, NaN, variances not above 0, or numbers too large to square.

    Example:
        >>> q = cochran_q(np.array([0.8, 0.6]), np.array([0.01, 0.01]))
        >>> round(q.value, 4), round(q.extra["p"], 4)
        (2.0, 0.1573)

    Source:
        Cochran (1954), Biometrics 10:101-129. I²: Higgins, Thompson (2002).
    """
    values, variances = np.asarray(values, np.float64), np.asarray(variances, np.float64)
    if values.ndim != 1 or values.shape != variances.shape:
        raise ValueError(f"expected two (groups,) arrays, got {values.shape}, {variances.shape}")
    if not (np.isfinite(values).all() and np.isfinite(variances).all() and (variances > 0).all()):
        raise ValueError("values must be finite and variances above 0: leave other groups out")
    convention = "inverse-variance weights, independent groups"
    if values.size < 2:
        reason = "Not estimated: it needs estimates of two groups."
        return undefined(f"heterogeneity:{measure}", reason, n=values.size, convention=convention)
    df = values.size - 1
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        weights = 1 / variances
        pooled = float((weights * values).sum() / weights.sum())
        q = float((weights * (values - pooled) ** 2).sum())
    if not np.isfinite(q):
        raise ValueError("values or variances are too large or small to square: rescale them")
    return Estimate(
        f"heterogeneity:{measure}", q, n=values.size, convention=convention, method="chi-squared",
        reason=STATISTIC, extra={"df": df, "p": float(stats.chi2.sf(q, df)), "rows": "groups",
               "i2": max(0.0, 1 - df / q) if q > 0 else 0.0, "pooled": pooled},
    )  # fmt: skip


def estimates_heterogeneity(estimates: Mapping[str, Estimate], measure: str) -> Estimate:
    """Cochran's Q of estimates by group, standard errors taken from their intervals.

    A two-sided interval of level 95 % spans 2 · 1.96 standard errors. Groups without a two-sided
    interval are left out and counted; so are those whose interval ends at the value itself: a
    rate of 0 or 1, or a ranking without an error, has a bound and not a standard error.

    Example:
        >>> found = [Estimate("auroc", v, v - 0.1, v + 0.1, n=50) for v in (0.6, 0.8)]
        >>> bound = Estimate("auroc", 1.0, 0.9, 1.0, n=50)
        >>> q = estimates_heterogeneity(dict(zip("abc", [*found, bound])), "auroc")
        >>> round(q.value, 3), q.extra["groups_left_out"]
        (7.683, 1)
    """
    values, variances = [], []
    for estimate in estimates.values():
        if estimate.value is None or estimate.low is None or estimate.high is None:
            continue
        if estimate.value in (estimate.low, estimate.high):
            continue
        z = float(stats.norm.ppf((1 + (estimate.level or 0.95)) / 2))
        error = (estimate.high - estimate.low) / (2 * z)
        if error > 0:
            values.append(estimate.value)
            variances.append(error**2)
    found = cochran_q(np.array(values), np.array(variances), measure=measure)
    if found.value is None:
        return found
    return Estimate(
        found.id, found.value, n=found.n, convention=found.convention,
        method=f"{found.method}; standard errors from the intervals", reason=STATISTIC,
        extra={**found.extra, "groups_left_out": len(estimates) - len(values)},
    )  # fmt: skip
