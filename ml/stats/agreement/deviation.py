"""How far apart two methods are for most cases: total deviation index, coverage probability."""

from typing import Literal

import numpy as np
from scipy import stats

from ml.estimate import Estimate, undefined
from ml.stats.agreement.concordance import checked_pairs
from ml.stats.arrays import FloatArray
from ml.stats.asked import checked_number, checked_share
from ml.stats.bootstrap import DEFAULT, Settings, replicate_sums, replicates
from ml.stats.clusters import Clusters, checked_clusters
from ml.stats.interval import NO_SPREAD, percentile_interval

Assumption = Literal["normal", "approximate", "none"]


def total_deviation_index(
    a: FloatArray,
    b: FloatArray,
    coverage: float = 0.9,
    assumption: Assumption = "normal",
    clusters: Clusters | None = None,
    settings: Settings = DEFAULT,
) -> Estimate:
    """The distance within which a share of all differences lies, in the unit of the numbers.

    Args:
        a, b: (n,) numbers of the same cases; NaN where missing.
        coverage: the share, 0..1.
        assumption: ``normal``: the distance that holds the share of a normal distribution with the
            mean and SD of the differences (SD with n - 1); interval by bootstrap.
            ``approximate``: Lin's normal quantile times the root mean squared difference (divided
            by n - 1), which is too long where the bias is large; interval on the log scale,
            or bootstrap where cases are clustered.
            ``none``: the quantile of the absolute differences, linear between order statistics;
            interval by bootstrap.
        clusters: independent units; None means every case is its own.
        settings: level, draws, seed.

    Returns:
        The estimate; ``extra["upper_one_sided"]`` is the one-sided upper bound at the same level
        (for the test of "no further apart than"). Undefined with fewer than three cases.

    Raises:
        ValueError: for coverage outside (0, 1), another assumption, or malformed numbers.

    Example:
        >>> a, b = np.array([1.0, 2, 3, 4]), np.array([2.0, 1, 4, 3])
        >>> total_deviation_index(a, b, 0.9, "none").value
        1.0

    Source:
        Lin (2000), Statistics in Medicine 19:255-270; Lin, Hedayat, Sinha, Yang (2002), JASA
        97:257-270.
    """
    checked_share("coverage", coverage)
    if assumption not in ("normal", "approximate", "none"):
        raise ValueError(f"assumption must be normal, approximate or none, got {assumption!r}")
    away, own = _differences(a, b, clusters)
    n = away.size
    words = {"normal": "normal differences, SD with n-1",
             "approximate": "normal quantile times the root mean squared difference (Lin 2000)",
             "none": "quantile of the absolute differences"}[assumption]  # fmt: skip
    convention = f"{coverage:.0%} of the differences; {words}"
    if n < 3:
        reason = "Not estimated: fewer than three cases have both numbers."
        return undefined("tdi", reason, n=n, convention=convention)
    if assumption == "approximate" and own.each_alone:
        return _lin(away, coverage, own, settings, convention)
    if assumption == "none":
        value, drawn = _quantiles(away, coverage, own, settings)
    else:
        scale = float(np.abs(away).max()) or 1.0  # so that squares neither vanish nor overflow
        rows = np.column_stack([np.ones(n), away / scale, (away / scale) ** 2])
        every = np.vstack([rows.sum(axis=0), replicate_sums(own.sums(rows), settings)])
        found = _distances(every, coverage, assumption) * scale
        value, drawn = float(found[0]), found[1:]
    return _with_bounds(
        "tdi", value, drawn, n, own, settings, convention, float(np.abs(away).max())
    )


def coverage_probability(
    a: FloatArray,
    b: FloatArray,
    distance: float,
    clusters: Clusters | None = None,
    settings: Settings = DEFAULT,
) -> Estimate:
    """The share of cases whose two numbers lie within a distance, if differences are normal.

    Interval by the delta method on the logit scale, or bootstrap where cases are clustered.

    Args:
        a, b: (n,) numbers of the same cases; NaN where missing.
        distance: the difference that is accepted, in the unit of the numbers.
        clusters: independent units; None means every case is its own.
        settings: level, draws, seed.

    Returns:
        The estimate; ``extra["observed"]`` is the share that was counted. Undefined with fewer than
        three cases, or when all differences are equal.

    Raises:
        ValueError: for a distance that is not positive, or malformed numbers.

    Example:
        >>> a, b = np.array([1.0, 2, 3, 4]), np.array([2.0, 1, 4, 3])
        >>> round(coverage_probability(a, b, 1.0).value, 4)
        0.6135

    Source:
        Lin, Hedayat, Sinha, Yang (2002), JASA 97:257-270.
    """
    checked_number("distance", distance, above=0)
    away, own = _differences(a, b, clusters)
    n = away.size
    convention = f"within {distance:g}; normal differences, SD with n-1"
    if n < 3:
        reason = "Not estimated: fewer than three cases have both numbers."
        return undefined("coverage_probability", reason, n=n, convention=convention)
    mean, sd = float(away.mean()), float(away.std(ddof=1))
    if sd <= 1e-12 * float(np.abs(away).max()):
        reason = "Not estimated: all differences are equal."
        return undefined("coverage_probability", reason, n=n, convention=convention)
    value = float(_share(np.array([mean]), np.array([sd]), distance)[0])
    observed = float((np.abs(away) <= distance).mean())
    low, high, method, why = None, None, "", None
    if not own.each_alone:
        rows = np.column_stack([np.ones(n), away - mean, (away - mean) ** 2])
        sums = replicate_sums(own.sums(rows), settings)
        means, sds = _mean_sd(sums)
        interval = percentile_interval(_share(means + mean, sds, distance), own, settings)
        low, high, method, why = interval.low, interval.high, interval.method, interval.reason
    elif not 1e-12 < value < 1 - 1e-12:
        why = "No interval: the share is 0 or 1 to all digits."
    else:
        se = _share_se(mean, sd, distance, n) / (value * (1 - value))
        z = float(stats.norm.ppf((1 + settings.level) / 2))
        centre = np.log(value / (1 - value))
        low, high = (float(1 / (1 + np.exp(-(centre + sign * z * se)))) for sign in (-1, 1))
        method = "delta method, logit scale"
    return Estimate(
        "coverage_probability", value, low, high, settings.level, n, convention=convention,
        method=method, reason=why, extra={**own.extra, "observed": observed},
    )  # fmt: skip


def _differences(
    a: FloatArray, b: FloatArray, clusters: Clusters | None
) -> tuple[FloatArray, Clusters]:
    pairs = checked_pairs(a, b)
    rows = np.flatnonzero(~np.isnan(pairs).any(axis=1))
    own = checked_clusters(clusters, pairs.shape[0]).where(rows)
    return pairs[rows, 0] - pairs[rows, 1], own


def _lin(
    away: FloatArray, coverage: float, own: Clusters, settings: Settings, convention: str
) -> Estimate:
    n = away.size
    mean_square = float((away**2).sum()) / (n - 1)
    factor = float(stats.norm.ppf((1 + coverage) / 2))
    value = factor * np.sqrt(mean_square)
    relative = 0.0 if mean_square == 0 else 1 - float(away.mean()) ** 4 / mean_square**2
    if relative <= 1e-12 or np.ptp(away) == 0:
        return Estimate(
            "tdi", value, n=n, convention=convention, reason=NO_SPREAD, extra={**own.extra}
        )
    se = np.sqrt(2 / (n - 2) * relative) / 2  # of the log of the root mean square
    z = stats.norm.ppf([(1 + settings.level) / 2, settings.level])
    low, high, one_sided = value * np.exp(np.array([-z[0], z[0], z[1]]) * se)
    return Estimate(
        "tdi", value, low, high, settings.level, n, convention=convention,
        method="asymptotic, log scale (Lin 2002)",
        extra={**own.extra, "upper_one_sided": float(one_sided)},
    )  # fmt: skip


def _quantiles(
    away: FloatArray, coverage: float, own: Clusters, settings: Settings
) -> tuple[float, FloatArray]:
    order = np.argsort(np.abs(away), kind="stable")
    ranked, codes = np.abs(away)[order], own.codes[order]

    def of_counts(counts: FloatArray) -> FloatArray:
        reached = np.cumsum(counts[:, codes], axis=1)
        at = coverage * (reached[:, -1] - 1)
        # The order statistics on either side of the quantile, by number of cases reached.
        below = ranked[(reached <= np.floor(at)[:, None]).sum(axis=1)]
        above = ranked[(reached <= np.ceil(at)[:, None]).sum(axis=1)]
        found: FloatArray = below + (above - below) * (at - np.floor(at))
        return found

    value = float(of_counts(np.ones((1, own.count)))[0])
    return value, replicates(of_counts, own.count, settings, width=away.size)


def _mean_sd(sums: FloatArray) -> tuple[FloatArray, FloatArray]:
    n, total, squares = sums.T
    mean = total / n
    variance = (squares - n * mean**2) / np.maximum(n - 1, 1)
    return mean, np.sqrt(np.where(variance > 1e-12 * squares, variance, 0.0))


def _distances(sums: FloatArray, coverage: float, assumption: Assumption) -> FloatArray:
    if assumption == "approximate":
        factor = float(stats.norm.ppf((1 + coverage) / 2))
        root: FloatArray = factor * np.sqrt(sums[:, 2] / np.maximum(sums[:, 0] - 1, 1))
        return root
    mean, sd = _mean_sd(sums)
    mean = np.abs(mean)
    # Bisection, all replicates at once; the distance lies within these ends.
    z = float(stats.norm.ppf((1 + coverage) / 2))
    low, high = np.zeros_like(mean), mean + z * sd
    for _ in range(60):
        middle = (low + high) / 2
        short = _share(mean, sd, middle) < coverage
        low, high = np.where(short, middle, low), np.where(short, high, middle)
    return high


def _share(mean: FloatArray, sd: FloatArray, distance: FloatArray | float) -> FloatArray:
    """Probability of a normal difference within the distance."""
    flat = sd <= 0
    safe = np.where(flat, 1.0, sd)
    share = stats.norm.cdf((distance - mean) / safe) - stats.norm.cdf((-distance - mean) / safe)
    return np.where(flat, (np.abs(mean) <= distance).astype(np.float64), share)


def _share_se(mean: float, sd: float, distance: float, n: int) -> float:
    u, v = (distance - mean) / sd, (-distance - mean) / sd
    at_u, at_v = float(stats.norm.pdf(u)), float(stats.norm.pdf(v))
    by_mean, by_sd = at_u - at_v, u * at_u - v * at_v
    return float(np.sqrt(by_mean**2 / n + by_sd**2 / (2 * (n - 1))))


def _with_bounds(
    name: str, value: float, drawn: FloatArray, n: int, own: Clusters, settings: Settings,
    convention: str, scale: float,
) -> Estimate:  # fmt: skip
    interval = percentile_interval(drawn, own, settings, scale=scale)
    extra = {**own.extra}
    if interval.low is not None:
        extra["upper_one_sided"] = float(np.quantile(drawn, settings.level))
    return Estimate(
        name, value, interval.low, interval.high, settings.level, n, convention=convention,
        method=interval.method, reason=interval.reason, extra=extra,
    )  # fmt: skip
