"""How much two different answers count as agreement: the weight families of ordered scales."""

from dataclasses import dataclass

import numpy as np

from ml.stats.arrays import FloatArray
from ml.stats.asked import checked_count, checked_size

FAMILIES = (
    "identity", "linear", "quadratic", "ordinal", "radical", "ratio", "circular", "bipolar",
)  # fmt: skip


@dataclass(frozen=True)
class Weights:
    """Agreement of each pair of answers, 1 on the diagonal."""

    table: FloatArray  # (k, k) at most 1
    name: str

    @property
    def words(self) -> str:
        return "unweighted" if self.name == "identity" else f"{self.name} weights"


def agreement_weights(categories: int, name: str, values: FloatArray | None = None) -> Weights:
    """Weights of one of the eight families.

    Args:
        categories: number k of declared answers, in their order.
        name: identity (also "unweighted"), linear, quadratic, ordinal, radical, ratio,
            circular or bipolar.
        values: (k,) ascending numbers the answers stand for; 1..k when None. The ordinal family
            uses the order alone.

    Raises:
        ValueError: for another name, values that do not ascend, or negative values with ratio.

    Example:
        >>> agreement_weights(3, "linear").table[0].tolist()
        [1.0, 0.5, 0.0]

    Source:
        Cohen (1968), Psychological Bulletin 70:213-220; Cicchetti, Allison (1971); all eight:
        Gwet (2014), Handbook of Inter-Rater Reliability, 4th ed., chapter 3.
    """
    name = "identity" if name == "unweighted" else name
    if name not in FAMILIES:
        raise ValueError(f"weights must be one of {', '.join(FAMILIES)}, got {name!r}")
    checked_count("categories", categories)
    at = np.arange(1.0, categories + 1) if values is None else np.asarray(values, dtype=np.float64)
    if at.shape != (categories,) or not np.isfinite(at).all() or (np.diff(at) <= 0).any():
        raise ValueError(f"expected {categories} ascending values, got {at.tolist()}")
    checked_size("values", at)
    if name == "identity" or categories < 2:
        return Weights(np.eye(categories), name)
    distance = _distance(name, at)
    return Weights(1 - distance / distance.max(), name)


def custom_weights(
    *, agreement: FloatArray | None = None, disagreement: FloatArray | None = None
) -> Weights:
    """Weights from a matrix of one's own; the argument's name says which way it points.

    Args:
        agreement: (k, k) symmetric, 1 on the diagonal, nothing above 1.
        disagreement: (k, k) symmetric, 0 on the diagonal, not negative; scaled by its largest.

    Raises:
        ValueError: unless exactly one of them is given and it is such a matrix.

    Example:
        >>> custom_weights(disagreement=np.array([[0, 1, 3], [1, 0, 6], [3, 6, 0]])).table[0, 2]
        np.float64(0.5)
    """
    if (agreement is None) == (disagreement is None):
        raise ValueError("expected either an agreement or a disagreement matrix")
    if disagreement is not None:
        apart = checked_distances(disagreement)
        return Weights(1 - apart / max(float(apart.max(initial=0.0)), 1e-300), "custom")
    table = np.asarray(agreement, dtype=np.float64)
    if table.ndim != 2 or table.shape[0] != table.shape[1] or not np.allclose(table, table.T):
        raise ValueError(f"expected a symmetric (k, k) matrix, got shape {table.shape}")
    checked_size("agreement weights", table)
    if not (np.diagonal(table) == 1).all() or table.max(initial=0.0) > 1:
        raise ValueError("agreement weights must be 1 on the diagonal and at most 1 elsewhere")
    return Weights(table, "custom")


def checked_distances(distance: FloatArray) -> FloatArray:
    """Distances between answers as float64.

    Args:
        distance: (k, k).

    Raises:
        ValueError: unless symmetric, 0 on the diagonal and not negative elsewhere.

    Example:
        >>> checked_distances([[0, 2], [2, 0]]).tolist()
        [[0.0, 2.0], [2.0, 0.0]]
    """
    apart = np.asarray(distance, dtype=np.float64)
    if apart.ndim != 2 or apart.shape[0] != apart.shape[1] or not np.allclose(apart, apart.T):
        raise ValueError(f"expected a symmetric (k, k) matrix, got shape {apart.shape}")
    checked_size("distances", apart)
    if np.diagonal(apart).any() or apart.min(initial=0.0) < 0:
        raise ValueError("distances must be 0 on the diagonal and not negative elsewhere")
    return apart


def resolved(weights: str | Weights, categories: int) -> Weights:
    """The weights of a name, or those given, checked against the number of answers.

    Raises:
        ValueError: for an unknown name, or weights of another number of answers.

    Example:
        >>> resolved("linear", 3).table[0].tolist()
        [1.0, 0.5, 0.0]
    """
    if isinstance(weights, str):
        return agreement_weights(categories, weights)
    if weights.table.shape != (categories, categories):
        raise ValueError(f"expected weights of {categories} answers, got {weights.table.shape}")
    return weights


def _distance(name: str, at: FloatArray) -> FloatArray:
    """Distance of each pair of answers, 0 on the diagonal, in any unit."""
    apart = np.abs(at[:, None] - at[None, :])
    together = at[:, None] + at[None, :]
    if name == "linear":
        return apart
    if name == "quadratic":
        return apart**2
    if name == "radical":
        return np.sqrt(apart)
    if name == "circular":
        return circular_distance(at, float(at[-1] - at[0]) + 1)
    if name == "ratio":
        return ratio_distance(at)
    if name == "bipolar":
        room = (together - 2 * at[0]) * (2 * at[-1] - together)
        # The room is 0 only where both answers are the same end of the scale.
        share: FloatArray = np.divide(apart**2, room, out=np.zeros_like(apart), where=apart > 0)
        return share
    rank = np.arange(at.size)
    between: FloatArray = np.abs(rank[:, None] - rank[None, :]) + 1.0
    return between * (between - 1) / 2


def ratio_distance(at: FloatArray) -> FloatArray:
    """((a - b) / (a + b))² of each pair of values, (k, k); 0 where both are 0.

    Args:
        at: (k,) values of 0 or more.

    Raises:
        ValueError: for a negative value.

    Example:
        >>> ratio_distance(np.array([1.0, 3.0])).tolist()
        [[0.0, 0.25], [0.25, 0.0]]
    """
    if at.size and at.min() < 0:
        raise ValueError("a ratio scale has no negative values")
    apart, together = at[:, None] - at[None, :], at[:, None] + at[None, :]
    share = np.divide(apart, together, out=np.zeros_like(apart), where=together > 0)
    squared: FloatArray = share**2
    return squared


def circular_distance(at: FloatArray, circumference: float) -> FloatArray:
    """Squared sine of half the angle between each pair of values on a circle, (k, k).

    Args:
        at: (k,) values.
        circumference: once around, in the same unit; above 0.

    Example:
        >>> circular_distance(np.array([0.0, 3.0, 6.0]), 12.0)[0].round(4).tolist()  # a clock
        [0.0, 0.5, 1.0]
    """
    squared: FloatArray = np.sin(np.pi * (at[:, None] - at[None, :]) / circumference) ** 2
    squared[np.abs(squared) < 1e-30] = 0.0
    return squared
