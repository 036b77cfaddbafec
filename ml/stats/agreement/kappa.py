"""Kappas of several readers: Fleiss, Conger, and weighted kappa of every pair."""

from dataclasses import dataclass, replace
from itertools import combinations

import numpy as np

from ml.estimate import Estimate, JsonValue, undefined
from ml.stats.agreement.chance_corrected import ALONE, EQUAL, NO_ROOM, chance_corrected
from ml.stats.agreement.ratings import checked_codes
from ml.stats.agreement.weights import agreement_weights
from ml.stats.arrays import BoolArray, FloatArray, ratio
from ml.stats.bootstrap import DEFAULT, Settings, replicate_sums
from ml.stats.clusters import Clusters, checked_clusters, too_few
from ml.stats.interval import Interval, percentile_interval


def kappa_fleiss(
    ratings: FloatArray,
    categories: int,
    clusters: Clusters | None = None,
    settings: Settings = DEFAULT,
) -> Estimate:
    """Fleiss' kappa with a bootstrap interval; ``chance_corrected`` offers weights and others.

    With answers missing: cases with two answers or more give the observed agreement, all
    cases give the shares of each answer (each case weighs the same).

    Args:
        ratings: (n, readers) codes 0..categories-1, NaN where missing; columns may be
            exchangeable.
        categories: number of declared answers.
        clusters: independent units; None means every case is its own.
        settings: level, draws, seed.

    Example:
        >>> round(kappa_fleiss(np.array([[0, 0], [1, 1], [0, 1], [1, 1]]), 2).value, 4)
        0.4667

    Source:
        Fleiss (1971), Psychological Bulletin 76:378-382; missing answers as in Gwet (2014),
        Handbook of Inter-Rater Reliability, 4th ed., section 2.5.
    """
    estimate = chance_corrected(
        ratings, "fleiss", categories, "identity", clusters, settings, interval="bootstrap"
    )
    return replace(estimate, convention="unweighted; readers exchangeable")


def kappa_conger(
    ratings: FloatArray,
    categories: int,
    clusters: Clusters | None = None,
    settings: Settings = DEFAULT,
) -> Estimate:
    """Conger's kappa: chance agreement from each reader's own habits; Cohen's for two readers.

    Args:
        ratings: (n, readers); a column is one reader throughout. Others as ``kappa_fleiss``.

    Example:
        >>> round(kappa_conger(np.array([[0, 0], [1, 1], [0, 1], [1, 1]]), 2).value, 4)
        0.5

    Source:
        Conger (1980), Psychological Bulletin 88:322-328; missing answers as in Gwet (2014),
        section 2.5.
    """
    estimate = chance_corrected(
        ratings, "conger", categories, "identity", clusters, settings, interval="bootstrap"
    )
    return replace(estimate, convention="unweighted; each reader's own shares")


@dataclass(frozen=True)
class PairwiseKappa:
    """Weighted kappa of every pair of readers."""

    mean: Estimate  # over the pairs that have one
    values: FloatArray  # (readers, readers) NaN where undefined
    n: FloatArray  # (readers, readers) cases both answered
    pairs: tuple[tuple[int, int, Estimate], ...]


def pairwise_kappa(
    ratings: FloatArray,
    categories: int,
    weights: str = "quadratic",
    clusters: Clusters | None = None,
    settings: Settings = DEFAULT,
    *,
    chosen: tuple[tuple[int, int], ...] | None = None,
) -> PairwiseKappa:
    """Cohen's kappa of each pair of readers, weighted, and the mean over pairs.

    Args:
        ratings: (n, readers) codes in declared order; a column is one reader throughout.
        categories: number of declared answers.
        weights: identity, linear or quadratic; the last two need ordered answers.
        clusters: independent units; None means every case is its own.
        settings: level, draws, seed.
        chosen: pairs of columns; every pair when None.

    Returns:
        The mean with its interval, the matrix, and one estimate per pair.

    Raises:
        ValueError: for codes outside the declared answers, other weights, or pairs that are not two
            of the columns.

    Example:
        >>> table = np.array([[0, 0, 0], [1, 1, 1], [0, 0, 1], [1, 1, 0]])
        >>> [(a, b, round(found.value, 4)) for a, b, found in pairwise_kappa(table, 2).pairs]
        [(0, 1, 1.0), (0, 2, 0.0), (1, 2, 0.0)]

    Source:
        Cohen (1968), Psychological Bulletin 70:213-220; mean over pairs: Light (1971),
        Psychological Bulletin 76:365-377.
    """
    ratings = checked_codes(ratings, categories)
    width = range(ratings.shape[1])
    if any(a not in width or b not in width or a == b for a, b in chosen or ()):
        raise ValueError(f"pairs must be two of the {len(width)} columns, got {chosen}")
    rows = np.flatnonzero((~np.isnan(ratings)).sum(axis=1) >= 2)
    clusters = checked_clusters(clusters, ratings.shape[0]).where(rows)
    ratings = ratings[rows]
    table = agreement_weights(categories, weights).table
    readers = ratings.shape[1]
    values = np.full((readers, readers), np.nan)
    given = (~np.isnan(ratings)).astype(np.float64)
    shared = given.T @ given
    np.fill_diagonal(shared, 0)
    name = {"identity": "unweighted"}.get(weights, f"{weights} weights")
    estimates, replicates = [], []
    for a, b in chosen or tuple(combinations(range(readers), 2)):
        both = ~np.isnan(ratings[:, a]) & ~np.isnan(ratings[:, b])
        cells = _cells(ratings[:, a], ratings[:, b], both, categories)
        value = float(_cohen(cells.sum(axis=0)[None, :], table)[0])
        drawn = _cohen(replicate_sums(clusters.sums(cells), settings), table)
        values[a, b] = values[b, a] = value
        replicates.append(drawn)
        estimates.append((a, b, _pair(value, drawn, both, f"{name}, one pair", clusters, settings)))
    mean = _mean_of_pairs(estimates, replicates, ratings, name, clusters, settings)
    return PairwiseKappa(mean, values, shared, tuple(estimates))


def _pair(
    value: float, drawn: FloatArray, both: BoolArray, convention: str,
    clusters: Clusters, settings: Settings,
) -> Estimate:  # fmt: skip
    n = int(both.sum())
    if not np.isfinite(value):
        reason = EQUAL if n else "Not estimated: the two readers share no case."
        return undefined("kappa_weighted", reason, n=n, convention=convention)
    own = clusters.where(np.flatnonzero(both))
    refusal = too_few(own)
    interval = Interval(None, None, "", refusal)
    if refusal is None:
        interval = percentile_interval(drawn, clusters, settings)
    return Estimate(
        "kappa_weighted", value, interval.low, interval.high, settings.level, n,
        convention=convention, method=interval.method, reason=interval.reason,
        extra={**own.extra},
    )  # fmt: skip


def _mean_of_pairs(
    estimates: list[tuple[int, int, Estimate]],
    replicates: list[FloatArray],
    ratings: FloatArray,
    name: str,
    clusters: Clusters,
    settings: Settings,
) -> Estimate:
    convention = f"{name}, mean over pairs of readers"
    defined = [at for at, (_, _, one) in enumerate(estimates) if one.value is not None]
    n = ratings.shape[0]
    if not defined:
        reason = EQUAL if n else ALONE
        return undefined("kappa_weighted", reason, n=n, convention=convention)
    value = float(np.mean([estimates[at][2].value for at in defined]))
    drawn = np.mean([replicates[at] for at in defined], axis=0)
    interval = percentile_interval(drawn, clusters, settings)
    extra: dict[str, JsonValue] = {
        **clusters.extra,
        "pairs": len(defined),
        "pairs_undefined": len(estimates) - len(defined),
    }
    return Estimate(
        "kappa_weighted", value, interval.low, interval.high, settings.level, n,
        convention=convention, method=interval.method, reason=interval.reason, extra=extra,
    )  # fmt: skip


def _cells(a: FloatArray, b: FloatArray, both: BoolArray, categories: int) -> FloatArray:
    cells = np.zeros((a.size, categories * categories))
    rows = np.flatnonzero(both)
    cells[rows, (a[rows] * categories + b[rows]).astype(np.int64)] = 1.0
    return cells


def _cohen(sums: FloatArray, weights: FloatArray) -> FloatArray:
    size = weights.shape[0]
    tables = sums.reshape(-1, size, size)
    total = np.maximum(tables.sum(axis=(1, 2)), 1)
    rows, columns = tables.sum(axis=2), tables.sum(axis=1)
    observed = np.einsum("rij,ij->r", tables, weights) / total
    chance = np.einsum("ri,rj,ij->r", rows, columns, weights, optimize=True) / total**2
    empty = tables.sum(axis=(1, 2)) == 0
    return ratio(observed - chance, np.where(empty, 0.0, 1 - chance), least=NO_ROOM)
