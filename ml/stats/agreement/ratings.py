"""Answers of several readers as a table, and the patterns in which they repeat."""

from dataclasses import dataclass

import numpy as np

from ml.stats.arrays import FloatArray, IntArray
from ml.stats.asked import checked_count
from ml.stats.bootstrap import Settings, pattern_replicate_sums, replicate_sums
from ml.stats.clusters import Clusters

MOST_CATEGORIES = 10_000  # beyond, codes are numbers that were taken for answers
_MOST_CASES = 100_000_000  # of a table, which some measures unfold into rows
_MOST_PATTERNS = 4096  # keeps the table of all replicates in memory


def category_counts(ratings: FloatArray, categories: int) -> FloatArray:
    """How many readers gave each answer: (n, categories).

    Args:
        ratings: (n, readers) codes 0..categories-1, NaN where a reader did not answer.

    Raises:
        ValueError: for codes that are not whole or lie outside the declared categories, or a
            number of categories that is no whole number from 1 to 10,000.

    Example:
        >>> category_counts(np.array([[0, 0, np.nan], [1, 0, 1]]), 2).tolist()
        [[2.0, 0.0], [1.0, 2.0]]
    """
    ratings = checked_codes(ratings, categories)
    counts = [(ratings == code).sum(axis=1, dtype=np.float64) for code in range(categories)]
    return np.stack(counts, axis=1)


def checked_codes(ratings: FloatArray, categories: int) -> FloatArray:
    """Ratings as float64 of declared codes.

    Args:
        ratings: (n, readers) codes 0..categories-1, NaN where missing.
        categories: number of declared answers, 1 to 10,000.

    Raises:
        ValueError: for another shape, or codes that are not whole or not declared.

    Example:
        >>> checked_codes([[0, 1], [1, np.nan]], 2).tolist()
        [[0.0, 1.0], [1.0, nan]]
    """
    checked_count("categories", categories, 1, MOST_CATEGORIES)
    ratings = np.asarray(ratings, dtype=np.float64)
    if ratings.ndim != 2:
        raise ValueError(f"expected ratings (n, readers), got shape {ratings.shape}")
    if ratings.size:
        low, high = np.fmin.reduce(ratings, axis=None), np.fmax.reduce(ratings, axis=None)
        given = ~np.isnan(ratings)
        if low < 0 or high >= categories or (np.floor(ratings) != ratings)[given].any():
            raise ValueError(f"answers must be codes 0..{categories - 1}")
    return ratings


def checked_table(table: FloatArray) -> FloatArray:
    """A square table of counts as float64.

    Args:
        table: (k, k) how often each pair of answers was given, rows of the first reader.

    Raises:
        ValueError: unless square, of two answers or more, and of whole counts, a hundred million
            cases at most.

    Example:
        >>> checked_table([[3, 1], [0, 2]]).tolist()
        [[3.0, 1.0], [0.0, 2.0]]
    """
    table = np.asarray(table, dtype=np.float64)
    if table.ndim != 2 or table.shape[0] != table.shape[1] or table.shape[0] < 2:
        raise ValueError(f"expected a (k, k) table of two answers or more, got {table.shape}")
    if not np.isfinite(table).all() or (table < 0).any() or (table % 1).any():
        raise ValueError("the cells of a table must be counts of cases")
    if table.sum() > _MOST_CASES:
        raise ValueError(f"a table counts at most {_MOST_CASES:,} cases, got {table.sum():.4g}")
    return table


def ratings_of_table(table: FloatArray) -> FloatArray:
    """The pairs of answers a table counts, one row per case: (n, 2) codes.

    Example:
        >>> ratings_of_table(np.array([[1, 0], [2, 0]])).tolist()
        [[0.0, 0.0], [1.0, 0.0], [1.0, 0.0]]
    """
    table = checked_table(table)
    size = table.shape[0]
    cell = np.repeat(np.arange(size * size), table.ravel().astype(np.int64))
    return np.column_stack([cell // size, cell % size]).astype(np.float64)


def table_of_ratings(ratings: FloatArray, categories: int) -> FloatArray:
    """How often two readers gave each pair of answers, (k, k); unpaired answers are left out.

    Args:
        ratings: (n, 2) codes 0..categories-1, NaN where a reader did not answer.

    Raises:
        ValueError: for another number of readers, or as ``checked_codes``.

    Example:
        >>> table_of_ratings(np.array([[0, 0], [0, 1], [1, 1], [1, np.nan]]), 2).tolist()
        [[1.0, 1.0], [0.0, 1.0]]
    """
    ratings = checked_codes(ratings, categories)
    if ratings.shape[1] != 2:
        raise ValueError(f"expected the answers of two readers, got {ratings.shape[1]}")
    both = ratings[~np.isnan(ratings).any(axis=1)].astype(np.int64)
    cells = np.bincount(both[:, 0] * categories + both[:, 1], minlength=categories**2)
    return cells.reshape(categories, categories).astype(np.float64)


@dataclass(frozen=True)
class _Patterns:
    """Rows that repeat: one representative each, and how often it occurs."""

    first: IntArray  # (p,) index of a row of each pattern
    multiplicity: IntArray  # (p,)


def _patterns(rows: FloatArray) -> _Patterns | None:
    """Distinct rows of small whole numbers, in lexicographic order.

    Returns:
        None when rows are too many-valued to be counted cheaply.
    """
    base = int(rows.max(initial=0.0)) + 1
    if rows.shape[0] == 0 or rows.shape[1] * np.log2(max(base, 2)) > 52:
        return None
    key = (rows @ float(base) ** np.arange(rows.shape[1])[::-1]).astype(np.int64)
    if base ** rows.shape[1] > 4 * rows.shape[0] + 1_000_000:
        _, first, multiplicity = np.unique(key, return_index=True, return_counts=True)
        return _Patterns(first.astype(np.int64), multiplicity.astype(np.int64))
    # Counting is faster than sorting while the keys are few.
    number = np.bincount(key)
    used = np.flatnonzero(number)
    where = np.empty(number.size, dtype=np.int64)
    where[key] = np.arange(key.size)
    return _Patterns(where[used], number[used].astype(np.int64))


def resampled_sums(
    per_case: FloatArray, rows: FloatArray | None, own: Clusters, settings: Settings
) -> FloatArray:
    """Sums over cases in each bootstrap replicate, (draws, q), through patterns where they pay.

    Args:
        per_case: (n, q) what each case adds.
        rows: (n, c) small whole numbers on which ``per_case`` alone depends; None if there are
            none.
        own: clusters of the same cases.
        settings: draws and seed.

    Example:
        >>> alike = np.array([[2.0], [2.0]])  # whichever two are drawn, they add up to 4
        >>> resampled_sums(alike, None, Clusters.singles(2), Settings(draws=3)).tolist()
        [[4.0], [4.0], [4.0]]
    """
    found = _patterns(rows) if own.each_alone and rows is not None else None
    # With hardly any repetition, drawing patterns is no cheaper than drawing cases.
    if found is None or found.first.size > min(own.count // 4, _MOST_PATTERNS):
        return replicate_sums(own.sums(per_case), settings)
    return pattern_replicate_sums(per_case[found.first], found.multiplicity, settings)
