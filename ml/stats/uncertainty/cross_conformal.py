"""Prediction sets for every case of a cohort, each cut by the cases of other patients."""

from dataclasses import dataclass

import numpy as np

from ml.stats.arrays import BoolArray, FloatArray, IntArray
from ml.stats.asked import checked_count
from ml.stats.clusters import Clusters, checked_clusters
from ml.stats.uncertainty.conformal import fit, sets

FOLDS = 5


@dataclass(frozen=True)
class CrossFitted:
    """Sets of n cases among k classes."""

    members: BoolArray  # (n, k)
    fold: IntArray  # (n,) 0..folds-1; a case is cut by the cases of all other folds
    calibration: tuple[int, ...]  # (folds,) cases that cut each fold


def cross_fitted(
    probabilities: FloatArray,
    label: IntArray,
    alpha: float,
    clusters: Clusters | None = None,
    *,
    score: str = "lac",
    folds: int = FOLDS,
    seed: int = 0,
) -> CrossFitted:
    """Split conformal sets, cross-fitted: no patient cuts a set of his own.

    The patients are dealt into folds by the seed. The sets of each fold are cut by the cases of
    the others, so that each keeps the promise of split conformal prediction.

    Args:
        probabilities: (n, k) rows that sum to 1.
        label: (n,) 0..k-1.
        alpha: share of sets that may miss the truth.
        clusters: independent units; None means every case is its own.
        score: one of ``ml.stats.uncertainty.conformal.SCORES``; APS and RAPS are randomised.
        folds: 2 or more.
        seed: deals the patients, and randomises APS and RAPS.

    Raises:
        ValueError: for malformed input, or fewer units than folds.

    Example:
        >>> p = np.tile([[0.8, 0.2]], (50, 1))
        >>> cross_fitted(p, np.zeros(50, int), 0.1).members.all(axis=0).tolist()
        [True, False]

    Source:
        Vovk (2015), Annals of Mathematics and Artificial Intelligence 74:9-28 (there the p-values
        of the folds are joined; here each fold is a split of its own).
    """
    label = np.asarray(label)
    clusters = checked_clusters(clusters, label.size)
    folds = checked_count("folds", folds, 2)
    if clusters.count < folds:
        raise ValueError(f"{folds} folds need as many units, got {clusters.words}")
    dealt = np.empty(clusters.count, dtype=np.int64)
    dealt[np.random.default_rng([seed, 0]).permutation(clusters.count)] = (
        np.arange(clusters.count) % folds
    )
    fold = dealt[clusters.codes]
    members = np.zeros(np.shape(probabilities), dtype=np.bool_)
    sizes = []
    for one in range(folds):
        own, others = np.flatnonzero(fold == one), np.flatnonzero(fold != one)
        # A row that cuts and a row that is cut must not share their random number.
        draws = (seed * folds + one) * 2 + 1
        cut = fit(
            probabilities[others], label[others], alpha, score=score,
            seed=None if score == "lac" else draws,
        )  # fmt: skip
        members[own] = sets(cut, probabilities[own], seed=None if score == "lac" else draws + 1)
        sizes.append(int(others.size))
    return CrossFitted(members, fold, tuple(sizes))
