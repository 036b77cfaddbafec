"""How far one feature moved between two samples: distances and tests, feature by feature."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy import stats

from ml.estimate import Estimate, undefined
from ml.stats.arrays import BoolArray, FloatArray, IntArray, squares_around_mean
from ml.stats.asked import checked_count, checked_size
from ml.stats.bootstrap import DEFAULT, Settings, replicates
from ml.stats.clusters import Clusters, checked_clusters
from ml.stats.comparison.p_adjust import p_adjust
from ml.stats.interval import Interval, percentile_interval, within
from ml.stats.permutation import p_value, permuted_members

_MOST_BINS = 10_000
_BIAS = (
    "; a distance is never below 0 and grows by chance, so the interval does not test for 0: "
    "the permutation p does"
)


@dataclass(frozen=True)
class KolmogorovSmirnov:
    """Two-sample statistics and p-values, one per feature."""

    statistic: FloatArray  # (d,)
    p: FloatArray  # (d,) asymptotic, two-sided
    p_adjusted: FloatArray  # (d,) Benjamini-Hochberg over features


def kolmogorov_smirnov(reference: FloatArray, target: FloatArray) -> KolmogorovSmirnov:
    """Two-sample Kolmogorov-Smirnov test of every feature; cases must be independent.

    Args:
        reference, target: (n, d) and (m, d), or (n,) and (m,) for one feature.

    Raises:
        ValueError: for an empty sample, one row against one, numbers that are not finite, unequal
            features.

    Example:
        >>> kolmogorov_smirnov(np.array([0.0, 1.0]), np.array([2.0, 3.0])).statistic.tolist()
        [1.0]

    Source:
        Hodges (1958), Arkiv for Matematik 3:469-486 (asymptotic p); Rabanser et al. (2019),
        NeurIPS (one test per feature).
    """
    one, two = checked_pair(reference, target)
    if len(one) == len(two) == 1:
        raise ValueError("two samples of one row each have no test: take more rows")
    found = [stats.ks_2samp(x, y, method="asymp") for x, y in zip(one.T, two.T, strict=True)]
    p = np.array([float(test.pvalue) for test in found])
    statistic = np.array([float(test.statistic) for test in found])
    return KolmogorovSmirnov(statistic, p, p_adjust(p, "BH"))


def wasserstein_1(
    reference: FloatArray,
    target: FloatArray,
    reference_clusters: Clusters | None = None,
    target_clusters: Clusters | None = None,
    settings: Settings = DEFAULT,
) -> Estimate:
    """Area between the two distribution functions, in the feature's unit.

    Args:
        reference, target: (n,) and (m,) finite.
        reference_clusters, target_clusters: independent units of each sample.
        settings: for the bootstrap interval, drawn within each sample and recentred at the value
            (a distance is biased upward, in replicates once more), and the permutations.

    Returns:
        ``extra["p"]`` is the permutation p-value (whole clusters relabelled) of no difference,
        None where a sample is a single cluster.

    Example:
        >>> wasserstein_1(np.array([0.0, 1.0]), np.array([2.0, 3.0])).value
        2.0

    Source:
        Vallender (1974), Theory of Probability 18:784-786.
    """

    def area(gap: FloatArray, width: FloatArray) -> FloatArray:
        distance: FloatArray = np.abs(gap) @ width
        return distance

    return _distance(
        "wasserstein_1", "area between distribution functions", area,
        reference, target, reference_clusters, target_clusters, settings,
    )  # fmt: skip


def energy_distance(
    reference: FloatArray,
    target: FloatArray,
    reference_clusters: Clusters | None = None,
    target_clusters: Clusters | None = None,
    settings: Settings = DEFAULT,
) -> Estimate:
    """sqrt(2 E|X-Y| - E|X-X'| - E|Y-Y'|), arguments as ``wasserstein_1``.

    Example:
        >>> energy_distance(np.array([0.0]), np.array([2.0])).value
        2.0

    Source:
        Szekely, Rizzo (2013), J Stat Planning Inference 143:1249-1272.
    """

    def root(gap: FloatArray, width: FloatArray) -> FloatArray:
        distance: FloatArray = np.sqrt(2 * (gap**2 @ width))
        return distance

    return _distance(
        "energy_distance", "square root of 2E|X-Y| - E|X-X'| - E|Y-Y'|, V-statistic", root,
        reference, target, reference_clusters, target_clusters, settings,
    )  # fmt: skip


def _distance(
    measure: str,
    convention: str,
    of_gap: Callable[[FloatArray, FloatArray], FloatArray],
    reference: FloatArray,
    target: FloatArray,
    reference_clusters: Clusters | None,
    target_clusters: Clusters | None,
    settings: Settings,
) -> Estimate:
    """A functional of the difference of distribution functions, with one sort for all draws."""
    one, two = _vector(reference), _vector(target)
    n, m = one.size, two.size
    clusters, strata = _both(n, m, reference_clusters, target_clusters)
    pooled = np.concatenate([one, two])
    order = np.argsort(pooled, kind="stable")
    width = np.diff(pooled[order])
    codes, is_target = clusters.codes[order], (order >= n).astype(np.float64)

    def of_counts(counts: FloatArray) -> FloatArray:
        weights = counts[:, codes]
        there = (weights * is_target).cumsum(axis=1)
        here = weights.cumsum(axis=1) - there
        gap = here[:, :-1] / here[:, -1:] - there[:, :-1] / there[:, -1:]
        return of_gap(gap, width)

    value = float(of_counts(np.ones((1, clusters.count)))[0])
    drawn = replicates(of_counts, clusters.count, settings, width=n + m, strata=strata)
    interval = percentile_interval(drawn, clusters, settings, centre=value, scale=value)
    interval = within(interval, 0.0, scale=value)
    interval = _of_two_samples(interval, strata)
    method = interval.method + _BIAS if interval.method else ""
    return Estimate(
        measure, value, interval.low, interval.high, settings.level, n + m,
        convention=convention, method=method, reason=interval.reason,
        extra={"n_target": m, "p": _permuted(value, of_gap, width, codes, strata > 0, settings)},
    )  # fmt: skip


def _permuted(
    value: float,
    of_gap: Callable[[FloatArray, FloatArray], FloatArray],
    width: FloatArray,
    codes: IntArray,
    is_target: BoolArray,
    settings: Settings,
) -> float | None:
    """Permutation p-value of a distance; codes are those of the sorted rows."""
    if min(is_target.sum(), (~is_target).sum()) < 2:
        return None
    members = permuted_members(is_target, settings.draws, settings.seed).T
    step = max(1, 100_000 // codes.size)
    relabelled = []
    for start in range(0, settings.draws, step):
        there = members[start : start + step][:, codes].cumsum(axis=1)
        here = np.arange(1, codes.size + 1) - there
        gap = here[:, :-1] / here[:, -1:] - there[:, :-1] / there[:, -1:]
        relabelled.append(of_gap(gap, width))
    return p_value(value, np.concatenate(relabelled), complete=False)


def standardized_mean_difference(
    reference: FloatArray,
    target: FloatArray,
    reference_clusters: Clusters | None = None,
    target_clusters: Clusters | None = None,
    settings: Settings = DEFAULT,
) -> Estimate:
    """(mean target - mean reference) / sqrt((var + var) / 2), variances with n - 1.

    Args:
        as ``wasserstein_1``.

    Returns:
        Undefined for a sample of one case, or samples without spread.

    Example:
        >>> round(standardized_mean_difference(np.array([0., 1]), np.array([2., 3])).value, 4)
        2.8284

    Source:
        Austin (2009), Statistics in Medicine 28:3083-3107.
    """
    convention = "target minus reference, over the root of the mean of both variances (n - 1)"
    one, two = _vector(reference), _vector(target)
    n, m = one.size, two.size
    clusters, strata = _both(n, m, reference_clusters, target_clusters)
    if min(n, m) < 2 or max(np.ptp(one), np.ptp(two)) == 0:
        reason = "Not estimated: the samples have no spread."
        return undefined("smd", reason, n=n + m, convention=convention)
    # Each around its own mean, so that the sums of squares lose no digits to the distance.
    moved = float(two.mean() - one.mean())
    away = np.concatenate([one - one.mean(), two - two.mean()])
    side = np.arange(n + m) >= n
    columns = [part * mask for mask in (~side, side) for part in (side | True, away, away**2)]
    sums = clusters.sums(np.stack(columns, axis=1).astype(np.float64))

    def of_counts(counts: FloatArray) -> FloatArray:
        c0, s0, q0, c1, s1, q1 = (counts @ sums).T
        with np.errstate(divide="ignore", invalid="ignore"):
            here = squares_around_mean(c0, s0, q0) / (c0 - 1)
            there = squares_around_mean(c1, s1, q1) / (c1 - 1)
            spread = np.sqrt((here + there) / 2)
            gap = moved + s1 / c1 - s0 / c0
            result: FloatArray = gap / np.where(spread > 0, spread, np.nan)
        return result

    value = moved / float((one.var(ddof=1) + two.var(ddof=1)) / 2) ** 0.5
    drawn = replicates(of_counts, clusters.count, settings, strata=strata)
    interval = _of_two_samples(percentile_interval(drawn, clusters, settings), strata)
    return Estimate(
        "smd", value, interval.low, interval.high, settings.level, n + m,
        convention=convention, method=interval.method, reason=interval.reason,
        extra={"n_target": m},
    )  # fmt: skip


def population_stability_index(
    reference: FloatArray,
    target: FloatArray,
    edges: FloatArray | int = 10,
    floor: float = 1e-4,
) -> Estimate:
    """Sum over bins of (target share - reference share) * log of their ratio.

    Args:
        reference, target: (n,) and (m,) finite.
        edges: inner edges, ascending; or the number of bins, then their edges are quantiles of
            the reference (linear interpolation). A value on an edge falls below it.
        floor: smallest share of a bin, above 0; it decides the value where a bin is empty.

    Returns:
        The index, without an interval: in the tails it is made of the floor. ``extra`` counts
        the bins that were floored.

    Example:
        >>> round(population_stability_index(np.arange(4.), np.arange(4.), 2).value, 9)
        0.0

    Source:
        Yurdakul, Naranjo (2020), Journal of Risk Model Validation 14:89-100.
    """
    one, two = _vector(reference), _vector(target)
    if not 0 < floor < 1:
        raise ValueError(f"the floor must be above 0 and below 1, got {floor}")
    if isinstance(edges, int | float):
        edges = checked_count("the number of bins", edges, 1, _MOST_BINS)
        inner = np.quantile(one, np.linspace(0, 1, edges + 1)[1:-1])
        how = f"{edges} quantile bins of the reference"
    else:
        inner = np.asarray(edges, dtype=np.float64)
        if inner.ndim != 1 or not np.isfinite(inner).all() or (np.diff(inner) <= 0).any():
            raise ValueError("inner edges must be (m,) finite numbers that rise")
        how = f"{inner.size + 1} given bins"
    shares = [
        np.bincount(np.searchsorted(inner, x, side="left"), minlength=inner.size + 1) / x.size
        for x in (one, two)
    ]
    here, there = (np.maximum(share, floor) for share in shares)
    floored = int(sum((share < floor).sum() for share in shares))
    return Estimate(
        "psi", float(((there - here) * np.log(there / here)).sum()), n=one.size + two.size,
        convention=f"{how}, floor {floor:g}", extra={"n_target": two.size, "n_floored": floored},
        reason="No interval: the index has none that holds where a bin is empty.",
    )  # fmt: skip


def _both(
    n: int, m: int, first: Clusters | None, second: Clusters | None
) -> tuple[Clusters, IntArray]:
    first, second = checked_clusters(first, n), checked_clusters(second, m)
    codes = np.concatenate([first.codes, second.codes + first.count])
    kind = first.kind if first.kind == second.kind else "cluster"
    both = Clusters(codes, first.count + second.count, kind)
    return both, (np.arange(both.count) >= first.count).astype(np.int64)


def _of_two_samples(interval: Interval, strata: IntArray) -> Interval:
    """Refused where one of the samples is a single unit, which is drawn again and again."""
    if interval.low is None or np.bincount(strata, minlength=2).min() > 1:
        return interval
    reason = "No interval: one of the samples is a single cluster, so no spread."
    return Interval(None, None, "", reason)


def _vector(sample: FloatArray) -> FloatArray:
    sample = np.asarray(sample, dtype=np.float64)
    if sample.ndim != 1 or sample.size == 0 or not np.isfinite(sample).all():
        raise ValueError(f"expected (n,) finite numbers, at least one, got {sample.shape}")
    return checked_size("features", sample)


def checked_pair(reference: FloatArray, target: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Two samples of features as float64, (n, d) and (m, d).

    Args:
        reference, target: (n, d) and (m, d), or (n,) and (m,) of one feature.

    Raises:
        ValueError: for no rows, other shapes, numbers not finite or too large to be squared.

    Example:
        >>> one, two = checked_pair([1.0, 2.0], [[3.0]])
        >>> one.shape, two.shape
        ((2, 1), (1, 1))
    """
    one, two = np.asarray(reference, np.float64), np.asarray(target, np.float64)
    one, two = (x[:, None] if x.ndim == 1 else x for x in (one, two))
    if one.ndim != 2 or two.ndim != 2 or one.shape[1] != two.shape[1] or 0 in one.shape + two.shape:
        raise ValueError(f"expected (n, d) and (m, d), got {one.shape} and {two.shape}")
    if not (np.isfinite(one).all() and np.isfinite(two).all()):
        raise ValueError("features must be finite: leave failed cases out and count them")
    return checked_size("features", one), checked_size("features", two)
