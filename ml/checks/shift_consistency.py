"""Does its answer stay when the picture is moved a little?"""

from ml.checks.judge import findings_of, result_of, without_platform
from ml.checks.registry import CheckResult, audit_check, not_assessed
from ml.checks.scored import (
    failed_copies_finding,
    operating_point,
    settings_of,
    unknown_finding,
    unknown_point,
    unrun_finding,
)
from ml.checks.shift_augmented import (
    augmented_cases,
    augmented_series,
    estimates_of,
    wording_of,
)
from ml.checks.shift_findings import wordings
from ml.checks.shift_masks import AGREEMENT, shift_of_masks
from ml.checks.shift_measures import ID, measured_of
from ml.checks.shift_series import forest_series, points_series
from ml.checks.shifted import shifted_cases
from ml.evidence.tables import Evidence
from ml.protocol import Protocol

QUESTION = "Does its answer stay when the picture is moved a little?"
_NO_MEANING = "The outputs on moved images came without a model that says what they mean."


@audit_check(
    ID,
    title="Shift consistency",
    question=QUESTION,
    needs=("prediction", "moves"),
    masks=("moved-masks",),
)
def shift_consistency(evidence: Evidence, protocol: Protocol) -> CheckResult:
    if evidence.moved_masks is not None:
        return shift_of_masks(QUESTION, evidence, protocol)
    protocol = without_platform(protocol, ID, {AGREEMENT})
    found, prediction = evidence.moves, evidence.prediction
    assert found is not None
    assert prediction is not None
    beside = unknown_finding(ID, evidence)
    point = operating_point(prediction, protocol)
    if point is None:
        return not_assessed(QUESTION, unknown_point(protocol), findings=beside)
    shifted = shifted_cases(evidence, found, prediction, point)
    if shifted is None or not shifted.rows.size:
        reason = _NO_MEANING if shifted is None else "No case with a score was moved."
        failed = unrun_finding(ID, found.failures)
        return not_assessed(QUESTION, reason, findings=[*failed, *beside])
    settings = settings_of(protocol)
    measured = measured_of(shifted, settings)
    augmented = augmented_cases(evidence, shifted)
    told = estimates_of(augmented, shifted, settings)
    estimates = [*measured.whole, *told.values()]
    incomplete = shifted.ids(evidence, shifted.incomplete)
    unscored = {one: code for one, code in found.failures.items() if one not in incomplete}
    findings = (
        *findings_of(
            ID, estimates, protocol,
            wordings(evidence, shifted, measured) | wording_of(evidence, augmented, told),
        ),
        *failed_copies_finding(ID, incomplete, "moved copy"),
        *unrun_finding(ID, unscored),
        *beside,
    )  # fmt: skip
    limit = protocol.limit(ID, "flip_rate")
    series = [
        forest_series(shifted, measured, limit),
        points_series(shifted, measured),
        *augmented_series(augmented, told),
    ]
    return result_of(QUESTION, estimates, findings, series)
