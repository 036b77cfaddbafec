"""Answers of several readers as a table, and the sums over cases that agreement is made of."""

from dataclasses import dataclass

import numpy as np

from ml.stats.arrays import FloatArray


def category_counts(ratings: FloatArray, categories: int) -> FloatArray:
    """How many readers gave each answer: (n, categories).

    Args:
        ratings: (n, readers) codes 0..categories-1, NaN where a reader did not answer.

    Raises:
        ValueError: for codes that are not whole or lie outside the declared categories.

    Example:
        >>> category_counts(np.array([[0, 0, np.nan], [1, 0, 1]]), 2).tolist()
        [[2.0, 0.0], [1.0, 2.0]]
    """
    given = ratings[~np.isnan(ratings)]
    if given.size and (given.min() < 0 or given.max() >= categories or (given % 1).any()):
        raise ValueError(f"answers must be codes 0..{categories - 1}")
    counts = [(ratings == code).sum(axis=1, dtype=np.float64) for code in range(categories)]
    return np.stack(counts, axis=1)


@dataclass(frozen=True)
class Weights:
    """Agreement of each pair of answers, 1 on the diagonal."""

    table: FloatArray  # (k, k) 0..1
    name: str


def agreement_weights(categories: int, name: str) -> Weights:
    """Identity, linear or quadratic weights of ordered categories.

    Raises:
        ValueError: for another name.

    Example:
        >>> agreement_weights(3, "linear").table[0].tolist()
        [1.0, 0.5, 0.0]

    Source:
        Cohen (1968), Psychological Bulletin 70:213-220; Cicchetti, Allison (1971).
    """
    at = np.arange(categories, dtype=np.float64)
    distance = np.abs(at[:, None] - at[None, :]) / max(categories - 1, 1)
    tables = {"identity": (distance == 0).astype(np.float64),
              "linear": 1 - distance, "quadratic": 1 - distance**2}  # fmt: skip
    if name not in tables:
        raise ValueError(f"weights must be one of {', '.join(tables)}, got {name!r}")
    return Weights(tables[name], name)
