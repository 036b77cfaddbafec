"""How far a risk-coverage curve would move with other patients."""

import numpy as np

from ml.stats.arrays import FloatArray, IntArray, checked_binary
from ml.stats.bootstrap import DEFAULT, Settings, replicates
from ml.stats.clusters import Clusters, checked_clusters, too_few
from ml.stats.uncertainty.accepted import AcceptedCases


def risk_band(
    confidence: FloatArray,
    error: IntArray,
    clusters: Clusters | None = None,
    settings: Settings = DEFAULT,
    *,
    grid: FloatArray | None = None,
) -> tuple[FloatArray, FloatArray, FloatArray] | None:
    """Pointwise band of the selective risk at fixed coverages, by cluster bootstrap.

    Args:
        confidence: (n,) higher means more certain.
        error: (n,) 1 wrong, 0 right.
        clusters: independent units; None means every case is its own.
        settings: level, draws, seed.
        grid: (g,) coverages above 0 and at most 1; 20 equal steps when None.

    Returns:
        Grid, low and high, each (g,). None without draws, with too few clusters for a band, and
        where no replicate differs from another: no spread is no measure of the error.

    Raises:
        ValueError: for malformed input or a grid outside.

    Example:
        >>> wrong = np.arange(40) % 4 == 0
        >>> grid, low, high = risk_band(np.arange(40.0), wrong, grid=np.array([0.5, 1.0]))
        >>> bool((low < high).all())
        True

    Source:
        Davison, Hinkley (1997), Bootstrap Methods, section 3.8 (clusters as units drawn).
    """
    confidence, wrong = checked_binary(confidence, error)
    grid = np.linspace(0.05, 1, 20) if grid is None else np.asarray(grid, dtype=np.float64)
    if grid.ndim != 1 or not ((grid > 0) & (grid <= 1)).all():
        raise ValueError("the grid must be (g,) coverages above 0 and at most 1")
    clusters = checked_clusters(clusters, confidence.size)
    if too_few(clusters) or not settings.draws:
        return None
    cases = AcceptedCases(confidence, wrong, clusters.codes)

    curves = replicates(
        lambda counts: cases.of(counts).risks_at(grid), clusters.count, settings,
        width=confidence.size,
    )  # fmt: skip
    tail = (1 - settings.level) / 2
    low, high = np.quantile(curves, (tail, 1 - tail), axis=0)
    return None if (low == high).all() else (grid, low, high)
