"""audit.json: the one document that pages, files and commands are made from."""

from collections.abc import Callable, Mapping, Sequence
from typing import TypedDict

from ml.checks.registry import Check, CheckResult, Finding, State, worst
from ml.estimate import JsonObject, JsonValue, check_json
from ml.protocol import Protocol

SCHEMA = 1
_JUDGED = (State.FAIL, State.CAUTION, State.PASS)
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
    return worst(state for state in states if state in _JUDGED)


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
    checks = _objects(document.get("checks"))
    findings = [finding for check in checks for finding in _objects(check.get("findings"))]
    return {
        "verdict_sentence": _sentence(document, findings),
        "lead": _lead(checks, findings),
        "not_assessed": _gaps(checks),
    }


def _sentence(document: Mapping[str, JsonValue], findings: list[JsonObject]) -> str:
    name, verb = _who(document)
    states = [finding["state"] for finding in findings if finding.get("limit")]
    judged = [state for state in states if state in _JUDGED]
    failed, straddled = judged.count(State.FAIL), judged.count(State.CAUTION)
    unmeasured = len(states) - len(judged)
    limits = f"{len(judged)} limit{'' if len(judged) == 1 else 's'}"
    more = f"; {unmeasured} more could not be measured" if unmeasured else ""
    if len(judged) == 1 and straddled:
        neither = f"neither {verb('pass')} nor {verb('fail')} the one limit measured"
        return f"{name} {neither}: its interval straddles it{more}."
    rest = (f"; for {straddled} the interval straddles the limit" if straddled else "") + more
    if len(judged) == 1 and failed:
        return f"{name} {verb('fail')} the one limit measured{rest}."
    if failed:
        return f"{name} {verb('fail')} {failed} of {limits}{rest}."
    if straddled:
        return f"{name} {verb('pass')} {len(judged) - straddled} of {limits}{rest}."
    if document["verdict"] == State.NOT_ASSESSED:
        measured = any(finding["state"] == State.INFO for finding in findings)
        if measured:
            return (
                f"{name} {verb('get')} no verdict: the protocol sets no limit on what was measured."
            )
        return f"{name} {verb('get')} no verdict: nothing could be measured."
    other = document["verdict"] in (State.FAIL, State.CAUTION)
    end = "; other findings limit what it can be used for" if other else ""
    passed = f"{verb('pass')} {'the' if len(judged) == 1 else 'all'} {limits} measured"
    return f"{name} {passed if judged else 'was measured against no limit'}{rest}{end}."


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
            for finding in _objects(check.get("findings"))
            if finding["state"] == State.NOT_ASSESSED
        ]
    return gaps


def _objects(value: JsonValue) -> list[JsonObject]:
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []
