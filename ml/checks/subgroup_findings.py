"""Findings of the check of subgroups: gaps, groups below the limit, calibration, small groups."""

from collections.abc import Sequence
from dataclasses import dataclass

from ml.checks import words
from ml.checks.columns import Columns
from ml.checks.judge import judge
from ml.checks.registry import Finding, State
from ml.checks.scored import Calls, Scored
from ml.checks.subgroup_measures import ADJUSTED_BY, Compared, errors_in, outranked_in
from ml.estimate import Estimate
from ml.evidence.tables import Evidence, IntArray
from ml.limits import Limit
from ml.protocol import Protocol
from ml.stats.subgroups.detectable import detectable_difference
from ml.stats.subgroups.groups import FEWEST, SMALLEST

ID = "subgroups"
_NAMED = 8  # groups named in a sentence
# where the limit for all cases stands, which every group is drawn against
OVERALL = {
    "auroc": ("discrimination", "auroc"),
    "sensitivity": ("operating-point", "sensitivity"),
    "specificity": ("operating-point", "specificity"),
}
GAPS = {f"{measure}_gap" for measure in OVERALL}  # limits on them are judged here


@dataclass(frozen=True)
class SubgroupAudit:
    """What every finding of this check rests on."""

    evidence: Evidence
    protocol: Protocol
    scored: Scored
    calls: Calls
    columns: Columns
    compared: list[Compared]
    everyone: dict[str, Estimate]

    def of(self, measure: str) -> list[Compared]:
        return [c for c in self.compared if c.measure == measure]

    def limit(self, gap: Estimate) -> Limit | None:
        """A limit on the gap of one covariate, else on that of all."""
        base = gap.id.partition(":")[0]
        return self.protocol.limit(ID, gap.id) or self.protocol.limit(ID, base)

    def cases(self, compared: Compared, group: str) -> tuple[str, ...]:
        """The cases behind a low value in a group."""
        if compared.measure == "auroc":
            rows = outranked_in(compared, group, self.scored)
        else:
            rows = errors_in(compared, group, self.calls, present=compared.measure == "sensitivity")
        return self.ids(rows)

    def ids(self, rows: IntArray) -> tuple[str, ...]:
        return tuple(self.evidence.case_ids[row] for row in rows)


def gap_findings(audit: SubgroupAudit, measure: str) -> list[Finding]:
    """A finding for each gap that is too large or beyond chance, and one for the others."""
    found: list[Finding] = []
    others: dict[State, list[Compared]] = {}
    for c in audit.of(measure):
        if c.gap is None or c.gap.value is None:
            continue
        limit = audit.limit(c.gap)
        state = State.INFO if limit is None else judge(c.gap, limit)
        beyond = c.adjusted is not None and c.adjusted <= 1 - audit.protocol.level
        if state is State.FAIL or (beyond and state in (State.CAUTION, State.INFO)):
            found.append(_one_gap(audit, c, state, limit))
        else:
            others.setdefault(state, []).append(c)
    found += [_other_gaps(audit, measure, state, cs) for state, cs in others.items()]
    if not found:
        found = [
            Finding(
                f"{ID}.{measure}_gap", State.NOT_ASSESSED,
                f"{words.name_of(measure)} can be compared in no covariate: there are not two "
                "groups of sufficient size.",
                limit=audit.protocol.limit(ID, f"{measure}_gap"),
            )
        ]  # fmt: skip
    return found


def _one_gap(audit: SubgroupAudit, c: Compared, state: State, limit: Limit | None) -> Finding:
    assert c.gap is not None
    low_name, low = c.end(lowest=True)
    high_name, high = c.end(lowest=False)
    at_low, at_high = c.column.label(low_name), c.column.label(high_name)
    claims = {
        "auroc": f"The AUROC is {said(high)} where {at_high}, and {said(low)} where {at_low}.",
        "sensitivity": f"It finds {said(high)} of cases with the finding where {at_high}, and "
        f"{said(low)} where {at_low}.",
        "specificity": f"It leaves alone {said(high)} of cases without the finding where "
        f"{at_high}, and {said(low)} where {at_low}.",
    }
    return Finding(
        f"{ID}.{c.gap.id}", state, claims[c.measure],
        why=" ".join(
            part for part in (_gap_words(c, limit), _by_chance(c), _p_words(audit, c)) if part
        ),
        measure=c.gap.id, limit=limit, cases=audit.cases(c, low_name),
        action=f"Look at the cases where {at_low}; do not take the overall result to hold there."
        if state in (State.FAIL, State.CAUTION) else "",
    )  # fmt: skip


def _other_gaps(
    audit: SubgroupAudit, measure: str, state: State, cs: Sequence[Compared]
) -> Finding:
    """Several covariates in one sentence; the widest gap stands for them."""
    widest = max(cs, key=lambda c: c.gap.value if c.gap and c.gap.value else 0.0)
    assert widest.gap is not None
    assert widest.gap.value is not None
    limit = audit.limit(widest.gap)
    names = ", ".join(c.column.name for c in cs)
    what = {"auroc": "The AUROC", "sensitivity": "Sensitivity", "specificity": "Specificity"}
    line = "" if limit is None else difference(measure, limit.value)
    groups = f"between groups of {names}"
    cannot = "cannot be told from these cases."
    if limit is not None and widest.by_chance is not None and widest.by_chance > limit.value:
        cannot = (
            "cannot be told: chance alone gives groups of these sizes "
            f"{difference(measure, widest.by_chance)} on average."
        )
    claim = {
        State.PASS: f"{what[measure]} differs by no more than {line} {groups}.",
        State.CAUTION: f"Whether {_lower(what[measure])} differs by more than {line} {groups} "
        f"{cannot}",
    }.get(
        state,
        f"{what[measure]} differs by up to {difference(measure, widest.gap.value)} {groups}.",
    )
    low_name, _ = widest.end(lowest=True)
    parts = (
        f"Widest: {widest.column.name}, {_ends(widest)}.", _gap_words(widest, limit),
        _by_chance(widest), _p_words(audit, widest), _power(audit, cs),
    )  # fmt: skip
    return Finding(
        f"{ID}.{measure}_gap.{state.value}", state, claim,
        why=" ".join(part for part in parts if part), measure=widest.gap.id, limit=limit,
        cases=audit.cases(widest, low_name),
        action="Add cases of the smaller groups before relying on the model there."
        if state is State.CAUTION else "",
    )  # fmt: skip


def _lower(text: str) -> str:
    return text[0].lower() + text[1:]


def difference(measure: str, value: float) -> str:
    """Of two rates in points; of two AUROCs as a number, as they are themselves.

    >>> difference("sensitivity", 0.1), difference("auroc", 0.1)
    ('10.0 points', '0.100')
    """
    return words.decimal(value) if measure == "auroc" else words.points(value)


def _ends(c: Compared) -> str:
    low_name, low = c.end(lowest=True)
    high_name, high = c.end(lowest=False)
    if low_name == high_name:  # all values are equal: there is no lowest and no highest one
        return f"{said(low)} in every group"
    bottom = f"{said(low)} in {low_name} (n = {words.count(low.n)})"
    return f"{bottom} to {said(high)} in {high_name} (n = {words.count(high.n)})"


def _gap_words(c: Compared, limit: Limit | None) -> str:
    assert c.gap is not None
    text = f"{words.name_of(c.gap.id)} {words.measured(c.gap)}"
    rule = "no limit set" if limit is None else f"the limit is {words.limit_words(limit)}"
    return f"{text}; {rule}." + (f" {c.gap.reason}" if c.gap.reason else "")


def _by_chance(c: Compared) -> str:
    if c.by_chance is None:
        return ""
    return (
        "Groups of these sizes that are all alike show "
        f"{difference(c.measure, c.by_chance)} on average."
    )


def _p_words(audit: SubgroupAudit, c: Compared) -> str:
    if c.p is None or c.adjusted is None:
        return ""
    tests = sum(other.p is not None for other in audit.compared)
    verdict = "more than chance explains" if c.adjusted <= 1 - audit.protocol.level else (
        "no more than chance may explain"
    )  # fmt: skip
    return (
        f"This is {verdict}: {c.test}, {words.p_value(c.p)}; for {tests} tests together "
        f"{words.p_value(c.adjusted)} ({ADJUSTED_BY})."
    )


def _power(audit: SubgroupAudit, cs: Sequence[Compared]) -> str:
    """Which drop the smallest group of all these columns would have shown."""
    everyone = audit.everyone[cs[0].measure]
    if cs[0].measure == "auroc" or everyone.value is None:
        return ""
    n, c, name = min(
        ((e.n, c, name) for c in cs for name, e in c.shown.items()), key=lambda group: group[0]
    )
    others = sum(e.n for e in c.shown.values()) - n
    found = detectable_difference(others, n, everyone.value, level=audit.protocol.level)
    if found.value is None:
        return "The smallest group compared is too small to show any drop."
    return (
        f"The smallest group compared ({c.column.label(name)}, n = {words.count(n)}) would show a "
        "drop of "
        f"{words.points(found.value)} with a probability of 80 %."
    )


def below_limit(audit: SubgroupAudit, measure: str) -> list[Finding]:
    """Groups whose whole interval lies below the limit for all cases."""
    limit = audit.protocol.limit(*OVERALL[measure])
    if limit is None:
        return []
    below = [
        (c, name, estimate)
        for c in audit.of(measure)
        for name, estimate in c.shown.items()
        if judge(estimate, limit) is State.FAIL
    ]
    looked = sum(len(c.shown) for c in audit.of(measure))
    if not below:
        return []
    below.sort(key=lambda group: group[2].value or 0.0)
    overall = audit.everyone[measure]
    fails_anyway = overall.value is not None and judge(overall, limit) is State.FAIL
    named = _listed([f"{c.column.label(name)} ({said(e)})" for c, name, e in below])
    cases = dict.fromkeys(case for c, name, _ in below for case in audit.cases(c, name))
    return [
        Finding(
            f"{ID}.{measure}.below", State.INFO if fails_anyway else State.CAUTION,
            f"{words.name_of(measure)} is below the limit for all cases in "
            f"{words.count(len(below))} of {words.count(looked)} groups"
            f"{', lowest first' if len(below) > 1 else ''}: {named}.",
            why=f"The limit is {words.limit_words(limit)}; their whole interval lies below it, "
            f"without a correction for {words.count(looked)} groups. Of all cases: "
            f"{words.measured(overall)}.",
            measure=below[0][2].id, limit=limit, cases=tuple(cases),
            action="" if fails_anyway else "Look at these groups before using the model in them.",
        )
    ]  # fmt: skip


def calibration(audit: SubgroupAudit) -> list[Finding]:
    """Whether the score means the same in every group; no limit is set on it."""
    tested = [c for c in audit.of("intercept") if c.adjusted is not None]
    if not tested:
        return []
    differ = [c for c in tested if (c.adjusted or 0.0) <= 1 - audit.protocol.level]
    found = []
    for c in differ:
        low_name, _ = c.end(lowest=True)
        high_name, _ = c.end(lowest=False)
        assert c.gap is not None
        found.append(
            Finding(
                f"{ID}.{c.gap.id}", State.INFO,
                f"The same score means the finding more often where {c.column.label(high_name)} "
                f"than where {c.column.label(low_name)}.",
                why=f"Calibration intercept {_ends(c)}. {_p_words(audit, c)}",
                measure=c.gap.id,
            )
        )  # fmt: skip
    if not differ:
        names = ", ".join(c.column.name for c in tested)
        least = min(tested, key=lambda c: c.p or 1.0)
        found = [
            Finding(
                f"{ID}.intercept_heterogeneity", State.INFO,
                f"No difference of the calibration between groups of {names} is beyond chance.",
                why=f"Nearest to one: {least.column.name}, {_ends(least)}. "
                f"{_p_words(audit, least)}",
                measure=least.gap.id if least.gap else None,
            )
        ]  # fmt: skip
    return found


def compared_columns(audit: SubgroupAudit) -> Finding:
    """Which columns make groups, said once for all gaps."""
    columns = audit.columns
    origin = "the columns that the protocol names" if columns.declared else (
        "all columns of the cohort"
    )  # fmt: skip
    names = ", ".join(column.name for column in columns.usable)
    cuts = "; ".join(f"{c.name} {c.how}" for c in columns.usable if c.how)
    return Finding(
        f"{ID}.columns", State.INFO, f"Groups were made from {origin}: {names}.",
        why=f"Numbers are cut: {cuts}." if cuts else "",
    )  # fmt: skip


def withheld(audit: SubgroupAudit) -> list[Finding]:
    """Groups of which at least one value is not shown, and the rule."""
    small: dict[str, int] = {}
    for c in audit.compared:
        for name, estimate in c.by_group.items():
            if estimate.value is None and (estimate.reason or "").startswith("Not shown"):
                at = c.column.groups.names.index(name)
                small[c.column.label(name)] = int(c.column.groups.sizes[at])
    missing = [f"{c.name} ({words.count(c.missing)})" for c in audit.columns.usable if c.missing]
    found = []
    if small:
        groups = "1 group is" if len(small) == 1 else f"{words.count(len(small))} groups are"
        named = _listed([f"{name} ({words.cases(n)})" for name, n in small.items()])
        found.append(
            Finding(
                f"{ID}.withheld", State.NOT_ASSESSED,
                f"{groups} too small for some value to be shown: {named}.",
                why=f"A value needs {SMALLEST} cases, and {FEWEST} of the class that it rests on. "
                "These groups may fare better or worse; nobody can tell from here.",
                action="Add cases of these groups.",
            )
        )  # fmt: skip
    if missing:
        found.append(
            Finding(
                f"{ID}.missing",
                State.NOT_ASSESSED,
                f"Cases without an entry belong to no group: {', '.join(missing)}.",
            )
        )
    return found


def said(estimate: Estimate) -> str:
    if estimate.value is None:
        return "not estimated"
    if words.is_rate(estimate.id):
        return words.per_cent(estimate.value)
    return words.decimal(estimate.value)


def _listed(names: Sequence[str]) -> str:
    more = len(names) - _NAMED
    return ", ".join(names[:_NAMED]) + (f" and {words.count(more)} more" if more > 0 else "")
