"""Two methods on the same cases: tests of the paired differences, and their size."""

from dataclasses import dataclass

import numpy as np
from scipy import stats

from ml.estimate import Estimate, undefined
from ml.stats.arrays import FloatArray, squares_around_mean
from ml.stats.asked import checked_number, checked_share, checked_size
from ml.stats.bootstrap import DEFAULT, Settings, replicate_sums
from ml.stats.clusters import Clusters, checked_clusters
from ml.stats.interval import percentile_interval
from ml.stats.means import case_mean
from ml.stats.permutation import p_value, signs

_ROUNDING = 1e-12  # differences that vary by less than this share of their sources are alike


@dataclass(frozen=True)
class PairedTest:
    """A test of paired differences: the estimate, the statistic and its p-value."""

    estimate: Estimate
    statistic: float | None
    p: float | None
    df: int | None
    method: str
    reason: str | None = None


def differences(a: FloatArray, b: FloatArray) -> FloatArray:
    """a - b, case by case.

    Raises:
        ValueError: for unequal shapes, or numbers that are not finite or of a size that cannot be
            squared.

    Example:
        >>> differences(np.array([3.0]), np.array([1.0])).tolist()
        [2.0]
    """
    a, b = np.asarray(a, dtype=np.float64), np.asarray(b, dtype=np.float64)
    if a.ndim != 1 or a.shape != b.shape:
        raise ValueError(f"expected two (n,) arrays, got {a.shape} and {b.shape}")
    if not (np.isfinite(a).all() and np.isfinite(b).all()):
        raise ValueError("paired values must be finite: leave incomplete pairs out")
    checked_size("paired values", np.concatenate([a, b]))
    return a - b


def _alike(a: FloatArray, b: FloatArray) -> bool:
    """Whether all differences are one number, but for the rounding of what they are made of.

    Example:
        >>> shifted = np.array([1.1, 3.1, 100.1])
        >>> _alike(shifted, np.array([1.0, 3.0, 100.0]))
        True
    """
    size = max(float(np.abs(a).max()), float(np.abs(b).max()))
    return float(np.ptp(differences(a, b))) <= _ROUNDING * size


def paired_t(a: FloatArray, b: FloatArray, level: float = 0.95) -> PairedTest:
    """Student's t-test of paired differences a - b; pairs must be independent.

    Args:
        a, b: (n,) measurements of the same cases, in one unit.
        level: of the interval of the mean difference.

    Returns:
        No p-value when fewer than two pairs, or all differences are equal.

    Example:
        >>> round(paired_t(np.array([1.0, 2, 4]), np.array([0.0, 1, 1])).statistic, 4)
        2.5

    Source:
        Student (1908), Biometrika 6:1-25.
    """
    checked_share("level", level)
    d = differences(a, b)
    n = int(d.size)
    convention = "a - b; two-sided"
    if n == 0:
        gone = undefined("mean_difference", "Not estimated: no pairs.", convention=convention)
        return PairedTest(gone, None, None, None, "paired t", gone.reason)
    mean = float(d.mean())
    if n < 2 or _alike(a, b):
        reason = "No interval: the paired differences have no spread."
        flat = Estimate("mean_difference", mean, n=n, convention=convention, reason=reason)
        return PairedTest(flat, None, None, None, "paired t", reason)
    error = float(d.std(ddof=1)) / n**0.5
    t = mean / error
    half = float(stats.t.ppf((1 + level) / 2, n - 1)) * error
    estimate = Estimate(
        "mean_difference", mean, mean - half, mean + half, level, n,
        convention=convention, method=f"Student t, {n - 1} df",
    )  # fmt: skip
    return PairedTest(estimate, t, float(2 * stats.t.sf(abs(t), n - 1)), n - 1, "paired t")


def cohens_dz(
    a: FloatArray, b: FloatArray, clusters: Clusters | None = None, settings: Settings = DEFAULT
) -> Estimate:
    """Mean paired difference over the standard deviation (N-1) of the differences.

    Args:
        a, b: (n,) measurements of the same cases.
        clusters, settings: for the bootstrap interval.

    Returns:
        Undefined for fewer than two pairs or differences without spread.

    Example:
        >>> round(cohens_dz(np.array([1.0, 2, 4]), np.array([0.0, 1, 1])).value, 4)
        1.4434

    Source:
        Cohen (1988), Statistical Power Analysis, p. 48; Lakens (2013), Front Psychol 4:863.
    """
    d = differences(a, b)
    n = int(d.size)
    clusters = checked_clusters(clusters, n)
    convention = "mean(a - b) / SD(a - b), SD with n - 1"
    if n < 2 or _alike(a, b):
        reason = "Not estimated: the paired differences have no spread."
        return undefined("cohens_dz", reason, n=n, convention=convention)
    # Around the mean, so that the sum of squares loses no digits to a large offset.
    centre = float(d.mean())
    away = d - centre
    total = replicate_sums(clusters.sums(np.stack([np.ones(n), away, away**2], axis=1)), settings)
    count, first, second = total.T
    with np.errstate(divide="ignore", invalid="ignore"):
        variance = squares_around_mean(count, first, second) / (count - 1)
        drawn = (centre + first / count) / np.sqrt(np.where(variance > 0, variance, np.nan))
    interval = percentile_interval(drawn, clusters, settings)
    return Estimate(
        "cohens_dz", centre / float(d.std(ddof=1)), interval.low, interval.high, settings.level,
        n, convention=convention, method=interval.method, reason=interval.reason,
        extra=clusters.extra,
    )  # fmt: skip


def permutation_test(
    a: FloatArray, b: FloatArray, clusters: Clusters | None = None, settings: Settings = DEFAULT
) -> PairedTest:
    """Sign-flip test of the mean paired difference; whole clusters flip together.

    Args:
        a, b: (n,) measurements of the same cases.
        clusters: units whose differences keep one common sign under the null hypothesis.
        settings: draws and seed; up to 12 units all sign patterns are enumerated.

    Example:
        >>> permutation_test(np.array([1.0, 2, 4]), np.array([0.0, 1, 1])).p
        0.25

    Source:
        Fisher (1935), The Design of Experiments, section 21; Winkler et al. (2014), NeuroImage
        92:381-397 (whole-block flips).
    """
    d = differences(a, b)
    clusters = checked_clusters(clusters, d.size)
    scale = float(np.abs([a, b]).max(initial=0.0))
    estimate = case_mean(
        "mean_difference", d, clusters, settings, convention="a - b; two-sided", scale=scale
    )
    if estimate.value is None:
        return PairedTest(estimate, None, None, None, "sign flip", estimate.reason)
    totals = clusters.sums(d)[:, 0]
    patterns, complete = signs(clusters.count, settings.draws, settings.seed)
    if not len(patterns):
        reason = "Not tested: no random sign patterns were asked for."
        return PairedTest(estimate, estimate.value, None, None, "sign flip", reason)
    p = p_value(abs(float(totals.sum())), np.abs(patterns @ totals), complete=complete)
    how = (
        f"all {len(patterns):,}" if complete else f"{len(patterns):,} random, seed {settings.seed}"
    )
    method = f"sign flip over {clusters.words}, {how} patterns"
    return PairedTest(estimate, estimate.value, p, None, method)


@dataclass(frozen=True)
class NonInferiority:
    """Non-inferiority and equivalence of a to b at a margin, by one-sided tests."""

    estimate: Estimate  # interval at 1 - 2 alpha
    p_lower: float | None  # H0: difference <= -margin
    p_upper: float | None  # H0: difference >= margin
    margin: float
    non_inferior: bool | None
    equivalent: bool | None


def tost(a: FloatArray, b: FloatArray, margin: float, alpha: float = 0.05) -> NonInferiority:
    """Two one-sided paired t-tests; larger values are better, and pairs are independent.

    Args:
        a, b: (n,) measurements of the same cases; a is the candidate.
        margin: above 0, in the unit of the measurements.
        alpha: of each one-sided test.

    Returns:
        None in place of every decision when the differences have no spread.

    Raises:
        ValueError: for a margin not above 0, or alpha not between 0 and one half.

    Example:
        >>> tost(np.array([1.0, 2, 4, 3]), np.array([0.9, 2.1, 4.2, 2.9]), 0.5).equivalent
        True

    Source:
        Schuirmann (1987), J Pharmacokinet Biopharm 15:657-680.
    """
    checked_number("margin", margin, above=0)
    if not 0 < alpha < 0.5:
        raise ValueError(f"alpha must lie between 0 and one half, got {alpha}")
    test = paired_t(a, b, level=1 - 2 * alpha)
    mean, t, df = test.estimate.value, test.statistic, test.df
    if mean is None or t is None or df is None:
        return NonInferiority(test.estimate, None, None, margin, None, None)
    d = differences(a, b)
    error = float(d.std(ddof=1)) / d.size**0.5
    p_lower = float(stats.t.sf((mean + margin) / error, df))
    p_upper = float(stats.t.cdf((mean - margin) / error, df))
    return NonInferiority(
        test.estimate, p_lower, p_upper, margin, p_lower < alpha, max(p_lower, p_upper) < alpha
    )
