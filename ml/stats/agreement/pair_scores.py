"""A score of every pair among the readers and the model, case by case: the model as a reader."""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from ml.stats.agreement.anova import checked_ratings
from ml.stats.agreement.ratings import category_counts
from ml.stats.agreement.weights import agreement_weights
from ml.stats.arrays import BoolArray, FloatArray, IntArray

_LARGEST = 1e150  # the square of a number that can be squared


@dataclass(frozen=True)
class PairScores:
    """How well each pair agrees on each case. The model is the last of k + 1 readers.

    Attributes:
        values: (n, k+1, k+1) symmetric, NaN where one of the pair has no answer; the diagonal is
            not read.
        higher_is_better: True for agreement (Dice, share equal), False for disagreement (squared
            difference).
        name: what the score is, for conventions.
        unit_range: the scores lie in 0..1, so that differences read as shares.

    Raises:
        ValueError: unless square, symmetric and finite or NaN.
    """

    values: FloatArray
    higher_is_better: bool
    name: str
    unit_range: bool = False

    def __post_init__(self) -> None:
        values = self.values
        if values.ndim != 3 or values.shape[1] != values.shape[2] or values.shape[1] < 2:
            raise ValueError(f"expected scores (n, k+1, k+1), got shape {values.shape}")
        if (np.abs(values) > _LARGEST).any():
            raise ValueError(
                f"scores must be finite, {_LARGEST:g} at most, or NaN where a pair has none"
            )
        if not np.array_equal(values, values.transpose(0, 2, 1), equal_nan=True):
            raise ValueError("scores must be symmetric: the same for both of a pair")

    @property
    def readers(self) -> int:
        return int(self.values.shape[1]) - 1

    @property
    def oriented(self) -> FloatArray:
        """Scores of which more is better."""
        return self.values if self.higher_is_better else -self.values

    def means(self) -> "CaseMeans":
        """Mean score of pairs of readers and of model-reader pairs, case by case."""
        k = self.readers
        first, second = np.triu_indices(k, 1)
        among, with_model = self.values[:, first, second], self.values[:, k, :k]
        human, pairs = _mean(among)
        model, answers = _mean(with_model)
        return CaseMeans(human, model, pairs, answers)

    def with_others(self) -> tuple[FloatArray, FloatArray]:
        """Mean score of each reader, and of the model, with all readers but that one.

        Returns:
            Of the reader (n, k) and of the model (n, k), more is better; NaN where the reader, the
            model or every other reader gave no answer.
        """
        k = self.readers
        scores = self.oriented
        of_reader, of_model = np.full((scores.shape[0], k), np.nan), scores[:, k, :k]
        own = np.full_like(of_reader, np.nan)
        for reader in range(k):
            others = np.delete(np.arange(k), reader)
            of_reader[:, reader], _ = _mean(scores[:, reader][:, others])
            # The model is compared where the left-out reader answered too, with the same others.
            own[:, reader], _ = _mean(of_model[:, others])
        both = ~np.isnan(of_reader) & ~np.isnan(own)
        return np.where(both, of_reader, np.nan), np.where(both, own, np.nan)


@dataclass(frozen=True)
class CaseMeans:
    human: FloatArray  # (n,) mean over pairs of readers, NaN where there is none
    model: FloatArray  # (n,) mean over readers of their score with the model
    pairs: IntArray  # (n,) pairs of readers
    answers: IntArray  # (n,) readers that the model is compared with

    @property
    def both(self) -> BoolArray:
        return np.asarray((self.pairs > 0) & (self.answers > 0))


def category_scores(
    readers: FloatArray, model: FloatArray, categories: int, weights: str = "identity"
) -> PairScores:
    """Agreement of categorical answers: 1 equal, less for answers further apart if weighted.

    Args:
        readers: (n, k) codes 0..categories-1, NaN where missing; columns may be exchangeable.
        model: (n,) codes, NaN where missing.
        categories: number of declared answers.
        weights: identity, linear or quadratic; the last two need ordered answers.

    Raises:
        ValueError: for unequal numbers of cases, undeclared codes or other weights.

    Example:
        >>> scores = category_scores(np.array([[0.0, 1]]), np.array([1.0]), 2)
        >>> scores.values[0].tolist()
        [[1.0, 0.0, 0.0], [0.0, 1.0, 1.0], [0.0, 1.0, 1.0]]

    Source:
        Obuchowski, Subhas, Schoenhagen (2014), Academic Radiology 21:1483-1489 (probability of
        agreement); weights: Cohen (1968), Psychological Bulletin 70:213-220.
    """
    answers = together(readers, model)
    category_counts(answers, categories)  # refuses undeclared codes
    table = agreement_weights(categories, weights).table
    given = ~np.isnan(answers)
    codes = np.where(given, answers, 0).astype(np.int64)
    values = table[codes[:, :, None], codes[:, None, :]]
    values = np.where(given[:, :, None] & given[:, None, :], values, np.nan)
    name = "share of equal answers" if weights == "identity" else f"agreement, {weights} weights"
    return PairScores(values, True, name, unit_range=True)


def number_scores(
    readers: FloatArray, model: FloatArray, distance: Literal["squared", "absolute"] = "squared"
) -> PairScores:
    """Disagreement of numeric answers: squared or absolute difference, in the unit of answers.

    Args:
        readers: (n, k) numbers, NaN where missing; columns may be exchangeable.
        model: (n,) numbers, NaN where missing.
        distance: squared or absolute.

    Raises:
        ValueError: for unequal numbers of cases, infinite numbers or another distance.

    Example:
        >>> number_scores(np.array([[1.0, 3]]), np.array([2.0])).values[0, 2].tolist()
        [1.0, 1.0, 0.0]

    Source:
        Barnhart, Kosinski, Haber (2007), Journal of Biopharmaceutical Statistics 17:697-719.
    """
    if distance not in ("squared", "absolute"):
        raise ValueError(f"distance must be squared or absolute, got {distance!r}")
    answers = together(readers, model)
    away = answers[:, :, None] - answers[:, None, :]
    values = away**2 if distance == "squared" else np.abs(away)
    return PairScores(values, False, f"{distance} difference")


def together(readers: FloatArray, model: FloatArray) -> FloatArray:
    """Answers of readers and of the model side by side, (n, k+1).

    Args:
        readers: (n, k) numbers or codes, NaN where missing.
        model: (n,) of the same cases.

    Raises:
        ValueError: for unequal numbers of cases or infinite answers.

    Example:
        >>> together(np.array([[1, 2], [3, 4]]), np.array([5, 6])).tolist()
        [[1.0, 2.0, 5.0], [3.0, 4.0, 6.0]]
    """
    readers = checked_ratings(readers)
    model = np.asarray(model, dtype=np.float64)
    if model.shape != readers.shape[:1]:
        raise ValueError(
            f"expected a model answer for each of {readers.shape[0]} cases, got shape {model.shape}"
        )
    return checked_ratings(np.column_stack([readers, model]))


def _mean(values: FloatArray) -> tuple[FloatArray, IntArray]:
    """Mean over the last axis of what is there, and how many there are."""
    given = ~np.isnan(values)
    number = given.sum(axis=1)
    total = np.where(given, values, 0.0).sum(axis=1)
    return np.where(number > 0, total / np.maximum(number, 1), np.nan), number
