"""Covariance of AUROCs where the cases of a patient, with and without the finding, go together."""

from collections.abc import Sequence

import numpy as np

from ml.stats.arrays import BoolArray, FloatArray
from ml.stats.clusters import Clusters
from ml.stats.discrimination.placements import Placements


def obuchowski_covariance(
    placed: Sequence[Placements], positive: BoolArray, clusters: Clusters
) -> FloatArray:
    """Covariance (k, k) of the AUROCs of k scores of the same clustered cases.

    With every case its own cluster it is DeLong's covariance.

    Args:
        placed: placements of each score; cases in the order of ``positive``.
        positive: (n,) the finding is present.
        clusters: of the same rows; a cluster may hold cases of both classes.

    Raises:
        ValueError: when fewer than two clusters hold cases of a class.

    Example:
        >>> from ml.stats.discrimination.placements import placements
        >>> positive = np.array([False, False, True, True])
        >>> placed = placements(np.array([0.1, 0.4, 0.35, 0.8]), positive)
        >>> obuchowski_covariance([placed], positive, Clusters.singles(4)).tolist()
        [[0.125]]

    Source:
        Obuchowski (1997). Nonparametric analysis of clustered ROC curve data. Biometrics
        53:567-578.
    """
    of_present, of_absent = clusters.codes[positive], clusters.codes[~positive]
    with_present, with_absent = np.unique(of_present).size, np.unique(of_absent).size
    if min(with_present, with_absent) < 2:
        raise ValueError("cases of each class must come from two clusters or more")
    rows = [
        (
            np.bincount(of_present, one.of_present - one.value, clusters.count),
            np.bincount(of_absent, one.of_absent - one.value, clusters.count),
        )
        for one in placed
    ]
    present = np.array([pair[0] for pair in rows]) / of_present.size
    absent = np.array([pair[1] for pair in rows]) / of_absent.size
    both = present @ absent.T
    count = clusters.count
    covariance: FloatArray = (
        with_present / (with_present - 1) * (present @ present.T)
        + with_absent / (with_absent - 1) * (absent @ absent.T)
        + count / (count - 1) * (both + both.T)
    )
    return covariance
