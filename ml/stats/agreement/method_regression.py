"""Regression of one method on another where both have error: Deming, Passing and Bablok."""

from dataclasses import dataclass

import numpy as np
from scipy import stats

from ml.estimate import Estimate, undefined
from ml.stats.agreement.concordance import checked_pairs
from ml.stats.arrays import FloatArray
from ml.stats.asked import checked_number
from ml.stats.bootstrap import DEFAULT, Settings, left_out_sums, replicate_sums
from ml.stats.clusters import Clusters, checked_clusters
from ml.stats.interval import (
    Interval,
    interval_between,
    jackknife_interval,
    percentile_interval,
)

MAX_CASES = 5000  # of Passing-Bablok: all pairs of cases are held at once, 100 MB at this number
_FEW = "Not estimated: fewer than three cases have both numbers."
MOST_BEYOND = 0.1  # share of cases on the other side of x = 0
_BOTH_SIGNS = (
    "No interval: x has both signs; the published ends come from those of the slope, which tell "
    "nothing of the line where x is 0 in its midst."
)
_FLAT = "Not estimated: no line; the numbers do not vary together."


@dataclass(frozen=True)
class MethodLine:
    """y = intercept + slope * x. No bias: an intercept of 0 and a slope of 1."""

    slope: Estimate
    intercept: Estimate
    linearity: "Linearity | None" = None  # of Passing-Bablok, independent cases


@dataclass(frozen=True)
class Linearity:
    """Cusum test of linearity: do cases above and below the line come in runs?"""

    statistic: float  # largest cumulative sum over sqrt(cases below + 1)
    p: float
    above: int
    below: int


def deming(
    x: FloatArray,
    y: FloatArray,
    error_ratio: float = 1.0,
    clusters: Clusters | None = None,
    settings: Settings = DEFAULT,
    *,
    bootstrap: bool = False,
) -> MethodLine:
    """Deming regression: the line that allows for error in both methods.

    Args:
        x, y: (n,) numbers of the same cases; NaN where missing.
        error_ratio: variance of the error of y over that of x; 1 is orthogonal regression.
        clusters: independent units; None means every case is its own.
        settings: level, draws, seed.
        bootstrap: percentile interval of clusters instead of the jackknife.

    Returns:
        Slope and intercept; the jackknife leaves one cluster out in turn and takes t with clusters
        less 2 degrees of freedom; no interval below ten clusters. Undefined with fewer than three
        cases or without covariance.

    Raises:
        ValueError: for a ratio that is not positive, unequal shapes or infinite numbers.

    Example:
        >>> line = deming(np.array([1.0, 2, 3, 4]), np.array([1.0, 3, 3, 5]))
        >>> round(line.slope.value, 4)
        1.2808

    Source:
        Deming (1943), Statistical Adjustment of Data; Linnet (1990), Statistics in Medicine
        9:1463-1473; jackknife: Linnet (1993), Clinical Chemistry 39:424-432.
    """
    checked_number("the ratio of error variances", error_ratio, above=1e-12, most=1e12)
    pairs = checked_pairs(x, y)
    rows = np.flatnonzero(~np.isnan(pairs).any(axis=1))
    convention = f"Deming, ratio of error variances y to x {error_ratio:g}"
    if rows.size < 3:
        return _undefined(_FEW, rows.size, convention)
    own = checked_clusters(clusters, pairs.shape[0]).where(rows)
    centre = pairs[rows].mean(axis=0)
    u, v = (pairs[rows] - centre).T
    per_unit = own.sums(np.column_stack([np.ones(u.size), u, v, u * u, u * v, v * v]))
    total = per_unit.sum(axis=0)[None, :]
    slope, level = _deming(total, error_ratio)
    if not np.isfinite(slope[0]):
        return _undefined(_FLAT, rows.size, convention)
    values = (float(slope[0]), float(centre[1] - slope[0] * centre[0] + level[0]))
    units = (1.0, float(np.abs(pairs[rows]).max()))
    if bootstrap:
        slopes, levels = _deming(replicate_sums(per_unit, settings), error_ratio)
        drawn = (slopes, centre[1] - slopes * centre[0] + levels)
        ends = [
            percentile_interval(one, own, settings, scale=unit)
            for one, unit in zip(drawn, units, strict=True)
        ]
    else:
        slopes, levels = _deming(left_out_sums(per_unit), error_ratio)
        left = (slopes, centre[1] - slopes * centre[0] + levels)
        ends = [
            jackknife_interval(value, one, own, settings.level, df=own.count - 2, scale=unit)
            for value, one, unit in zip(values, left, units, strict=True)
        ]
    intervals = [(e.low, e.high, e.method, e.reason) for e in ends]
    slope_estimate, intercept = (
        Estimate(
            name, value, low, high, settings.level, rows.size, convention=convention,
            method=method, reason=reason, extra={**own.extra},
        )
        for name, value, (low, high, method, reason) in zip(
            ("slope", "intercept"), values, intervals, strict=True
        )
    )  # fmt: skip
    return MethodLine(slope_estimate, intercept)


def passing_bablok(
    x: FloatArray, y: FloatArray, settings: Settings = DEFAULT, *, clusters: Clusters | None = None
) -> MethodLine:
    """Passing-Bablok regression: the shifted median of the slopes of all pairs of cases.

    Needs no distribution of the errors, but a positive relation and a slope near 1. Pairs with the
    same x and y say nothing and are left out, as are slopes of exactly -1; a pair with the same x
    has an infinite slope of the sign of its difference in y. The shift, the number of slopes
    below -1, makes the result independent of which method is called x.

    Args:
        x, y: (n,) numbers of the same cases; NaN where missing.
        settings: level.
        clusters: only to know whether cases are independent.

    Returns:
        Slope and intercept with the exact interval of Kendall's normal approximation, and
        the cusum test of linearity. No interval and no test where cases are clustered: the ranks of
        pairs within a cluster are not independent. No interval of the intercept where more
        than a tenth of x lie beyond 0, or the published ends do not enclose it. Undefined with
        fewer than three cases or more than 5,000, or where no line is found.

    Raises:
        ValueError: for unequal shapes or infinite numbers.

    Example:
        >>> line = passing_bablok(np.array([1.0, 2, 3, 4]), np.array([1.0, 3, 3, 5]))
        >>> round(line.slope.value, 4), round(line.intercept.value, 4)
        (1.1667, 0.0833)

    Source:
        Passing, Bablok (1983), Journal of Clinical Chemistry and Clinical Biochemistry
        21:709-720.
    """
    pairs = checked_pairs(x, y)
    rows = np.flatnonzero(~np.isnan(pairs).any(axis=1))
    n = rows.size
    convention = "Passing-Bablok 1983, shifted median of pairwise slopes"
    if n < 3 or n > MAX_CASES:
        reason = f"Not estimated: {n:,} cases are more than the {MAX_CASES:,} this takes."
        return _undefined(_FEW if n < 3 else reason, n, convention)
    own = checked_clusters(clusters, pairs.shape[0]).where(rows)
    u, v = pairs[rows].T
    slopes = _pairwise_slopes(u, v)
    shift = int((slopes < -1).sum())
    middle = _shifted_median(slopes, shift)
    if middle is None or not np.isfinite(middle) or middle <= 0:
        reason = "Not estimated: the two methods do not rise together."
        return _undefined(reason, n, convention)
    intercept = float(np.median(v - middle * u))
    ends = _rank_ends(slopes, shift, n, settings.level) if own.each_alone else None
    method, why = "exact, ranks of the slopes (Kendall's normal approximation)", None
    low = high = None
    if not own.each_alone:
        why = "No interval: cases of one cluster are not independent, and the ranks assume it."
    elif ends is None or not np.isfinite(ends).all():
        why = "No interval: too few slopes for the level asked."
    else:
        low, high = ends
    extra = {**own.extra, "slopes": int(slopes.size), "below_minus_one": shift}
    found = []
    for name, value in (("slope", middle), ("intercept", intercept)):
        reach = Interval(None, None, "", why)
        if low is not None and high is not None:
            if name == "slope":
                reach = interval_between(low, high, method)
            else:
                ends_of = sorted(float(np.median(v - slope * u)) for slope in (low, high))
                scale = float(np.abs(pairs[rows]).max())
                reach = interval_between(ends_of[0], ends_of[1], method, scale=scale)
                beyond = float(min((u < 0).mean(), (u > 0).mean()))
                if beyond > MOST_BEYOND or not ends_of[0] <= value <= ends_of[1]:
                    reach = Interval(None, None, "", _BOTH_SIGNS)
        found.append(Estimate(
            name, value, reach.low, reach.high, settings.level, n, convention=convention,
            method=reach.method, reason=reach.reason, extra=extra,
        ))  # fmt: skip
    straight = _linearity(u, v, middle, intercept) if own.each_alone else None
    return MethodLine(found[0], found[1], straight)


def _undefined(reason: str, n: int, convention: str) -> MethodLine:
    none = [undefined(name, reason, n=n, convention=convention) for name in ("slope", "intercept")]
    return MethodLine(none[0], none[1])


def _deming(sums: FloatArray, ratio: float) -> tuple[FloatArray, FloatArray]:
    """Slope, and intercept of the centred numbers, (r,) each; NaN without covariance."""
    n, u, v, uu, uv, vv = sums.T
    n = np.maximum(n, 1)
    sxx, sxy, syy = uu - u * u / n, uv - u * v / n, vv - v * v / n
    away = syy - ratio * sxx
    root = np.sqrt(away**2 + 4 * ratio * sxy**2)
    slope = np.full(n.shape, np.nan)
    some = np.abs(sxy) > 1e-12 * np.sqrt(np.maximum(uu * vv, 0))
    # Of two equal forms the one that does not subtract like from like.
    direct = some & (away >= 0)
    np.divide(away + root, 2 * sxy, out=slope, where=direct)
    np.divide(2 * ratio * sxy, root - away, out=slope, where=some & (away < 0))
    return slope, (v - slope * u) / n


def _pairwise_slopes(u: FloatArray, v: FloatArray) -> FloatArray:
    """Slopes of all pairs of cases, without 0/0 and without -1."""
    first, second = np.triu_indices(u.size, 1)
    dx, dy = u[second] - u[first], v[second] - v[first]
    if dx.size == 0:
        return np.zeros(0)
    slopes = np.where(dy > 0, np.inf, -np.inf)
    np.divide(dy, dx, out=slopes, where=dx != 0)
    told: FloatArray = slopes[((dx != 0) | (dy != 0)) & (dy != -dx)]
    return told


def _shifted_median(slopes: FloatArray, shift: int) -> float | None:
    count = slopes.size
    high = count // 2 + shift
    low = (count - 1) // 2 + shift
    if count == 0 or high >= count:
        return None
    found = np.partition(slopes, sorted({low, high}))
    return float(found[low]) if low == high else float((found[low] + found[high]) / 2)


def _rank_ends(slopes: FloatArray, shift: int, n: int, level: float) -> tuple[float, float] | None:
    width = float(stats.norm.ppf((1 + level) / 2)) * np.sqrt(n * (n - 1) * (2 * n + 5) / 18)
    first = round((slopes.size - width) / 2)
    low, high = first + shift - 1, slopes.size - first + shift  # counted from 0
    if first < 1 or high >= slopes.size:
        return None
    found = np.partition(slopes, [low, high])
    return float(found[low]), float(found[high])


def _linearity(u: FloatArray, v: FloatArray, slope: float, intercept: float) -> Linearity | None:
    rest = v - intercept - slope * u
    rest = np.where(np.abs(rest) > 1e-12 * (np.abs(v).max() + np.abs(u).max()), rest, 0.0)
    above, below = int((rest > 0).sum()), int((rest < 0).sum())
    if above == 0 or below == 0:
        return None
    score = np.where(rest > 0, np.sqrt(below / above), 0.0)
    score = np.where(rest < 0, -np.sqrt(above / below), score)
    # Cases in order along the line: their feet on it, by the perpendicular of slope -1/slope.
    order = np.argsort((v + u / slope - intercept) / np.sqrt(1 + slope**-2), kind="stable")
    largest = float(np.abs(np.cumsum(score[order])).max())
    statistic = largest / np.sqrt(below + 1)
    return Linearity(float(statistic), float(stats.kstwobign.sf(statistic)), above, below)
