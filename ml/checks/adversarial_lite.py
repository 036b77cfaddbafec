"""How small a change, made on purpose, turns the answer?"""

from ml.checks.attack_measures import ID, measured_of
from ml.checks.attack_series import curves_series
from ml.checks.attack_words import (
    anchored,
    masking_finding,
    undecided,
    wordings,
)
from ml.checks.attacked import attacked_cases
from ml.checks.judge import findings_of, result_of
from ml.checks.registry import CheckResult, audit_check, not_assessed
from ml.checks.scored import failed_copies_finding, operating_point, unknown_point, unrun_finding
from ml.evidence.tables import Evidence
from ml.protocol import Protocol

QUESTION = "How small a change, made on purpose, turns its answers?"
_NO_MEANING = "Nothing says what the outputs of changed copies mean."


@audit_check(
    ID,
    title="Changes on purpose",
    question=QUESTION,
    needs=("prediction", "attacks"),
    task="classification",
)
def adversarial_lite(evidence: Evidence, protocol: Protocol) -> CheckResult:
    assert evidence.attacks is not None
    assert evidence.prediction is not None
    point = operating_point(evidence.prediction, protocol)
    if point is None:
        return not_assessed(QUESTION, unknown_point(protocol))
    attacked = attacked_cases(evidence, point)
    if attacked is None:
        return not_assessed(QUESTION, _NO_MEANING)
    failures = evidence.attacks.failures
    if not attacked.rows.size:
        return not_assessed(QUESTION, "No case could be run.", findings=unrun_finding(ID, failures))
    measured = measured_of(attacked, protocol.level)
    estimates = list(measured.estimates.values())
    said = wordings(evidence, attacked, measured)
    ran = {evidence.case_ids[row] for row in attacked.rows}
    findings = (
        *anchored(undecided(findings_of(ID, estimates, protocol, said), measured)),
        *masking_finding(evidence, attacked, measured),
        *failed_copies_finding(ID, attacked.ids(evidence, attacked.failed), "changed copy"),
        *unrun_finding(ID, {case: code for case, code in failures.items() if case not in ran}),
    )
    series = [curves_series(attacked, measured, protocol.level)]
    return result_of(QUESTION, estimates, findings, series)
