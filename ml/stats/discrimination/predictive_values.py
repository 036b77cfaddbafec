"""What an answer is worth where the finding is as common as stated."""

from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from scipy import special, stats

from ml.estimate import Estimate, JsonValue, undefined
from ml.stats.arrays import BoolArray
from ml.stats.asked import checked_share
from ml.stats.clusters import Clusters, too_few
from ml.stats.discrimination.rates import Calls
from ml.stats.proportion import effective_size

Answer = Literal["ppv", "npv"]
_SAME_PREVALENCE = 1e-12


@dataclass(frozen=True)
class _Sides:
    """The two groups a predictive value compares; ``right`` answers and ``wrong`` answers."""

    right: BoolArray  # answers among cases for which the answer is right
    wrong: BoolArray  # the same answer among cases for which it is wrong
    is_right: BoolArray  # (n,) rows of the first kind
    right_clusters: Clusters
    wrong_clusters: Clusters
    right_prior: float


def predictive_value(
    answer: Answer,
    called: BoolArray,
    positive: BoolArray,
    prevalence: float,
    clusters: Clusters | None = None,
    *,
    level: float = 0.95,
    convention: str = "",
) -> Estimate:
    """PPV or NPV at a prevalence that is taken as known.

    ppv = sens·prev / (sens·prev + (1 - spec)·(1 - prev)); npv likewise. The interval is a Wald
    interval of the logit; with clusters its variance is that of the linearised logit over whole
    clusters (never below the unclustered one). Where a rate is 0 or 1 the logit is
    infinite and the adjusted rates (z²/2 added to each cell) give the interval.

    Args:
        answer: "ppv" or "npv".
        called: (n,) the model called the finding present; booleans, or 0 and 1.
        positive: (n,) it is present; likewise.
        prevalence: 0..1, of the population the value is stated for.
        clusters: independent units; None means every case is its own.

    Returns:
        ``n`` is the number of cases called present (ppv) or absent (npv). At the cohort's own
        prevalence the value is a share of these, and ``extra`` holds numerator and denominator.

    Source:
        Mercaldo, Lau, Zhou (2007). Confidence intervals for predictive values with an emphasis
        to case-control studies. Statistics in Medicine 26:2170-2183.

    Raises:
        ValueError: for another answer, a prevalence that is not between 0 and 1, unequal shapes,
            or calls and outcomes other than 0 and 1.

    Example:
        >>> called, positive = np.array([1, 1, 0, 0]), np.array([1, 0, 1, 0])
        >>> round(predictive_value("ppv", called, positive, 0.25).value, 9)
        0.25
    """
    if answer not in get_args(Answer):
        raise ValueError(f"answer must be ppv or npv, got {answer!r}")
    level = checked_share("level", level)
    if not 0 < prevalence < 1:
        raise ValueError(f"prevalence must be between 0 and 1, got {prevalence}")
    calls = Calls.of(called, positive, clusters)
    called, positive, clusters = calls.called, calls.positive, calls.clusters
    n, n_events = int(positive.size), int(positive.sum())

    says = called if answer == "ppv" else ~called
    n_says, says_events = int(says.sum()), int(positive[says].sum())

    def without(sentence: str) -> Estimate:
        return undefined(answer, sentence, n=n_says, n_events=says_events, convention=convention)

    if n_events in (0, n):
        return without("Not estimated: it needs cases with and without the finding.")
    which = "present" if answer == "ppv" else "absent"
    if not says.any():
        return without(f"Not estimated: no case is called {which}.")
    sides = _sides(answer, called, positive, prevalence, clusters)
    value = _bayes(float(sides.right.mean()), float(sides.wrong.mean()), sides.right_prior)
    low = high = None
    method = ""
    reason = None if clusters.each_alone else too_few(clusters)
    if reason is None:
        low, high, method = _interval(sides, clusters, value, level)
    extra: dict[str, JsonValue] = {
        "prevalence": prevalence, "rows": f"called {which}",
        **clusters.where(np.flatnonzero(says)).extra, "unit": "fraction",
    }  # fmt: skip
    if abs(prevalence - n_events / n) < _SAME_PREVALENCE:
        # Only there is Bayes' value the share of right answers among those given.
        right = says_events if answer == "ppv" else n_says - says_events
        extra |= {"numerator": right, "denominator": n_says}
    return Estimate(
        answer, value, low, high, level, n_says, says_events,
        convention=convention, method=method, reason=reason, extra=extra,
    )  # fmt: skip


def _sides(
    answer: Answer, called: BoolArray, positive: BoolArray, prevalence: float, clusters: Clusters
) -> _Sides:
    says, is_right = (called, positive) if answer == "ppv" else (~called, ~positive)
    return _Sides(
        says[is_right],
        says[~is_right],
        is_right,
        clusters.where(np.flatnonzero(is_right)),
        clusters.where(np.flatnonzero(~is_right)),
        prevalence if answer == "ppv" else 1 - prevalence,
    )


def _bayes(right: float, wrong: float, prior: float) -> float:
    return right * prior / (right * prior + wrong * (1 - prior))


def _interval(
    sides: _Sides, clusters: Clusters, value: float, level: float
) -> tuple[float, float, str]:
    z = float(stats.norm.ppf((1 + level) / 2))
    size_right = effective_size(sides.right, sides.right_clusters).n
    size_wrong = effective_size(sides.wrong, sides.wrong_clusters).n
    rate_right, rate_wrong = float(sides.right.mean()), float(sides.wrong.mean())
    name = "logit Wald (Mercaldo 2007), prevalence taken as known"
    adjusted = min(rate_right, rate_wrong, 1 - rate_right, 1 - rate_wrong) == 0
    if adjusted:
        name = "adjusted " + name
        rate_right = (rate_right * size_right + z * z / 2) / (size_right + z * z)
        rate_wrong = (rate_wrong * size_wrong + z * z / 2) / (size_wrong + z * z)
        size_right, size_wrong = size_right + z * z, size_wrong + z * z
    variance = (1 - rate_right) / (rate_right * size_right) + (1 - rate_wrong) / (
        rate_wrong * size_wrong
    )
    if not clusters.each_alone:
        name += f", clusters respected ({clusters.words})"
        if not adjusted:
            variance = max(variance, _linearised(sides, clusters))
    centre = float(special.logit(_bayes(rate_right, rate_wrong, sides.right_prior)))
    low = float(special.expit(centre - z * variance**0.5))
    high = float(special.expit(centre + z * variance**0.5))
    # The adjusted centre is drawn towards a half; the estimate itself stays inside.
    return min(low, value), max(high, value), name


def _linearised(sides: _Sides, clusters: Clusters) -> float:
    """Variance of logit = log(right rate) - log(wrong rate) with whole clusters as units."""
    rate_right, rate_wrong = sides.right.mean(), sides.wrong.mean()
    influence = np.empty(sides.is_right.size)
    influence[sides.is_right] = (sides.right - rate_right) / (sides.right.size * rate_right)
    influence[~sides.is_right] = -(sides.wrong - rate_wrong) / (sides.wrong.size * rate_wrong)
    totals = np.bincount(clusters.codes, influence, clusters.count)
    return float(clusters.count / max(clusters.count - 1, 1) * (totals**2).sum())
