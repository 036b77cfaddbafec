"""Above which doubt an answer stands out, set on some patients and tried on the others."""

import numpy as np

from ml.stats.arrays import BoolArray, FloatArray
from ml.stats.asked import checked_count, checked_share
from ml.stats.clusters import Clusters, checked_clusters
from ml.stats.uncertainty.conformal import conformal_quantile


def setting_half(clusters: Clusters, seed: int) -> BoolArray:
    """(n,) True for cases of the half of units that sets limits; of an odd number the larger one.

    Args:
        clusters: independent units.
        seed: deals the units.

    Example:
        >>> int(setting_half(Clusters.singles(5), 1).sum())
        3
    """
    order = np.random.default_rng([checked_count("seed", seed, 0), 1]).permutation(clusters.count)
    sets = np.zeros(clusters.count, dtype=np.bool_)
    sets[order[: (clusters.count + 1) // 2]] = True
    setting: BoolArray = sets[clusters.codes]
    return setting


def held_limit(doubt: FloatArray, alpha: float, clusters: Clusters | None = None) -> float:
    """The limit that at most a share alpha of further cases like these lies above.

    The promise is of split conformal prediction: over draws of cohorts, for cases of which no two
    belong together. Where they cluster it is that of one case drawn from a further unit only as
    far as large units do not rule the quantile; measure the rate on other units.

    Args:
        doubt: (n,) of right answers of the units that set the limit.
        alpha: share, 0..1.
        clusters: independent units of these cases; None means every case is its own.

    Returns:
        In the unit of the doubt; infinity where fewer units than 1/alpha - 1 have a case, too few
        for such a promise.

    Raises:
        ValueError: for NaN, an alpha outside 0..1, or clusters of other rows.

    Example:
        >>> held_limit(np.arange(9.0), 0.1), held_limit(np.arange(8.0), 0.1)
        (8.0, inf)

    Source:
        Vovk, Gammerman, Shafer (2005); Lei et al. (2018), JASA 113:1094-1111. Outliers told from
        inliers by such a limit: Bates et al. (2023), Annals of Statistics 51:149-178.
    """
    doubt = np.asarray(doubt, dtype=np.float64)
    alpha = checked_share("alpha", alpha)
    clusters = checked_clusters(clusters, doubt.size)
    units = np.unique(clusters.codes).size
    # 1/0.1 - 1 must not become 9.000000000000002.
    if units < (1 - alpha) / alpha - 1e-9:
        return float("inf")
    return conformal_quantile(doubt, alpha)
