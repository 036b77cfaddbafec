"""Limits of agreement of two methods, each measured once per case (Bland and Altman)."""

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from scipy import stats

from ml.estimate import Estimate, undefined
from ml.stats.agreement.concordance import checked_pairs, pearson_estimate
from ml.stats.agreement.limit_intervals import limit_factors, tolerance_factor
from ml.stats.agreement.variance_parts import linked, linked_rows, mover
from ml.stats.arrays import FloatArray
from ml.stats.asked import checked_number
from ml.stats.bootstrap import DEFAULT, Settings, replicate_sums
from ml.stats.clusters import Clusters, checked_clusters, too_few
from ml.stats.interval import Interval, percentile_interval

Multiplier = float | Literal["t"]
LimitInterval = Literal["exact", "approximate", "approximate-1986"]

Z95 = float(stats.norm.ppf(0.975))
MOST_SDS = 100.0  # between bias and limit; beyond, no share of cases lies outside
_EQUAL = "all differences are equal."
_FEW = "Not estimated: fewer than two cases have both numbers."


@dataclass(frozen=True)
class BlandAltman:
    """Bias and limits of agreement, and what their plot is drawn from. Differences are a - b."""

    bias: Estimate
    sd: Estimate  # of single differences
    lower: Estimate
    upper: Estimate
    proportional: Estimate  # Pearson's r of differences and means: does bias change with size?
    means: FloatArray  # (n,) of both methods
    differences: FloatArray  # (n,) a - b
    rows: tuple[int, ...]  # which of the given cases they are
    outer: tuple[float, float] | None = None  # exact, both limits together
    inner: tuple[float, float] | None = None
    within_a: Estimate | None = None  # SD of replicates, where there are any
    within_b: Estimate | None = None


def bland_altman(
    a: FloatArray,
    b: FloatArray,
    clusters: Clusters | None = None,
    settings: Settings = DEFAULT,
    *,
    multiplier: Multiplier = 1.96,
    interval: LimitInterval = "exact",
) -> BlandAltman:
    """Bias and limits of agreement of two methods, one number of each per case.

    Args:
        a, b: (n,) numbers of the same cases; NaN where missing. Differences are a - b.
        clusters: independent units; None means every case is its own. With clusters the
            intervals are those of components of variance, between and within clusters (MOVER, Zou
            2013), that of the correlation a bootstrap, and the limits speak of single cases, not
            of mean cases.
        settings: level, draws, seed.
        multiplier: SDs between the bias and a limit: 1.96, 2 (as in 1986), or ``t`` for the 97.5 %
            quantile of t with n - 1 degrees of freedom (wider in small samples; its interval is
            that of 1.96 SDs).
        interval: of the limits: ``exact`` (non-central t, Carkeet 2015), ``approximate`` (t times
            s * sqrt(1/n + m^2 / (2(n-1))), Bland and Altman 1999), or ``approximate-1986`` (t times
            sqrt(3 s^2 / n)).

    Returns:
        Estimates; ``upper.extra["se"]`` is the standard error of 1999 and ``se_1986`` that of 1986.
        ``outer`` and ``inner`` bound both limits together: with confidence, 95 % (or the share that
        the multiplier stands for) of differences lie within the outer, and no more than that within
        the inner. Undefined with fewer than two cases.

    Raises:
        ValueError: for unequal shapes, infinite numbers, an unknown interval or multiplier.

    Example:
        >>> found = bland_altman(np.array([1.0, 2, 3]), np.array([0.0, 2, 4]))
        >>> found.bias.value, found.sd.value, found.upper.value
        (0.0, 1.0, 1.96)

    Source:
        Bland, Altman (1986), Lancet 327:307-310; Bland, Altman (1999), Statistical Methods in
        Medical Research 8:135-160; Carkeet (2015), Optometry and Vision Science 92:e71-e80;
        clusters: Zou (2013), Statistical Methods in Medical Research 22:630-642.
    """
    _check(multiplier, interval)
    pairs = checked_pairs(a, b)
    rows = np.flatnonzero(~np.isnan(pairs).any(axis=1))
    own = checked_clusters(clusters, pairs.shape[0]).where(rows)
    away, means = pairs[rows, 0] - pairs[rows, 1], pairs[rows].mean(axis=1)
    if rows.size < 2:
        none = _undefined(_FEW, rows.size)
        return replace(none, means=means, differences=away, rows=tuple(rows.tolist()))
    chosen = _multiple(multiplier, rows.size)
    bias, sd = float(away.mean()), float(away.std(ddof=1))
    scale = max(float(np.abs(pairs[rows]).max()), 1e-300)
    if sd <= 1e-12 * scale:
        sd = 0.0
    found = _closed(bias, sd, rows.size, own, settings, multiplier, interval, chosen)
    if sd > 0 and not own.each_alone:
        found = _of_clusters(away, own, settings, found, chosen, scale)
    both = _pair(bias, sd, rows.size, chosen, multiplier, settings.level)
    return BlandAltman(
        *found, proportional_bias(means, away, own, settings, scale), means, away,
        tuple(rows.tolist()), *(both if own.each_alone and sd > 0 else (None, None)),
    )  # fmt: skip


def bland_altman_log(
    a: FloatArray,
    b: FloatArray,
    clusters: Clusters | None = None,
    settings: Settings = DEFAULT,
    *,
    multiplier: Multiplier = 1.96,
    interval: LimitInterval = "exact",
) -> BlandAltman:
    """Limits of agreement of the ratio a / b: for differences that grow with the size.

    The limits of the logarithms, raised again. ``sd`` and ``proportional`` stay on the scale of
    natural logarithms, ``means`` are geometric, ``differences`` are ratios.

    Args:
        a, b, clusters, settings, multiplier, interval: as ``bland_altman``.

    Returns:
        Ratios. Undefined when any number is not positive.

    Raises:
        ValueError: as ``bland_altman``.

    Example:
        >>> found = bland_altman_log(np.array([2.0, 4, 9]), np.array([1.0, 2, 4]))
        >>> round(found.bias.value, 4)
        2.0801

    Source:
        Bland, Altman (1999), section 3.1.
    """
    _check(multiplier, interval)
    pairs = checked_pairs(a, b)
    if (pairs <= 0).any():
        reason = "Not estimated: ratios need numbers above zero."
        return _undefined(reason, int((~np.isnan(pairs).any(axis=1)).sum()))
    logs = np.log(pairs)
    found = bland_altman(
        logs[:, 0], logs[:, 1], clusters, settings, multiplier=multiplier, interval=interval
    )

    def raised(estimate: Estimate) -> Estimate:
        if estimate.value is None:
            return estimate
        ends = (None if e is None else float(np.exp(e)) for e in (estimate.low, estimate.high))
        low, high = ends
        return replace(
            estimate, value=float(np.exp(estimate.value)), low=low, high=high,
            convention=estimate.convention.replace("a - b", "ratio a / b, by logarithms"),
        )  # fmt: skip

    def both(pair: tuple[float, float] | None) -> tuple[float, float] | None:
        return None if pair is None else (float(np.exp(pair[0])), float(np.exp(pair[1])))

    return replace(
        found, bias=raised(found.bias), lower=raised(found.lower), upper=raised(found.upper),
        sd=replace(found.sd, convention="natural logarithms of a / b, n-1"),
        means=np.exp(found.means), differences=np.exp(found.differences),
        outer=both(found.outer), inner=both(found.inner),
    )  # fmt: skip


def _check(multiplier: Multiplier, interval: LimitInterval) -> None:
    if interval not in ("exact", "approximate", "approximate-1986"):
        raise ValueError(
            f"interval must be exact, approximate or approximate-1986, got {interval!r}"
        )
    _check_multiplier(multiplier)


def _check_multiplier(multiplier: Multiplier) -> None:
    """Refuse what is neither a positive number of 100 or less nor "t".

    Raises:
        ValueError: naming the multiplier.
    """
    if isinstance(multiplier, str) and multiplier != "t":
        raise ValueError(f"multiplier must be a positive number or 't', got {multiplier!r}")
    if multiplier != "t":
        checked_number("multiplier", float(multiplier), above=0, most=MOST_SDS)


def _multiple(multiplier: Multiplier, n: int) -> float:
    return float(stats.t.ppf(0.975, n - 1)) if multiplier == "t" else float(multiplier)


def _undefined(reason: str, n: int) -> BlandAltman:
    names = ("ba_bias", "ba_sd", "ba_lower", "ba_upper", "ba_proportional_r")
    none = [undefined(name, reason, n=n) for name in names]
    empty = np.zeros(0)
    return BlandAltman(none[0], none[1], none[2], none[3], none[4], empty, empty, ())


def _closed(
    bias: float, sd: float, n: int, own: Clusters, settings: Settings, multiplier: Multiplier,
    interval: LimitInterval, chosen: float,
) -> tuple[Estimate, Estimate, Estimate, Estimate]:  # fmt: skip
    level, extra = settings.level, {**own.extra}
    t = float(stats.t.ppf((1 + level) / 2, n - 1))
    target = Z95 if multiplier == "t" else chosen
    se, se_1986 = sd * np.sqrt(1 / n + target**2 / (2 * (n - 1))), sd * np.sqrt(3 / n)
    if interval == "exact":
        inner, outer = (factor * sd for factor in limit_factors(n, target, level))
        method = "exact, non-central t distribution (Carkeet 2015)"
    else:
        # Around the limit of the sample; a multiplier of t is only wider, its error the same.
        half = t * (se if interval == "approximate" else se_1986)
        inner, outer = chosen * sd - half, chosen * sd + half
        year = "1999" if interval == "approximate" else "1986"
        method = f"t distribution, approximate standard error (Bland and Altman {year})"
    words = "t (n-1)" if multiplier == "t" else f"{chosen:g}"
    limits = f"a - b, bias {{}} {words} SD; SD with n-1"
    more = {**extra, "se": float(se), "se_1986": float(se_1986), "multiplier": chosen}
    half = t * sd / np.sqrt(n)
    tail = (1 - level) / 2
    spread = sd * np.sqrt((n - 1) / stats.chi2.ppf([1 - tail, tail], n - 1))
    found = (
        Estimate("ba_bias", bias, bias - half, bias + half, level, n, convention="a - b",
                 method="t distribution", extra={**extra, "se": float(sd / np.sqrt(n))}),
        Estimate("ba_sd", sd, spread[0], spread[1], level, n, convention="a - b, n-1",
                 method="chi-squared distribution", extra=extra),
        Estimate("ba_lower", bias - chosen * sd, bias - outer, bias - inner, level, n,
                 convention=limits.format("-"), method=method, extra=more),
        Estimate("ba_upper", bias + chosen * sd, bias + inner, bias + outer, level, n,
                 convention=limits.format("+"), method=method, extra=more),
    )  # fmt: skip
    if sd > 0:
        return found[0], found[1], found[2], found[3]
    return tuple(  # type: ignore[return-value]
        replace(e, low=None, high=None, level=None, method="", reason=f"No interval: {_EQUAL}")
        for e in found
    )


def _of_clusters(
    away: FloatArray, own: Clusters, settings: Settings,
    closed: tuple[Estimate, Estimate, Estimate, Estimate], chosen: float, scale: float,
) -> tuple[Estimate, Estimate, Estimate, Estimate]:  # fmt: skip
    """The differences of a cluster are replicates of it: components of variance, and MOVER."""
    refusal = too_few(own)
    ends = [Interval(None, None, "", refusal)] * 4
    if refusal is None:
        centre = float(away.mean())
        many, total, squares = own.sums(
            np.column_stack([np.ones(away.size), away - centre, (away - centre) ** 2])
        ).T
        within = np.maximum(squares - total**2 / many, 0)
        parts = linked(linked_rows(many, total, within).sum(axis=0)[None, :])
        sd = float(np.sqrt(max(parts.variance[0], 0.0)))
        values = (centre, sd, centre - chosen * sd, centre + chosen * sd)
        ends = mover(parts, values, chosen, settings.level, scale)
    found = [
        replace(
            estimate, low=end.low, high=end.high, level=settings.level, reason=end.reason,
            method=end.method and f"{end.method} over {own.words}", extra={**own.extra},
        )
        for estimate, end in zip(closed, ends, strict=True)
    ]  # fmt: skip
    return found[0], found[1], found[2], found[3]


def _pair(
    bias: float, sd: float, n: int, chosen: float, multiplier: Multiplier, level: float
) -> tuple[tuple[float, float], tuple[float, float]]:
    coverage = 0.95 if multiplier == "t" else 2 * float(stats.norm.cdf(chosen)) - 1
    outer = tolerance_factor(n, coverage, (1 + level) / 2) * sd
    inner = tolerance_factor(n, coverage, (1 - level) / 2) * sd
    return (bias - outer, bias + outer), (bias - inner, bias + inner)


def proportional_bias(
    means: FloatArray, away: FloatArray, own: Clusters, settings: Settings, scale: float
) -> Estimate:
    """Correlation of differences and means; numbers of ``scale`` tell spread from rounding.

    Args:
        means, away: (n,) means of both numbers of a case, and their differences.
        own: clusters of the same cases.
        settings: level; draws and seed where cases cluster.
        scale: size of the numbers, in their unit.

    Returns:
        Undefined for fewer than three cases, or where all differences or all means are equal.

    Example:
        >>> away, own = np.array([1.0, 2.0, 4.0, 3.0]), Clusters.singles(4)
        >>> found = proportional_bias(np.array([1.0, 2.0, 3.0, 4.0]), away, own, Settings(), 4.0)
        >>> round(found.value, 4)
        0.8
    """
    name, convention = "ba_proportional_r", "Pearson's r of differences and means"
    x, y = means - means.mean(), away - away.mean()
    flat = min(float(np.abs(x).max()), float(np.abs(y).max())) <= 1e-12 * scale
    if flat or means.size < 3:
        reason = "Not estimated: all differences or all means are equal."
        reason = "Not estimated: fewer than three cases have both numbers." if not flat else reason
        return undefined(name, reason, n=means.size, convention=convention)
    rows = np.column_stack([np.ones(x.size), x, y, x * x, x * y, y * y])
    r = float(np.clip(_r(rows.sum(axis=0)[None, :])[0], -1, 1))
    if own.each_alone:
        return pearson_estimate(r, x.size, settings.level, own).renamed(name, convention=convention)
    interval = percentile_interval(_r(replicate_sums(own.sums(rows), settings)), own, settings)
    return Estimate(
        name, r, interval.low, interval.high, settings.level, x.size, convention=convention,
        method=interval.method, reason=interval.reason, extra={**own.extra},
    )  # fmt: skip


def _r(sums: FloatArray) -> FloatArray:
    n, x, y, xx, xy, yy = sums.T
    room = (xx - x * x / n) * (yy - y * y / n)
    found = np.full(n.shape, np.nan)
    np.divide(xy - x * y / n, np.sqrt(np.maximum(room, 0)), out=found, where=room > 0)
    return found
