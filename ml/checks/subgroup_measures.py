"""What the check of subgroups measures: each measure in every group, its gap, and a test of it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from ml.checks.columns import Column
from ml.checks.scored import Calls, Scored
from ml.estimate import Estimate
from ml.stats.arrays import BoolArray, FloatArray, IntArray
from ml.stats.bootstrap import Settings
from ml.stats.calibration.recalibration import intercept
from ml.stats.clusters import Clusters
from ml.stats.comparison.p_adjust import p_adjust
from ml.stats.discrimination.auroc import auroc
from ml.stats.subgroups.auroc_gap import max_auroc_gap
from ml.stats.subgroups.calls import GroupedCalls, Rate, group_rates, overall_rate
from ml.stats.subgroups.gap_interval import gap_interval, level_of_pairs
from ml.stats.subgroups.gaps import max_gap
from ml.stats.subgroups.groups import Groups, by_group
from ml.stats.subgroups.heterogeneity import estimates_heterogeneity, rate_heterogeneity
from ml.stats.subgroups.permutation import permutation_gap

MEASURES = ("auroc", "sensitivity", "specificity", "intercept")
_RATES: dict[str, Rate] = {"sensitivity": "tpr", "specificity": "tnr"}
ADJUSTED_BY = "Holm"

_Measure = Callable[[FloatArray, IntArray, Clusters, Settings], Estimate]
_OF_SCORES: dict[str, _Measure] = {"auroc": auroc, "intercept": intercept}


@dataclass(frozen=True)
class Compared:
    """One measure in the groups of one covariate."""

    measure: str
    column: Column
    by_group: dict[str, Estimate]  # withheld groups are undefined with the reason
    gap: Estimate | None  # or the test statistic where there is no gap (intercept)
    p: float | None = None
    test: str = ""  # which test, in words
    by_chance: float | None = None  # gap that dealing the groups anew gives on average
    adjusted: float | None = None

    @property
    def shown(self) -> dict[str, Estimate]:
        return {name: e for name, e in self.by_group.items() if e.value is not None}

    def end(self, *, lowest: bool) -> tuple[str, Estimate]:
        """The group with the lowest or the highest value."""
        take = min if lowest else max
        return take(self.shown.items(), key=lambda pair: pair[1].value or 0.0)


def compare(
    columns: Sequence[Column], scored: Scored, calls: Calls, settings: Settings, at: str = ""
) -> list[Compared]:
    """Every measure for every column; columns are of the rows of ``calls``.

    Ranking and calibration use the scored cases, which come first among the calls.

    Args:
        at: what is called present, as the convention of the rates.
    """
    found = [
        _of_scores(measure, column, scored, settings)
        if measure in _OF_SCORES
        else _of_calls(measure, column, calls, settings, at)
        for measure in MEASURES
        for column in columns
    ]
    tested = [c.p for c in found if c.p is not None]
    adjusted = iter(_adjusted(tested))
    return [c if c.p is None else replace(c, adjusted=next(adjusted)) for c in found]


def of_all(measure: str, scored: Scored, calls: Calls, settings: Settings) -> Estimate:
    """The measure of all cases together, as the row the groups are seen against."""
    if measure in _OF_SCORES:
        return _OF_SCORES[measure](scored.scores, scored.present, scored.clusters, settings)
    everyone = Groups(np.zeros(calls.rows.size, dtype=np.int64), ("all",))
    grouped = GroupedCalls.of(calls.called, calls.present, everyone, calls.clusters)
    return overall_rate(grouped, _RATES[measure], level=settings.level).renamed(measure)


def _of_scores(measure: str, column: Column, scored: Scored, settings: Settings) -> Compared:
    groups = column.groups.where(np.arange(scored.rows.size))
    found = by_group(
        lambda rows: _OF_SCORES[measure](
            scored.scores[rows], scored.present[rows], scored.clusters.where(rows), settings
        ),
        groups, scored.present, needs="both",
    )  # fmt: skip
    named = _named(measure, column, found)
    shown = [name for name, estimate in named.items() if estimate.value is not None]
    if len(shown) < 2:
        return Compared(measure, column, named, None)
    if measure == "intercept":
        q = estimates_heterogeneity({name: named[name] for name in shown}, measure)
        q = q.renamed(f"intercept_heterogeneity:{column.name}")
        return Compared(measure, column, named, q, _p(q), "Cochran’s Q")
    gap = max_auroc_gap(
        scored.scores, scored.present, _only(groups, shown), scored.clusters, settings
    )
    together = replace(settings, level=level_of_pairs(settings.level, len(shown)))
    rows = [groups.rows(groups.names.index(name)) for name in shown]
    ends = [
        auroc(scored.scores[at], scored.present[at], scored.clusters.where(at), together)
        for at in rows
    ]
    gap = _with_ends(gap, ends, settings.level).renamed(
        f"auroc_gap:{column.name}", convention="largest minus smallest AUROC within groups"
    )
    return Compared(measure, column, named, gap, _p(gap), "Cochran’s Q")


def _of_calls(measure: str, column: Column, calls: Calls, settings: Settings, at: str) -> Compared:
    rate = _RATES[measure]
    grouped = GroupedCalls.of(calls.called, calls.present, column.groups, calls.clusters)
    found = group_rates(grouped, rate, level=settings.level, convention=at, suppress=True)
    named = _named(measure, column, found)
    shown = [name for name, estimate in named.items() if estimate.value is not None]
    if len(shown) < 2:
        return Compared(measure, column, named, None)
    kept = GroupedCalls.of(calls.called, calls.present, _only(column.groups, shown), calls.clusters)
    together = level_of_pairs(settings.level, len(shown))
    ends = list(group_rates(kept, rate, level=together).values())
    gap = _with_ends(max_gap(kept, rate, settings), ends, settings.level).renamed(
        f"{measure}_gap:{column.name}", convention=f"largest minus smallest {measure}; {at}"
    )
    dealt = permutation_gap(kept, rate, settings)
    if dealt.value is not None:
        chance = dealt.extra.get("expected_by_chance")
        return Compared(
            measure, column, named, gap, _p(dealt), "permutation test",
            chance if isinstance(chance, float) else None,
        )  # fmt: skip
    # Groups inside a patient (say, the side of the body) cannot be dealt to whole patients.
    return Compared(
        measure, column, named, gap, _p(rate_heterogeneity(kept, rate)),
        "chi-squared on effective counts",
    )  # fmt: skip


def _with_ends(gap: Estimate, ends: Sequence[Estimate], level: float) -> Estimate:
    """The gap with an interval of the true gap: the largest of noisy gaps lies too high.

    Args:
        ends: the groups with their intervals at ``level_of_pairs``.
    """
    if gap.value is None:
        return gap
    found = gap_interval(ends)
    if found is None:
        lacking = next((one.reason for one in ends if not one.has_interval and one.reason), None)
        reason = lacking or "No interval: a group has none."
        return replace(gap, low=None, high=None, level=None, method="", reason=reason)
    pairs = len(ends) * (len(ends) - 1) // 2
    method = next(one.method for one in ends)
    whole = f"difference of two groups from the interval of each ({method})"
    if pairs > 1:
        whole += f", all {pairs} pairs together (Bonferroni)"
    return replace(gap, low=found[0], high=found[1], level=level, method=whole, reason=None)


def _named(measure: str, column: Column, found: dict[str, Estimate]) -> dict[str, Estimate]:
    return {
        name: estimate.renamed(f"{measure}:{column.label(name)}")
        for name, estimate in found.items()
    }


def _only(groups: Groups, names: Sequence[str]) -> Groups:
    """The groups of some names; rows of others belong to none."""
    place = np.full(groups.count + 1, -1, dtype=np.int64)  # the last one for rows without a group
    for at, name in enumerate(names):
        place[groups.names.index(name)] = at
    return Groups(place[groups.codes], tuple(names))


def _p(estimate: Estimate) -> float | None:
    p = estimate.extra.get("p")
    return p if isinstance(p, float) else None


def _adjusted(p_values: Sequence[float]) -> list[float]:
    """p-values for as many tests as were made."""
    return [float(p) for p in p_adjust(np.array(p_values), "holm")] if p_values else []


def errors_in(compared: Compared, name: str, calls: Calls, *, present: bool) -> IntArray:
    """Rows of the evidence that are answered wrongly in a group: misses, or false alarms."""
    inside: BoolArray = compared.column.groups.codes == compared.column.groups.names.index(name)
    rows: IntArray = calls.rows[inside & calls.wrong & (calls.present == present)]
    return rows


def outranked_in(compared: Compared, name: str, scored: Scored) -> IntArray:
    """Rows with the finding that some case of their group without it outranks, lowest first."""
    codes = compared.column.groups.codes[: scored.rows.size]
    inside = np.flatnonzero(codes == compared.column.groups.names.index(name))
    present = scored.present[inside] == 1
    scores = scored.scores[inside]
    if present.all() or not present.any():
        return scored.rows[:0]
    beaten = inside[present & (scores < scores[~present].max())]
    rows: IntArray = scored.rows[beaten[np.argsort(scored.scores[beaten], kind="stable")]]
    return rows
