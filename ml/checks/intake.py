"""Is the model what its author declares, and what can be audited of it?"""

from dataclasses import replace

from ml.checks.capability import capabilities
from ml.checks.intake_points import Point, points
from ml.checks.judge import result_of
from ml.checks.registry import CheckResult, Finding, State, audit_check, not_assessed
from ml.evidence.intake_record import is_whole
from ml.evidence.tables import Evidence
from ml.protocol import Protocol

ID = "intake"
QUESTION = "Is the model what its author declares, and what can be audited of it?"
# The author's own words are shown; whether they suffice is not for a check to judge.
_WORDS_ALONE = {"operating-point", "intended-use"}
# These are findings of `determinism`.
_ELSEWHERE = {"repeat", "batch-mates", "runtimes"}
NOT_KEPT = (
    "This version was read before intake kept a record of what it found, or its record is not the "
    "one that intake wrote. Hand it in again as a new version."
)


@audit_check(ID, title="Intake", question=QUESTION, needs=("intake",))
def intake(evidence: Evidence, protocol: Protocol) -> CheckResult:
    assert evidence.intake is not None
    card, manifest = evidence.intake.card, evidence.intake.manifest
    if not is_whole(card):
        return not_assessed(QUESTION, NOT_KEPT)
    found = [point for point in points(card, manifest) if point.id not in _ELSEWHERE]
    findings = [as_finding(ID, point) for point in found]
    # What it cannot do is no gap of this check: the checks that need it say so themselves.
    able = [replace(point, state=State.INFO) for point in capabilities(card)]
    findings += [as_finding(ID, point) for point in able]
    n = sum(finding.state in (State.CAUTION, State.FAIL) for finding in findings)
    summary = "Its files hold what they should, and it runs as declared."
    if n:
        summary = f"It was accepted; {n} {'point is' if n == 1 else 'points are'} to be looked at."
    first = replace(findings[0], why="Read from its files.") if findings else None
    return result_of(QUESTION, [], [*([first] if first else []), *findings[1:]], [],
                     summary=summary)  # fmt: skip


def as_finding(check: str, point: Point) -> Finding:
    """A point of intake as a finding; where all is well it informs, because no limit was set."""
    state = point.state
    if state is State.PASS or (point.id in _WORDS_ALONE and state is State.CAUTION):
        state = State.INFO
    says = f"{point.title}: {point.says}".rstrip(".") + "."
    return Finding(f"{check}.{point.id}", state, says, action=point.action)
