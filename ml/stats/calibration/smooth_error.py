"""Smooth calibration error: a kernel in place of bins, at a width the data choose."""

import numpy as np
from scipy import fft

from ml.estimate import Estimate, undefined
from ml.stats.arrays import FloatArray, IntArray, checked_probabilities
from ml.stats.bootstrap import DEFAULT, Settings, replicates
from ml.stats.clusters import Clusters, checked_clusters
from ml.stats.interval import percentile_interval, within
from ml.stats.sums import NO_CASES

_GRID = 1025  # points of 0..1 on which the kernel is applied
_STEPS = 14  # halvings of the width 0..1


def smooth_error(
    probabilities: FloatArray,
    present: IntArray,
    clusters: Clusters | None = None,
    settings: Settings = DEFAULT,
) -> Estimate:
    """smECE: the width sigma at which the smoothed residual's L1 norm equals sigma.

    Residuals y - p are smoothed by a Gaussian reflected at 0 and 1; the norm falls as the width
    grows, so that the fixed point is unique and is found by bisection.

    Args:
        probabilities: (n,) P(finding), 0..1.
        present: (n,) 1 or 0.
        clusters: independent units; None means every case is its own.
        settings: level, draws, seed.

    Raises:
        ValueError: for malformed input.

    Example:
        >>> round(smooth_error(np.full(50, 0.5), np.ones(50, int)).value, 2)
        0.5

    Source:
        Błasiok, Nakkiran (2024). Smooth ECE: Principled Reliability Diagrams via Kernel
        Smoothing. ICLR, definition 6 (reflected Gaussian kernel).
    """
    probabilities, outcomes = checked_probabilities(probabilities, present)
    n, events = outcomes.size, int(outcomes.sum())
    convention = "P(finding), reflected Gaussian kernel, width at its fixed point"
    if n == 0:
        return undefined("smece", NO_CASES, n_events=0, convention=convention)
    clusters = checked_clusters(clusters, n)
    place = probabilities * (_GRID - 1)
    left = np.minimum(place.astype(np.int64), _GRID - 2)
    share = place - left
    residual = outcomes - probabilities

    def of_weights(weights: FloatArray) -> FloatArray:
        rows = np.arange(weights.shape[0])[:, None] * _GRID
        mass = weights * residual
        size = weights.shape[0] * _GRID
        grid = np.bincount((rows + left).ravel(), (mass * (1 - share)).ravel(), size)
        grid += np.bincount((rows + left + 1).ravel(), (mass * share).ravel(), size)
        return _fixed_points(grid.reshape(-1, _GRID) / weights.sum(axis=1)[:, None])

    value = float(of_weights(np.ones((1, n)))[0])
    drawn = replicates(
        lambda counts: of_weights(counts[:, clusters.codes]),
        clusters.count, settings, width=max(n, _GRID),
    )  # fmt: skip
    interval = within(percentile_interval(drawn, clusters, settings, centre=value), 0.0)
    return Estimate(
        "smece", value, interval.low, interval.high, settings.level, n, events,
        convention=convention, method=interval.method, reason=interval.reason,
        extra={**clusters.extra},
    )  # fmt: skip


def _fixed_points(grid: FloatArray) -> FloatArray:
    """Where norm(sigma) = sigma, for each row of residual mass on the grid: (r,)."""
    # A Gaussian with reflecting ends is diagonal in the cosine transform.
    frequency = np.pi * np.arange(_GRID)
    mass = grid.copy()
    mass[:, [0, -1]] *= 2  # the end points stand for half a cell each
    spectrum = fft.dct(mass, type=1, axis=1)
    low, high = np.zeros(grid.shape[0]), np.ones(grid.shape[0])
    for _ in range(_STEPS):
        sigma = (low + high) / 2
        smooth = fft.idct(
            spectrum * np.exp(-0.5 * (sigma[:, None] * frequency) ** 2), type=1, axis=1
        )
        smooth = np.abs(smooth)
        norm = smooth.sum(axis=1) - (smooth[:, 0] + smooth[:, -1]) / 2
        above = norm > sigma
        low, high = np.where(above, sigma, low), np.where(above, high, sigma)
    result: FloatArray = (low + high) / 2
    return result
