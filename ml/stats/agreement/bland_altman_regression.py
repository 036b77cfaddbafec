"""Limits of agreement that change with the size of what is measured, by regression."""

from dataclasses import dataclass

import numpy as np

from ml.estimate import Estimate, undefined
from ml.stats.agreement.concordance import checked_pairs
from ml.stats.arrays import FloatArray, ratio
from ml.stats.asked import checked_number
from ml.stats.bootstrap import DEFAULT, Settings, replicates
from ml.stats.clusters import Clusters, checked_clusters
from ml.stats.interval import percentile_interval

_ABSOLUTE = float(np.sqrt(np.pi / 2))  # SD of a normal distribution over its mean absolute value
_GRID = 41


@dataclass(frozen=True)
class RegressionLimits:
    """Bias and limits as straight lines over the mean of both methods."""

    intercept: Estimate  # bias = intercept + slope * mean
    slope: Estimate
    spread_intercept: Estimate  # SD = spread_intercept + spread_slope * mean
    spread_slope: Estimate
    grid: FloatArray  # (g,) means, from the smallest to the largest seen
    bias: FloatArray  # (g,)
    lower: FloatArray
    upper: FloatArray
    band: FloatArray | None  # (3, 2, g) low and high of bias, lower, upper; None without interval


def bland_altman_regression(
    a: FloatArray,
    b: FloatArray,
    clusters: Clusters | None = None,
    settings: Settings = DEFAULT,
    *,
    multiplier: float = 1.96,
    changing_spread: bool = True,
) -> RegressionLimits:
    """Limits of agreement when bias, and perhaps the spread, grows with the size.

    Differences are regressed on means; the absolute residuals are regressed on means again, and
    times sqrt(pi / 2) are the SD (so 1.96 SD are 2.46 absolute residuals).

    Args:
        a, b: (n,) numbers of the same cases; NaN where missing. Differences are a - b.
        clusters: independent units; None means every case is its own.
        settings: level, draws, seed; all intervals are bootstraps.
        multiplier: SDs between the bias and a limit.
        changing_spread: False for a spread that is the same everywhere: the SD of the residuals
            with n - 2 degrees of freedom.

    Returns:
        Lines, and pointwise bands over a grid of means. Undefined with fewer than three cases,
        or when all means are equal.

    Raises:
        ValueError: for unequal shapes or infinite numbers, or a multiplier that is not positive.

    Example:
        >>> a, b = np.array([1.0, 2, 3, 5]), np.array([1.0, 1, 2, 3])
        >>> round(bland_altman_regression(a, b).slope.value, 4)
        0.5714

    Source:
        Bland, Altman (1999), Statistical Methods in Medical Research 8:135-160, section 3.2.
    """
    checked_number("multiplier", multiplier, above=0)
    pairs = checked_pairs(a, b)
    rows = np.flatnonzero(~np.isnan(pairs).any(axis=1))
    own = checked_clusters(clusters, pairs.shape[0]).where(rows)
    x, y = pairs[rows].mean(axis=1), pairs[rows, 0] - pairs[rows, 1]
    scale = float(np.abs(x).max(initial=0))
    if rows.size < 3 or np.ptp(x) <= 1e-12 * scale:
        return _undefined(rows.size)
    centre = float(x.mean())

    def lines(counts: FloatArray) -> FloatArray:
        return _lines(counts[:, own.codes], x - centre, y, changing_spread)

    value = lines(np.ones((1, own.count)))[0]
    grid = np.linspace(x.min(), x.max(), _GRID)
    at_grid = _limits(value[None, :], grid - centre, multiplier)[0]
    drawn = replicates(lines, own.count, settings, width=rows.size)
    words = "regression of differences (a - b) on means"
    spread = "absolute residuals * sqrt(pi/2) on means" if changing_spread else "SD of residuals"
    conventions = (words, words, spread, spread)
    names = ("ba_intercept", "ba_slope", "ba_spread_intercept", "ba_spread_slope")
    found = []
    for i, name in enumerate(names):
        shift = centre if i % 2 == 0 else 0.0  # intercepts at a mean of 0
        one = value[i] - shift * value[i + 1] if shift else value[i]
        of_drawn = drawn[:, i] - shift * drawn[:, i + 1] if shift else drawn[:, i]
        found.append(
            _estimate(
                name,
                float(one),
                of_drawn,
                rows.size,
                own,
                settings,
                conventions[i],
                1.0 if i % 2 else scale,
            )
        )
    if not changing_spread:
        found[3] = undefined("ba_spread_slope", "Not estimated: the spread is taken as constant.",
                             n=rows.size, convention=spread)  # fmt: skip
    return RegressionLimits(
        found[0], found[1], found[2], found[3], grid, at_grid[0], at_grid[1], at_grid[2],
        _band(drawn, grid - centre, multiplier, settings) if found[1].has_interval else None,
    )  # fmt: skip


def _lines(weights: FloatArray, x: FloatArray, y: FloatArray, changing: bool) -> FloatArray:
    """Intercept and slope of the bias and of the SD, (r, 4), for each set of weights (r, n)."""
    level, slope = _line(weights, x, np.broadcast_to(y, weights.shape))
    rest = y - level[:, None] - slope[:, None] * x
    if changing:
        absolute, grows = _line(weights, x, np.abs(rest) * _ABSOLUTE)
        return np.stack([level, slope, absolute, grows], axis=1)
    freedom = np.maximum(weights.sum(axis=1) - 2, 1)
    sd = np.sqrt((weights * rest**2).sum(axis=1) / freedom)
    return np.stack([level, slope, sd, np.zeros_like(sd)], axis=1)


def _line(weights: FloatArray, x: FloatArray, y: FloatArray) -> tuple[FloatArray, FloatArray]:
    n, sx, sxx = weights.sum(axis=1), weights @ x, weights @ (x * x)
    sy, sxy = (weights * y).sum(axis=1), (weights * y) @ x
    slope = ratio(n * sxy - sx * sy, n * sxx - sx**2, least=float(1e-12 * (x @ x)))
    return (sy - slope * sx) / n, slope


def _limits(lines: FloatArray, at: FloatArray, multiplier: float) -> FloatArray:
    """Bias, lower and upper limit, (r, 3, g)."""
    bias = lines[:, :1] + lines[:, 1:2] * at
    half = multiplier * (lines[:, 2:3] + lines[:, 3:4] * at)
    return np.stack([bias, bias - half, bias + half], axis=1)


def _band(drawn: FloatArray, at: FloatArray, multiplier: float, settings: Settings) -> FloatArray:
    tail = (1 - settings.level) / 2
    defined = drawn[np.isfinite(drawn).all(axis=1)]
    ends = np.quantile(_limits(defined, at, multiplier), (tail, 1 - tail), axis=0)
    return np.asarray(np.moveaxis(ends, 0, 1), dtype=np.float64)


def _estimate(
    name: str, value: float, drawn: FloatArray, n: int, own: Clusters, settings: Settings,
    convention: str, scale: float,
) -> Estimate:  # fmt: skip
    interval = percentile_interval(drawn, own, settings, scale=scale)
    return Estimate(
        name, value, interval.low, interval.high, settings.level, n, convention=convention,
        method=interval.method, reason=interval.reason, extra={**own.extra},
    )  # fmt: skip


def _undefined(n: int) -> RegressionLimits:
    reason = "Not estimated: fewer than three cases have both numbers, or all means are equal."
    names = ("ba_intercept", "ba_slope", "ba_spread_intercept", "ba_spread_slope")
    none = [undefined(name, reason, n=n) for name in names]
    empty = np.zeros(0)
    return RegressionLimits(none[0], none[1], none[2], none[3], empty, empty, empty, empty, None)
