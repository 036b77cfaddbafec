"""Does it read what is no part of a patient: marks, borders, sites?"""

import numpy as np

from ml.checks import words
from ml.checks.judge import result_of
from ml.checks.registry import CheckResult, Finding, audit_check, not_assessed
from ml.checks.scored import (
    operating_point,
    scored_cases,
    settings_of,
    unknown_finding,
    unknown_point,
    unrun_finding,
)
from ml.checks.shortcut_metadata import DEPENDENCE, Metadata, metadata_of
from ml.checks.shortcut_places import ID, RELIANCE, largest, tested_places
from ml.checks.shortcut_series import metadata_forest, places_forest, places_points
from ml.checks.shortcut_words import metadata_findings, place_findings
from ml.estimate import Estimate, JsonObject, undefined
from ml.evidence.tables import BoolArray, Evidence
from ml.protocol import Protocol

QUESTION = "Does it read what is no part of a patient: marks, borders, sites?"
_NO_MEANING = "The outputs on changed images came without a model that says what they mean."


@audit_check(
    ID,
    title="Shortcuts",
    question=QUESTION,
    needs=("prediction", "blots"),
    task="classification",
)
def shortcut(evidence: Evidence, protocol: Protocol) -> CheckResult:
    blots, prediction = evidence.blots, evidence.prediction
    assert blots is not None
    assert prediction is not None
    beside = [*unrun_finding(ID, blots.failures), *unknown_finding(ID, evidence)]
    point = operating_point(prediction, protocol)
    if point is None:
        return not_assessed(QUESTION, unknown_point(protocol), findings=beside)
    if blots.score is None or not blots.ran.any():
        reason = _NO_MEANING if blots.score is None else "No case could be run."
        return not_assessed(QUESTION, reason, findings=beside)
    settings = settings_of(protocol)
    tested = tested_places(evidence, blots, point, settings)
    asked = int((blots.ran | _could_run(evidence)).sum())
    size = words.drawn(int(blots.ran.sum()), asked)
    findings: list[Finding] = place_findings(evidence, tested, protocol, size)
    estimates: list[Estimate] = [largest(tested)]
    for one in tested:
        estimates.append(one.reliance)
        if one.shown or one.place.kind == "region":  # of the others the table of the chart has it
            estimates += [one.removed, one.put_in, one.blotted]
    limit = protocol.limit(ID, RELIANCE)
    series: list[JsonObject | None] = [places_forest(tested, limit, size), places_points(tested)]
    if evidence.present is not None:
        scored = scored_cases(evidence)
        found = metadata_of(evidence, scored, point, settings, protocol.seed)
        if found is not None:
            findings += metadata_findings(evidence, scored.rows, found, protocol)
            estimates += [found.label, found.answer, _largest(found)]
            estimates += [one.estimate for one in found.depends]
            series.append(metadata_forest(found))
    return result_of(
        QUESTION, estimates, [*findings, *beside], [one for one in series if one is not None]
    )


def _could_run(evidence: Evidence) -> BoolArray:
    """(n,) cases with a score, of which those that were changed are drawn."""
    assert evidence.prediction is not None
    return np.asarray(np.isfinite(evidence.prediction.score))


def _largest(found: Metadata) -> Estimate:
    """What a limit on dependence is held against: of where and how images were made."""
    judged = [one for one in found.depends if one.told.judged and one.estimate.value is not None]
    if not judged:
        return undefined(DEPENDENCE, "Not estimated: no fact splits the cases into two kinds.")
    return judged[0].estimate.renamed(DEPENDENCE)
