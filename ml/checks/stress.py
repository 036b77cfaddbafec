"""How much noise, blur or another contrast does it bear?"""

import numpy as np

from ml.checks import words
from ml.checks.judge import Wording, findings_of, result_of, without_limits, without_platform
from ml.checks.registry import CheckResult, audit_check, not_assessed
from ml.checks.scored import (
    at_operating_point,
    failed_copies_finding,
    settings_of,
    unknown_finding,
)
from ml.checks.stress_doubt import rise_wording, unnoticed_finding
from ml.checks.stress_findings import borne_findings, sure_finding, worst_finding
from ml.checks.stress_masks import MARGIN, stress_of_masks
from ml.checks.stress_measures import ID, MILD, Measured, measured_of
from ml.checks.stress_rises import doubled_finding, unsampled_finding, wordings_of_rises
from ml.checks.stress_sampled import Doubts, doubts_of, rises_of
from ml.checks.stress_series import curves_series
from ml.checks.stressed import Stressed, stressed_cases
from ml.evidence.tables import Evidence
from ml.protocol import Protocol

QUESTION = "How much noise, blur or another contrast does it bear?"
_JUDGED_HERE = {"accuracy_loss", "auroc_loss", "severity_borne", "error_when_sure"}
_NO_MEANING = "The corrupted outputs came without a model that says what they mean."


@audit_check(
    ID,
    title="Stress",
    question=QUESTION,
    needs=("labels", "prediction", "corruptions"),
    uses=("corrupted-samples",),
    masks=("predicted-masks", "reference-masks", "corrupted-masks"),
)
def stress(evidence: Evidence, protocol: Protocol) -> CheckResult:
    if evidence.corrupted_masks is not None:
        return stress_of_masks(QUESTION, evidence, protocol)
    protocol = without_platform(protocol, ID, {MARGIN})
    at = at_operating_point(ID, QUESTION, evidence, protocol, "have no corrupted copies either")
    if isinstance(at, CheckResult):
        return at
    stressed = stressed_cases(evidence, at.scored, at.point)
    beside = [*at.failed, *unknown_finding(ID, evidence)]
    if stressed is None or not stressed.clean.rows.size:
        reason = _NO_MEANING if stressed is None else "No labelled case with a score was corrupted."
        return not_assessed(QUESTION, reason, findings=beside)
    settings = settings_of(protocol)
    measured = measured_of(stressed, protocol, settings)
    doubts = doubts_of(evidence, stressed)
    if doubts is not None:
        measured = measured.with_more(rises_of(stressed, doubts, settings))
    estimates = [*measured.worst, *measured.whole]
    findings = (
        *borne_findings(ID, evidence, protocol, stressed, measured),
        *worst_finding(ID, evidence, protocol, stressed, measured),
        sure_finding(ID, evidence, protocol, stressed, measured),
        *unnoticed_finding(ID, evidence, stressed, measured),
        *([] if doubts is None else doubled_finding(ID, stressed, measured, doubts)),
        *findings_of(
            ID, estimates, without_limits(protocol, _JUDGED_HERE),
            _wordings(evidence, stressed, measured)
            | rise_wording(stressed, measured)
            | ({} if doubts is None else wordings_of_rises(stressed, doubts, measured.estimates)),
        ),
        *unsampled_finding(ID, evidence, protocol, doubts),
        *failed_copies_finding(ID, _failed(stressed, doubts), "corrupted copy"),
        *beside,
    )  # fmt: skip
    series = [curves_series(ID, evidence, stressed, measured, settings, doubts)]
    return result_of(QUESTION, estimates, findings, series)


def _failed(stressed: Stressed, doubts: Doubts | None) -> tuple[str, ...]:
    more = () if doubts is None else doubts.failed
    return tuple(dict.fromkeys((*stressed.failed, *more)))


def _wordings(evidence: Evidence, stressed: Stressed, measured: Measured) -> dict[str, Wording]:
    flips, loss = measured.estimates["flip_rate:mild"], measured.estimates["mean_accuracy_loss"]
    clean = measured.estimates["accuracy"]
    found = {}
    if flips.value is not None:
        mild = [v for _, severity, v in stressed.each() if severity <= MILD]
        rows = np.flatnonzero(np.stack([v.flipped == 1 for v in mild]).any(axis=0))
        found["flip_rate:mild"] = Wording(
            f"In {words.count(rows.size)} of {words.cases(flips.n)} the answer changes already at "
            f"severity 1 or {MILD} of some corruption.",
            why=f"Run on {stressed.size_words}; {stressed.number_words}. Listed: these cases.",
            cases=stressed.ids(evidence, rows),
        )
    if loss.value is not None:
        found["mean_accuracy_loss"] = Wording(
            f"Over {stressed.all_words} and all severities its accuracy is "
            f"{words.points(loss.value)} lower than the {words.per_cent(clean.value or 0.0)} on "
            "the images as they are.",
        )
    return found
