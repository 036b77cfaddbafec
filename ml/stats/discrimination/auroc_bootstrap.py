"""The AUROC of bootstrap replicates: one sort serves them all."""

import numpy as np

from ml.stats.arrays import BoolArray, FloatArray, IntArray, ratio
from ml.stats.bootstrap import Settings, replicates
from ml.stats.clusters import Clusters
from ml.stats.discrimination.placements import placements

_CACHED = 65_536  # numbers of one temporary array


class Ranked:
    """Cases in the order of their scores, ready to be weighted.

    A replicate only changes how often each unit counts, never the order of the cases.
    """

    def __init__(self, scores: FloatArray, positive: BoolArray, codes: IntArray) -> None:
        """From (n,) scores, classes, and the unit that each case belongs to."""
        present, absent = np.flatnonzero(positive), np.flatnonzero(~positive)
        present = present[np.argsort(scores[present], kind="stable")]
        absent = absent[np.argsort(scores[absent], kind="stable")]
        self._present, self._absent = codes[present], codes[absent]
        self._under = np.searchsorted(scores[absent], scores[present], "left")
        at_most = np.searchsorted(scores[absent], scores[present], "right")
        self._at_most = at_most if (at_most != self._under).any() else None

    def auroc(self, counts: FloatArray) -> FloatArray:
        """AUROC (c,) where each unit counts as in (c, units); NaN where a class is missing."""
        won, pairs = np.empty(counts.shape[0]), np.empty(counts.shape[0])
        # A few rows at a time, so that what is in between never leaves the cache.
        step = max(1, _CACHED // max(self._present.size, self._absent.size))
        below = np.zeros((min(step, counts.shape[0]), self._absent.size + 1))
        for at in range(0, counts.shape[0], step):
            rows = counts[at : at + step]
            self._pairs(rows, below[: rows.shape[0]], won[at : at + step], pairs[at : at + step])
        return ratio(won, pairs)

    def _pairs(
        self, counts: FloatArray, below: FloatArray, won: FloatArray, pairs: FloatArray
    ) -> None:
        """Pairs won and pairs in all, (c,) each, written out; ``below`` starts with 0."""
        present = counts.take(self._present, axis=1)
        np.cumsum(counts.take(self._absent, axis=1), axis=1, out=below[:, 1:])
        rivals = below.take(self._under, axis=1)
        if self._at_most is not None:
            rivals += below.take(self._at_most, axis=1)
            rivals *= 0.5
        np.einsum("ij,ij->i", present, rivals, out=won)
        np.multiply(below[:, -1], present.sum(axis=1), out=pairs)


def bootstrap_auroc(
    scores: FloatArray,
    positive: BoolArray,
    clusters: Clusters,
    settings: Settings,
    strata: IntArray | None = None,
) -> FloatArray:
    """AUROC of every replicate, (draws,); NaN where a replicate drew one class only.

    Args:
        scores: (n,) higher means present.
        positive: (n,) the finding is present.
        clusters: the units that are drawn.
        settings: draws and seed.
        strata: (clusters.count,) stratum of each unit, to draw within strata; None draws from
            all.

    Example:
        >>> scores, positive = np.array([0.0, 0, 1, 1]), np.array([False, False, True, True])
        >>> drawn = bootstrap_auroc(scores, positive, Clusters.singles(4), Settings(draws=4))
        >>> np.nanmin(drawn)
        np.float64(1.0)
    """
    ranked = Ranked(scores, positive, clusters.codes)
    return replicates(ranked.auroc, clusters.count, settings, width=scores.size, strata=strata)


def left_out_auroc(scores: FloatArray, positive: BoolArray, clusters: Clusters) -> FloatArray:
    """AUROC without each unit in turn, (clusters.count,); NaN where a class would be missing.

    Args:
        scores, positive: (n,) as checked; both classes must occur.
        clusters: of the same rows.

    Example:
        >>> scores, positive = np.array([0.1, 0.4, 0.35, 0.8]), np.array([0, 0, 1, 1]) == 1
        >>> left_out_auroc(scores, positive, Clusters.singles(4)).tolist()
        [0.5, 1.0, 1.0, 0.5]

    Source:
        Where every case is its own unit, Hanley, Hajian-Tilaki (1997), Academic Radiology
        4:49-58: the jackknife of an AUROC follows from its placements.
    """
    if not clusters.each_alone:
        ranked = Ranked(scores, positive, clusters.codes)
        step = max(1, 1_000_000 // max(clusters.count, 1))
        parts = []
        for start in range(0, clusters.count, step):
            size = min(step, clusters.count - start)
            counts = np.ones((size, clusters.count))
            counts[np.arange(size), start + np.arange(size)] = 0
            parts.append(ranked.auroc(counts))
        return np.concatenate(parts)
    placed = placements(scores, positive)
    m, n = placed.of_present.size, placed.of_absent.size
    left = np.full(scores.size, np.nan)
    won = placed.value * m * n
    if m > 1:
        left[clusters.codes[positive]] = (won - n * placed.of_present) / ((m - 1) * n)
    if n > 1:
        left[clusters.codes[~positive]] = (won - m * placed.of_absent) / (m * (n - 1))
    return left
