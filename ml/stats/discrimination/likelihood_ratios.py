"""Likelihood ratios of a call, and the odds ratio made of them."""

from typing import Literal

import numpy as np
from scipy import stats

from ml.estimate import Estimate, undefined
from ml.stats.arrays import FloatArray
from ml.stats.asked import checked_share
from ml.stats.clusters import Clusters, too_few
from ml.stats.discrimination.rates import Calls

ZeroCell = Literal["no_interval", "half"]


def likelihood_ratio(
    sign: Literal["positive", "negative"],
    calls: Calls,
    *,
    level: float = 0.95,
    zero_cell: ZeroCell = "no_interval",
) -> Estimate:
    """How much a call changes the odds of the finding: LR+ or LR-.

    LR+ = sensitivity / (1 - specificity), LR- = (1 - sensitivity) / specificity. The interval is
    that of Simel, on the scale of the logarithm; with clusters its variance is that of the
    linearised logarithm over whole clusters (never below the unclustered one).

    Args:
        sign: "positive" (of a call present) or "negative" (of a call absent).
        calls: the cases.
        level: of the interval.
        zero_cell: where a rate is 0, "no_interval" leaves the interval out (the logarithm has
            none), "half" makes value and interval after adding 0.5 to all four cells, and says so.
            With clusters "half" has no interval: half a case weighs more in few units.

    Returns:
        Undefined where the ratio divides by 0 (and "half" is not chosen), or for one class only.

    Raises:
        ValueError: for another sign or rule.

    Example:
        >>> ratio = likelihood_ratio("positive", Calls.table(tp=231, fp=32, fn=27, tn=54))
        >>> ratio.value, round(ratio.low, 4), round(ratio.high, 4)
        (2.40625, 1.8228, 3.1765)

    Source:
        Simel, Samsa, Matchar (1991). Likelihood ratios with confidence: sample size estimation
        for diagnostic test studies. Journal of Clinical Epidemiology 44:763-770.
    """
    if sign not in ("positive", "negative"):
        raise ValueError(f"sign must be positive or negative, got {sign!r}")
    tp, fp, fn, tn = calls.counts
    a, b = (tp, fp) if sign == "positive" else (fn, tn)
    name = "lr_plus" if sign == "positive" else "lr_minus"
    return _ratio(
        name, calls, np.array([a, b, tp + fn - a, fp + tn - b], dtype=np.float64),
        zero_cell, level, odds=False,
    )  # fmt: skip


def diagnostic_odds_ratio(
    calls: Calls, *, level: float = 0.95, zero_cell: ZeroCell = "no_interval"
) -> Estimate:
    """Diagnostic odds ratio tp·tn / (fp·fn), LR+ over LR-, with Woolf's interval.

    Args:
        calls, level, zero_cell: as for ``likelihood_ratio``.

    Returns:
        Undefined where fp or fn is 0 (and "half" is not chosen), or for one class only.

    Raises:
        ValueError: for another rule.

    Example:
        >>> diagnostic_odds_ratio(Calls.table(tp=231, fp=32, fn=27, tn=54)).value
        14.4375

    Source:
        Glas et al. (2003), Journal of Clinical Epidemiology 56:1129-1135; interval: Woolf
        (1955), Annals of Human Genetics 19:251-253; half: Haldane (1956), Anscombe (1956).
    """
    tp, fp, fn, tn = calls.counts
    cells = np.array([tp, fp, fn, tn], dtype=np.float64)
    return _ratio("dor", calls, cells, zero_cell, level, odds=True)


def _ratio(
    name: str,
    calls: Calls,
    cells: FloatArray,
    zero_cell: ZeroCell,
    level: float,
    *,
    odds: bool,
) -> Estimate:
    """Ratio of the chance (or odds) of a call among present to that among absent cases.

    ``cells`` are the call among present and absent, and the other call among them.
    """
    level = checked_share("level", level)
    if zero_cell not in ("no_interval", "half"):
        raise ValueError(f"zero_cell must be no_interval or half, got {zero_cell!r}")
    n, n_events = calls.positive.size, int(calls.positive.sum())
    convention = "odds ratio of calls" if odds else "ratio of chances of the call"
    if n_events in (0, n):
        reason = "Not estimated: it needs cases with and without the finding."
        return undefined(name, reason, n=n, n_events=n_events, convention=convention)
    needed = cells if odds else cells[:2]
    zero = bool((needed == 0).any())
    if zero and zero_cell == "half":
        cells = cells + 0.5
        convention += "; 0.5 added to all four cells, because one is 0"
    a, b, c, d = cells
    top, bottom = (a * d, b * c) if odds else (a * (b + d), b * (a + c))
    if bottom == 0:
        reason = "Not estimated: it divides by 0 (a cell of the table is empty)."
        return undefined(name, reason, n=n, n_events=n_events, convention=convention)
    value = float(top / bottom)
    low = high = None
    method = ""
    reason_without = None if calls.clusters.each_alone else too_few(calls.clusters)
    if zero and zero_cell == "half" and not calls.clusters.each_alone:
        reason_without = "No interval: half a case added to a cell knows no clusters."
    elif reason_without is None and min(a, b) > 0 and (not odds or min(c, d) > 0):
        variance = _variance(cells, odds)
        method = "Woolf, log scale" if odds else "Simel, log scale"
        if not calls.clusters.each_alone:
            method += f", clusters respected ({calls.clusters.words})"
            variance = max(variance, _linearised(name, calls, odds))
        margin = float(stats.norm.ppf((1 + level) / 2)) * variance**0.5
        low, high = value * float(np.exp(-margin)), value * float(np.exp(margin))
        if margin == 0:
            low = high = None
            reason_without = "No interval: all cases are called alike, so there is no spread."
    elif reason_without is None:
        reason_without = "No interval: a cell of the table is empty, and its logarithm infinite."
    return Estimate(
        name, value, low, high, level, n, n_events, convention=convention,
        method=method, reason=reason_without,
        extra={**calls.clusters.extra, "zero_cell": zero, "unit": "ratio"},
    )  # fmt: skip


def _variance(cells: FloatArray, odds: bool) -> float:
    """Variance of the logarithm with cases as units."""
    a, b, c, d = cells
    return float((1 / cells).sum() if odds else 1 / a - 1 / (a + c) + 1 / b - 1 / (b + d))


def _linearised(name: str, calls: Calls, odds: bool) -> float:
    """Variance of the logarithm with whole clusters as units."""
    says = calls.called if name != "lr_minus" else ~calls.called
    influence = np.empty(says.size)
    for side, sign in ((calls.positive, 1.0), (~calls.positive, -1.0)):
        share = says[side].mean()
        scale = share * (1 - share) if odds else share
        influence[side] = sign * (says[side] - share) / (side.sum() * scale)
    totals = np.bincount(calls.clusters.codes, influence, calls.clusters.count)
    return _finite_factor(calls.clusters) * float((totals**2).sum())


def _finite_factor(clusters: Clusters) -> float:
    return clusters.count / max(clusters.count - 1, 1)
