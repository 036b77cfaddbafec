"""audit.json: the one document that pages, files and commands are made from."""

from collections.abc import Callable, Mapping, Sequence
from typing import TypedDict

from ml.checks.registry import Check, CheckResult, Finding, State, worst
from ml.estimate import JsonObject, JsonValue, check_json, objects_in
from ml.judged import JUDGED, judged_limits
from ml.protocol import Protocol

SCHEMA = 1
_LEAD_CLAIMS = 3


def build_audit(
    model: JsonObject | None,
    cohort: JsonObject,
    protocol: Protocol,
    engine: JsonObject,
    results: Sequence[tuple[Check, CheckResult, float]],
) -> JsonObject:
    """The document of one finished audit.

    Args:
        model: name, version, sha256, ...; None when only readings are audited.
        cohort: what identifies it, with n_cases and n_patients.
        protocol: as it was applied.
        engine: version, packages, device.
        results: each check with its result and its seconds, in the order of the report.

    Returns:
        A JSON-ready object, the same for the same input.

    Raises:
        ValueError: where something cannot be written as JSON, e.g. NaN.
    """
    blocks = [check_block(check, result, seconds) for check, result, seconds in results]
    return document_of(model, cohort, protocol, engine, blocks)


def document_of(
    model: JsonObject | None,
    cohort: JsonObject,
    protocol: Protocol,
    engine: JsonObject,
    checks: Sequence[JsonObject],
) -> JsonObject:
    """As ``build_audit``, from blocks that ``check_block`` made and somebody stored meanwhile.

    Raises:
        ValueError: where something cannot be written as JSON, e.g. NaN.
    """
    document: JsonObject = {
        "schema": SCHEMA,
        "verdict": verdict([State(str(check["state"])) for check in checks]).value,
        "model": model,
        "cohort": cohort,
        "protocol": {"sha256": protocol.sha256, **protocol.to_json()},
        "engine": {**engine, "seeds": {"protocol": protocol.seed}},
        "checks": list(checks),
    }
    check_json("audit", document)
    return document


def verdict(states: Sequence[State]) -> State:
    """Worst of fail, caution and pass; not assessed when no check was judged at all."""
    return worst(state for state in states if state in JUDGED)


def check_block(check: Check, result: CheckResult, seconds: float) -> JsonObject:
    """One check of the document; ``seconds`` is what it took and is no part of the result."""
    return {
        "id": check.id,
        "title": check.title,
        "state": result.state.value,
        "question": result.question,
        "summary": result.summary,
        "reason": result.reason,
        "seconds": round(float(seconds), 3),
        "measures": [estimate.to_json() for estimate in result.estimates],
        "findings": [_finding(finding) for finding in result.findings],
        "series": list(result.series),
    }


def _finding(finding: Finding) -> JsonObject:
    return {
        "id": finding.id,
        "state": finding.state.value,
        "claim": finding.claim,
        "why": finding.why,
        "measure": finding.measure,
        "limit": None if finding.limit is None else finding.limit.to_json(),
        "cases": list(finding.cases),
        "action": finding.action,
    }


class NotAssessed(TypedDict):
    id: str  # of the check, or of the finding inside an assessed check
    title: str
    reason: str


class Headline(TypedDict):
    verdict_sentence: str
    lead: list[str]  # two or three plain sentences
    not_assessed: list[NotAssessed]


def headline(document: Mapping[str, JsonValue]) -> Headline:
    """What the first screen of a report says in words.

    Args:
        document: as ``build_audit`` returns it, or read back from a file.
    """
    checks = objects_in(document.get("checks"))
    findings = [finding for check in checks for finding in objects_in(check.get("findings"))]
    return {
        "verdict_sentence": _sentence(document, findings),
        "lead": _lead(checks, findings),
        "not_assessed": _gaps(checks),
    }


def _sentence(document: Mapping[str, JsonValue], findings: list[JsonObject]) -> str:
    """How many limits fail, pass and are not decided, of those assessed; and how many were not."""
    name, verb = _who(document)
    limits = judged_limits(document)
    states = [limit.state for limit in limits if limit.is_assessed]
    n, failed, undecided = len(states), states.count(State.FAIL), states.count(State.CAUTION)
    missing = len(limits) - n
    open_ = f"; {undecided} {'is' if undecided == 1 else 'are'} not decided" if undecided else ""
    more = ""
    if missing:
        further = "more" if n else ("limit" if missing == 1 else "limits")
        more = f"; {missing} {further} {'was' if missing == 1 else 'were'} not assessed"
    if n and undecided == n:
        which = "the one limit" if n == 1 else f"any of {n} limits"
        return f"{name} neither {verb('pass')} nor {verb('fail')} {which} assessed{more}."
    if n == 1 and failed:
        return f"{name} {verb('fail')} the one limit assessed{more}."
    if failed:
        return f"{name} {verb('fail')} {failed} of {n} limits assessed{open_}{more}."
    if undecided:
        return f"{name} {verb('pass')} {n - undecided} of {n} limits assessed{open_}{more}."
    if document["verdict"] == State.NOT_ASSESSED:
        measured = any(finding["state"] == State.INFO for finding in findings)
        why = "no limit judged what was measured" if measured else "nothing could be measured"
        return f"{name} {verb('get')} no verdict: {why}{more}."
    other = document["verdict"] in (State.FAIL, State.CAUTION)
    end = "; other findings limit what it can be used for" if other else ""
    passed = f"{verb('pass')} {'the one limit' if n == 1 else f'all {n} limits'} assessed"
    return f"{name} {passed if n else 'was measured against no limit'}{more}{end}."


def _who(document: Mapping[str, JsonValue]) -> tuple[str, Callable[[str], str]]:
    """The subject of a sentence, and how its verbs end."""
    model, cohort = document.get("model"), document.get("cohort")
    if not isinstance(model, dict):
        of_masks = isinstance(cohort, dict) and cohort.get("task") == "segmentation"
        return "The readers’ masks" if of_masks else "The readings", str
    name = f"{model.get('name') or 'The model'} {model.get('version') or ''}".strip()
    return name, lambda verb: verb + ("es" if verb.endswith("s") else "s")


def _lead(checks: list[JsonObject], findings: list[JsonObject]) -> list[str]:
    """The claims that matter most: worst state first, in the order of the report.

    A single claim is followed by what it rests on.
    """
    order = (State.FAIL, State.CAUTION, State.PASS, State.INFO)
    claims: list[str] = []
    for state in order:
        claims += [str(finding["claim"]) for finding in findings if finding["state"] == state]
    lead = list(dict.fromkeys(claims))[:_LEAD_CLAIMS]
    if len(lead) == 1:
        lead += [str(f["why"]) for f in findings if f["claim"] == lead[0] and f.get("why")]
    return lead or [str(check["summary"]) for check in checks[:_LEAD_CLAIMS]]


def _gaps(checks: list[JsonObject]) -> list[NotAssessed]:
    gaps: list[NotAssessed] = []
    for check in checks:
        title = str(check.get("title") or check["id"])
        if check["state"] == State.NOT_ASSESSED:
            reason = str(check.get("reason") or check.get("summary") or "")
            gaps.append({"id": str(check["id"]), "title": title, "reason": reason})
            continue
        gaps += [
            {"id": str(finding["id"]), "title": title, "reason": str(finding["claim"])}
            for finding in objects_in(check.get("findings"))
            if finding["state"] == State.NOT_ASSESSED
        ]
    return gaps
