"""Mean squared error of probabilities."""

from ml.estimate import Estimate
from ml.stats.arrays import FloatArray, IntArray, checked_probabilities
from ml.stats.bootstrap import DEFAULT, Settings
from ml.stats.clusters import Clusters
from ml.stats.sums import mean_estimate


def brier(
    probabilities: FloatArray,
    present: IntArray,
    clusters: Clusters | None = None,
    settings: Settings = DEFAULT,
) -> Estimate:
    """Brier score, 0 (best) to 1: the mean of (P - y)² over cases.

    Args:
        probabilities: (n,) P(finding), 0..1.
        present: (n,) 1 or 0.
        clusters: independent units; None means every case is its own.
        settings: level, draws, seed.

    Raises:
        ValueError: for NaN, values outside 0..1 or unequal shapes.

    Example:
        >>> import numpy as np
        >>> brier(np.array([0.5, 1.0]), np.array([0, 1])).value
        0.125

    Source:
        Brier (1950). Monthly Weather Review 78:1-3, in the one-class form in use today.
    """
    probabilities, outcomes = checked_probabilities(probabilities, present)
    convention = "P(finding), mean squared error of one class (0..1)"
    return mean_estimate(
        "brier", (probabilities - outcomes) ** 2, clusters, settings,
        convention=convention, n_events=int(outcomes.sum()),
    )  # fmt: skip
