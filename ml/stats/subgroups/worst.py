"""The group that fares worst, and the mean over the worst share of cases by group."""

import numpy as np

from ml.estimate import Estimate, undefined
from ml.stats.arrays import FloatArray
from ml.stats.bootstrap import DEFAULT, Settings
from ml.stats.interval import percentile_interval, within
from ml.stats.subgroups.calls import GroupedCalls, Rate, rate_of, undefined_groups, weights_of

_WORSE_HIGH: frozenset[Rate] = frozenset({"fpr", "fnr", "fdr", "for", "error_rate"})
_WORSE_LOW: frozenset[Rate] = frozenset({"tpr", "tnr", "ppv", "npv", "accuracy"})


def worst_group(calls: GroupedCalls, rate: Rate, settings: Settings = DEFAULT) -> Estimate:
    """The rate of the group that fares worst.

    Errors are worse when high, other rates when low. The worst of several noisy rates looks worse
    than the group is; the interval is recentred at the value, ``extra`` holds ``bootstrap_bias``.

    Returns:
        ``extra["group"]`` names the group. Undefined when the rate of one group is.

    Raises:
        ValueError: for a rate of which nothing is better or worse (selection_rate, prevalence).

    Example:
        >>> from ml.stats.subgroups.groups import Groups
        >>> calls = GroupedCalls.of([1, 0, 1, 1], [1, 1, 1, 1], Groups.of(list("aabb")))
        >>> worst_group(calls, "tpr").value, worst_group(calls, "tpr").extra["group"]
        (0.5, 'a')

    Source:
        Sagawa et al. (2020), ICLR (worst-group error).
    """
    high = _worse_high(rate)
    convention = f"{'highest' if high else 'lowest'} {rate} of the groups"
    lost = undefined_groups(calls, [rate])
    n, n_events = calls.called.size, int(calls.present.sum())
    if lost or not calls.groups.count:
        reason = f"Not estimated: {rate} is a share of no case in {', '.join(lost) or 'any group'}."
        return undefined(f"worst_{rate}", reason, n=n, n_events=n_events, convention=convention)
    rates = rate_of(rate, calls.cells)
    at = int(rates.argmax() if high else rates.argmin())
    drawn = rate_of(rate, calls.replicates(settings))
    replicates = drawn.max(axis=1) if high else drawn.min(axis=1)
    return _recentred(
        f"worst_{rate}", float(rates[at]), replicates, calls, settings, convention,
        {"group": calls.groups.names[at]},
    )  # fmt: skip


def cvar_of_groups(
    calls: GroupedCalls, rate: Rate, share: float, settings: Settings = DEFAULT
) -> Estimate:
    """Conditional value at risk: mean rate of the worst groups that make up a share of the cases.

    Groups count by the cases that the rate is a share of; the last group counts in part. A share
    of 1 is the overall rate, a small one the worst group.

    Args:
        share: above 0, up to 1.

    Raises:
        ValueError: for another share, or a rate as in ``worst_group``.

    Example:
        >>> from ml.stats.subgroups.groups import Groups
        >>> calls = GroupedCalls.of([1, 0, 1, 1], [1, 1, 1, 1], Groups.of(list("aabb")))
        >>> cvar_of_groups(calls, "tpr", 0.75).value == (0.5 * 2 + 1 * 1) / 3
        True

    Source:
        Rockafellar, Uryasev (2000), Journal of Risk 2:21-41. Williamson, Menon (2019), ICML.
    """
    if not 0 < share <= 1:
        raise ValueError(f"share must be above 0 and at most 1, got {share}")
    high = _worse_high(rate)
    convention = f"mean {rate} over the worst groups, {share:g} of the cases"
    measure, n, n_events = f"cvar_{rate}", calls.called.size, int(calls.present.sum())
    if not calls.groups.count or np.isnan(rate_of(rate, calls.cells)).all():
        reason = f"Not estimated: {rate} is a share of no case in any group."
        return undefined(measure, reason, n=n, n_events=n_events, convention=convention)
    value = float(_cvar(calls.cells[None].astype(np.float64), rate, share, high=high)[0])
    replicates = _cvar(calls.replicates(settings), rate, share, high=high)
    return _recentred(measure, value, replicates, calls, settings, convention, {})


def _worse_high(rate: Rate) -> bool:
    weights_of(rate)  # refuses unknown names
    if rate not in _WORSE_HIGH | _WORSE_LOW:
        raise ValueError(f"{rate} has no better or worse; take an error or a rate of right answers")
    return rate in _WORSE_HIGH


def _cvar(cells: FloatArray, rate: Rate, share: float, *, high: bool) -> FloatArray:
    """(r, groups, 4) -> (r,); groups that the rate is a share of no case in weigh nothing."""
    rates, weights = rate_of(rate, cells), cells @ weights_of(rate)[1]
    worst_first = np.argsort(-rates if high else rates, axis=1, kind="stable")
    rates = np.nan_to_num(np.take_along_axis(rates, worst_first, axis=1))
    weights = np.take_along_axis(weights, worst_first, axis=1)
    room = share * weights.sum(axis=1, keepdims=True)
    before = np.cumsum(weights, axis=1) - weights
    taken = np.clip(room - before, 0, weights)
    with np.errstate(invalid="ignore"):
        result: FloatArray = (taken * rates).sum(axis=1) / taken.sum(axis=1)
    return result


def _recentred(
    measure: str,
    value: float,
    replicates: FloatArray,
    calls: GroupedCalls,
    settings: Settings,
    convention: str,
    extra: dict[str, str],
) -> Estimate:
    interval = percentile_interval(replicates, calls.clusters, settings, centre=value)
    interval = within(interval, 0.0, 1.0)
    defined = replicates[np.isfinite(replicates)]
    return Estimate(
        measure, value, interval.low, interval.high, settings.level, calls.called.size,
        int(calls.present.sum()),
        convention=convention, method=interval.method, reason=interval.reason,
        extra={**extra, "bootstrap_bias": float(defined.mean() - value) if defined.size else None,
               "unit": "fraction", **calls.clusters.extra},
    )  # fmt: skip
