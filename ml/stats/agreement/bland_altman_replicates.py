"""Limits of agreement where cases were measured more than once by each method."""

from typing import Literal

import numpy as np
from scipy import stats

from ml.estimate import Estimate, undefined
from ml.stats.agreement.anova import checked_ratings
from ml.stats.agreement.bland_altman import MOST_SDS, BlandAltman, proportional_bias
from ml.stats.agreement.variance_parts import Parts, linked, linked_rows, mover
from ml.stats.arrays import FloatArray, ratio
from ml.stats.asked import checked_number
from ml.stats.bootstrap import DEFAULT, Settings, left_out_sums
from ml.stats.clusters import Clusters, checked_clusters
from ml.stats.interval import AS_IT_IS, LOGARITHM, Interval, jackknife_interval

Design = Literal["constant", "linked"]

_NAMES = ("ba_bias", "ba_sd", "ba_lower", "ba_upper")


def bland_altman_replicates(
    a: FloatArray,
    b: FloatArray,
    design: Design,
    clusters: Clusters | None = None,
    settings: Settings = DEFAULT,
    *,
    multiplier: float = 1.96,
) -> BlandAltman:
    """Limits for single measurements, from replicates, by components of variance.

    Args:
        a, b: (n, replicates) of the same cases, NaN where missing; their numbers may
            differ.
        design: ``constant``: the true value of a case stays the same, replicates of the methods are
            not paired; each case has equal weight in the bias. ``linked``: replicate j of both
            methods was taken together while the true value may change; each pair has equal weight
            in the bias.
        clusters: independent units that hold several cases; None means every case is its own.
        settings: level, draws, seed.
        multiplier: SDs between the bias and a limit.

    Returns:
        Estimates; ``sd`` is the SD of differences of single measurements, ``within_a`` and
        ``within_b`` those of replicates of one method. Intervals: MOVER (Zou 2013) where every
        case is its own cluster, else a jackknife of clusters. Undefined with fewer than two cases.

    Raises:
        ValueError: for another design, unequal numbers of cases, or for linked designs unequal
            shapes.

    Example:
        >>> a, b = np.array([[1.0, 3], [4, 4], [6, 8]]), np.array([[1.0, 1], [5, 3], [6, 6]])
        >>> found = bland_altman_replicates(a, b, "constant")
        >>> found.bias.value.__round__(4), found.sd.value.__round__(4)
        (0.6667, 1.1547)

    Source:
        Bland, Altman (1999), Statistical Methods in Medical Research 8:135-160, section 5; Bland,
        Altman (2007), Journal of Biopharmaceutical Statistics 17:571-582; Zou (2013), Statistical
        Methods in Medical Research 22:630-642.
    """
    if design not in ("constant", "linked"):
        raise ValueError(f"design must be constant or linked, got {design!r}")
    checked_number("multiplier", multiplier, above=0, most=MOST_SDS)
    a, b = checked_ratings(a), checked_ratings(b)
    if a.shape[0] != b.shape[0] or (design == "linked" and a.shape != b.shape):
        raise ValueError(f"expected replicates of the same cases, got {a.shape} and {b.shape}")
    if design == "linked":
        missing = np.isnan(a) | np.isnan(b)
        a, b = np.where(missing, np.nan, a), np.where(missing, np.nan, b)
    used = ~np.asarray(np.isnan(a).all(axis=1) | np.isnan(b).all(axis=1))
    rows = np.flatnonzero(used)
    if rows.size < 2:
        return _undefined(rows.size)
    own = checked_clusters(clusters, a.shape[0]).where(rows)
    a, b = a[rows], b[rows]
    centre = float(np.nanmean(a) - np.nanmean(b))
    per_case = (_constant_rows if design == "constant" else _linked_rows)(a, b, centre)
    parts_of = _constant if design == "constant" else linked
    parts = parts_of(per_case.sum(axis=0)[None, :])
    words = f"{design} true value" if design == "constant" else "linked replicates"
    bias, variance = float(parts.bias[0]) + centre, float(parts.variance[0])
    scale = max(float(np.nanmax(np.abs(a))), float(np.nanmax(np.abs(b))))
    sd = float(np.sqrt(variance))
    sd = 0.0 if sd <= 1e-12 * scale else sd  # what rounding leaves of equal differences
    values = (bias, sd, bias - multiplier * sd, bias + multiplier * sd)
    ends: list[Interval]
    if sd == 0:
        ends = [Interval(None, None, "", "No interval: all differences are equal.")] * 4
    elif own.each_alone:
        ends = mover(parts, values, multiplier, settings.level, scale)
    else:
        left = parts_of(left_out_sums(own.sums(per_case)))
        ends = _of_clusters(left, values, centre, multiplier, own, settings.level, scale)
    conventions = (
        f"a - b, {words}",
        f"differences of single measurements, {words}",
        *(f"a - b, bias {sign} {multiplier:g} SD of single measurements, {words}" for sign in "-+"),
    )
    found = [
        Estimate(name, value, e.low, e.high, settings.level, rows.size, convention=convention,
                 method=e.method, reason=e.reason, extra={**own.extra})
        for name, value, e, convention in zip(_NAMES, values, ends, conventions, strict=True)
    ]  # fmt: skip
    means_a, means_b = np.nanmean(a, axis=1), np.nanmean(b, axis=1)
    means, away = (means_a + means_b) / 2, means_a - means_b
    proportional = proportional_bias(means, away, own, settings, scale)
    return BlandAltman(
        found[0], found[1], found[2], found[3], proportional,
        means, away, tuple(rows.tolist()),
        within_a=within_subject_sd(a, own, settings), within_b=within_subject_sd(b, own, settings),
    )  # fmt: skip


def within_subject_sd(
    replicates: FloatArray, clusters: Clusters | None = None, settings: Settings = DEFAULT
) -> Estimate:
    """SD of replicates of one case by one method, pooled over cases.

    Args:
        replicates: (n, replicates); NaN where missing; cases with one add nothing.
        clusters: independent units; None means every case is its own.
        settings: level, draws, seed.

    Returns:
        The estimate with a chi-squared interval, or a jackknife where cases are clustered;
        undefined when no case has two. ``extra["repeatability"]`` is 1.96 * sqrt(2) * SD.

    Raises:
        ValueError: for malformed numbers.

    Example:
        >>> round(within_subject_sd(np.array([[1.0, 3], [4, 4]])).value, 4)
        1.0

    Source:
        Bland, Altman (1996), BMJ 313:744.
    """
    replicates = checked_ratings(replicates)
    rows = np.flatnonzero((~np.isnan(replicates)).sum(axis=1) >= 2)
    convention = "within-subject SD, root of the pooled variance"
    if rows.size == 0:
        reason = "Not estimated: no case was measured twice."
        return undefined("within_subject_sd", reason, convention=convention)
    own = checked_clusters(clusters, replicates.shape[0]).where(rows)
    sums = np.column_stack(_within(replicates[rows]))
    squares, df = sums.sum(axis=0)
    sd = float(np.sqrt(squares / df))
    low, high, method, reason_none = None, None, "", None
    if sd == 0:
        reason_none = "No interval: all replicates are equal."
    elif own.each_alone:
        tail = (1 - settings.level) / 2
        low, high = sd * np.sqrt(df / stats.chi2.ppf([1 - tail, tail], df))
        method = "chi-squared distribution"
    else:
        left = left_out_sums(own.sums(sums))
        scale = float(np.nanmax(np.abs(replicates)))
        interval = jackknife_interval(
            sd,
            np.sqrt(ratio(left[:, 0], left[:, 1])),
            own,
            settings.level,
            turned=LOGARITHM,
            scale=scale,
        )
        low, high, method = interval.low, interval.high, interval.method
        reason_none = interval.reason
    extra = {**own.extra, "df": int(df), "repeatability": 1.96 * 2**0.5 * sd}
    return Estimate(
        "within_subject_sd", sd, low, high, settings.level, rows.size, convention=convention,
        method=method, reason=reason_none, extra=extra,
    )  # fmt: skip


def _within(values: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Sum of squares about the mean of each case, and its degrees of freedom."""
    number = (~np.isnan(values)).sum(axis=1)
    away = values - np.nanmean(values, axis=1, keepdims=True)
    squares = np.nansum(away**2, axis=1)
    scale = np.nanmax(np.abs(values), axis=1)
    return np.where(squares > (1e-12 * scale) ** 2, squares, 0.0), number - 1.0


def _constant_rows(a: FloatArray, b: FloatArray, centre: float) -> FloatArray:
    away = np.nanmean(a, axis=1) - np.nanmean(b, axis=1) - centre
    columns = [np.ones(away.size), away, away**2]
    for values in (a, b):
        squares, df = _within(values)
        columns += [squares, df, 1 / (df + 1)]
    return np.column_stack(columns)


def _constant(sums: FloatArray) -> Parts:
    n, total, squares = sums[:, 0], sums[:, 1], sums[:, 2]
    bias = total / n
    between = np.maximum(squares - n * bias**2, 0) / np.maximum(n - 1, 1)
    terms, df = [between], [n - 1]
    for ss, freedom, inverse in (sums[:, 3:6].T, sums[:, 6:9].T):
        terms.append((1 - inverse / n) * ss / np.maximum(freedom, 1))
        df.append(freedom)
    return Parts(bias, between / n, np.stack(terms, axis=1), np.stack(df, axis=1))


def _linked_rows(a: FloatArray, b: FloatArray, centre: float) -> FloatArray:
    away = a - b - centre
    squares, df = _within(away)
    return linked_rows(df + 1, np.nansum(away, axis=1), squares)


def _of_clusters(
    left: Parts, values: tuple[float, ...], centre: float, multiplier: float, own: Clusters,
    level: float, scale: float,
) -> list[Interval]:  # fmt: skip
    """Jackknife of clusters that hold several cases."""
    bias, sd = left.bias + centre, np.sqrt(np.maximum(left.variance, 0))
    every = (bias, sd, bias - multiplier * sd, bias + multiplier * sd)
    return [
        jackknife_interval(
            value, one, own, level, scale=scale, turned=LOGARITHM if at == 1 else AS_IT_IS
        )
        for at, (value, one) in enumerate(zip(values, every, strict=True))
    ]


def _undefined(n: int) -> BlandAltman:
    reason = "Not estimated: fewer than two cases were measured by both methods."
    none = [undefined(name, reason, n=n) for name in (*_NAMES, "ba_proportional_r")]
    empty = np.zeros(0)
    return BlandAltman(none[0], none[1], none[2], none[3], none[4], empty, empty, ())
