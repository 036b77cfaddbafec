"""The ROC curve itself, with a pointwise band."""

from dataclasses import dataclass

import numpy as np

from ml.stats.arrays import BoolArray, FloatArray, IntArray, checked_binary
from ml.stats.bootstrap import DEFAULT, Settings, replicates
from ml.stats.clusters import Clusters, checked_clusters, too_few
from ml.stats.discrimination.weighted_curve import WeightedCases
from ml.stats.interval import MAX_UNDEFINED


@dataclass(frozen=True)
class RocCurve:
    """Corners of the curve from (0, 0) to (1, 1), thresholds falling."""

    false_positive_rate: FloatArray  # (m,)
    true_positive_rate: FloatArray  # (m,)


def roc_curve(scores: FloatArray, present: IntArray) -> RocCurve:
    """False and true positive rate of every threshold; points on a straight line are left out.

    Args:
        scores: (n,) higher means present.
        present: (n,) 1 or 0; both must occur.

    Raises:
        ValueError: for NaN, unequal shapes, or one class only.

    Example:
        >>> curve = roc_curve(np.array([0.1, 0.9]), np.array([0, 1]))
        >>> curve.true_positive_rate.tolist()
        [0.0, 1.0, 1.0]

    Source:
        Fawcett (2006). An introduction to ROC analysis. Pattern Recognition Letters 27:861-874.
    """
    scores, positive = checked_binary(scores, present)
    _refuse_one_class(positive)
    order, last = _falling(scores)
    hits = np.r_[0, np.cumsum(positive[order])[last]]
    alarms = np.r_[0, np.cumsum(~positive[order])[last]]
    corner = np.ones(hits.size, dtype=bool)
    # Whole numbers: the cross product of neighbouring steps is exactly 0 on a straight line.
    step_x, step_y = np.diff(alarms), np.diff(hits)
    corner[1:-1] = step_x[:-1] * step_y[1:] != step_x[1:] * step_y[:-1]
    return RocCurve(alarms[corner] / (~positive).sum(), hits[corner] / positive.sum())


def roc_band(
    scores: FloatArray,
    present: IntArray,
    clusters: Clusters | None = None,
    settings: Settings = DEFAULT,
    *,
    grid: FloatArray | None = None,
) -> tuple[FloatArray, FloatArray, FloatArray] | None:
    """Pointwise band of the sensitivity at fixed false positive rates, by cluster bootstrap.

    Args:
        scores, present, clusters, settings: as for ``auroc``.
        grid: (g,) false positive rates, 0..1 rising; 101 equal steps when None.

    Returns:
        Grid, low and high, each (g,). None without draws or with too few clusters for a band,
        when more than a tenth of the replicates drew one class only, and when all replicates are
        one curve (a perfect ranking): no spread is no measure of the error.

    Raises:
        ValueError: as ``roc_curve``, or for a grid that does not rise inside 0..1.

    Example:
        >>> scores, present = np.arange(20.0) % 7, np.arange(20) % 2
        >>> grid, low, high = roc_band(scores, present, grid=np.array([0.5]))
        >>> bool(low[0] < high[0])
        True
    """
    scores, positive = checked_binary(scores, present)
    _refuse_one_class(positive)
    clusters = checked_clusters(clusters, scores.size)
    if too_few(clusters) or not settings.draws:
        return None
    grid = np.linspace(0, 1, 101) if grid is None else np.asarray(grid, dtype=np.float64)
    if grid.ndim != 1 or not ((grid >= 0) & (grid <= 1)).all() or (np.diff(grid) <= 0).any():
        raise ValueError("the grid must be (g,) false positive rates that rise inside 0..1")
    cases = WeightedCases(scores, positive, clusters.codes)

    def heights(counts: FloatArray) -> FloatArray:
        curves = cases.curves(counts)
        x, y = curves.false_positive_rate, curves.true_positive_rate
        usable = np.isfinite(x[:, -1]) & np.isfinite(y[:, -1])  # else it drew one class only
        found = np.full((x.shape[0], grid.size), np.nan)
        # Every curve shifted to a place of its own, so that one call reads them all.
        shift = 2.0 * np.arange(int(usable.sum()))[:, None]
        found[usable] = np.interp(grid + shift, (x[usable] + shift).ravel(), y[usable].ravel())
        return found

    curves = replicates(heights, clusters.count, settings, width=scores.size)
    defined = curves[np.isfinite(curves).all(axis=1)]
    if len(curves) - len(defined) > MAX_UNDEFINED * len(curves):
        return None
    tail = (1 - settings.level) / 2
    low, high = np.quantile(defined, (tail, 1 - tail), axis=0)
    return None if (low == high).all() else (grid, low, high)


def _falling(scores: FloatArray) -> tuple[IntArray, IntArray]:
    """Order of falling scores, and where in it each run of equal scores ends."""
    order = np.argsort(-scores, kind="stable")
    last = np.flatnonzero(np.r_[np.diff(scores[order]) < 0, True])
    return order, last


def _refuse_one_class(positive: BoolArray) -> None:
    if positive.all() or not positive.any():
        raise ValueError("a ROC curve needs cases with and without the finding")
