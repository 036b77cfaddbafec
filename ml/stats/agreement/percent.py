"""Agreement as it was seen, without a correction for chance: overall and per answer."""

from typing import Literal

import numpy as np

from ml.estimate import Estimate, undefined
from ml.stats.agreement.chance_corrected import ALONE, chance_corrected
from ml.stats.agreement.ratings import category_counts, resampled_sums
from ml.stats.agreement.weights import Weights, resolved
from ml.stats.arrays import FloatArray, ratio
from ml.stats.bootstrap import DEFAULT, Settings
from ml.stats.clusters import Clusters, checked_clusters, too_few
from ml.stats.interval import Interval, percentile_interval
from ml.stats.proportion import proportion


def percent_agreement(
    ratings: FloatArray,
    categories: int,
    weights: str | Weights = "identity",
    clusters: Clusters | None = None,
    settings: Settings = DEFAULT,
    *,
    interval: Literal["auto", "wilson", "linearised", "bootstrap"] = "auto",
) -> Estimate:
    """Mean over cases of the share of agreeing pairs of readers.

    Args:
        ratings: (n, readers) codes 0..categories-1, NaN where missing.
        categories: number of declared answers.
        weights: what unequal answers count, see ``agreement_weights``.
        clusters: independent units; None means every case is its own.
        settings: level; draws and seed for the bootstrap.
        interval: wilson (two readers, unweighted: a share of cases; on the effective sample size
            where cases cluster), linearised (t interval of Gwet 2014), bootstrap; auto is
            wilson where it can be had, else linearised.

    Raises:
        ValueError: for wilson with weights or with more than two answers to a case.

    Example:
        >>> found = percent_agreement(np.array([[0, 0], [1, 1], [0, 1], [1, 1]]), 2)
        >>> found.value, found.method
        (0.75, 'Wilson')

    Source:
        Wilson (1927), JASA 22:209-212; Gwet (2014), Handbook of Inter-Rater Reliability, 4th ed.
    """
    if interval not in ("auto", "wilson", "linearised", "bootstrap"):
        raise ValueError(f"interval must be auto, wilson, linearised or bootstrap, got {interval}")
    chosen = resolved(weights, categories)
    counts = category_counts(ratings, categories)
    answers = counts.sum(axis=1)
    shares = chosen.name == "identity" and answers.max(initial=0.0) <= 2
    if interval == "wilson" and not shares:
        raise ValueError("Wilson's interval is for unweighted agreement of two readers")
    if interval in ("linearised", "bootstrap") or not shares:
        return chance_corrected(
            ratings, "percent_agreement", categories, chosen, clusters, settings,
            interval="bootstrap" if interval == "bootstrap" else "linearised",
        )  # fmt: skip
    convention = "unweighted; mean share of agreeing pairs of readers"
    pairs = np.flatnonzero(answers == 2)
    if pairs.size == 0:
        return undefined("percent_agreement", ALONE, convention=convention)
    own = checked_clusters(clusters, answers.size).where(pairs)
    return proportion("percent_agreement", counts[pairs].max(axis=1) == 2, own,
                      level=settings.level, convention=convention)  # fmt: skip


def specific_agreement(
    ratings: FloatArray,
    categories: int,
    clusters: Clusters | None = None,
    settings: Settings = DEFAULT,
) -> tuple[Estimate, ...]:
    """For each answer: given that one reader gave it, the chance that another did too.

    With two answers these are negative (code 0) and positive (code 1) agreement, 2a / (2a + b +
    c). With more readers or missing answers all pairs of a case's answers are counted.

    Args:
        ratings: (n, readers) codes 0..categories-1, NaN where missing.
        categories: number of declared answers.
        clusters: independent units; None means every case is its own.
        settings: level, draws, seed of the bootstrap of clusters.

    Returns:
        One estimate per answer; undefined where nobody gave it to a case with two answers.

    Example:
        >>> found = specific_agreement(np.array([[0, 0], [1, 1], [0, 1], [1, 1]]), 2)
        >>> [round(one.value, 4) for one in found]
        [0.6667, 0.8]

    Source:
        Cicchetti, Feinstein (1990), Journal of Clinical Epidemiology 43:551-558; several readers:
        de Vet, Dikmans, Eekhout (2017), Journal of Clinical Epidemiology 83:85-89.
    """
    counts = category_counts(ratings, categories)
    answers = counts.sum(axis=1)
    rows = np.flatnonzero(answers >= 2)
    own = checked_clusters(clusters, answers.size).where(rows)
    counts, answers = counts[rows], answers[rows]
    per_case = np.concatenate([counts * (counts - 1), counts * (answers - 1)[:, None]], axis=1)
    none = np.zeros((0, 2 * categories))
    drawn = resampled_sums(per_case, counts, own, settings) if rows.size else none
    sums = per_case.sum(axis=0)
    return tuple(
        _specific(code, categories, sums, drawn, int((counts[:, code] > 0).sum()), own, settings)
        for code in range(categories)
    )


def _specific(
    code: int, categories: int, sums: FloatArray, drawn: FloatArray, n_given: int,
    own: Clusters, settings: Settings,
) -> Estimate:  # fmt: skip
    name, n = f"specific_agreement:{code}", own.codes.size
    convention = "pairs of answers of a case, given that one of them is this answer"
    alike, pairs = float(sums[code]), float(sums[categories + code])
    if pairs == 0:
        reason = ALONE if n == 0 else "Not estimated: nobody gave this answer."
        return undefined(name, reason, n=n, n_events=0, convention=convention)
    refusal = too_few(own)
    if refusal:
        reach = Interval(None, None, "", refusal)
    else:
        values = ratio(drawn[:, code], drawn[:, categories + code])
        reach = percentile_interval(values, own, settings)
    return Estimate(
        name, alike / pairs, reach.low, reach.high, settings.level, n, n_given,
        convention=convention, method=reach.method, reason=reach.reason, extra={**own.extra},
    )  # fmt: skip
