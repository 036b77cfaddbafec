"""Analysis of variance of cases by readers: the mean squares that ICC and SEM are made of."""

from dataclasses import dataclass

import numpy as np

from ml.estimate import JsonObject
from ml.stats.arrays import FloatArray
from ml.stats.asked import checked_size


@dataclass(frozen=True)
class OneWay:
    """Mean squares of cases with scores of any readers, one entry per replicate."""

    between: FloatArray  # (r,)
    within: FloatArray
    k: FloatArray  # scores per case; the usual weighted mean where they differ
    cases: FloatArray
    scores: FloatArray


@dataclass(frozen=True)
class TwoWay:
    """Mean squares of cases that the same readers scored, one entry per replicate."""

    rows: FloatArray  # (r,) of cases
    columns: FloatArray  # of readers
    error: FloatArray
    within: FloatArray  # of scores within cases: readers and error together
    cases: FloatArray
    readers: int


def checked_ratings(ratings: FloatArray, *, any_size: bool = False) -> FloatArray:
    """Scores as float64.

    Args:
        ratings: (n, readers), NaN where missing.
        any_size: for a measure that squares nothing before it has scaled the scores.

    Raises:
        ValueError: unless (n, readers), finite or NaN, and of a size that can be squared.

    Example:
        >>> checked_ratings([[1, np.nan], [2, 3]]).tolist()
        [[1.0, nan], [2.0, 3.0]]
    """
    ratings = np.asarray(ratings, dtype=np.float64)
    if ratings.ndim != 2:
        raise ValueError(f"expected scores (n, readers), got shape {ratings.shape}")
    if np.isinf(ratings).any():
        raise ValueError("scores must be finite, or NaN where a reader gave none")
    return ratings if any_size else checked_size("scores", ratings)


def one_way_rows(ratings: FloatArray) -> FloatArray:
    """What each case adds to the sums of ``one_way``: (n, 6).

    Args:
        ratings: (n, readers), NaN where missing; every case has a score.

    Returns:
        One, scores, their number squared, total less the mean of all scores, that squared per
        score, and the sum of squares about that mean.

    Example:
        >>> one_way_rows(np.array([[1.0, 3.0], [5.0, 7.0]]))[0].tolist()
        [1.0, 2.0, 4.0, -4.0, 8.0, 10.0]
    """
    centred = ratings - np.nanmean(ratings)
    k = (~np.isnan(ratings)).sum(axis=1).astype(np.float64)
    total = np.nansum(centred, axis=1)
    squares = np.nansum(centred**2, axis=1)
    return np.column_stack([np.ones(k.size), k, k**2, total, total**2 / k, squares])


def one_way(sums: FloatArray) -> OneWay:
    """Mean squares of cases with scores of any readers, from sums over cases.

    Args:
        sums: (r, 6) of ``one_way_rows``, a row for each replicate.

    Example:
        >>> rows = one_way_rows(np.array([[1.0, 3.0], [5.0, 7.0]]))
        >>> found = one_way(rows.sum(axis=0)[None, :])
        >>> found.between.tolist(), found.within.tolist()
        ([16.0], [2.0])
    """
    cases, scores, k_squares, total, between, squares = sums.T
    mean_k = (scores - k_squares / scores) / np.maximum(cases - 1, 1)
    ms_between = (between - total**2 / scores) / np.maximum(cases - 1, 1)
    ms_within = (squares - between) / np.maximum(scores - cases, 1)
    return OneWay(_dust(ms_between, squares), _dust(ms_within, squares), mean_k, cases, scores)


def two_way_rows(ratings: FloatArray) -> FloatArray:
    """What each complete case adds to the sums of ``two_way``: (n, 3 + readers).

    Args:
        ratings: (n, readers), nothing missing.

    Returns:
        One, the squared mean of the case, its sum of squares, and its scores: all of them less
        the mean of all scores.

    Example:
        >>> two_way_rows(np.array([[1.0, 3.0], [5.0, 7.0]]))[0].tolist()
        [1.0, 4.0, 10.0, -3.0, -1.0]
    """
    centred = ratings - ratings.mean()
    rows = np.empty((ratings.shape[0], ratings.shape[1] + 3))
    rows[:, 0] = 1.0
    np.square(centred.mean(axis=1), out=rows[:, 1])
    np.einsum("ij,ij->i", centred, centred, out=rows[:, 2])
    rows[:, 3:] = centred
    return rows


def two_way(sums: FloatArray, readers: int) -> TwoWay:
    """Mean squares of cases that the same readers scored, from sums over cases.

    Args:
        sums: (r, 3 + readers) of ``two_way_rows``, a row for each replicate.
        readers: two or more.

    Example:
        >>> rows = two_way_rows(np.array([[1.0, 3.0], [5.0, 7.0]]))
        >>> found = two_way(rows.sum(axis=0)[None, :], 2)
        >>> found.rows.tolist(), found.columns.tolist(), found.error.tolist()
        ([16.0], [4.0], [0.0])
    """
    n, mean_squares, squares = sums[:, 0], sums[:, 1], sums[:, 2]
    of_reader = sums[:, 3:]
    correction = of_reader.sum(axis=1) ** 2 / (n * readers)
    ss_rows = readers * mean_squares - correction
    ss_columns = (of_reader**2).sum(axis=1) / n - correction
    ss_within = squares - correction - ss_rows
    df = np.maximum(n - 1, 1)
    return TwoWay(
        _dust(ss_rows / df, squares),
        _dust(ss_columns / (readers - 1), squares),
        _dust((ss_within - ss_columns) / (df * (readers - 1)), squares),
        _dust(ss_within / (n * (readers - 1)), squares),
        n,
        readers,
    )


@dataclass(frozen=True)
class MeanSquares:
    """The table of the analysis of variance of complete cases."""

    msr: float  # cases
    msc: float  # readers
    mse: float  # what is left
    msw: float  # within cases: readers and what is left
    n: int
    readers: int

    @property
    def df(self) -> dict[str, int]:
        """Degrees of freedom by name."""
        return {"msr": self.n - 1, "msc": self.readers - 1,
                "mse": (self.n - 1) * (self.readers - 1),
                "msw": self.n * (self.readers - 1)}  # fmt: skip

    def to_json(self) -> JsonObject:
        return {"msr": self.msr, "msc": self.msc, "mse": self.mse, "msw": self.msw,
                "n": self.n, "readers": self.readers}  # fmt: skip


def mean_squares(ratings: FloatArray) -> MeanSquares | None:
    """Mean squares of the cases that every reader scored.

    Args:
        ratings: (n, readers); NaN where missing.

    Returns:
        None with fewer than two complete cases or two readers.

    Raises:
        ValueError: for another shape or infinite scores.

    Example:
        >>> mean_squares(np.array([[1.0, 2], [3, 4], [5, 7]])).mse.__round__(4)
        0.1667

    Source:
        Shrout, Fleiss (1979), Psychological Bulletin 86:420-428, table 3.
    """
    ratings = checked_ratings(ratings)
    complete = ratings[~np.isnan(ratings).any(axis=1)]
    if complete.shape[0] < 2 or complete.shape[1] < 2:
        return None
    table = two_way(two_way_rows(complete).sum(axis=0)[None, :], complete.shape[1])
    return MeanSquares(
        float(table.rows[0]), float(table.columns[0]), float(table.error[0]),
        float(table.within[0]), *complete.shape,
    )  # fmt: skip


def _dust(mean_square: FloatArray, scale: FloatArray) -> FloatArray:
    """Set to 0 what is only rounding error of sums of this size."""
    return np.where(mean_square > 1e-12 * np.maximum(scale, 1e-300), mean_square, 0.0)
