"""Does it work as well in every group of cases?"""

from ml.checks import words
from ml.checks.columns import columns_of
from ml.checks.judge import findings_of, judge, result_of, without_limits
from ml.checks.registry import CheckResult, State, audit_check, not_assessed
from ml.checks.scored import (
    Calls,
    OperatingPoint,
    at_operating_point,
    calls_at,
    settings_of,
)
from ml.checks.subgroup_findings import (
    GAPS,
    ID,
    OVERALL,
    SubgroupAudit,
    below_limit,
    calibration,
    compared_columns,
    gap_findings,
    said,
    withheld,
)
from ml.checks.subgroup_measures import MEASURES, compare, of_all
from ml.estimate import Estimate, JsonObject, JsonValue
from ml.evidence.tables import Evidence
from ml.protocol import Protocol
from ml.stats.bootstrap import Settings

QUESTION = "Does it work as well in every group of cases?"


@audit_check(
    ID,
    title="Subgroups",
    question=QUESTION,
    needs=("labels", "prediction", "covariates"),
    task="classification",
)
def subgroups(evidence: Evidence, protocol: Protocol) -> CheckResult:
    found = at_operating_point(
        ID,
        QUESTION,
        evidence,
        protocol,
        "count as wrong answers, and are left out of ranking and calibration",
    )  # fmt: skip
    if isinstance(found, CheckResult):
        return found
    scored, point, failed = found
    calls = calls_at(evidence, scored, point)
    columns = columns_of(evidence, protocol, calls.rows)
    extra = [*columns.findings(ID), *failed]
    if not columns.usable:
        return not_assessed(
            QUESTION,
            "No covariate makes groups. Columns such as sex, age, site, manufacturer or scanner in "
            "cases.csv would.",
            findings=extra,
        )
    settings = settings_of(protocol)
    audit = SubgroupAudit(
        evidence, protocol, scored, calls, columns,
        compare(columns.usable, scored, calls, settings, _called(point, calls)),
        {measure: of_all(measure, scored, calls, settings) for measure in MEASURES},
    )  # fmt: skip
    estimates = [
        estimate
        for c in audit.compared
        for estimate in (*c.by_group.values(), *([c.gap] if c.gap else []))
    ]
    findings = [
        *(finding for measure in OVERALL for finding in gap_findings(audit, measure)),
        *(finding for measure in OVERALL for finding in below_limit(audit, measure)),
        *calibration(audit),
        *findings_of(ID, estimates, without_limits(protocol, GAPS), {}),
        *withheld(audit),
        *extra,
    ]
    # Said beside a judgement: alone it would make a check that compared nothing look assessed.
    if any(finding.state is not State.NOT_ASSESSED for finding in findings):
        findings.append(compared_columns(audit))
    series = [_forest(audit, measure, settings, point.words) for measure in MEASURES]
    return result_of(QUESTION, estimates, findings, series)


def _called(point: OperatingPoint, calls: Calls) -> str:
    at = f"score ≥ {point.words} is called present ({point.origin})"
    return at + (
        f"; {words.cases(calls.failed)} without a score count as wrong" if calls.failed else ""
    )


def _forest(audit: SubgroupAudit, measure: str, settings: Settings, threshold: str) -> JsonObject:
    overall = OVERALL.get(measure)
    limit = audit.protocol.limit(*overall) if overall else None

    def row(label: str, estimate: Estimate, *, everyone: bool = False) -> JsonObject:
        state = State.INFO if limit is None else judge(estimate, limit)
        return {
            "label": label,
            "estimate": estimate.to_json(),
            "state": State.NOT_ASSESSED.value if estimate.value is None else state.value,
            "all": everyone,
        }

    compared = audit.of(measure)
    rows: list[JsonValue] = [row("All cases", audit.everyone[measure], everyone=True)]
    rows += [
        row(c.column.label(name), estimate)
        for c in compared
        for name, estimate in c.by_group.items()
    ]
    shown = [(c.column.label(name), e) for c in compared for name, e in c.shown.items()]
    title = f"{words.name_of(measure)} by group"
    if shown:
        (low_name, low), (high_name, high) = min(shown, key=_by_value), max(shown, key=_by_value)
        title = f"{words.name_of(measure)} is {said(low)} in every group"
        if said(low) != said(high):
            title = (
                f"{words.name_of(measure)} lies between {said(low)} ({low_name}) and {said(high)} "
                f"({high_name})"
            )
    at = f"at score ≥ {threshold}; " if measure in ("sensitivity", "specificity") else ""
    return {
        "kind": "forest",
        "check": ID,
        "title": title,
        "subtitle": (
            f"{at}{settings.level * 100:g} % intervals. Diamond: all cases. The line is the limit "
            "for all cases."
            if limit
            else f"{at}{settings.level * 100:g} % intervals. Diamond: all cases. No limit."
        ),
        "unit": "%" if words.is_rate(measure) else "",
        "rows": rows,
        "limit": limit.to_json() if limit else None,
    }


def _by_value(row: tuple[str, Estimate]) -> float:
    return row[1].value or 0.0
