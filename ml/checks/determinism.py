"""Does the same input give the same output, whatever shares its batch?"""

from ml.checks.intake import NOT_KEPT, as_finding
from ml.checks.intake_points import ROUNDING, as_int, as_object, repeats
from ml.checks.judge import result_of
from ml.checks.registry import CheckResult, audit_check, not_assessed
from ml.estimate import Estimate, JsonObject, JsonValue
from ml.evidence.intake_record import is_whole
from ml.evidence.tables import Evidence
from ml.protocol import Protocol

ID = "determinism"
QUESTION = "Does the same input give the same output, whatever shares its batch?"
_OF_LARGEST = "largest difference on two cases of noise, as a share of the largest output"
_MEASURED = {
    "repeat_difference": f"two runs of one batch; {_OF_LARGEST}",
    "batch_difference": f"a case alone, and at another place of the batch; {_OF_LARGEST}",
    "program_difference": f"onnxruntime and the inner form; {_OF_LARGEST}",
}
_NO_INTERVAL = (
    "It was measured at intake; two cases of noise stand for nobody, so it has no interval."
)


@audit_check(ID, title="Determinism", question=QUESTION, needs=("intake",))
def determinism(evidence: Evidence, protocol: Protocol) -> CheckResult:
    assert evidence.intake is not None
    card = evidence.intake.card
    if not is_whole(card):
        return not_assessed(QUESTION, NOT_KEPT)
    found = repeats(card)
    if not found:
        return not_assessed(QUESTION, "No trial run was recorded when the model was handed in.")
    findings = [as_finding(ID, point) for point in found]
    return result_of(QUESTION, _estimates(card), findings, [], summary=_summary(card))


def _summary(card: JsonObject) -> str:
    smoke = as_object(card.get("smoke"))
    batch = smoke.get("batch_difference")
    if smoke["deterministic"] and isinstance(batch, float) and batch <= ROUNDING:
        return "The same input gives the same output, whatever shares its batch."
    return "The output of a case depends on more than the case."


def _estimates(card: JsonObject) -> list[Estimate]:
    smoke = as_object(card.get("smoke"))
    given: dict[str, JsonValue] = {**smoke, "program_difference": card.get("program_difference")}
    return [
        Estimate(name, value, level=None, n=as_int(smoke.get("cases")), convention=convention,
                 reason=_NO_INTERVAL)
        for name, convention in _MEASURED.items()
        if isinstance(value := given.get(name), float)
    ]  # fmt: skip
