"""Predicted probabilities against what happened, bin by bin."""

from dataclasses import dataclass

import numpy as np

from ml.stats.arrays import BoolArray, FloatArray, IntArray, checked_probabilities
from ml.stats.asked import checked_count
from ml.stats.bootstrap import DEFAULT, Settings
from ml.stats.clusters import Clusters, checked_clusters
from ml.stats.proportion import effective_size, wilson

BINS = 15
MOST_BINS = 10_000
_CHUNK = 1_000_000


@dataclass(frozen=True)
class Reliability:
    """The filled bins of a reliability diagram; all arrays (m,)."""

    low: FloatArray  # edges, 0..1; a bin holds (low, high], the first also 0
    high: FloatArray
    count: IntArray
    events: IntArray
    mean: FloatArray  # mean probability, 0..1
    observed: FloatArray  # share with the finding, 0..1
    observed_low: FloatArray  # Wilson interval, on the effective size where cases cluster
    observed_high: FloatArray
    band_low: FloatArray  # where `observed` falls if the probabilities are right
    band_high: FloatArray


def bin_of(probabilities: FloatArray, bins: int = BINS) -> IntArray:
    """Equal-width bins closed on the right, ((k-1)/B, k/B]; 0 joins the first.

    Raises:
        ValueError: for a number of bins that is not whole, or outside 1..10,000.

    Example:
        >>> bin_of(np.array([0.0, 0.5, 0.51, 1.0]), 2).tolist()
        [0, 0, 1, 1]

    Source:
        Guo, Pleiss, Sun, Weinberger (2017). On Calibration of Modern Neural Networks. ICML.
    """
    bins = checked_count("bins", bins, 1, MOST_BINS)
    edges = np.arange(1, bins) / bins
    return np.digitize(probabilities, edges, right=True).astype(np.int64)


def bin_sums(
    probabilities: FloatArray, outcomes: BoolArray, clusters: Clusters, bins: int = BINS
) -> FloatArray:
    """Count, sum of probabilities and events per cluster and bin: (clusters, 3·bins).

    Example:
        >>> p, y = np.array([0.25, 0.75]), np.array([False, True])
        >>> bin_sums(p, y, Clusters.of(np.zeros(2, int)), 2).tolist()
        [[1.0, 1.0, 0.25, 0.75, 0.0, 1.0]]
    """
    bins = checked_count("bins", bins, 1, MOST_BINS)
    at = clusters.codes * bins + bin_of(probabilities, bins)
    size = clusters.count * bins
    parts = [
        np.bincount(at, weights, size).reshape(clusters.count, bins)
        for weights in (np.ones(at.size), probabilities, outcomes.astype(np.float64))
    ]
    return np.concatenate(parts, axis=1)


def reliability(
    probabilities: FloatArray,
    present: IntArray,
    clusters: Clusters | None = None,
    settings: Settings = DEFAULT,
    *,
    bins: int = BINS,
) -> Reliability:
    """The bins of the diagram, each with an interval and a consistency band.

    The band simulates outcomes that follow the probabilities exactly. Cases of one cluster
    share one uniform number per draw, the strongest dependence there can be, so that the band
    is never too narrow for near-duplicates.

    Args:
        probabilities: (n,) 0..1.
        present: (n,) 1 or 0.
        clusters: independent units; None means every case is its own.
        settings: level, draws, seed.
        bins: number of bins over 0..1.

    Raises:
        ValueError: for no cases or no draws, NaN, values outside 0..1 or unequal shapes.

    Example:
        >>> found = reliability(np.array([0.2, 0.3, 0.9]), np.array([0, 1, 1]), bins=2)
        >>> found.count.tolist(), found.observed.tolist()
        ([2, 1], [0.5, 1.0])

    Source:
        Bröcker, Smith (2007). Increasing the Reliability of Reliability Diagrams. Weather and
        Forecasting 22:651-661 (consistency resampling).
    """
    probabilities, outcomes = checked_probabilities(probabilities, present)
    if probabilities.size == 0:
        raise ValueError("a reliability diagram of no cases is undefined")
    if not settings.draws:
        raise ValueError("the band of a reliability diagram is simulated: ask for draws")
    bins = checked_count("bins", bins, 1, MOST_BINS)
    clusters = checked_clusters(clusters, probabilities.size)
    at = bin_of(probabilities, bins)
    filled, count = np.unique(at, return_counts=True)
    events = np.bincount(at, outcomes, bins)[filled]
    ends = [_wilson_of(outcomes[at == b], clusters, at == b, settings.level) for b in filled]
    band = _consistency(probabilities, at, filled, count, clusters, settings)
    return Reliability(
        low=filled / bins,
        high=(filled + 1) / bins,
        count=count.astype(np.int64),
        events=events.astype(np.int64),
        mean=np.bincount(at, probabilities, bins)[filled] / count,
        observed=events / count,
        observed_low=np.array([low for low, _ in ends]),
        observed_high=np.array([high for _, high in ends]),
        band_low=band[0],
        band_high=band[1],
    )


def _wilson_of(
    outcomes: BoolArray, clusters: Clusters, rows: BoolArray, level: float
) -> tuple[float, float]:
    size = effective_size(outcomes, clusters.where(np.flatnonzero(rows)))
    return wilson(float(outcomes.mean()), size.n, level)


def _consistency(
    probabilities: FloatArray,
    at: IntArray,
    filled: IntArray,
    count: IntArray,
    clusters: Clusters,
    settings: Settings,
) -> FloatArray:
    """Quantiles of the observed share per bin under perfect calibration, (2, m)."""
    generator = np.random.default_rng(settings.seed)
    order = np.argsort(at, kind="stable")
    starts = np.searchsorted(at[order], filled)
    sorted_probabilities, codes = probabilities[order], clusters.codes[order]
    step = max(1, _CHUNK // probabilities.size)
    shares = []
    for start in range(0, settings.draws, step):
        size = min(step, settings.draws - start)
        uniform = generator.random((size, clusters.count))
        happened = uniform[:, codes] < sorted_probabilities
        shares.append(np.add.reduceat(happened, starts, axis=1, dtype=np.int64) / count)
    tail = (1 - settings.level) / 2
    quantiles: FloatArray = np.quantile(np.concatenate(shares), (tail, 1 - tail), axis=0)
    return quantiles
