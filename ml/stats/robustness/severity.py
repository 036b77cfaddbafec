"""How severe a corruption may be before answers get worse than is accepted."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from ml.estimate import Estimate, undefined
from ml.stats.arrays import FloatArray
from ml.stats.bootstrap import DEFAULT, Settings
from ml.stats.clusters import Clusters, checked_clusters
from ml.stats.proportion import proportion
from ml.stats.robustness.degradation import degradation


def accuracy_loss(
    clean: FloatArray,
    corrupt: FloatArray,
    clusters: Clusters | None = None,
    settings: Settings = DEFAULT,
) -> Estimate:
    """Accuracy on clean images minus that on corrupted copies of the same cases.

    As ``degradation``. Where no case changes, a bootstrap has no spread; the interval is then that
    of no case in n that gets worse, and none that gets better.

    Args:
        clean, corrupt: (n,) 1 right, 0 wrong, NaN where there is no answer.
        clusters, settings: as ``degradation``.

    Example:
        >>> same = accuracy_loss(np.ones(100), np.ones(100))
        >>> same.value, round(same.low, 3), round(same.high, 3)
        (0.0, -0.037, 0.037)

    Source:
        Efron, Tibshirani (1993), section 8.3; Wilson (1927), JASA 22:209-212.
    """
    return _score_loss("accuracy_loss", clean, corrupt, clusters, settings)


def dice_loss(
    clean: FloatArray,
    corrupt: FloatArray,
    clusters: Clusters | None = None,
    settings: Settings = DEFAULT,
) -> Estimate:
    """Mean Dice of the masks of clean images minus that of corrupted copies of the same cases.

    As ``degradation``. Where no case changes the interval is that of ``accuracy_loss``: a case that
    changes can lose 1 at most.

    Args:
        clean, corrupt: (n,) Dice of each case, 0..1; NaN where both masks are empty. A case with
            NaN in either is left out and counted.
        clusters, settings: as ``degradation``.

    Example:
        >>> dice_loss(np.array([0.9, 0.8]), np.array([0.9, 0.4])).value
        0.2

    Source:
        Efron, Tibshirani (1993), section 8.3; Wilson (1927), JASA 22:209-212; Boone et al. (2023),
        NeuroImage 278:120289 (degradation of Dice).
    """
    return _score_loss("dice_loss", clean, corrupt, clusters, settings)


def _score_loss(
    measure: str,
    clean: FloatArray,
    corrupt: FloatArray,
    clusters: Clusters | None,
    settings: Settings,
) -> Estimate:
    """The loss of a score 0..1, with an interval where no case changes too."""
    found = degradation(clean, corrupt, clusters, settings).renamed(measure)
    both = np.flatnonzero(np.isfinite(clean) & np.isfinite(corrupt))
    if found.value is None or found.has_interval or (clean[both] != corrupt[both]).any():
        return found
    units = checked_clusters(clusters, np.size(clean)).where(both)
    none = proportion("changed", np.zeros(both.size, dtype=bool), units, level=settings.level)
    if none.high is None:
        return found
    return replace(
        found, low=-none.high, high=none.high, level=settings.level, reason=None,
        method=f"{none.method} of no case that changes",
    )  # fmt: skip


def severity_borne(losses: Sequence[Estimate], margin: float) -> Estimate:
    """The severity up to which a loss stays within the margin.

    Args:
        losses: at severities 1, 2, ..., with their intervals.
        margin: loss that is still accepted, in the unit of the losses, 0 or more.

    Returns:
        The last severity before the first whose loss lies above the margin; 0 where that is the
        first. ``low`` takes the upper end of each interval in the loss's place (shown to be
        borne), ``high`` the lower end: the severity after it is the first whose whole interval
        lies beyond the margin. No severity is jumped over. Undefined where the first loss is.

    Raises:
        ValueError: for no losses or a margin below 0.

    Example:
        >>> steps = [Estimate("loss", x, x - 0.03, x + 0.03) for x in (0.0, 0.04, 0.2)]
        >>> borne = severity_borne(steps, 0.05)
        >>> borne.low, borne.value, borne.high
        (1.0, 2.0, 2.0)
    """
    if not losses or not 0 <= margin < np.inf:
        raise ValueError(f"expected losses and a margin of 0 or more, got {margin}")
    convention = f"last severity before the loss passes {margin:g}; ends from those of the losses"
    if losses[0].value is None:
        return undefined("severity_borne", losses[0].reason or "", convention=convention)
    inf = float("inf")
    value = _before([inf if one.value is None else one.value for one in losses], margin)
    low = _before([inf if one.high is None else one.high for one in losses], margin)
    high = _before([-inf if one.low is None else one.low for one in losses], margin)
    known = any(one.has_interval for one in losses)
    return Estimate(
        "severity_borne", value, low if known else None, high if known else None,
        losses[0].level, losses[0].n, convention=convention,
        method="from the intervals of the losses, each at its own level" if known else "",
        reason=None if known else losses[0].reason,
    )  # fmt: skip


def _before(losses: Sequence[float], margin: float) -> int:
    """How many come before the first above the margin."""
    return next((at for at, loss in enumerate(losses) if loss > margin), len(losses))
