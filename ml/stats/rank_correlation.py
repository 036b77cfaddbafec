"""Do two numbers of the same cases rise together, in whatever shape?"""

import numpy as np

from ml.estimate import Estimate, undefined
from ml.stats.arrays import FloatArray, ratio
from ml.stats.bootstrap import DEFAULT, Settings, replicates
from ml.stats.clusters import Clusters, checked_clusters
from ml.stats.interval import percentile_interval


class MidRanks:
    """Numbers of cases in order, so that any multiplicities are ranked without sorting.

    Args:
        numbers: (n,) finite, n at least 1.

    Example:
        >>> MidRanks(np.array([5.0, 2.0, 5.0])).ranks(np.ones((1, 3)))[0].tolist()
        [[2.5, 1.0, 2.5]]
    """

    def __init__(self, numbers: FloatArray) -> None:
        self.order = np.argsort(numbers, kind="stable")
        _, inverse = np.unique(numbers, return_inverse=True)
        self.group = inverse.reshape(-1)
        sizes = np.bincount(self.group)
        self.starts = np.concatenate([[0], np.cumsum(sizes)[:-1]])

    def ranks(self, counts: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Mid-rank of each case (c, n), and the sum of t^3 - t over tied groups (c,).

        Args:
            counts: (c, n) how often each case was drawn.
        """
        in_group = np.add.reduceat(counts[:, self.order], self.starts, axis=1)
        below = np.cumsum(in_group, axis=1) - in_group
        middle = below + (in_group + 1) / 2
        return middle[:, self.group], (in_group**3 - in_group).sum(axis=1)


def rank_correlation(
    a: FloatArray,
    b: FloatArray,
    clusters: Clusters | None = None,
    settings: Settings = DEFAULT,
) -> Estimate:
    """Spearman's rank correlation over cases; ties at their mid-rank.

    Args:
        a, b: (n,) finite.
        clusters: independent units; None means every case is its own.
        settings: level, draws and seed.

    Returns:
        With a percentile interval that resamples clusters and ranks again. Undefined where one of
        the two does not vary.

    Raises:
        ValueError: for unequal shapes, NaN, or clusters of other rows.

    Example:
        >>> rank_correlation(np.array([1.0, 2.0, 3.0]), np.array([1.0, 10.0, 100.0])).value
        1.0

    Source:
        Spearman (1904), American Journal of Psychology 15:72-101; ties as the Pearson correlation
        of mid-ranks: Kendall (1970), Rank Correlation Methods, chapter 3.
    """
    parts = [np.asarray(part, dtype=np.float64) for part in (a, b)]
    if parts[0].ndim != 1 or parts[0].shape != parts[1].shape:
        raise ValueError(f"expected two (n,) arrays, got {parts[0].shape} and {parts[1].shape}")
    if not all(np.isfinite(part).all() for part in parts):
        raise ValueError("numbers to be ranked must be finite: leave other cases out")
    n, convention = parts[0].size, "Spearman over cases, mid-ranks"
    clusters = checked_clusters(clusters, n)
    if n < 2 or any((part == part[0]).all() for part in parts):
        reason = "Not estimated: one of the two does not vary over cases."
        return undefined("rank_correlation", reason, n=n, convention=convention)
    one, other = (MidRanks(part) for part in parts)
    value = float(_spearman(np.ones((1, n)), one, other)[0])
    drawn = replicates(
        lambda counts: _spearman(counts[:, clusters.codes], one, other),
        clusters.count, settings, width=n,
    )  # fmt: skip
    interval = percentile_interval(drawn, clusters, settings)
    return Estimate(
        "rank_correlation", value, interval.low, interval.high, settings.level, n,
        convention=convention, method=interval.method, reason=interval.reason,
        extra=clusters.extra,
    )  # fmt: skip


def _spearman(counts: FloatArray, one: MidRanks, other: MidRanks) -> FloatArray:
    """Correlation of the mid-ranks of each row of counts, (c,); NaN where one does not vary."""
    middle = (counts.sum(axis=1, keepdims=True) + 1) / 2
    a, b = (of.ranks(counts)[0] - middle for of in (one, other))
    spread = np.sqrt((counts * a * a).sum(axis=1) * (counts * b * b).sum(axis=1))
    # A rank that varies at all has a sum of squares of at least a half.
    found: FloatArray = ratio((counts * a * b).sum(axis=1), spread, least=0.25).clip(-1, 1)
    return found
