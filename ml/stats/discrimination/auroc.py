"""Area under the ROC curve: how often a case with the finding is scored above one without."""

from ml.estimate import Estimate, counted, undefined
from ml.stats.arrays import BoolArray, FloatArray, IntArray, checked_binary
from ml.stats.bootstrap import DEFAULT, Settings
from ml.stats.clusters import Clusters, checked_clusters
from ml.stats.discrimination import placements as placing
from ml.stats.discrimination.auroc_bootstrap import bootstrap_auroc
from ml.stats.discrimination.auroc_interval import Method, auroc_interval

__all__ = [
    "CONVENTION",
    "auroc",
    "bootstrap_auroc",
    "delong_variance",
    "placements",
]

CONVENTION = "P(finding), higher means present; ties count one half"


def auroc(
    scores: FloatArray,
    present: IntArray,
    clusters: Clusters | None = None,
    settings: Settings = DEFAULT,
    *,
    method: Method | None = None,
) -> Estimate:
    """Area under the ROC curve with its interval.

    The interval is logit-DeLong, with Obuchowski's variance where cases cluster, unless another
    is named. A perfect (or perfectly wrong) ranking has no spread to
    estimate from: it gets a one-sided exact bound instead of [1, 1].

    Args:
        scores: (n,) higher means present; never flipped.
        present: (n,) 1 or 0.
        clusters: independent units; None means every case is its own.
        settings: level, draws, seed.
            two take Obuchowski's variance where cases cluster. Wald intervals cover too rarely
            near 1: they are there to compare with published ones.

    Raises:
        ValueError: for NaN scores, unequal shapes, outcomes other than 0 and 1, an unknown
            method, or "hanley_mcneil" with clusters.

    Example:
        >>> import numpy as np
        >>> auroc(np.array([0.1, 0.4, 0.35, 0.8]), np.array([0, 0, 1, 1])).value
        0.75

    Source:
        Hanley, McNeil (1982), Radiology 143:29-36. DeLong, DeLong, Clarke-Pearson (1988),
        Biometrics 44:837-845. Sun, Xu (2014), IEEE SPL 21:1389-1393 (midranks). Logit
        transform: Pepe (2003), section 5.2. Clusters: Obuchowski (1997), Biometrics 53:567-578.
    """
    scores, positive = checked_binary(scores, present)
    clusters = checked_clusters(clusters, scores.size)
    n_events = int(positive.sum())
    n = int(scores.size)
    if n_events in (0, n):
        which = "absent" if n_events == 0 else "present"
        reason = (
            f"Not estimated: the finding is {which} in {'the' if n == 1 else 'all'} "
            f"{counted(n, 'case')}, so there is no pair to compare."
        )
        return undefined("auroc", reason, n=n, n_events=n_events, convention=CONVENTION)
    placed = placing.placements(scores, positive)
    interval = auroc_interval(placed, scores, positive, clusters, settings, method)
    return Estimate(
        "auroc", placed.value, interval.low, interval.high, settings.level, n, n_events,
        convention=CONVENTION, method=interval.method, reason=interval.reason,
        extra={**clusters.extra, "unit": "fraction"},
    )  # fmt: skip


def placements(scores: FloatArray, positive: BoolArray) -> tuple[FloatArray, FloatArray]:
    """The two arrays of ``ml.stats.discrimination.placements.placements``, without its value.

    Args:
        scores: (n,) higher means present.
        positive: (n,) both classes must occur.

    Raises:
        ValueError: as there.

    Example:
        >>> import numpy as np
        >>> found = placements(np.array([0.1, 0.4, 0.35, 0.8]), np.array([0, 0, 1, 1]))
        >>> [of_class.tolist() for of_class in found]
        [[0.5, 1.0], [1.0, 0.5]]
    """
    placed = placing.placements(scores, positive)
    return placed.of_present, placed.of_absent


def delong_variance(of_present: FloatArray, of_absent: FloatArray) -> float:
    """DeLong's variance from the two arrays that ``placements`` here returns.

    Args:
        of_present, of_absent: (m,) and (n,) placements.

    Raises:
        ValueError: when a class has a single case.

    Example:
        >>> import numpy as np
        >>> delong_variance(np.array([0.5, 1.0]), np.array([1.0, 0.5]))
        0.125
    """
    placed = placing.Placements(of_present, of_absent, float(of_present.mean()))
    return placing.delong_variance(placed)
