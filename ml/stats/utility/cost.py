"""What errors cost: the cost curve of a score (of calls: ``discrimination.rates``)."""

from dataclasses import dataclass

import numpy as np

from ml.stats.arrays import FloatArray, IntArray
from ml.stats.asked import checked_count
from ml.stats.discrimination.roc import roc_curve


@dataclass(frozen=True)
class CostCurve:
    """Lower envelope of normalised expected cost over all thresholds; arrays (m,)."""

    probability_cost: FloatArray  # share of the cost that misses make when all are wrong, 0..1
    cost: FloatArray  # normalised expected cost at the best threshold for it
    without_model: FloatArray  # of the better of calling all and none


def cost_curve(scores: FloatArray, present: IntArray, steps: int = 101) -> CostCurve:
    """Cost of the best threshold for every mix of prevalence and costs.

    The best threshold is chosen on the same cases: the curve is what could be reached, not what a
    fixed threshold costs.

    Args:
        scores: (n,) higher means present.
        present: (n,) 1 or 0; both must occur.
        steps: points from 0 to 1.

    Raises:
        ValueError: as ``roc_curve``, and for fewer than two steps.

    Example:
        >>> cost_curve(np.array([0.1, 0.9]), np.array([0, 1]), 3).cost.tolist()
        [0.0, 0.0, 0.0]

    Source:
        Drummond, Holte (2006).
    """
    steps = checked_count("steps", steps, 2, 1_000_000)
    roc = roc_curve(scores, present)
    at = np.linspace(0, 1, steps)
    lines = (1 - roc.true_positive_rate)[:, None] * at + roc.false_positive_rate[:, None] * (1 - at)
    return CostCurve(at, lines.min(axis=0), np.minimum(at, 1 - at))
