"""How alike two maps of one case are: three numbers that stand for the pair."""

from typing import NamedTuple

import numpy as np

from ml.estimate import Estimate
from ml.stats.arrays import FloatArray
from ml.stats.explanation.faithfulness import max_sensitivity
from ml.stats.explanation.localisation import entropy_complexity, rank_similarity


class Likeness(NamedTuple):
    """Of a map to another of the same case; NaN where a number is undefined.

    Attributes:
        alike: Spearman's correlation of the signed maps.
        changed: Euclidean size of the difference over that of the first map.
        rise: entropy (nats) of the shares of absolute relevance of the second less that of the
            first.
    """

    alike: float
    changed: float
    rise: float


NOTHING = Likeness(np.nan, np.nan, np.nan)


def likeness(own: FloatArray, other: FloatArray) -> Likeness:
    """Of two signed maps of one shape; nothing where one of them is not finite.

    Example:
        >>> likeness(np.array([1.0, 2.0, 2.0]), np.array([2.0, 4.0, 4.0]))
        Likeness(alike=1.0, changed=1.0, rise=0.0)
    """
    if not (np.isfinite(own).all() and np.isfinite(other).all()):
        return NOTHING
    return Likeness(
        _number(rank_similarity(own, other)),
        _number(max_sensitivity(own.ravel(), other.ravel()[None])),
        _number(entropy_complexity(other)) - _number(entropy_complexity(own)),
    )


def _number(estimate: Estimate) -> float:
    return np.nan if estimate.value is None else estimate.value
