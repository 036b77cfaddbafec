"""The share of cases with the finding among those that are most alike in a few numbers."""

import numpy as np
from scipy import stats

from ml.stats.arrays import BoolArray, FloatArray, IntArray, checked_outcomes
from ml.stats.asked import checked_count, checked_size
from ml.stats.clusters import Clusters
from ml.stats.discrimination.ridge_logistic import FOLDS, dealt_folds

NEIGHBOURS = 15
_SAME = 1e-12  # between distances of ranks that rounding alone tells apart
_ROWS = 512  # held against all others at a time


def cross_fitted_neighbours(
    columns: FloatArray,
    present: IntArray | BoolArray,
    clusters: Clusters | None = None,
    *,
    neighbours: int = NEIGHBOURS,
    folds: int = FOLDS,
    seed: int = 20261123,
) -> FloatArray:
    """Of every case the share with the finding among its nearest neighbours of other folds.

    Columns become ranks, from 0 to 1, of all cases; distance is Euclidean. Where several are as
    far away as the last neighbour, all of them count, so that the order of cases changes nothing.
    It sees what no line does: that files of 227 x 222 pixels are those of one source.

    Args:
        columns: (n, m) numbers, NaN where one is missing: it counts as the middle rank.
        present: (n,) 1 or 0.
        clusters: kept together in one fold; None means every case is its own.
        neighbours: 1 or more.
        folds, seed: as ``cross_fitted_logistic``, which deals the same folds.

    Returns:
        (n,) 0..1.

    Raises:
        ValueError: for malformed input, too few units, or fewer cases than neighbours.

    Example:
        >>> x = np.arange(40.0)[:, None]
        >>> found = cross_fitted_neighbours(x, np.arange(40) >= 20, neighbours=3)
        >>> found[[0, 39]].tolist()
        [0.0, 1.0]

    Source:
        Cover, Hart (1967), IEEE Transactions on Information Theory 13:21-27.
    """
    outcomes = checked_outcomes(present)
    columns = checked_size("columns", np.asarray(columns, dtype=np.float64))
    if columns.ndim != 2 or len(columns) != outcomes.size:
        raise ValueError(f"expected (n, m) numbers and (n,) outcomes, got {columns.shape}")
    neighbours = checked_count("neighbours", neighbours, 1)
    fold = dealt_folds(outcomes, clusters, folds=folds, seed=seed)
    ranks = np.column_stack([_ranks(column) for column in columns.T] or [np.zeros(outcomes.size)])
    found = np.empty(outcomes.size)
    for one in range(folds):
        held, others = np.flatnonzero(fold == one), np.flatnonzero(fold != one)
        if others.size < neighbours:
            raise ValueError(f"{neighbours} neighbours need as many cases in the other folds")
        for start in range(0, held.size, _ROWS):
            part = held[start : start + _ROWS]
            found[part] = _shares(ranks[part], ranks[others], outcomes[others], neighbours)
    return found


def _ranks(column: FloatArray) -> FloatArray:
    known = ~np.isnan(column)
    found = np.full(column.size, 0.5)
    if known.sum() > 1:
        found[known] = (stats.rankdata(column[known]) - 1) / (known.sum() - 1)
    return found


def _shares(rows: FloatArray, others: FloatArray, outcomes: BoolArray, k: int) -> FloatArray:
    # Column by column: a product of matrices would blur which distances are the same.
    apart = np.zeros((len(rows), len(others)))
    for mine, theirs in zip(rows.T, others.T, strict=True):
        apart += (mine[:, None] - theirs) ** 2
    last = np.partition(apart, k - 1, axis=1)[:, k - 1]
    near = apart <= last[:, None] + _SAME
    shares: FloatArray = (near & outcomes).sum(axis=1) / near.sum(axis=1)
    return shares
