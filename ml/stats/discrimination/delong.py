"""AUROCs compared: of one set of cases, of two sets, and of many scores at once."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

from ml.estimate import Estimate, JsonValue, undefined
from ml.stats.arrays import BoolArray, FloatArray, IntArray, checked_binary
from ml.stats.asked import checked_share
from ml.stats.bootstrap import DEFAULT, Settings
from ml.stats.clusters import Clusters, checked_clusters, too_few
from ml.stats.discrimination.auroc_bootstrap import bootstrap_auroc, left_out_auroc
from ml.stats.discrimination.auroc_interval import auroc_variance
from ml.stats.discrimination.clustered import obuchowski_covariance
from ml.stats.discrimination.placements import Placements, delong_covariance, placements
from ml.stats.interval import NO_SPREAD, Interval, bca_interval, percentile_interval

_DUST = 1e-15  # variance of equal placements, left over from rounding
_ONE_CLASS = "Not estimated: an AUROC needs cases with and without the finding."


@dataclass(frozen=True)
class AurocComparison:
    """Two AUROCs, their difference a - b and its test."""

    difference: Estimate  # extra: auroc_a, auroc_b
    standard_error: float | None
    statistic: float | None  # z, or t where df is given
    df: float | None  # None: normal
    p: float | None  # two-sided, of no difference
    covariance: float | None  # of the two AUROCs; None where they are of different cases
    method: str
    reason: str | None = None  # why a number is missing


@dataclass(frozen=True)
class OmnibusTest:
    """Whether several AUROCs of the same cases are all equal."""

    values: tuple[float, ...]
    covariance: FloatArray  # (k, k)
    chi2: float | None
    df: int
    p: float | None
    method: str
    reason: str | None = None


def compare_paired(
    scores_a: FloatArray,
    scores_b: FloatArray,
    present: IntArray,
    clusters: Clusters | None = None,
    *,
    level: float = 0.95,
) -> AurocComparison:
    """DeLong's test of two scores of the same cases; Obuchowski's where cases cluster.

    Args:
        scores_a, scores_b: (n,) higher means present, in both; never flipped.
        present: (n,) 1 or 0.
        clusters: independent units; None means every case is its own.
        level: of the interval of a - b (Wald).

    Returns:
        Where both rank alike the variance of the difference is 0: then p is 1, and there is no
        interval. Undefined for one class only; no test where a class has a single case.

    Raises:
        ValueError: for NaN, unequal shapes, outcomes other than 0 and 1.

    Example:
        >>> present = np.array([0, 0, 0, 1, 1, 1])
        >>> a, b = np.array([1.0, 2, 4, 3, 5, 6]), np.array([1.0, 3, 5, 2, 4, 6])
        >>> found = compare_paired(a, b, present)
        >>> round(found.difference.value, 4), round(found.p, 4)
        (0.2222, 0.1573)

    Source:
        DeLong, DeLong, Clarke-Pearson (1988), Biometrics 44:837-845. Obuchowski (1997),
        Biometrics 53:567-578.
    """
    level = checked_share("level", level)
    (scores_a, positive), (scores_b, _) = (
        checked_binary(scores_a, present),
        checked_binary(scores_b, present),
    )
    units = checked_clusters(clusters, positive.size)
    method = "DeLong, paired" if units.each_alone else f"Obuchowski, paired, over {units.words}"
    if _one_class(positive):
        return _undefined_comparison(positive, method)
    placed = [placements(scores_a, positive), placements(scores_b, positive)]
    covariance = _covariance(placed, positive, units)
    if isinstance(covariance, str):
        return _comparison(placed, positive, units, method, level, reason=covariance)
    variance = float(covariance[0, 0] + covariance[1, 1] - 2 * covariance[0, 1])
    return _comparison(
        placed, positive, units, method, level,
        variance=variance, covariance=float(covariance[0, 1]),
    )  # fmt: skip


def compare_unpaired(
    scores_a: FloatArray,
    present_a: IntArray,
    scores_b: FloatArray,
    present_b: IntArray,
    clusters_a: Clusters | None = None,
    clusters_b: Clusters | None = None,
    *,
    level: float = 0.95,
) -> AurocComparison:
    """DeLong's test of AUROCs of two independent sets of cases.

    Args:
        scores_a, present_a: (n,) of one set; scores_b, present_b: (m,) of the other.
        clusters_a, clusters_b: independent units of each; no unit is in both.
        level: of the interval of a - b.

    Returns:
        t with Welch and Satterthwaite's degrees of freedom, units less one in each set.

    Raises:
        ValueError: as ``compare_paired``.

    Example:
        >>> present = np.array([0, 0, 0, 1, 1, 1])
        >>> a, b = np.array([1.0, 2, 4, 3, 5, 6]), np.array([1.0, 3, 5, 2, 4, 6])
        >>> round(compare_unpaired(a, present, b, present).df, 2)
        8.0

    Source:
        DeLong et al. (1988); degrees of freedom as in pROC: Robin et al. (2011), BMC
        Bioinformatics 12:77.
    """
    level = checked_share("level", level)
    sets = [checked_binary(scores_a, present_a), checked_binary(scores_b, present_b)]
    units = [
        checked_clusters(given, part[1].size)
        for given, part in zip((clusters_a, clusters_b), sets, strict=True)
    ]
    method = "DeLong, unpaired, Welch-Satterthwaite"
    if not all(one.each_alone for one in units):
        method = "Obuchowski, unpaired, Welch-Satterthwaite"
    everything = np.concatenate([part[1] for part in sets])
    for _, positive in sets:
        if _one_class(positive):
            return _undefined_comparison(positive, method)
    placed = [placements(scores, positive) for scores, positive in sets]
    variances = [
        _variance(one, positive, unit)
        for one, (_, positive), unit in zip(placed, sets, units, strict=True)
    ]
    count = Clusters(np.arange(everything.size), everything.size)
    for variance in variances:
        if isinstance(variance, str):
            return _comparison(placed, everything, count, method, level, reason=variance)
    a, b = (float(variance) for variance in variances)
    df = None
    if a + b > _DUST:
        df = (a + b) ** 2 / (a**2 / (units[0].count - 1) + b**2 / (units[1].count - 1))
    return _comparison(placed, everything, count, method, level, variance=a + b, df=df)


def compare_many(
    scores: Sequence[FloatArray], present: IntArray, clusters: Clusters | None = None
) -> OmnibusTest:
    """Omnibus test that k scores of the same cases have equal AUROCs.

    Args:
        scores: k arrays (n,), two or more, higher means present.
        present: (n,) 1 or 0.
        clusters: independent units; None means every case is its own.

    Returns:
        Degrees of freedom are the rank of the covariance of the contrasts: a score given twice
        adds none. Rank 0 (all rank alike) gives p = 1. No values for one class only.

    Raises:
        ValueError: as ``compare_paired``, or for fewer than two scores.

    Example:
        >>> present = np.array([0, 0, 0, 1, 1, 1])
        >>> a, b = np.array([1.0, 2, 4, 3, 5, 6]), np.array([1.0, 3, 5, 2, 4, 6])
        >>> round(compare_many([a, b], present).p, 4)
        0.1573

    Source:
        DeLong et al. (1988), equation 7.
    """
    if len(scores) < 2:
        raise ValueError(f"expected two or more scores, got {len(scores)}")
    parts = [checked_binary(one, present) for one in scores]
    positive = parts[0][1]
    units = checked_clusters(clusters, positive.size)
    method = "DeLong, omnibus" if units.each_alone else f"Obuchowski, omnibus, {units.words}"
    if _one_class(positive):
        return OmnibusTest((), np.zeros((0, 0)), None, 0, None, method, _ONE_CLASS)
    placed = [placements(one, positive) for one, _ in parts]
    values = tuple(one.value for one in placed)
    k = len(values)
    covariance = _covariance(placed, positive, units)
    if isinstance(covariance, str):
        return OmnibusTest(values, np.full((k, k), np.nan), None, 0, None, method, covariance)
    contrasts = np.eye(k - 1, k) - np.eye(k - 1, k, 1)
    spread = contrasts @ covariance @ contrasts.T
    apart = contrasts @ np.array(values)
    lengths, axes = np.linalg.eigh(spread)
    used = lengths > max(_DUST, 1e-10 * float(lengths.max()))
    df = int(used.sum())
    along = axes.T @ apart
    if (np.abs(along[~used]) > 1e-9).any():
        reason = "No test: AUROCs differ where their difference has no variance."
        return OmnibusTest(values, covariance, None, df, None, method, reason)
    chi2 = float((along[used] ** 2 / lengths[used]).sum())
    p = float(stats.chi2.sf(chi2, df)) if df else 1.0
    return OmnibusTest(values, covariance, chi2, df, p, method)


def compare_bootstrap(
    scores_a: FloatArray,
    scores_b: FloatArray,
    present: IntArray,
    clusters: Clusters | None = None,
    settings: Settings = DEFAULT,
    *,
    interval: str = "percentile",
) -> AurocComparison:
    """As ``compare_paired``, by a bootstrap of whole clusters, both scores in each replicate.

    The test takes the difference over the standard deviation of its replicates as normal.

    Args:
        scores_a, scores_b, present, clusters: as for ``compare_paired``.
        settings: level, draws, seed.
        interval: "percentile" or "bca".

    Raises:
        ValueError: as ``compare_paired``, or for another interval.

    Example:
        >>> present, a = np.arange(20) % 2, np.arange(20.0)
        >>> compare_bootstrap(a, a, present, settings=Settings(draws=100)).p
        1.0

    Source:
        Hanley, McNeil (1983), Radiology 148:839-843 (the test); Efron, Tibshirani (1993).
    """
    if interval not in ("percentile", "bca"):
        raise ValueError(f"interval must be percentile or bca, got {interval!r}")
    (scores_a, positive), (scores_b, _) = (
        checked_binary(scores_a, present),
        checked_binary(scores_b, present),
    )
    units = checked_clusters(clusters, positive.size)
    method = f"paired bootstrap over {units.words}"
    if _one_class(positive):
        return _undefined_comparison(positive, method)
    placed = [placements(scores_a, positive), placements(scores_b, positive)]
    refusal = too_few(units)
    if refusal:
        return _comparison(placed, positive, units, method, settings.level, reason=refusal)
    drawn = [bootstrap_auroc(one, positive, units, settings) for one in (scores_a, scores_b)]
    differences = drawn[0] - drawn[1]
    defined = differences[np.isfinite(differences)]
    if interval == "percentile":
        ends = percentile_interval(differences, units, settings)
    else:
        left = [left_out_auroc(one, positive, units) for one in (scores_a, scores_b)]
        value = placed[0].value - placed[1].value
        ends = bca_interval(value, differences, left[0] - left[1], units, settings)
    if ends.low is None and (ends.reason != NO_SPREAD or defined.size < 2):
        return _comparison(placed, positive, units, method, settings.level, reason=ends.reason)
    variance = float(defined.var(ddof=1))
    return _comparison(
        placed, positive, units, method, settings.level, variance=variance, ends=ends
    )


def _covariance(placed: list[Placements], positive: BoolArray, units: Clusters) -> FloatArray | str:
    """Covariance of the AUROCs, or the sentence why there is none."""
    for one in placed:
        variance = _variance(one, positive, units)
        if isinstance(variance, str):
            return variance
    if units.each_alone:
        return delong_covariance(placed)
    return obuchowski_covariance(placed, positive, units)


def _variance(placed: Placements, positive: BoolArray, units: Clusters) -> float | str:
    variance = auroc_variance(placed, positive, units)
    if isinstance(variance, str) and "variance is zero" in variance:
        return 0.0  # one AUROC without spread can still be compared with another that has some
    return variance


def _one_class(positive: BoolArray) -> bool:
    return bool(positive.all() or not positive.any())


def _undefined_comparison(positive: BoolArray, method: str) -> AurocComparison:
    difference = undefined(
        "auroc_difference", _ONE_CLASS, n=positive.size, n_events=int(positive.sum())
    )
    return AurocComparison(difference, None, None, None, None, None, method, _ONE_CLASS)


def _comparison(
    placed: list[Placements],
    positive: BoolArray,
    units: Clusters,
    method: str,
    level: float,
    *,
    variance: float | None = None,
    covariance: float | None = None,
    df: float | None = None,
    reason: str | None = None,
    ends: Interval | None = None,
) -> AurocComparison:
    value = placed[0].value - placed[1].value
    error = statistic = p = None
    interval = Interval(None, None, "", reason)
    if variance is not None:
        error = max(variance, 0.0) ** 0.5
        if variance > _DUST:
            law = stats.norm if df is None else stats.t(df)
            statistic, margin = value / error, error * float(law.ppf((1 + level) / 2))
            p = float(2 * law.sf(abs(statistic)))
            interval = ends or Interval(
                max(-1.0, value - margin), min(1.0, value + margin), f"{method}, Wald"
            )
        else:
            error = 0.0
            p = 1.0 if abs(value) < 1e-12 else None
            alike = "both rank the cases alike, so p is 1"
            if p is None:
                alike = "the two differ without any spread, so there is no test"
            reason = f"No interval: the variance of the difference is zero; {alike}."
            interval = Interval(None, None, "", reason)
    extra: dict[str, JsonValue] = {
        **units.extra, "auroc_a": placed[0].value, "auroc_b": placed[1].value,
    }  # fmt: skip
    difference = Estimate(
        "auroc_difference", value, interval.low, interval.high, level,
        positive.size, int(positive.sum()), convention="AUROC of a less that of b; not flipped",
        method=interval.method, reason=interval.reason, extra=extra,
    )  # fmt: skip
    return AurocComparison(difference, error, statistic, df, p, covariance, method, reason)
