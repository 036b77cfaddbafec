"""Is there a group, not thought of before, on which it fails?"""

from dataclasses import dataclass, replace

import numpy as np

from ml.checks import words
from ml.checks.columns import Columns, columns_of
from ml.checks.judge import findings_of, judge, result_of, without_limits
from ml.checks.registry import CheckResult, Finding, State, audit_check, not_assessed
from ml.checks.scored import (
    Calls,
    OperatingPoint,
    at_operating_point,
    calls_at,
    settings_of,
)
from ml.estimate import Estimate, JsonObject, JsonValue
from ml.evidence.tables import Evidence
from ml.protocol import Protocol
from ml.stats.arrays import BoolArray
from ml.stats.proportion import proportion
from ml.stats.subgroups.groups import Groups
from ml.stats.subgroups.slices import SMALLEST, Slice, SliceSearch, members, worst_slices

ID = "worst-slice"
QUESTION = "Is there a group, not thought of before, on which it fails?"
_SHOWN = 10  # slices in the chart
_SAME_MIX = "the same share with the finding"


@dataclass(frozen=True)
class _Audit:
    evidence: Evidence
    protocol: Protocol
    calls: Calls
    columns: Columns
    point: OperatingPoint
    search: SliceSearch

    @property
    def alpha(self) -> float:
        return 1 - self.protocol.level

    def label(self, conditions: tuple[tuple[str, str], ...]) -> str:
        by_name = {column.name: column for column in self.columns.usable}
        return " and ".join(by_name[name].label(level) for name, level in conditions)

    def inside(self, conditions: tuple[tuple[str, str], ...]) -> BoolArray:
        return members(conditions, {c.name: c.groups for c in self.columns.usable})

    def errors(self, measure: str, chosen: BoolArray) -> Estimate:
        return proportion(
            measure, self.calls.wrong[chosen], self.calls.where(chosen),
            level=self.protocol.level,
            convention=f"answered wrongly at score ≥ {self.point.words}",
            n_events=int(self.calls.present[chosen].sum()),
        )  # fmt: skip


@audit_check(
    ID,
    title="Worst slice",
    question=QUESTION,
    needs=("labels", "prediction", "covariates"),
    task="classification",
)
def worst_slice(evidence: Evidence, protocol: Protocol) -> CheckResult:
    found = at_operating_point(ID, QUESTION, evidence, protocol, "count as wrong answers")
    if isinstance(found, CheckResult):
        return found
    scored, point, failed = found
    calls = calls_at(evidence, scored, point)
    # A hidden group may lie in any column, so those that the protocol does not name count too.
    columns = columns_of(evidence, protocol, calls.rows, every=True)
    extra = [*columns.findings(ID), *failed]
    search = worst_slices(
        calls.wrong, {c.name: c.groups for c in columns.usable}, calls.clusters,
        settings_of(protocol), keep=_SHOWN, strata=_classes(calls),
    )  # fmt: skip
    audit = _Audit(evidence, protocol, calls, columns, point, search)
    everyone = audit.errors("error_rate", np.ones(calls.rows.size, dtype=bool))
    if not search.slices:
        return not_assessed(
            QUESTION,
            search.reason or "No slice has more errors than its mix of cases with and without the "
            "finding gives.",
            estimates=[everyone], findings=extra,
        )  # fmt: skip
    worst = search.slices[0]
    rate = audit.errors("slice_error_rate", audit.inside(worst.conditions))
    estimates = [everyone, rate, _effect(audit, worst)]
    if search.confirmed is not None:
        estimates.append(search.confirmed.renamed("slice_effect_confirmed"))
    findings = [
        _finding(audit, worst, rate),
        *findings_of(ID, estimates, without_limits(protocol, {"slice_effect"}), {}),
        *extra,
    ]
    return result_of(QUESTION, estimates, findings, [_forest(audit, everyone)])


def _classes(calls: Calls) -> Groups:
    """Cases with and without the finding are not equally hard: no slice is blamed for its mix."""
    return Groups(calls.present.astype(np.int64), ("without the finding", "with the finding"))


def _effect(audit: _Audit, worst: Slice) -> Estimate:
    return replace(
        worst.effect,
        extra={**worst.effect.extra, "slice": audit.label(worst.conditions), "p_search": worst.p},
    )


def _finding(audit: _Audit, worst: Slice, rate: Estimate) -> Finding:
    beyond = worst.p <= audit.alpha
    limit = audit.protocol.limit(ID, "slice_effect")
    if not beyond:
        return Finding(
            f"{ID}.slice_effect", State.INFO,
            "No group of cases stands out: chance alone would make the worst of "
            f"{words.count(audit.search.looked_at)} groups as bad as the worst one here.",
            why=f"The worst is {audit.label(worst.conditions)}: {_rates(worst, rate)}. "
            f"{_searched(audit, worst)} Groups of fewer than {SMALLEST} cases were not "
            f"looked at, and a small difference may go unnoticed. {audit.columns.said}",
            measure="slice_effect", limit=limit, cases=_cases(audit, worst),
        )  # fmt: skip
    confirmed = audit.search.confirmed
    honest = confirmed if confirmed is not None and confirmed.value is not None else None
    # Selection makes the effect on the same cases too large; elsewhere it is not.
    judged = honest if honest is not None else worst.effect
    state = State.INFO if limit is None else judge(judged, limit)
    rule = "no limit set" if limit is None else f"the limit is {words.limit_words(limit)}"
    measure = "slice_effect" if honest is None else "slice_effect_confirmed"
    return Finding(
        f"{ID}.slice_effect", state,
        f"It is wrong in {_share(rate)} of {words.cases(rate.n)} where "
        f"{audit.label(worst.conditions)}; of others with {_SAME_MIX}, it would be wrong in "
        f"{words.per_cent(worst.expected)}.",
        why=" ".join(
            (f"{words.name_of('slice_effect')} {words.measured(worst.effect)}.",
             _confirmed(audit), f"Judged: {words.measured(judged)}; {rule}.",
             _searched(audit, worst), _mix(audit, worst), audit.columns.said)
        ),
        measure=measure, limit=limit, cases=_cases(audit, worst),
        action="Look at these cases together: what they share may be what misleads the model."
        if state in (State.FAIL, State.CAUTION) else "",
    )  # fmt: skip


def _share(rate: Estimate) -> str:
    assert rate.value is not None
    text = words.per_cent(rate.value)
    if rate.low is not None and rate.high is not None:
        text += f" [{words.rate(rate.low)}, {words.rate(rate.high)}]"
    return text


def _rates(worst: Slice, rate: Estimate) -> str:
    return (
        f"{_share(rate)} of {words.cases(rate.n)} are answered wrongly; of others with {_SAME_MIX} "
        f"{words.per_cent(worst.expected)} would be"
    )


def _searched(audit: _Audit, worst: Slice) -> str:
    search = audit.search
    depth = "single conditions" if search.depth == 1 else f"up to {search.depth} conditions at once"
    return (
        f"{words.count(search.looked_at)} groups were looked at ({depth}); errors as bad as these "
        f"in the worst of them have {words.p_value(worst.p)} ({search.method})."
    )


def _confirmed(audit: _Audit) -> str:
    found, conditions = audit.search.confirmed, audit.search.confirmed_conditions
    if found is None or found.value is None:
        return (
            "There are too few cases to confirm it on others; on the cases it was found on, the "
            "difference comes out too large."
        )
    return (
        f"A search of one half of the cases found {audit.label(conditions)}; on the other "
        f"half, which it was not found on, the difference is {words.measured(found)}."
    )


def _mix(audit: _Audit, worst: Slice) -> str:
    """What the comparison was corrected for, and what it would be without that."""
    inside = audit.inside(worst.conditions)
    with_inside = float(audit.calls.present[inside].mean())
    with_outside = float(audit.calls.present[~inside].mean())
    return (
        f"The finding is present in {words.per_cent(with_inside)} of the cases inside and in "
        f"{words.per_cent(with_outside)} of the others, who are weighted to the share inside; "
        f"unweighted they are answered wrongly in {words.per_cent(worst.outside)}."
    )


def _cases(audit: _Audit, worst: Slice) -> tuple[str, ...]:
    """All cases of the slice, those answered wrongly first."""
    order = worst.rows[np.argsort(~audit.calls.wrong[worst.rows], kind="stable")]
    return tuple(audit.evidence.case_ids[row] for row in audit.calls.rows[order])


def _forest(audit: _Audit, everyone: Estimate) -> JsonObject:
    rows: list[JsonValue] = [
        {"label": "All cases", "estimate": everyone.to_json(), "state": "info", "all": True}
    ]
    for found in audit.search.slices:
        rate = audit.errors("error_rate", audit.inside(found.conditions))
        rate = replace(rate, extra={**rate.extra, "p_search": found.p, "expected": found.expected})
        beyond = found.p <= audit.alpha
        rows.append(
            {
                "label": audit.label(found.conditions),
                "estimate": rate.to_json(),
                "state": State.CAUTION.value if beyond else State.INFO.value,
            }
        )
    many = sum(found.p <= audit.alpha for found in audit.search.slices)
    title = (
        "No group has more errors than chance would give the worst one"
        if not many
        else f"Of the groups shown, {words.count(many)} {'has' if many == 1 else 'have'} more "
        "errors than chance and their mix explain"
    )
    return {
        "kind": "forest",
        "check": ID,
        "title": title,
        "subtitle": (
            f"Error rates with {audit.protocol.level * 100:g} % intervals, which do not know of "
            "the search. Triangle: beyond chance, for all groups looked at, and beyond what their "
            "share of cases with the finding gives. Diamond: all cases."
        ),
        "unit": "%",
        "rows": rows,
        "limit": None,
    }
