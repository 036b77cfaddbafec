"""Mean squared error of probabilities."""

import numpy as np

from ml.estimate import Estimate, undefined
from ml.stats.arrays import FloatArray, IntArray, checked_probabilities
from ml.stats.bootstrap import DEFAULT, Clusters, Settings, percentile_interval, replicate_sums


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
        >>> brier(np.array([0.5, 1.0]), np.array([0, 1])).value
        0.125

    Source:
        Brier (1950). Monthly Weather Review 78:1-3, in the one-class form in use today.
    """
    probabilities, outcomes = checked_probabilities(probabilities, present)
    convention = "P(finding), mean squared error of one class (0..1)"
    if probabilities.size == 0:
        return undefined(
            "brier", "Not estimated: there are no cases.", n_events=0, convention=convention
        )
    clusters = clusters or Clusters.singles(probabilities.size)
    errors = (probabilities - outcomes) ** 2
    sums = replicate_sums(clusters.sums(np.stack([errors, np.ones(errors.size)], axis=1)), settings)
    interval = percentile_interval(sums[:, 0] / sums[:, 1], clusters, settings)
    return Estimate(
        "brier", float(errors.mean()), interval.low, interval.high, settings.level,
        probabilities.size, int(outcomes.sum()), convention=convention,
        method=interval.method, reason=interval.reason,
        extra={**clusters.extra},
    )  # fmt: skip
