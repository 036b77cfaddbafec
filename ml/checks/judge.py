"""From estimates and limits to findings."""

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, replace
from math import inf

from ml.checks import words
from ml.checks.registry import CheckResult, Finding, State, worst
from ml.estimate import Estimate, JsonObject
from ml.limits import Limit
from ml.protocol import Protocol


@dataclass(frozen=True)
class Wording:
    """How a measure is said; a measure with a wording is a finding even without a limit."""

    claim: str  # one plain sentence
    why: str = ""  # what it rests on, before the numbers
    cases: tuple[str, ...] = ()
    action: str = ""  # what to do unless it passed


def judge(estimate: Estimate, limit: Limit) -> State:
    """Where an estimate stands against its limit.

    Pass: the whole interval on the right side. Fail: the whole interval beyond. Caution, the
    limit is not decided: it lies inside, or there is no interval on the side that would decide.
    """
    if estimate.value is None:
        return State.NOT_ASSESSED
    low = -inf if estimate.low is None else estimate.low
    high = inf if estimate.high is None else estimate.high
    if limit.direction == "max":
        low, high, line = -high, -low, -limit.value
    else:
        line = limit.value
    if low >= line:
        return State.PASS
    return State.FAIL if high < line else State.CAUTION


def findings_of(
    check: str,
    estimates: Sequence[Estimate],
    protocol: Protocol,
    wordings: Mapping[str, Wording],
) -> tuple[Finding, ...]:
    """One finding for every limit, and for every worded measure that has none."""
    findings: list[Finding] = []
    for estimate in estimates:
        limits = protocol.limits_of(check, estimate.id)
        wording = wordings.get(estimate.id)
        if not limits and wording is not None:
            findings.append(_finding(f"{check}.{estimate.id}", estimate, None, wording))
        for at, limit in enumerate(limits):
            finding_id = f"{check}.{estimate.id}" + (f".{limit.direction}" if at else "")
            findings.append(_finding(finding_id, estimate, limit, wording or _plain(estimate)))
    measured = {estimate.id for estimate in estimates}
    return (*findings, *(
        _unmeasured(limit) for limit in protocol.limits
        # The platform's own limits are for whatever is there; only a team's are missed.
        if limit.check == check and limit.measure not in measured and not protocol.is_default
    ))  # fmt: skip


def without_limits(protocol: Protocol, measures: Set[str]) -> Protocol:
    """The protocol without its limits on some measures, whatever group or question they name.

    For a check that judges these in its own words and leaves the others to ``findings_of``.
    """
    kept = [limit for limit in protocol.limits if limit.measure.partition(":")[0] not in measures]
    return replace(protocol, limits=tuple(kept))


def without_platform(protocol: Protocol, check: str, measures: Set[str]) -> Protocol:
    """The protocol without the platform's own limits on some measures of a check.

    For a check that asks of masks what it asks of scores: the platform's limits on what the other
    kind of model gives are for whatever is there, and a team's stay, to be missed aloud.
    """
    kept = [
        limit
        for limit in protocol.limits
        if limit.origin != "platform-default"
        or limit.check != check
        or limit.measure not in measures
    ]
    return replace(protocol, limits=tuple(kept))


def result_of(
    question: str,
    estimates: Sequence[Estimate],
    findings: Sequence[Finding],
    series: Sequence[JsonObject],
    *,
    summary: str = "",
) -> CheckResult:
    """The check's result: its state is the worst of its findings; its head the worst claim."""
    state = worst(finding.state for finding in findings)
    heads = [finding.claim for finding in findings if finding.state is state]
    head = heads[0] if heads else summary
    return CheckResult(
        state=state,
        question=question,
        summary=summary or head,
        reason=head if state is State.NOT_ASSESSED else None,
        estimates=tuple(estimates),
        findings=tuple(findings),
        series=tuple(series),
    )


def _plain(estimate: Estimate) -> Wording:
    return Wording(f"{words.name_of(estimate.id)} is {words.measured(estimate)}.")


def _finding(finding_id: str, estimate: Estimate, limit: Limit | None, wording: Wording) -> Finding:
    if estimate.value is None:
        return Finding(
            finding_id, State.NOT_ASSESSED, estimate.reason or "", measure=estimate.id, limit=limit
        )
    state = State.INFO if limit is None else judge(estimate, limit)
    sentences = [wording.why, _numbers(estimate, limit)]
    if limit is not None and state is State.CAUTION and estimate.has_interval:
        sentences.append("The interval straddles the limit.")
    if not estimate.has_interval:
        sentences.append(estimate.reason or "It has no interval.")
        if limit is not None:
            sentences.append("Without one the limit is neither held nor broken.")
    elif estimate.reason:
        sentences.append(estimate.reason)
    return Finding(
        finding_id,
        state,
        wording.claim,
        why=" ".join(sentence for sentence in sentences if sentence),
        measure=estimate.id,
        limit=limit,
        cases=wording.cases,
        action=wording.action if state in (State.FAIL, State.CAUTION) else "",
    )


def _numbers(estimate: Estimate, limit: Limit | None) -> str:
    text = f"{words.name_of(estimate.id)} {words.measured(estimate)}{words.of_counts(estimate)}"
    if limit is None:
        return f"{text}; no limit set."
    return f"{text}; the limit is {words.limit_words(limit, estimate.unit)}."


def _unmeasured(limit: Limit) -> Finding:
    return Finding(
        f"{limit.check}.{limit.measure}",
        State.NOT_ASSESSED,
        f"The protocol sets a limit on {limit.measure}, which was not measured here.",
        measure=limit.measure,
        limit=limit,
        action="Correct the measure’s name in the protocol, or add what it needs to the cohort.",
    )
