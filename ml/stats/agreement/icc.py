"""Intraclass correlation: what share of the spread of numeric scores lies between cases."""

from dataclasses import dataclass

import numpy as np
from scipy import stats

from ml.estimate import Estimate, undefined
from ml.stats.arrays import FloatArray, ratio
from ml.stats.bootstrap import DEFAULT, Clusters, Settings, percentile_interval, replicate_sums

_FLAT = "Not estimated: all scores are equal."


def icc_one_way(
    ratings: FloatArray, clusters: Clusters | None = None, settings: Settings = DEFAULT
) -> Estimate:
    """ICC(1,1): single score, readers exchangeable, each case read by its own readers.

    Cases may have different numbers of scores (k is then the usual weighted mean). The interval
    comes from the F distribution when every case is its own cluster, else from a bootstrap
    of clusters. Negative values are reported as they are.

    Args:
        ratings: (n, readers) numbers, NaN where missing.
        clusters: independent units; None means every case is its own.
        settings: level, draws, seed.

    Example:
        >>> round(icc_one_way(np.array([[1.0, 2], [3, 4], [5, 6]])).value, 4)
        0.8824

    Source:
        Shrout, Fleiss (1979), Psychological Bulletin 86:420-428; McGraw, Wong (1996),
        Psychological Methods 1:30-46; unequal numbers: Donner, Koval (1980), Biometrics 36.
    """
    convention = "ICC(1,1), one-way random, single score"
    ratings = np.asarray(ratings, dtype=np.float64)
    rows = np.flatnonzero((~np.isnan(ratings)).sum(axis=1) >= 2)
    if rows.size < 2:
        reason = "Not estimated: fewer than two cases have two scores."
        return undefined("icc", reason, n=rows.size, convention=convention)
    own = (clusters or Clusters.singles(ratings.shape[0])).where(rows)
    per_case = _one_way_parts(ratings[rows])
    parts = _one_way(per_case.sum(axis=0)[None, :])
    value = float(parts.icc[0])
    if not np.isfinite(value):
        return undefined("icc", _FLAT, n=rows.size, convention=convention)
    if own.each_alone:
        low, high = _one_way_f(parts, settings.level)
        equal = np.unique((~np.isnan(ratings[rows])).sum(axis=1)).size == 1
        method = "F distribution" if equal else "F distribution, mean number of scores"
        return _estimate(value, low, high, rows.size, own, convention, method, settings)
    drawn = _one_way(replicate_sums(own.sums(per_case), settings)).icc
    interval = percentile_interval(drawn, own, settings)
    return _estimate(
        value, interval.low, interval.high, rows.size, own, convention, interval.method, settings,
        interval.reason,
    )  # fmt: skip


def icc_two_way(
    ratings: FloatArray, clusters: Clusters | None = None, settings: Settings = DEFAULT
) -> Estimate:
    """ICC(2,1) = ICC(A,1): single score, absolute agreement, readers a sample of readers.

    Only cases that every reader scored enter. Interval as ``icc_one_way``.

    Args:
        ratings: (n, readers); a column is one reader throughout.

    Source:
        Shrout, Fleiss (1979); interval: McGraw, Wong (1996), table 7.
    """
    convention = "ICC(2,1), two-way random, absolute agreement, single score, complete cases"
    ratings = np.asarray(ratings, dtype=np.float64)
    rows = np.flatnonzero(~np.isnan(ratings).any(axis=1))
    readers = ratings.shape[1]
    if rows.size < 2 or readers < 2:
        reason = "Not estimated: fewer than two cases were scored by every reader."
        return undefined("icc", reason, n=rows.size, convention=convention)
    own = (clusters or Clusters.singles(ratings.shape[0])).where(rows)
    complete = ratings[rows] - ratings[rows].mean()
    per_case = np.column_stack(
        [np.ones(rows.size), complete.mean(axis=1) ** 2, (complete**2).sum(axis=1), complete]
    )
    parts = _two_way(per_case.sum(axis=0)[None, :], readers)
    value = float(parts.icc[0])
    if not np.isfinite(value):
        return undefined("icc", _FLAT, n=rows.size, convention=convention)
    if own.each_alone:
        low, high = _two_way_f(parts, value, settings.level)
        return _estimate(value, low, high, rows.size, own, convention, "F distribution", settings)
    drawn = _two_way(replicate_sums(own.sums(per_case), settings), readers).icc
    interval = percentile_interval(drawn, own, settings)
    return _estimate(
        value, interval.low, interval.high, rows.size, own, convention, interval.method, settings,
        interval.reason,
    )  # fmt: skip


def _estimate(
    value: float, low: float | None, high: float | None, n: int, own: Clusters, convention: str,
    method: str, settings: Settings, reason: str | None = None,
) -> Estimate:  # fmt: skip
    if low is not None and not np.isfinite(low):
        low = high = None
        method, reason = "", "No interval: the scores of each case are equal."
    return Estimate(
        "icc", value, low, high, settings.level, n, convention=convention, method=method,
        reason=reason, extra={**own.extra},
    )  # fmt: skip


@dataclass(frozen=True)
class _OneWay:
    between: FloatArray  # (r,) mean squares
    within: FloatArray
    k: FloatArray  # scores per case
    cases: FloatArray
    scores: FloatArray

    @property
    def icc(self) -> FloatArray:
        room = self.between + (self.k - 1) * self.within
        return ratio(self.between - self.within, room)


def _one_way_parts(ratings: FloatArray) -> FloatArray:
    centred = ratings - np.nanmean(ratings)
    k = (~np.isnan(ratings)).sum(axis=1).astype(np.float64)
    total = np.nansum(centred, axis=1)
    squares = np.nansum(centred**2, axis=1)
    return np.column_stack([np.ones(k.size), k, k**2, total, total**2 / k, squares])


def _one_way(sums: FloatArray) -> _OneWay:
    cases, scores, k_squares, total, between, squares = sums.T
    mean_k = (scores - k_squares / scores) / np.maximum(cases - 1, 1)
    ms_between = (between - total**2 / scores) / np.maximum(cases - 1, 1)
    ms_within = (squares - between) / np.maximum(scores - cases, 1)
    return _OneWay(ms_between, _dust(ms_within, squares), mean_k, cases, scores)


def _one_way_f(parts: _OneWay, level: float) -> tuple[float, float]:
    between, within, k = float(parts.between[0]), float(parts.within[0]), float(parts.k[0])
    if within <= 0:
        return float("nan"), float("nan")
    df1, df2 = float(parts.cases[0] - 1), float(parts.scores[0] - parts.cases[0])
    ratio, upper = between / within, (1 + level) / 2
    low = ratio / float(stats.f.ppf(upper, df1, df2))
    high = ratio * float(stats.f.ppf(upper, df2, df1))
    return (low - 1) / (low + k - 1), (high - 1) / (high + k - 1)


@dataclass(frozen=True)
class _TwoWay:
    rows: FloatArray  # (r,) mean squares of cases
    columns: FloatArray  # of readers
    error: FloatArray
    cases: FloatArray
    readers: int

    @property
    def icc(self) -> FloatArray:
        k = self.readers
        between_readers = k * (self.columns - self.error) / self.cases
        return ratio(self.rows - self.error, self.rows + (k - 1) * self.error + between_readers)


def _two_way(sums: FloatArray, readers: int) -> _TwoWay:
    n, mean_squares, squares = sums[:, 0], sums[:, 1], sums[:, 2]
    of_reader = sums[:, 3:]
    correction = of_reader.sum(axis=1) ** 2 / (n * readers)
    ss_rows = readers * mean_squares - correction
    ss_columns = (of_reader**2).sum(axis=1) / n - correction
    ss_error = squares - correction - ss_rows - ss_columns
    df = np.maximum(n - 1, 1)
    return _TwoWay(
        ss_rows / df,
        ss_columns / (readers - 1),
        _dust(ss_error / (df * (readers - 1)), squares),
        n,
        readers,
    )


def _two_way_f(parts: _TwoWay, icc: float, level: float) -> tuple[float, float]:
    rows, columns, error = (float(x[0]) for x in (parts.rows, parts.columns, parts.error))
    n, k = float(parts.cases[0]), parts.readers
    if error <= 0 or icc >= 1:
        return float("nan"), float("nan")
    a, b = k * icc / (n * (1 - icc)), 1 + k * icc * (n - 1) / (n * (1 - icc))
    df = (a * columns + b * error) ** 2 / (
        (a * columns) ** 2 / (k - 1) + (b * error) ** 2 / ((n - 1) * (k - 1))
    )
    f_low = float(stats.f.ppf((1 + level) / 2, n - 1, df))
    f_high = float(stats.f.ppf((1 + level) / 2, df, n - 1))
    rest = k * columns + (k * n - k - n) * error
    return (
        n * (rows - f_low * error) / (f_low * rest + n * rows),
        n * (f_high * rows - error) / (rest + n * f_high * rows),
    )


def _dust(mean_square: FloatArray, scale: FloatArray) -> FloatArray:
    """Set to 0 what is only rounding error of sums of this size."""
    return np.where(mean_square > 1e-12 * np.maximum(scale, 1e-300), mean_square, 0.0)
