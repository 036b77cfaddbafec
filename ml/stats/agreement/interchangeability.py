"""Can the model stand in for a reader: does it disagree with readers more than they do?"""

from dataclasses import dataclass

import numpy as np

from ml.estimate import Estimate, JsonValue, undefined
from ml.stats.agreement.pair_scores import PairScores
from ml.stats.arrays import FloatArray, IntArray, ratio
from ml.stats.asked import checked_number
from ml.stats.bootstrap import DEFAULT, Settings, replicate_sums
from ml.stats.clusters import Clusters, checked_clusters
from ml.stats.interval import percentile_interval
from ml.stats.proportion import proportion

_NONE = "Not estimated: no case was answered by two readers and by the model."
_EQUAL = "No interval: the difference is the same in every case."


@dataclass(frozen=True)
class Interchangeability:
    """Disagreement of model and readers beside that among readers. Positive: the model is worse."""

    difference: Estimate  # model-reader less reader-reader disagreement: the equivalence index
    reader_reader: Estimate  # mean score of pairs of readers
    model_reader: Estimate  # mean score of the model with readers
    relative: Estimate  # difference over half the disagreement among readers
    coefficient: Estimate  # individual agreement: reader-reader over model-reader disagreement
    williams: Estimate  # agreement of the model with readers over that of two readers
    margin: float | None
    interchangeable: bool | None  # upper end below the margin; None when it cannot be said
    p: float | None  # one-sided, of a difference of the margin or more
    human: FloatArray  # (m,) case by case, for the chart of the ceiling
    model: FloatArray  # (m,)
    rows: IntArray  # (m,) which cases they are


def interchangeability(
    scores: PairScores,
    margin: float | None = None,
    clusters: Clusters | None = None,
    settings: Settings = DEFAULT,
) -> Interchangeability:
    """The individual equivalence index, with its test against a margin.

    A model is interchangeable with the readers when putting it in a reader's place raises the
    disagreement of two readers by less than the margin. Readers may be exchangeable, and any
    answers may be missing: each case has equal weight, whatever the number of its pairs. The
    interval resamples cases; it speaks of these readers.

    Args:
        scores: of every pair, from ``category_scores`` (disagreement is 1 - score),
            ``number_scores``, or own scores such as Dice.
        margin: largest difference that is accepted, in the unit of the score; None for no test.
        clusters: independent units; None means every case is its own.
        settings: level, draws, seed. The test is one-sided at (1 - level) / 2.

    Returns:
        All estimates, undefined when no case has two readers and the model. ``relative`` is
        the index of individual bioequivalence (difference over the within-reader half of
        the disagreement); ``coefficient`` is 1 when the model is one more reader, and 0.8 is often
        asked for. Both are undefined when readers never disagree. ``williams`` is above 1 when the
        model agrees with readers more than they do; undefined for scores of disagreement.

    Raises:
        ValueError: for a margin that is not positive.

    Example:
        >>> from ml.stats.agreement.pair_scores import category_scores
        >>> readers = np.array([[0.0, 0], [1, 1], [0, 1], [1, 1]])
        >>> scores = category_scores(readers, np.array([0.0, 1, 1, 0]), 2)
        >>> interchangeability(scores).difference.value
        0.125

    Source:
        Obuchowski (2001), Statistics in Medicine 20:2845-2863; Obuchowski, Subhas, Schoenhagen
        (2014), Academic Radiology 21:1483-1489; coefficient: Barnhart, Kosinski, Haber (2007),
        Journal of Biopharmaceutical Statistics 17:697-719; index of agreement with a group:
        Williams (1976), Biometrics 32:619-627.
    """
    if margin is not None:
        checked_number("margin", margin, above=0)
    means = scores.means()
    rows = np.flatnonzero(means.both)
    own = checked_clusters(clusters, scores.values.shape[0]).where(rows)
    human, model = means.human[rows], means.model[rows]
    words = f"{scores.name}; mean over cases, each with equal weight; these readers"
    if rows.size == 0:
        ids = ("interchangeability", "reader_reader", "model_reader", "equivalence_relative",
               "individual_agreement", "williams_index")  # fmt: skip
        none = [undefined(name, _NONE, convention=words) for name in ids]
        return Interchangeability(
            none[0], none[1], none[2], none[3], none[4], none[5], margin, None, None,
            human, model, rows,
        )  # fmt: skip
    sums = np.column_stack([np.ones(rows.size), human, model])
    drawn = replicate_sums(own.sums(sums), settings)
    value = sums.sum(axis=0)
    scale = float(np.abs(sums[:, 1:]).max())
    extra: dict[str, JsonValue] = {
        **own.extra, "n_pairs_readers": int(means.pairs[rows].sum()),
        "n_pairs_model": int(means.answers[rows].sum()),
    }  # fmt: skip

    def estimate(
        name: str, one: float, of_drawn: FloatArray, convention: str, changes: FloatArray
    ) -> Estimate:
        constant = np.ptp(changes) <= 1e-12 * max(float(np.abs(changes).max()), 1e-300)
        interval = percentile_interval(of_drawn, own, settings, scale=scale)
        low, high, method = interval.low, interval.high, interval.method
        reason = interval.reason
        if low is not None and constant:
            low, high, method, reason = None, None, "", _EQUAL
        return Estimate(
            name, one, low, high, settings.level, rows.size, convention=convention, method=method,
            reason=reason, extra=extra,
        )  # fmt: skip

    sign = -1.0 if scores.higher_is_better else 1.0
    gaps = sign * (drawn[:, 2] - drawn[:, 1]) / drawn[:, 0]
    gap = float(sign * (value[2] - value[1]) / value[0])
    difference = estimate(
        "interchangeability", gap, gaps,
        f"disagreement of model and reader less that of two readers; {words}", model - human,
    )  # fmt: skip
    ratios = _ratios(scores, value, drawn, own, settings, words, extra)
    upper = difference.high
    p = None
    if margin is not None and difference.has_interval:
        p = float((1 + (gaps >= margin).sum()) / (1 + gaps.size))
    return Interchangeability(
        difference,
        estimate("reader_reader", float(human.mean()), drawn[:, 1] / drawn[:, 0],
                 f"pairs of readers; {words}", human),
        estimate("model_reader", float(model.mean()), drawn[:, 2] / drawn[:, 0],
                 f"model with each reader; {words}", model),
        *ratios, margin,
        upper < margin if upper is not None and margin is not None else None,
        p, human, model, rows,
    )  # fmt: skip


def _ratios(
    scores: PairScores, value: FloatArray, drawn: FloatArray, own: Clusters, settings: Settings,
    words: str, extra: dict[str, JsonValue],
) -> tuple[Estimate, Estimate, Estimate]:  # fmt: skip
    """Relative equivalence index, coefficient of individual agreement, Williams' index."""

    def losses(sums: FloatArray) -> tuple[FloatArray, FloatArray]:
        human, model = sums[:, 1] / sums[:, 0], sums[:, 2] / sums[:, 0]
        return (1 - human, 1 - model) if scores.higher_is_better else (human, model)

    names = ("equivalence_relative", "individual_agreement", "williams_index")
    conventions = (
        f"difference over half the disagreement of two readers; {words}",
        f"disagreement of two readers over that of model and reader; {words}",
        f"score of model and reader over that of two readers; {words}",
    )
    n = int(value[0])
    every = np.vstack([value, drawn])
    if not scores.unit_range:  # ratios in any unit; what is dust is told beside the scores
        every[:, 1:] /= float(np.abs(every[0, 1:]).max()) / value[0] or 1.0
    human, model = losses(every)
    dust = 1e-12
    zero = "Not estimated: the score has no zero of disagreement."
    no_zero = scores.higher_is_better and not scores.unit_range
    agreement = ratio(every[:, 2], every[:, 1], least=dust)
    found = []
    for name, convention, values, why in (
        (names[0], conventions[0], 2 * ratio(model - human, human, least=dust),
         zero if no_zero else "Not estimated: two readers never disagree."),
        (names[1], conventions[1], ratio(human, model, least=dust),
         zero if no_zero else "Not estimated: model and readers never disagree."),
        (names[2], conventions[2], agreement,
         "Not estimated: two readers never agree." if scores.higher_is_better else
         "Not estimated: the score is one of disagreement."),
    ):  # fmt: skip
        of_agreement = name == "williams_index"
        refused = not scores.higher_is_better if of_agreement else no_zero
        if refused or not np.isfinite(values[0]):
            found.append(undefined(name, why, n=n, convention=convention))
            continue
        interval = percentile_interval(values[1:], own, settings)
        low, high, method = interval.low, interval.high, interval.method
        reason: str | None = interval.reason
        found.append(Estimate(
            name, float(values[0]), low, high, settings.level, n, convention=convention,
            method=method, reason=reason, extra=extra,
        ))  # fmt: skip
    return found[0], found[1], found[2]


@dataclass(frozen=True)
class Ceiling:
    """Where the model lies among the readers, case by case."""

    readers: FloatArray  # (n, k) each reader's mean score with the others, NaN where missing
    model: FloatArray  # (n, k) the model's with the same others
    beside: Estimate  # share of cases where the model is no worse than the worst reader
    above: Estimate  # share of cases where the model is no worse than the mean reader


def agreement_ceiling(
    scores: PairScores, clusters: Clusters | None = None, settings: Settings = DEFAULT
) -> Ceiling:
    """How often the model lies within the spread of the readers, and at or above their mean.

    Each reader and the model are scored with the same other readers. Scores are oriented: more is
    better, so disagreement appears with a minus sign.

    Args:
        scores: of every pair.
        clusters: independent units; None means every case is its own.
        settings: level, draws, seed.

    Returns:
        Scores for the chart, and two shares; undefined when no case can be compared.

    Example:
        >>> from ml.stats.agreement.pair_scores import number_scores
        >>> readers = np.array([[1.0, 2, 3], [1, 2, 3]])
        >>> agreement_ceiling(number_scores(readers, np.array([2.0, 9]))).beside.value
        0.5
    """
    of_reader, of_model = scores.with_others()
    rows = np.flatnonzero(~np.isnan(of_reader).all(axis=1))
    convention = f"{scores.name}; cases of two readers and the model"
    if rows.size == 0:
        none = [undefined(name, _NONE, convention=convention)
                for name in ("model_beside_readers", "model_above_mean")]  # fmt: skip
        return Ceiling(of_reader, of_model, none[0], none[1])
    own = checked_clusters(clusters, scores.values.shape[0]).where(rows)
    model = np.nanmean(of_model[rows], axis=1)
    tol = 1e-12 * float(np.nanmax(np.abs(scores.values[rows]), initial=1e-300))
    beside = model >= np.nanmin(of_reader[rows], axis=1) - tol
    above = model >= np.nanmean(of_reader[rows], axis=1) - tol
    found = []
    for name, hits, words in (
        ("model_beside_readers", beside, "no worse than the worst reader"),
        ("model_above_mean", above, "no worse than the mean reader"),
    ):
        found.append(
            proportion(name, hits, own, level=settings.level, convention=f"{words}; {convention}")
        )
    return Ceiling(of_reader, of_model, found[0], found[1])
