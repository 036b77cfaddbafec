"""Kappas of several readers: Fleiss, Conger, and weighted kappa of every pair."""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from ml.estimate import Estimate, JsonValue, undefined
from ml.stats.agreement.ratings import agreement_weights, category_counts
from ml.stats.arrays import BoolArray, FloatArray, ratio
from ml.stats.bootstrap import (
    DEFAULT,
    Clusters,
    Interval,
    Settings,
    percentile_interval,
    replicate_sums,
    too_few,
)

_NO_ROOM = 1e-12  # chance agreement this close to 1 leaves nothing to explain
_EQUAL = "Not estimated: all answers are equal, so chance agreement is complete."
_ALONE = "Not estimated: no case was answered by two readers."


def kappa_fleiss(
    ratings: FloatArray,
    categories: int,
    clusters: Clusters | None = None,
    settings: Settings = DEFAULT,
) -> Estimate:
    """Fleiss' kappa: chance agreement from the answers of all readers together.

    With answers missing: cases with two answers or more give the observed agreement, all
    cases give the shares of each answer (each case weighs the same).

    Args:
        ratings: (n, readers) codes 0..categories-1, NaN where missing; columns may be
            exchangeable.
        categories: number of declared answers.
        clusters: independent units; None means every case is its own.
        settings: level, draws, seed.

    Source:
        Fleiss (1971), Psychological Bulletin 76:378-382; missing answers as in Gwet (2014),
        Handbook of Inter-Rater Reliability, 4th ed., section 2.5.
    """
    counts = category_counts(ratings, categories)
    total = counts.sum(axis=1)
    shares = np.divide(counts, total[:, None], out=np.zeros_like(counts), where=total[:, None] > 0)
    per_case = np.column_stack([_agreement(counts), shares, total > 0])

    def from_sums(sums: FloatArray) -> FloatArray:
        chance = ((sums[:, 2:-1] / np.maximum(sums[:, -1:], 1)) ** 2).sum(axis=1)
        return _kappa(sums[:, 0], sums[:, 1], chance)

    return _estimate(
        "kappa_fleiss", "unweighted; readers exchangeable", per_case, from_sums, total,
        clusters, settings,
    )  # fmt: skip


def kappa_conger(
    ratings: FloatArray,
    categories: int,
    clusters: Clusters | None = None,
    settings: Settings = DEFAULT,
) -> Estimate:
    """Conger's kappa: chance agreement from each reader's own habits; Cohen's for two readers.

    Args:
        ratings: (n, readers); a column is one reader throughout. Others as ``kappa_fleiss``.

    Source:
        Conger (1980), Psychological Bulletin 88:322-328; missing answers as in Gwet (2014),
        section 2.5.
    """
    ratings = np.asarray(ratings, dtype=np.float64)
    ratings = ratings[:, ~np.isnan(ratings).all(axis=0)]  # who never answered has no habits
    counts = category_counts(ratings, categories)
    total = counts.sum(axis=1)
    readers = ratings.shape[1]
    answers = (ratings[:, :, None] == np.arange(categories)).reshape(ratings.shape[0], -1)
    per_case = np.column_stack([_agreement(counts), answers])

    def from_sums(sums: FloatArray) -> FloatArray:
        table = sums[:, 2:].reshape(-1, readers, categories)
        number = table.sum(axis=2, keepdims=True)
        share = ratio(table, np.broadcast_to(number, table.shape))
        # sum_k mean² - var/r: the mean product of shares over pairs of different readers
        chance = ((share.sum(axis=1) ** 2).sum(axis=1) - (share**2).sum(axis=(1, 2))) / (
            readers * (readers - 1)
        )
        return _kappa(sums[:, 0], sums[:, 1], chance)

    if readers < 2:
        return undefined("kappa_conger", "Not estimated: fewer than two readers answered.")
    return _estimate(
        "kappa_conger", "unweighted; each reader's own shares", per_case, from_sums, total,
        clusters, settings,
    )  # fmt: skip


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

    Source:
        Cohen (1968), Psychological Bulletin 70:213-220; mean over pairs: Light (1971),
        Psychological Bulletin 76:365-377.
    """
    ratings = np.asarray(ratings, dtype=np.float64)
    rows = np.flatnonzero((~np.isnan(ratings)).sum(axis=1) >= 2)
    clusters = (clusters or Clusters.singles(ratings.shape[0])).where(rows)
    ratings = ratings[rows]
    table = agreement_weights(categories, weights).table
    readers = ratings.shape[1]
    values = np.full((readers, readers), np.nan)
    shared = np.zeros((readers, readers))
    name = {"identity": "unweighted"}.get(weights, f"{weights} weights")
    estimates, replicates = [], []
    for a, b in chosen or tuple(combinations(range(readers), 2)):
        both = ~np.isnan(ratings[:, a]) & ~np.isnan(ratings[:, b])
        shared[a, b] = shared[b, a] = both.sum()
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
        reason = _EQUAL if n else "Not estimated: the two readers share no case."
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
        reason = _EQUAL if n else _ALONE
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


def _agreement(counts: FloatArray) -> FloatArray:
    """Share of agreeing pairs of readers in each case, and whether there is a pair: (n, 2)."""
    total = counts.sum(axis=1)
    agreeing = (counts * (counts - 1)).sum(axis=1)
    return np.column_stack([agreeing / np.maximum(total * (total - 1), 1), total >= 2])


def _kappa(agreement: FloatArray, cases: FloatArray, chance: FloatArray) -> FloatArray:
    observed = agreement / np.maximum(cases, 1)
    return ratio(observed - chance, np.where(cases > 0, 1 - chance, 0.0), least=_NO_ROOM)


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
    return ratio(observed - chance, np.where(empty, 0.0, 1 - chance), least=_NO_ROOM)


def _estimate(
    measure: str,
    convention: str,
    per_case: FloatArray,
    from_sums: Callable[[FloatArray], FloatArray],
    answers: FloatArray,
    clusters: Clusters | None,
    settings: Settings,
) -> Estimate:
    n = int((answers >= 2).sum())
    if n == 0:
        return undefined(measure, _ALONE, convention=convention)
    value = float(from_sums(per_case.sum(axis=0)[None, :])[0])
    if not np.isfinite(value):
        return undefined(measure, _EQUAL, n=n, convention=convention)
    rows = np.flatnonzero(answers >= 1)
    own = (clusters or Clusters.singles(answers.size)).where(rows)
    drawn = from_sums(replicate_sums(own.sums(per_case[rows]), settings))
    interval = percentile_interval(drawn, own, settings)
    return Estimate(
        measure, value, interval.low, interval.high, settings.level, n,
        convention=convention, method=interval.method, reason=interval.reason,
        extra={**own.extra},
    )  # fmt: skip
