"""Intervals of replicates and of standard errors, and when there is none."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy import stats

from ml.stats.arrays import FloatArray
from ml.stats.bootstrap import Settings
from ml.stats.clusters import Clusters, too_few

STATISTIC = "No interval: a test statistic."
MAX_UNDEFINED = 0.10  # share of replicates in which a measure may be undefined
NO_DRAWS = "No interval: no bootstrap draws were asked for."
NO_SPREAD = "No interval: the sample shows no spread, so it is no measure of the error."
_ROUNDING = 1e-12  # ends closer together than this share of their size differ by rounding alone


@dataclass(frozen=True)
class Interval:
    low: float | None
    high: float | None
    method: str
    reason: str | None = None  # why there is none


@dataclass(frozen=True)
class Turned:
    """A scale on which a measure is near to normal, and the way back."""

    there: Callable[[FloatArray], FloatArray]
    back: Callable[[FloatArray], FloatArray]
    words: str


AS_IT_IS = Turned(lambda at: at, lambda at: at, "")
LOGARITHM = Turned(np.log, np.exp, ", log scale")
FISHER = Turned(np.arctanh, np.tanh, ", Fisher's z")


def interval_between(low: float, high: float, method: str, *, scale: float = 1.0) -> Interval:
    """The interval, refused where both its ends are one value.

    Args:
        low, high, method: of the interval.
        scale: size of the numbers that the measure was made of; what is smaller than 1e-12 of it
            is rounding. 1 for shares and coefficients.

    A sample without spread says that it has none to show, not that there is none: this holds of
    a paired difference too, for twenty cases on which two models agree do not make them equal.

    Example:
        >>> interval_between(1.0, 1.0, "Wald").reason
        'No interval: the sample shows no spread, so it is no measure of the error.'
    """
    if high - low <= _ROUNDING * max(scale, abs(low), abs(high)):
        return Interval(None, None, "", NO_SPREAD)
    return Interval(low, high, method)


def within(
    interval: Interval, least: float, most: float = float("inf"), *, scale: float = 1.0
) -> Interval:
    """The interval cut where the measure ends, refused where the cut leaves no width.

    Args:
        interval: to be cut.
        least, most: ends of the measure.
        scale: as ``interval_between``.

    Example:
        >>> within(Interval(0.9, 1.1, "Wald"), 0.0, 1.0).high
        1.0
    """
    if interval.low is None or interval.high is None:
        return interval
    low, high = (min(max(end, least), most) for end in (interval.low, interval.high))
    return interval_between(low, high, interval.method, scale=scale)


def percentile_interval(
    replicates: FloatArray,
    clusters: Clusters,
    settings: Settings,
    *,
    centre: float | None = None,
    scale: float = 1.0,
) -> Interval:
    """Percentile interval of bootstrap replicates.

    Args:
        replicates: (draws,) the measure in each replicate, NaN where it was undefined.
        clusters: the units that were drawn.
        settings: level, and draws and seed for the method's name.
        centre: shift the replicates so that their mean is this value. Binned errors gain
            the same upward bias in every replicate once more; this takes it off again.
        scale: as ``interval_between``, for a measure that has a unit.

    Returns:
        The interval, or a reason: too few units, more than a tenth of the replicates
        undefined, or (almost) all of them alike.

    Example:
        >>> drawn = np.arange(101) / 100
        >>> found = percentile_interval(drawn, Clusters.singles(10), Settings(level=0.9))
        >>> round(found.low, 4), round(found.high, 4)
        (0.05, 0.95)

    Source:
        Efron, Tibshirani (1993). An Introduction to the Bootstrap, chapter 13. Clusters as the
        units drawn: Davison, Hinkley (1997), Bootstrap Methods, section 3.8.
    """
    defined, result = _usable(replicates, clusters, settings, "percentile")
    if defined is None:
        return result
    method = result.method
    if centre is not None:
        defined = defined - (defined.mean() - centre)
        method += "; recentred at the estimate"
    tail = (1 - settings.level) / 2
    low, high = np.quantile(defined, (tail, 1 - tail))
    return interval_between(float(low), float(high), method, scale=scale)


def pointwise(replicates: FloatArray, settings: Settings) -> tuple[FloatArray, FloatArray] | None:
    """Percentile ends at every point of a curve.

    Args:
        replicates: (draws, points), a row with NaN where the curve was undefined.
        settings: level.

    Returns:
        Low and high, (points,) each, NaN at points where all replicates are alike; None where
        there are no replicates, or more than a tenth of them is undefined.

    Example:
        >>> low, high = pointwise(np.array([[0.0, 1.0], [1.0, 1.0]]), Settings(level=0.5))
        >>> low.tolist(), high.tolist()
        ([0.25, nan], [0.75, nan])
    """
    defined = replicates[np.isfinite(replicates).all(axis=1)]
    if not len(defined) or len(replicates) - len(defined) > MAX_UNDEFINED * len(replicates):
        return None
    tail = (1 - settings.level) / 2
    low, high = np.quantile(defined, (tail, 1 - tail), axis=0)
    flat = high - low <= _ROUNDING * np.maximum(1.0, np.maximum(np.abs(low), np.abs(high)))
    return np.where(flat, np.nan, low), np.where(flat, np.nan, high)


def bca_interval(
    value: float,
    replicates: FloatArray,
    left_out: FloatArray,
    clusters: Clusters,
    settings: Settings,
) -> Interval:
    """Bias-corrected and accelerated interval of bootstrap replicates.

    Args:
        value: the measure itself.
        replicates: (draws,) the measure in each replicate, NaN where it was undefined.
        left_out: (count,) the measure without each unit in turn, NaN where it was undefined.
        clusters: the units that were drawn.
        settings: level, and draws and seed for the method's name.

    Returns:
        The interval, or a reason: as ``percentile_interval``, and where all replicates lie on
        one side of the value, so that no bias can be estimated.

    Example:
        >>> drawn, left_out = np.arange(101) / 100, np.arange(10.0)  # no bias and no acceleration
        >>> found = bca_interval(0.5, drawn, left_out, Clusters.singles(10), Settings(level=0.9))
        >>> round(found.low, 4), round(found.high, 4)
        (0.05, 0.95)

    Source:
        Efron (1987). Better Bootstrap Confidence Intervals. JASA 82:171-185; acceleration by
        the jackknife: Efron, Tibshirani (1993), section 14.3.
    """
    defined, result = _usable(replicates, clusters, settings, "BCa")
    if defined is None:
        return result
    # Replicates equal to the value lie half on either side (measures with few values).
    below = float((defined < value).mean() + (defined == value).mean() / 2)
    if not 0 < below < 1:
        reason = "No interval: all bootstrap replicates lie on one side of the estimate."
        return Interval(None, None, "", reason)
    bias = float(stats.norm.ppf(below))
    left = left_out[np.isfinite(left_out)]
    away = left.mean() - left if left.size else np.zeros(1)
    spread = float((away**2).sum())
    acceleration = float((away**3).sum()) / (6 * spread**1.5) if spread > 0 else 0.0
    tail = (1 - settings.level) / 2
    z = bias + stats.norm.ppf([tail, 1 - tail])
    room = 1 - acceleration * z
    if (room <= 0).any():
        return Interval(None, None, "", "No interval: one unit dominates the estimate.")
    low, high = np.quantile(defined, stats.norm.cdf(bias + z / room))
    return interval_between(float(low), float(high), result.method)


def jackknife_interval(
    value: float,
    left_out: FloatArray,
    clusters: Clusters,
    level: float,
    *,
    turned: Turned = AS_IT_IS,
    df: int | None = None,
    scale: float = 1.0,
) -> Interval:
    """t interval around a smooth measure, its standard error from leaving out each unit in turn.

    With few units it holds the truth more often than percentiles of a bootstrap, which know
    nothing of the error of the spread itself; on a scale where the measure is near to normal
    it also keeps to the measure's bounds.

    Args:
        value: the measure itself.
        left_out: (count,) the measure without each unit.
        clusters: the units.
        level: coverage.
        turned: the scale on which the error is taken as normal, and the way back.
        df: of t; units - 1 when None.
        scale: as ``interval_between``.

    Returns:
        The interval, or a reason: too few units, or a measure that is undefined or at its bound
        without some of them.

    Example:
        >>> left_out = (45 - np.arange(10)) / 9  # means of 0 to 9, SD 3.028, without each in turn
        >>> found = jackknife_interval(4.5, left_out, Clusters.singles(10), 0.95)
        >>> round(found.low, 2), round(found.high, 2)  # 4.5 ± 2.262 * 3.028 / 10**0.5
        (2.33, 6.67)

    Source:
        Efron, Tibshirani (1993). An Introduction to the Bootstrap, chapter 11.
    """
    refusal = too_few(clusters)
    if refusal:
        return Interval(None, None, "", refusal)
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        own, left = turned.there(np.array([value]))[0], turned.there(left_out)
    if not (np.isfinite(own) and np.isfinite(left).all()):
        reason = "No interval: the measure is undefined or at its bound without some single unit."
        return Interval(None, None, "", reason)
    error = float(np.sqrt((clusters.count - 1) * ((left - left.mean()) ** 2).mean()))
    freedom = clusters.count - 1 if df is None else df
    half = float(stats.t.ppf((1 + level) / 2, freedom)) * error
    low, high = turned.back(np.array([own - half, own + half]))
    method = f"jackknife over {clusters.words}, t with {freedom:,} df{turned.words}"
    return interval_between(float(low), float(high), method, scale=scale)


def _usable(
    replicates: FloatArray, clusters: Clusters, settings: Settings, kind: str
) -> tuple[FloatArray | None, Interval]:
    """The defined replicates and the method's name, or None and the refusal."""
    method = (
        f"cluster bootstrap over {clusters.words}, {kind}, {settings.draws:,} draws, "
        f"seed {settings.seed}"
    )
    if clusters.each_alone:
        method = method.replace("cluster bootstrap", "bootstrap")
    refusal = too_few(clusters)
    if refusal:
        return None, Interval(None, None, "", refusal)
    if replicates.size == 0:
        return None, Interval(None, None, "", NO_DRAWS)
    defined = replicates[np.isfinite(replicates)]
    lost = replicates.size - defined.size
    if lost > MAX_UNDEFINED * replicates.size:
        reason = (
            f"No interval: the measure is undefined in {lost:,} of {replicates.size:,} "
            "bootstrap replicates."
        )
        return None, Interval(None, None, "", reason)
    if lost:
        method += f"; {lost:,} replicates without a defined value left out"
    return defined, Interval(None, None, method)
