"""Concordance correlation: how close pairs of numbers lie to the line of equality."""

from dataclasses import dataclass

import numpy as np
from scipy import stats

from ml.estimate import Estimate, undefined
from ml.stats.agreement.anova import checked_ratings
from ml.stats.arrays import FloatArray, ratio
from ml.stats.bootstrap import DEFAULT, Settings, left_out_sums, replicate_sums
from ml.stats.clusters import Clusters, checked_clusters
from ml.stats.interval import FISHER, Interval, jackknife_interval, percentile_interval

_FLAT = "Not estimated: all scores are equal."
_ONE_FLAT = "Not estimated: one of the two gave the same number to every case."
_DUST = 1e-12


@dataclass(frozen=True)
class Concordance:
    """Lin's coefficient and its two factors."""

    ccc: Estimate  # precision times accuracy
    pearson: Estimate  # precision: how close to any line
    bias_correction: Estimate  # accuracy C_b: how close that line lies to the line of equality
    scale_shift: float | None  # sd_a / sd_b
    location_shift: float | None  # (mean_a - mean_b) / sqrt(sd_a * sd_b), population variances


def lin_ccc(
    a: FloatArray,
    b: FloatArray,
    clusters: Clusters | None = None,
    settings: Settings = DEFAULT,
) -> Concordance:
    """Lin's concordance correlation of two methods, with its parts.

    Population variances (divided by n), as Lin (1989) and epiR. The interval is that of Fisher's
    z with Lin's variance (as corrected in 2000), or a jackknife where cases are clustered. The
    bias correction C_b is the ratio of the coefficient to Pearson's r, its interval a bootstrap.

    Args:
        a, b: (n,) numbers of the same cases; NaN where missing.
        clusters: independent units; None means every case is its own.
        settings: level, draws, seed.

    Returns:
        Three estimates. Undefined with fewer than three complete cases, or where a method gave
        the same number to every case (the coefficient itself only where both did).

    Raises:
        ValueError: for unequal shapes or infinite numbers.

    Example:
        >>> found = lin_ccc(np.array([1.0, 2, 3, 4]), np.array([2.0, 3, 4, 5]))
        >>> round(found.ccc.value, 4), found.pearson.value, round(found.bias_correction.value, 4)
        (0.7143, 1.0, 0.7143)

    Source:
        Lin (1989), Biometrics 45:255-268; correction: Lin (2000), Biometrics 56:324-325.
    """
    pairs = checked_pairs(a, b)
    rows = np.flatnonzero(~np.isnan(pairs).any(axis=1))
    own = checked_clusters(clusters, pairs.shape[0]).where(rows)
    convention = "Lin (1989), population variances, complete cases"
    if rows.size < 3:
        reason = "Not estimated: fewer than three cases have both numbers."
        none = [
            undefined(name, reason, n=rows.size, convention=convention)
            for name in ("ccc", "pearson_r", "ccc_bias_correction")
        ]
        return Concordance(none[0], none[1], none[2], None, None)
    per_case = _moment_rows(pairs[rows])
    moments = _moments(per_case.sum(axis=0)[None, :])
    sums = own.sums(per_case)
    drawn = _moments(replicate_sums(sums, settings))
    left = _moments(left_out_sums(sums))
    value, r = float(_ccc(moments)[0]), float(_pearson(moments)[0])
    shift = _shifts(moments)
    return Concordance(
        _ccc_estimate(value, r, shift[1], left, rows.size, own, settings, convention),
        _pearson_estimate(r, left, rows.size, own, settings),
        _factor_estimate(value, r, drawn, rows.size, own, settings, convention),
        *shift,
    )


def overall_ccc(
    ratings: FloatArray, clusters: Clusters | None = None, settings: Settings = DEFAULT
) -> Estimate:
    """Overall concordance correlation of any number of readers; Lin's with two.

    The mean of the coefficients of all pairs, weighted by their room for disagreement.
    Population variances; interval by a jackknife on the scale of Fisher's z.

    Args:
        ratings: (n, readers) numbers; NaN where missing, complete cases enter.
        clusters: independent units; None means every case is its own.
        settings: level, draws, seed.

    Returns:
        Undefined with fewer than two complete cases or two readers, or if all scores are equal.

    Raises:
        ValueError: for malformed scores.

    Example:
        >>> two = np.array([[1.0, 2], [2, 3], [3, 4], [4, 5]])
        >>> round(overall_ccc(two).value, 4)
        0.7143

    Source:
        Barnhart, Haber, Song (2002), Biometrics 58:1020-1027; King, Chinchilli (2001).
    """
    ratings = checked_ratings(ratings)
    rows = np.flatnonzero(~np.isnan(ratings).any(axis=1))
    convention = "overall CCC of Barnhart, Haber and Song, population variances, complete cases"
    if rows.size < 2 or ratings.shape[1] < 2:
        reason = "Not estimated: fewer than two cases were scored by every reader."
        return undefined("ccc_overall", reason, n=rows.size, convention=convention)
    own = checked_clusters(clusters, ratings.shape[0]).where(rows)
    per_case = _moment_rows(ratings[rows])
    value = float(_ccc(_moments(per_case.sum(axis=0)[None, :]))[0])
    if not np.isfinite(value):
        return undefined("ccc_overall", _FLAT, n=rows.size, convention=convention)
    left = _ccc(_moments(left_out_sums(own.sums(per_case))))
    return _jackknifed("ccc_overall", value, left, rows.size, own, settings, convention)


def checked_pairs(a: FloatArray, b: FloatArray) -> FloatArray:
    """Two methods' numbers side by side, (n, 2).

    Args:
        a, b: (n,) numbers of the same cases, NaN where missing.

    Raises:
        ValueError: for unequal shapes or infinite numbers.

    Example:
        >>> checked_pairs([1, 2], [3, 4]).tolist()
        [[1.0, 3.0], [2.0, 4.0]]
    """
    a, b = np.asarray(a, dtype=np.float64), np.asarray(b, dtype=np.float64)
    if a.ndim != 1 or a.shape != b.shape:
        raise ValueError(f"expected two (n,) arrays, got {a.shape} and {b.shape}")
    return checked_ratings(np.stack([a, b], axis=1))


@dataclass(frozen=True)
class _Moments:
    means: FloatArray  # (r, k) less the overall mean of the sample
    covariance: FloatArray  # (r, k, k) population
    scale: FloatArray  # (r,) mean square, below whose rounding nothing is seen


def _moment_rows(ratings: FloatArray) -> FloatArray:
    centred = ratings - ratings.mean()
    products = centred[:, :, None] * centred[:, None, :]
    n, k = ratings.shape
    return np.concatenate([np.ones((n, 1)), centred, products.reshape(n, k * k)], axis=1)


def _moments(sums: FloatArray) -> _Moments:
    k = round((sums.shape[1] - 0.75) ** 0.5 - 0.5)  # 1 + k + k^2 columns
    means = sums[:, 1 : k + 1] / sums[:, :1]
    products = (sums[:, k + 1 :] / sums[:, :1]).reshape(-1, k, k)
    covariance = products - means[:, :, None] * means[:, None, :]
    scale = np.einsum("rii->r", products)
    near = np.abs(covariance) <= _DUST * scale[:, None, None]
    return _Moments(means, np.where(near, 0.0, covariance), scale)


def _ccc(moments: _Moments) -> FloatArray:
    k = moments.means.shape[1]
    variances = np.einsum("rii->r", moments.covariance)
    shared = moments.covariance.sum(axis=(1, 2)) - variances
    spread = k * (moments.means**2).sum(axis=1) - moments.means.sum(axis=1) ** 2
    room = (k - 1) * variances + np.where(spread > _DUST * moments.scale, spread, 0.0)
    return ratio(shared, room)


def _pearson(moments: _Moments) -> FloatArray:
    covariance = moments.covariance
    room = np.sqrt(covariance[:, 0, 0] * covariance[:, 1, 1])
    return ratio(covariance[:, 0, 1], room).clip(-1.0, 1.0)


def _shifts(moments: _Moments) -> tuple[float | None, float | None]:
    sds = np.sqrt([moments.covariance[0, 0, 0], moments.covariance[0, 1, 1]])
    if (sds <= 0).any():
        return None, None
    away = moments.means[0, 0] - moments.means[0, 1]
    return float(sds[0] / sds[1]), float(away / np.sqrt(sds[0] * sds[1]))


def _ccc_estimate(
    value: float, r: float, location: float | None, left: _Moments, n: int, own: Clusters,
    settings: Settings, convention: str,
) -> Estimate:  # fmt: skip
    if not np.isfinite(value):
        return undefined("ccc", _FLAT, n=n, convention=convention)
    if not own.each_alone:
        return _jackknifed("ccc", value, _ccc(left), n, own, settings, convention)
    if location is None or r == 0:
        why = "No interval: the variance of the coefficient needs a correlation other than 0."
        return Estimate("ccc", value, n=n, convention=convention, reason=why, extra={**own.extra})
    se = _ccc_se(value, r, location, n)
    if abs(value) >= 1 or not se > 0:
        why = "No interval: all cases lie on one line, so no error is left."
        return Estimate("ccc", value, n=n, convention=convention, reason=why, extra={**own.extra})
    z = float(stats.norm.ppf((1 + settings.level) / 2))
    low, high = np.tanh(np.arctanh(value) + np.array([-z, z]) * se / (1 - value**2))
    return Estimate(
        "ccc", value, low, high, settings.level, n, convention=convention,
        method="Fisher z, asymptotic variance (Lin 1989, 2000)",
        extra={**own.extra, "se": se, "low_wald": value - z * se, "high_wald": value + z * se},
    )  # fmt: skip


def _ccc_se(ccc: float, r: float, location: float, n: int) -> float:
    variance = (
        (1 - r**2) * ccc**2 * (1 - ccc**2) / r**2
        + 2 * ccc**3 * (1 - ccc) * location**2 / r
        - ccc**4 * location**4 / (2 * r**2)
    ) / (n - 2)
    return float(np.sqrt(max(variance, 0.0)))


def _pearson_estimate(
    r: float, left: _Moments, n: int, own: Clusters, settings: Settings
) -> Estimate:
    if not np.isfinite(r):
        return undefined("pearson_r", _ONE_FLAT, n=n)
    if not own.each_alone:
        return _jackknifed("pearson_r", r, _pearson(left), n, own, settings, "")
    return pearson_estimate(r, n, settings.level, own)


def pearson_estimate(r: float, n: int, level: float, own: Clusters) -> Estimate:
    """Pearson's r of independent cases with the interval of Fisher's z and its t test.

    Args:
        r: -1..1.
        n: cases.
        level: coverage, between 0 and 1.
        own: the units, named in ``extra``.

    Returns:
        Without an interval for fewer than four cases, or where all lie on one line.

    Example:
        >>> found = pearson_estimate(0.5, 28, 0.95, Clusters.singles(28))  # z = 0.5493 ± 1.96 / 5
        >>> round(found.low, 4), round(found.high, 4)
        (0.156, 0.7358)
    """
    if abs(r) >= 1 - _DUST or n < 4:
        why = "No interval: all cases lie on one line." if n >= 4 else (
            "No interval: at least four cases are needed."
        )  # fmt: skip
        return Estimate("pearson_r", r, n=n, reason=why, extra={**own.extra})
    z = float(stats.norm.ppf((1 + level) / 2)) / np.sqrt(n - 3)
    low, high = np.tanh(np.arctanh(r) + np.array([-z, z]))
    t = r * np.sqrt((n - 2) / (1 - r**2))
    return Estimate(
        "pearson_r", r, low, high, level, n, method="Fisher z",
        extra={**own.extra, "t": float(t), "df": n - 2, "p": float(2 * stats.t.sf(abs(t), n - 2))},
    )  # fmt: skip


def _factor_estimate(
    ccc: float, r: float, drawn: _Moments, n: int, own: Clusters, settings: Settings,
    convention: str,
) -> Estimate:  # fmt: skip
    name, convention = "ccc_bias_correction", f"C_b = CCC / r; {convention}"
    if not np.isfinite(r) or r == 0:
        reason = _ONE_FLAT if not np.isfinite(r) else "Not estimated: the correlation is 0."
        return undefined(name, reason, n=n, convention=convention)
    of_drawn = 1 / _inverse_factor(drawn)
    interval = percentile_interval(of_drawn, own, settings)
    return _with(name, ccc / r, interval, n, own, settings, convention)


def _inverse_factor(moments: _Moments) -> FloatArray:
    """(v + 1/v + u^2) / 2, without the correlation, which may be 0 in a replicate."""
    covariance = moments.covariance
    product = np.sqrt(covariance[:, 0, 0] * covariance[:, 1, 1])
    away = moments.means[:, 0] - moments.means[:, 1]
    return ratio(covariance[:, 0, 0] + covariance[:, 1, 1] + away**2, 2 * product)


def _jackknifed(
    name: str, value: float, left: FloatArray, n: int, own: Clusters, settings: Settings,
    convention: str,
) -> Estimate:  # fmt: skip
    interval = jackknife_interval(value, left, own, settings.level, turned=FISHER)
    return _with(name, value, interval, n, own, settings, convention)


def _with(
    name: str, value: float, interval: Interval, n: int, own: Clusters, settings: Settings,
    convention: str,
) -> Estimate:  # fmt: skip
    return Estimate(
        name, value, interval.low, interval.high, settings.level, n, convention=convention,
        method=interval.method, reason=interval.reason, extra={**own.extra},
    )  # fmt: skip
