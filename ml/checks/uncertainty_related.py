"""Rank correlations of uncertainty with other numbers of the same cases."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from ml.checks.judge import Wording
from ml.checks.sampled import Sampled
from ml.estimate import Estimate, undefined
from ml.evidence.tables import FloatArray
from ml.stats.bootstrap import Settings
from ml.stats.rank_correlation import rank_correlation

KINDS = ("total", "aleatoric", "epistemic")


@dataclass(frozen=True)
class Related:
    """What the check adds of something that uncertainty may go with."""

    estimates: list[Estimate]
    wordings: Mapping[str, Wording] = field(default_factory=dict)


def related(
    measure: str, beside: FloatArray, sampled: Sampled, settings: Settings, convention: str
) -> list[Estimate]:
    """Rank correlation of each kind of uncertainty with another number of the same cases.

    Args:
        measure: name of the estimates, before the kind.
        beside: (n,) of the sampled cases; those with NaN are left out.
        convention: what is correlated with.
    """
    rows = np.flatnonzero(np.isfinite(beside))
    clusters = sampled.clusters.where(rows)
    return [
        rank_correlation(sampled.bits[kind][rows], beside[rows], clusters, settings).renamed(
            f"{measure}:{kind}", convention=f"Spearman over cases, mid-ranks; {convention}"
        )
        for kind in KINDS
    ]


def unrelated(measure: str, reason: str, n: int = 0) -> Related:
    """Why there is no correlation: a sentence, said once and not for each kind."""
    estimates = [undefined(f"{measure}:{kind}", reason, n=n) for kind in KINDS]
    return Related(estimates, {estimates[0].id: Wording("")})


def goes_with(estimate: Estimate) -> str:
    """What the interval of a correlation shows, after "its total uncertainty"."""
    if estimate.low is not None and estimate.low > 0:
        return "is higher"
    if estimate.high is not None and estimate.high < 0:
        return "is lower"
    return "is not shown to be higher"
