"""The model beside each reader: who agrees better with what the other readers say?"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np

from ml.estimate import Estimate, undefined
from ml.stats.agreement.pair_scores import together
from ml.stats.agreement.ratings import category_counts
from ml.stats.agreement.weights import agreement_weights
from ml.stats.arrays import BoolArray, FloatArray, ratio
from ml.stats.bootstrap import DEFAULT, Settings, replicate_sums
from ml.stats.clusters import Clusters, checked_clusters
from ml.stats.interval import percentile_interval

CategoryScore = Literal["agreement", "kappa"]
NumberScore = Literal["squared", "absolute", "icc"]

_NONE = "Not estimated: no case was answered by two readers and by the model."
_FLAT = "Not estimated: the score is undefined for every reader left out; all answers are equal."


@dataclass(frozen=True)
class LeftOut:
    """One reader against the others, and the model against the same others on the same cases."""

    column: int
    reader: Estimate
    model: Estimate
    difference: Estimate  # model less reader


@dataclass(frozen=True)
class LeaveOneReaderOut:
    """Mean over the readers left out."""

    reader: Estimate
    model: Estimate
    difference: Estimate  # model less reader, paired; see higher_is_better
    per_reader: tuple[LeftOut, ...]  # empty for exchangeable readers
    higher_is_better: bool


def leave_one_out_categories(
    readers: FloatArray,
    model: FloatArray,
    categories: int,
    score: CategoryScore = "kappa",
    weights: str = "identity",
    clusters: Clusters | None = None,
    settings: Settings = DEFAULT,
    *,
    consensus: Literal["majority", "each"] = "majority",
    exchangeable: bool = False,
) -> LeaveOneReaderOut:
    """Agreement of each reader, and of the model, with the consensus of the other readers.

    Args:
        readers: (n, k) codes 0..categories-1, NaN where missing.
        model: (n,) codes, NaN where missing.
        categories: number of declared answers.
        score: ``agreement`` (share equal, or weighted) or ``kappa`` (Cohen's, weighted).
        weights: identity, linear or quadratic; the last two need ordered answers.
        clusters: independent units; None means every case is its own.
        settings: level, draws, seed; the bootstrap is paired.
        consensus: ``majority``: the most frequent answer of the others, tied answers sharing the
            case; ``each``: every other reader in turn, with equal weight.
        exchangeable: columns are not readers: all answers left out in turn are pooled.

    Returns:
        Means over readers, each with the same weight (over answers if exchangeable), and the
        single readers. Undefined when no case has two readers and the model.

    Raises:
        ValueError: for undeclared codes, another score, weights or consensus.

    Example:
        >>> readers = np.array([[0.0, 0, 0], [1, 1, 1], [0, 0, 1], [1, 1, 0]])
        >>> found = leave_one_out_categories(readers, np.array([0.0, 1, 0, 1]), 2, "agreement")
        >>> found.model.value > found.reader.value
        True

    Source:
        Williams (1976), Biometrics 32:619-627 (one rater against a group of raters); kappa:
        Cohen (1968), Psychological Bulletin 70:213-220.
    """
    if score not in ("agreement", "kappa"):
        raise ValueError(f"score must be agreement or kappa, got {score!r}")
    if consensus not in ("majority", "each"):
        raise ValueError(f"consensus must be majority or each, got {consensus!r}")
    answers = together(readers, model)
    counts = category_counts(answers[:, :-1], categories)
    category_counts(answers[:, -1:], categories)
    table = agreement_weights(categories, weights).table
    onehot = (answers[:, :, None] == np.arange(categories)).astype(np.float64)
    others = counts[:, None, :] - onehot[:, :-1]  # (n, k, categories)
    if consensus == "majority":
        others = (others == others.max(axis=2, keepdims=True)) & (others > 0)
    total = others.sum(axis=2, keepdims=True, dtype=np.float64)
    reference = np.divide(others, total, out=np.zeros(others.shape), where=total > 0)
    used = _used(answers, total[:, :, 0] > 0)
    reference[~used] = 0.0
    cells = [
        (who[:, :, :, None] * reference[:, :, None, :]).reshape(*used.shape, categories**2)
        for who in (onehot[:, :-1], np.broadcast_to(onehot[:, -1:], others.shape))
    ]

    def of_sums(sums: FloatArray) -> FloatArray:
        cell = sums.reshape(*sums.shape[:-1], categories, categories)
        if score == "agreement":
            agreed = np.einsum("...ij,ij->...", cell, table)
            return ratio(agreed, cell.sum(axis=(-2, -1)))
        return _kappa(cell, table)

    words = "" if weights == "identity" else f", {weights} weights"
    name = {"agreement": "share of agreement", "kappa": "Cohen's kappa"}[score]
    with_whom = {
        "majority": "the majority of the other readers",
        "each": "each other reader",
    }[consensus]
    return _measure(
        cells, used, of_sums, clusters, settings, exchangeable,
        f"{name}{words}, with {with_whom}", True,
    )  # fmt: skip


def leave_one_out_numbers(
    readers: FloatArray,
    model: FloatArray,
    score: NumberScore = "squared",
    clusters: Clusters | None = None,
    settings: Settings = DEFAULT,
    *,
    consensus: Literal["mean", "median"] = "mean",
    exchangeable: bool = False,
) -> LeaveOneReaderOut:
    """Error of each reader, and of the model, against the mean of the other readers.

    Args:
        readers: (n, k) numbers, NaN where missing.
        model: (n,) numbers, NaN where missing.
        score: ``squared`` (mean squared difference), ``absolute`` (mean absolute difference), or
            ``icc`` (ICC(A,1) of the two columns).
        clusters: independent units; None means every case is its own.
        settings: level, draws, seed; the bootstrap is paired.
        consensus: mean or median of the other readers.
        exchangeable: columns are not readers: all answers left out in turn are pooled.

    Returns:
        As ``leave_one_out_categories``. For errors less is better: a positive difference means that
        the model is further from the others than a reader is.

    Raises:
        ValueError: for another score or consensus, or infinite numbers.

    Example:
        >>> readers = np.array([[1.0, 2, 3], [4, 4, 4], [0, 1, 5]])
        >>> leave_one_out_numbers(readers, readers.mean(axis=1)).difference.value < 0
        True

    Source:
        Barnhart, Haber, Lin (2007), Journal of Biopharmaceutical Statistics 17:529-569.
    """
    if score not in ("squared", "absolute", "icc"):
        raise ValueError(f"score must be squared, absolute or icc, got {score!r}")
    if consensus not in ("mean", "median"):
        raise ValueError(f"consensus must be mean or median, got {consensus!r}")
    answers = together(readers, model)
    given = ~np.isnan(answers)
    centre = float(answers[given].mean()) if given.any() else 0.0
    answers = answers - centre
    reference, some = _others(answers[:, :-1], consensus)
    used = _used(answers, some)
    target = np.where(used, reference, 0.0)
    parts = []
    for who in (answers[:, :-1], np.broadcast_to(answers[:, -1:], used.shape)):
        own = np.where(used, who, 0.0)
        away = own - target
        columns = [used.astype(np.float64)]
        if score == "icc":
            columns += [own, target, own**2, own * target, target**2]
        else:
            columns.append(away**2 if score == "squared" else np.abs(away))
        parts.append(np.stack(columns, axis=2))
    of_sums = _icc if score == "icc" else (lambda sums: ratio(sums[..., 1], sums[..., 0]))
    name = {"squared": "mean squared difference", "absolute": "mean absolute difference",
            "icc": "ICC(A,1)"}[score]  # fmt: skip
    return _measure(
        parts, used, of_sums, clusters, settings, exchangeable,
        f"{name}, with the {consensus} of the other readers", score == "icc",
    )  # fmt: skip


def _used(answers: FloatArray, others: BoolArray) -> BoolArray:
    """Where the left-out reader, another one and the model all answered, (n, k)."""
    given = ~np.isnan(answers)
    return np.asarray(given[:, :-1] & given[:, -1:] & others)


def _others(readers: FloatArray, consensus: str) -> tuple[FloatArray, BoolArray]:
    """Mean or median of all readers but one, (n, k), and whether there is any."""
    n, k = readers.shape
    given = ~np.isnan(readers)
    left = given.sum(axis=1)[:, None] - given
    if consensus == "mean":
        filled = np.where(given, readers, 0.0)
        total = filled.sum(axis=1, keepdims=True) - filled
        return total / np.maximum(left, 1), left > 0
    found = np.zeros((n, k))
    for column in range(k):
        some = left[:, column] > 0
        rest = np.delete(readers[some], column, axis=1)
        found[some, column] = np.nanmedian(rest, axis=1) if rest.size else 0.0
    return found, left > 0


def _kappa(cell: FloatArray, table: FloatArray) -> FloatArray:
    total = cell.sum(axis=(-2, -1))
    observed = np.einsum("...ij,ij->...", cell, table)
    rows, columns = cell.sum(axis=-1), cell.sum(axis=-2)
    chance = ratio(np.einsum("...i,...j,ij->...", rows, columns, table), total)
    return ratio(observed - chance, total - chance, least=1e-9)


def _icc(sums: FloatArray) -> FloatArray:
    """ICC(A,1) of two columns from their moments."""
    n, x, y, xx, xy, yy = np.moveaxis(sums, -1, 0)
    n = np.maximum(n, 1)
    sxx, sxy, syy = xx - x * x / n, xy - x * y / n, yy - y * y / n
    free = np.maximum(n - 1, 1)
    rows, error = (sxx + syy + 2 * sxy) / (2 * free), (sxx + syy - 2 * sxy) / (2 * free)
    readers = (x - y) ** 2 / (2 * n)
    room = rows + error + 2 * (readers - error) / n
    return ratio(rows - error, np.where(room > 1e-12 * (xx + yy) / n, room, 0.0))


def _measure(
    parts: list[FloatArray], used: BoolArray, of_sums: Callable[[FloatArray], FloatArray],
    clusters: Clusters | None, settings: Settings, exchangeable: bool, words: str, higher: bool,
) -> LeaveOneReaderOut:  # fmt: skip
    rows = np.flatnonzero(used.any(axis=1))
    ids = ("loo_reader", "loo_model", "loo_difference")
    over = "pooled over answers" if exchangeable else "mean over readers"
    convention = f"{words}; {over}; same cases for reader and model"
    if rows.size == 0:
        none = [undefined(name, _NONE, convention=convention) for name in ids]
        return LeaveOneReaderOut(none[0], none[1], none[2], (), higher)
    own = checked_clusters(clusters, used.shape[0]).where(rows)
    # (n, 2, k, q): of reader and model, per reader left out
    stacked = np.stack([part[rows] for part in parts], axis=1)
    if exchangeable:
        stacked = stacked.sum(axis=2, keepdims=True)
    shape = stacked.shape[1:]
    flat = stacked.reshape(rows.size, int(np.prod(shape)))
    value = of_sums(flat.sum(axis=0).reshape(1, *shape))[0]  # (2, k)
    drawn = of_sums(replicate_sums(own.sums(flat), settings).reshape(-1, *shape))
    defined = np.isfinite(value).all(axis=0)
    if not defined.any():
        none = [undefined(name, _FLAT, n=rows.size, convention=convention) for name in ids]
        return LeaveOneReaderOut(none[0], none[1], none[2], (), higher)
    means = [_three(value[:, defined].mean(axis=1), _mean(drawn[:, :, defined]), rows.size, own,
                    settings, convention, ids)]  # fmt: skip
    per_reader = []
    for column in range(0 if exchangeable else value.shape[1]):
        n = int(used[:, column].sum())
        if not defined[column]:
            found = [undefined(name, _FLAT if n else _NONE, n=n, convention=words) for name in ids]
        else:
            found = _three(value[:, column], drawn[:, :, column], n, own, settings, words, ids)
        per_reader.append(LeftOut(column, found[0], found[1], found[2]))
    reader, model, difference = means[0]
    return LeaveOneReaderOut(reader, model, difference, tuple(per_reader), higher)


def _mean(drawn: FloatArray) -> FloatArray:
    """Mean over readers that are defined for both, (r, 2)."""
    some = np.isfinite(drawn).all(axis=1, keepdims=True)
    total = np.where(some, drawn, 0.0).sum(axis=2)
    return ratio(total, some.sum(axis=2).astype(np.float64))


def _three(
    value: FloatArray, drawn: FloatArray, n: int, own: Clusters, settings: Settings,
    convention: str, ids: tuple[str, str, str],
) -> list[Estimate]:  # fmt: skip
    """Estimates of reader, model and their difference."""
    values = (float(value[0]), float(value[1]), float(value[1] - value[0]))
    replicates = (drawn[:, 0], drawn[:, 1], drawn[:, 1] - drawn[:, 0])
    found = []
    for name, one, of_drawn in zip(ids, values, replicates, strict=True):
        interval = percentile_interval(of_drawn, own, settings, scale=float(np.abs(value).max()))
        text = (
            convention if name != "loo_difference" else f"model less reader, paired; {convention}"
        )
        found.append(Estimate(
            name, one, interval.low, interval.high, settings.level, n, convention=text,
            method=interval.method, reason=interval.reason, extra={**own.extra},
        ))  # fmt: skip
    return found
