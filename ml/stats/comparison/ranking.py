"""Several methods on the same cases: ranks, and whether their order is stable."""

from dataclasses import dataclass

import numpy as np
from scipy import stats

from ml.estimate import Estimate, undefined
from ml.stats.arrays import FloatArray
from ml.stats.asked import checked_count, checked_size
from ml.stats.bootstrap import DEFAULT, Settings, replicates
from ml.stats.clusters import Clusters, checked_clusters
from ml.stats.interval import percentile_interval


@dataclass(frozen=True)
class Friedman:
    """Friedman's test: the statistic and the mean rank of each method."""

    chi2: float | None
    df: int
    p: float | None
    mean_ranks: FloatArray  # (methods,)
    n: int
    reason: str | None = None


def friedman(matrix: FloatArray) -> Friedman:
    """Friedman's test with the correction for ties; cases must be independent.

    Args:
        matrix: (cases, methods) finite measurements; rank 1 is the smallest.

    Returns:
        No statistic when every case ties all methods.

    Raises:
        ValueError: for fewer than two methods, no case, or numbers that are not finite.

    Example:
        >>> friedman(np.array([[1.0, 2, 3], [1, 3, 2]])).chi2
        3.0

    Source:
        Friedman (1937), JASA 32:675-701; Hollander, Wolfe (1999), section 7.1, equation 7.8.
    """
    matrix = _checked(matrix)
    n, k = matrix.shape
    ranks = stats.rankdata(matrix, axis=1)
    mean_ranks = ranks.mean(axis=0)
    within = float(((ranks - (k + 1) / 2) ** 2).sum())
    if within == 0:
        reason = "Not estimated: every case ties all methods."
        return Friedman(None, k - 1, None, mean_ranks, n, reason)
    chi2 = n**2 * (k - 1) * float(((mean_ranks - (k + 1) / 2) ** 2).sum()) / within
    return Friedman(chi2, k - 1, float(stats.chi2.sf(chi2, k - 1)), mean_ranks, n)


@dataclass(frozen=True)
class RankStability:
    """How often bootstrap replicates keep the order of methods."""

    ranks: FloatArray  # (methods,) 1 is best, ties share the mean rank
    rank_shares: FloatArray  # (methods, methods): share of replicates in which i has rank j + 1
    kendall_tau: Estimate  # mean over replicates, of the order against the full sample's
    winner_share: Estimate  # replicates whose first is the full sample's first


def rank_stability(
    scores: FloatArray,
    clusters: Clusters | None = None,
    settings: Settings = DEFAULT,
    *,
    higher_is_better: bool = True,
) -> RankStability:
    """Ranks by mean score in bootstrap replicates (aggregate, then rank).

    Args:
        scores: (cases, methods) finite.
        clusters: independent units.
        settings: draws and seed.
        higher_is_better: orientation of the scores.

    Returns:
        ``kendall_tau`` is tau-b against the order of the full sample, averaged over replicates;
        undefined when the full sample ties all methods. Its range holds the middle ``level`` of
        the replicates. In ``rank_shares`` tied ranks are counted at their floor.

    Raises:
        ValueError: for scores that are not finite, fewer than two methods, or no draw.

    Example:
        >>> two = np.array([[1.0, 0.0]] * 20)
        >>> rank_stability(two, settings=Settings(draws=50)).winner_share.value
        1.0

    Source:
        Wiesenfarth et al. (2021), Scientific Reports 11:2369 (challengeR); Maier-Hein et al.
        (2018), Nature Communications 9:5217.
    """
    scores = _checked(scores) * (1 if higher_is_better else -1)
    scores = scores / (float(np.abs(scores).max()) or 1.0)  # so that ties are told in any unit
    checked_count("draws", settings.draws)
    n, k = scores.shape
    clusters = checked_clusters(clusters, n)
    sums = clusters.sums(np.column_stack([scores, np.ones(n)]))

    def means(counts: FloatArray) -> FloatArray:
        drawn = counts @ sums
        # Rounding must not break a tie that the scores hold.
        averages: FloatArray = np.round(drawn[:, :k] / drawn[:, k:], 12)
        return averages

    drawn = stats.rankdata(-replicates(means, clusters.count, settings), axis=1)
    ranks = stats.rankdata(-np.round(scores.mean(axis=0), 12))
    places = np.floor(drawn).astype(np.int64) - 1
    shares = np.stack([(places == place).mean(axis=0) for place in range(k)], axis=1)
    won = (drawn == drawn.min(axis=1, keepdims=True)) & (ranks == ranks.min())
    winner = Estimate(
        "winner_share", float(won.any(axis=1).mean()), n=settings.draws,
        convention="share of bootstrap replicates", extra=clusters.extra,
        reason="No interval: a share of replicates describes the simulation, not a population.",
    )  # fmt: skip
    return RankStability(ranks, shares, _tau(ranks, drawn, clusters, settings), winner)


def _tau(ranks: FloatArray, drawn: FloatArray, clusters: Clusters, settings: Settings) -> Estimate:
    convention = "tau-b of a replicate's ranks with the full sample's, mean over replicates"
    first, second = np.triu_indices(ranks.size, 1)
    own = np.sign(ranks[first] - ranks[second])
    if not own.any():
        reason = "Not estimated: the methods tie."
        return undefined("rank_tau", reason, n=clusters.codes.size, convention=convention)
    other = np.sign(drawn[:, first] - drawn[:, second])
    size = np.sqrt((own != 0).sum() * (other != 0).sum(axis=1))
    tau = np.divide(other @ own, size, out=np.full(len(drawn), np.nan), where=size > 0)
    defined = tau[np.isfinite(tau)]
    if defined.size == 0:
        reason = "Not estimated: the methods tie in every replicate."
        return undefined("rank_tau", reason, n=clusters.codes.size, convention=convention)
    interval = percentile_interval(tau, clusters, settings)
    return Estimate(
        "rank_tau", float(defined.mean()), interval.low, interval.high, settings.level,
        clusters.codes.size, convention=convention, method=interval.method,
        reason=interval.reason, extra=clusters.extra,
    )  # fmt: skip


def _checked(matrix: FloatArray) -> FloatArray:
    matrix = np.asarray(matrix, dtype=np.float64)
    if matrix.ndim != 2 or matrix.shape[0] < 1 or matrix.shape[1] < 2:
        raise ValueError(f"expected (cases, 2 methods or more), got {matrix.shape}")
    if not np.isfinite(matrix).all():
        raise ValueError("scores must be finite: leave incomplete cases out")
    return checked_size("scores", matrix)
