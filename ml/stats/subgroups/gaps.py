"""How far apart the groups are: parity, equal odds and opportunity, distance to overall."""

from collections.abc import Callable
from typing import Literal

import numpy as np

from ml.estimate import Estimate, JsonValue, undefined
from ml.stats.arrays import FloatArray, ratio
from ml.stats.bootstrap import DEFAULT, Settings
from ml.stats.interval import percentile_interval, within
from ml.stats.subgroups.calls import GroupedCalls, Rate, rate_of, undefined_groups

Kind = Literal["difference", "ratio"]
Aggregate = Literal["worst_case", "mean"]
_BIAS = (
    "The largest minus the smallest of several noisy rates is above 0 even where all groups are "
    "alike, more so with many and small groups."
)


def max_gap(
    calls: GroupedCalls, rate: Rate, settings: Settings = DEFAULT, *, kind: Kind = "difference"
) -> Estimate:
    """Largest minus smallest rate of the groups, or smallest over largest.

    Args:
        calls: the cases.
        rate: as ``group_rates``.
        settings: level, draws, seed.
        kind: "difference" (0 is equal) or "ratio" (1 is equal).

    Returns:
        Interval: percentile bootstrap of clusters, recentred at the value, since every replicate
        gains the upward bias of a maximum once more; ``extra`` holds that ``bootstrap_bias`` and
        the names of the lowest and highest group. Undefined when the rate of one group is.

    Example:
        >>> from ml.stats.subgroups.groups import Groups
        >>> calls = GroupedCalls.of([1, 0, 1, 1], [1, 1, 1, 1], Groups.of(list("aabb")))
        >>> max_gap(calls, "tpr").value
        0.5

    Source:
        Dwork et al. (2012); Hardt, Price, Srebro (2016). Conventions of fairlearn but for 0/0.
    """
    _known("kind", kind, ("difference", "ratio"))
    return _gap(
        calls, f"{rate}_{kind}", (rate,), lambda rates: _spread(rates[0], kind), settings,
        f"{'max − min' if kind == 'difference' else 'min / max'} of {rate} over groups", kind,
    )  # fmt: skip


def demographic_parity(
    calls: GroupedCalls, settings: Settings = DEFAULT, *, kind: Kind = "difference"
) -> Estimate:
    """Gap of the share called present; as ``max_gap``.

    Raises:
        ValueError: for another kind.

    Example:
        >>> from ml.stats.subgroups.groups import Groups
        >>> calls = GroupedCalls.of([1, 0, 1, 1], [1, 1, 0, 0], Groups.of(list("aabb")))
        >>> demographic_parity(calls).value, demographic_parity(calls, kind="ratio").value
        (0.5, 0.5)
    """
    return max_gap(calls, "selection_rate", settings, kind=kind).renamed(
        f"demographic_parity_{kind}"
    )


def equal_opportunity(calls: GroupedCalls, settings: Settings = DEFAULT) -> Estimate:
    """Gap of the sensitivity; as ``max_gap``.

    Example:
        >>> from ml.stats.subgroups.groups import Groups
        >>> calls = GroupedCalls.of([1, 0, 1, 1], [1, 1, 1, 1], Groups.of(list("aabb")))
        >>> equal_opportunity(calls).value
        0.5
    """
    return max_gap(calls, "tpr", settings).renamed("equal_opportunity_difference")


def equalized_odds(
    calls: GroupedCalls, settings: Settings = DEFAULT, *, aggregate: Aggregate = "worst_case"
) -> Estimate:
    """The gaps of sensitivity and of false positive rate: the larger, or their mean.

    Undefined where either rate is undefined in any group. Otherwise as ``max_gap``.

    Raises:
        ValueError: for another aggregate.

    Example:
        >>> from ml.stats.subgroups.groups import Groups
        >>> calls = GroupedCalls.of([1, 0, 1, 0], [1, 0, 0, 1], Groups.of(list("aabb")))
        >>> equalized_odds(calls).value  # group b has everything wrong
        1.0

    Source:
        Hardt, Price, Srebro (2016). Agarwal et al. (2018).
    """
    _known("aggregate", aggregate, ("worst_case", "mean"))
    take = np.maximum if aggregate == "worst_case" else lambda a, b: (a + b) / 2

    def value(rates: list[FloatArray]) -> FloatArray:
        joined: FloatArray = take(_spread(rates[0], "difference"), _spread(rates[1], "difference"))
        return joined

    return _gap(
        calls, "equalized_odds_difference", ("tpr", "fpr"), value, settings,
        f"{'larger' if aggregate == 'worst_case' else 'mean'} of the gaps of tpr and fpr",
        "difference",
    )  # fmt: skip


def difference_to_overall(
    calls: GroupedCalls, rate: Rate, settings: Settings = DEFAULT
) -> dict[str, Estimate]:
    """Each group's rate minus that of all groups together, with a bootstrap interval.

    The group is part of the whole: both come from the same replicates.

    Example:
        >>> from ml.stats.subgroups.groups import Groups
        >>> calls = GroupedCalls.of([1, 0, 1, 1], [1, 1, 1, 1], Groups.of(list("aabb")))
        >>> [found.value for found in difference_to_overall(calls, "tpr").values()]
        [-0.25, 0.25]
    """
    cells, drawn = calls.cells, calls.replicates(settings)
    values = rate_of(rate, cells) - rate_of(rate, cells.sum(axis=0))
    replicates = rate_of(rate, drawn) - rate_of(rate, drawn.sum(axis=1))[:, None]
    convention = f"{rate} of the group minus {rate} of all groups together"
    found: dict[str, Estimate] = {}
    for at, name in enumerate(calls.groups.names):
        measure, n = f"{rate}_difference_to_overall:{name}", int(cells[at].sum())
        if not np.isfinite(values[at]):
            reason = f"Not estimated: {rate} is a share of no case in this group."
            found[name] = undefined(measure, reason, n=n, convention=convention)
            continue
        interval = percentile_interval(replicates[:, at], calls.clusters, settings)
        found[name] = Estimate(
            measure, float(values[at]), interval.low, interval.high, settings.level, n,
            int(cells[at, 2:].sum()), convention=convention, method=interval.method,
            reason=interval.reason, extra=calls.clusters.extra,
        )  # fmt: skip
    return found


def _spread(rates: FloatArray, kind: Kind) -> FloatArray:
    """Gap over the last axis; NaN where a rate is NaN."""
    high, low = rates.max(axis=-1), rates.min(axis=-1)
    return high - low if kind == "difference" else ratio(low, high)


def _gap(
    calls: GroupedCalls,
    measure: str,
    rates: tuple[Rate, ...],
    value_of: Callable[[list[FloatArray]], FloatArray],
    settings: Settings,
    convention: str,
    kind: Kind,
) -> Estimate:
    n, n_events = calls.called.size, int(calls.present.sum())

    def without(reason: str) -> Estimate:
        return undefined(measure, reason, n=n, n_events=n_events, convention=convention)

    if calls.groups.count < 2:
        return without("Not estimated: a gap needs two groups.")
    lost = undefined_groups(calls, rates)
    if lost:
        return without(
            f"Not estimated: {' and '.join(rates)} is a share of no case in {', '.join(lost)}."
        )
    observed = [rate_of(rate, calls.cells) for rate in rates]
    value = float(value_of(observed))
    if not np.isfinite(value):
        return without("Not estimated: the largest rate is 0, so there is no ratio.")
    drawn = calls.replicates(settings)
    replicates = value_of([rate_of(rate, drawn) for rate in rates])
    interval = percentile_interval(replicates, calls.clusters, settings, centre=value)
    interval = within(interval, 0.0, 1.0)
    defined = replicates[np.isfinite(replicates)]
    extra: dict[str, JsonValue] = {
        **calls.clusters.extra,
        "lowest": calls.groups.names[int(observed[0].argmin())],
        "highest": calls.groups.names[int(observed[0].argmax())],
        "groups": calls.groups.count,
        "bootstrap_bias": float(defined.mean() - value) if defined.size else None,
        "remark": _BIAS,
    }
    if kind == "ratio":
        extra["remark"] = _BIAS.replace("largest minus the smallest", "smallest over the largest"
            ).replace("above 0", "below 1")  # fmt: skip
    return Estimate(
        measure, value, interval.low, interval.high, settings.level, n, n_events,
        convention=convention, method=interval.method, reason=interval.reason, extra=extra,
    )  # fmt: skip


def _known(name: str, given: str, offered: tuple[str, ...]) -> None:
    if given not in offered:
        raise ValueError(f"{name} must be {' or '.join(offered)}, got {given!r}")
