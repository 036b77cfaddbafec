"""How well do readers find it, with or without help, and what would other readers do?"""

from collections.abc import Sequence

import numpy as np

from ml.checks import words
from ml.checks.judge import Wording, findings_of, result_of
from ml.checks.mrmc_series import difference_forest, reader_forest, reader_roc
from ml.checks.mrmc_words import (
    NOUNS,
    alone_wording,
    arms_wording,
    components_finding,
    model_wording,
)
from ml.checks.reader_analysis import (
    ArmsAnalysis,
    BesideReaders,
    analyse,
    beside_readers,
    figures_of,
    per_reader,
)
from ml.checks.reader_study import ReaderStudy, reader_study
from ml.checks.registry import CheckResult, Finding, State, audit_check, not_assessed
from ml.checks.scored import operating_point, settings_of, unknown_point
from ml.estimate import Estimate, JsonObject
from ml.evidence.tables import Evidence
from ml.protocol import Protocol
from ml.stats.arrays import FloatArray

ID = "mrmc"
QUESTION = (
    "How well do readers find it, with and without help, and would other readers do the same?"
)


@audit_check(
    ID,
    title="Reader study",
    question=QUESTION,
    needs=("labels", "readings", "identified-readers"),
    task="classification",
)
def mrmc(evidence: Evidence, protocol: Protocol) -> CheckResult:
    found = reader_study(evidence)
    if isinstance(found, str):
        return not_assessed(QUESTION, found)
    settings = settings_of(protocol)
    estimates: list[Estimate] = []
    wordings: dict[str, Wording] = {}
    extra: list[Finding] = []
    series: list[JsonObject] = []
    scores, cut, no_model = _model_scores(evidence, protocol, found)
    for figure in figures_of(found):
        arms = analyse(found, figure, protocol, settings)
        beside: list[BesideReaders] = []
        for arm in range(len(found.arms)) if scores is not None else ():
            assert scores is not None
            compared = beside_readers(found, arm, scores, figure, settings)
            if isinstance(compared, str):
                no_model = compared
            else:
                beside.append(compared)
        singles = per_reader(found, figure, settings)
        estimates += _estimates(arms, beside, singles)
        for estimate, first, second in arms.differences:
            wordings[estimate.id] = arms_wording(found, arms, estimate, first, second)
        for one in beside:
            wordings[one.difference.id] = model_wording(
                evidence, found, one, protocol, cut, settings.level
            )
        if len(found.arms) == 1 and not beside:
            wordings[arms.means[0].id] = alone_wording(found, arms)
        extra += components_finding(found, arms)
        series += _series(found, arms, beside, singles, protocol)
    if no_model:
        extra.append(Finding(f"{ID}.model", State.NOT_ASSESSED, no_model))
    findings = findings_of(ID, estimates, protocol, wordings)
    return result_of(QUESTION, estimates, [*findings, *_left_out(evidence, found), *extra], series)


def _estimates(
    arms: ArmsAnalysis, beside: Sequence[BesideReaders], singles: list[list[Estimate]]
) -> list[Estimate]:
    """What is judged first, then what it is made of."""
    estimates = [one.difference for one in beside] if len(arms.means) == 1 else []
    estimates += [difference for difference, _, _ in arms.differences]
    estimates += [*arms.means, *arms.beside]
    for one in beside:
        estimates += [one.difference] if len(arms.means) > 1 else []
        estimates += [one.model, one.fixed_cases]
        # Elsewhere it is the mean of the arm again.
        estimates += [one.readers] if not one.where.all() else []
    return estimates + [single for row in singles for single in row]


def _model_scores(
    evidence: Evidence, protocol: Protocol, found: ReaderStudy
) -> tuple[FloatArray | None, str, str]:
    """The model on the readers' own terms, where it was cut, and why it is not compared."""
    prediction = evidence.prediction
    if prediction is None:
        return None, "", ""
    scores = prediction.score[found.rows]
    if not found.scale.binary:
        return scores, "", ""
    point = operating_point(prediction, protocol)
    if point is None:
        return None, "", unknown_point(protocol)
    called = np.where(np.isnan(scores), np.nan, (scores >= point.threshold).astype(np.float64))
    return called, f"The model calls a score ≥ {point.words} present ({point.origin}).", ""


def _left_out(evidence: Evidence, found: ReaderStudy) -> list[Finding]:
    findings = []
    if found.thin:
        findings.append(
            Finding(
                f"{ID}.few-cases", State.CAUTION,
                f"Left out for too few cases: {'; '.join(found.thin)}.",
                why="A reader counts in an arm from five labelled cases of each kind on.",
                action="Add their missing readings.",
            )
        )  # fmt: skip
    if found.partly.size:
        several = " in every arm" if len(found.arms) > 1 else ""
        findings.append(
            Finding(
                f"{ID}.partly-read", State.CAUTION,
                f"{words.cases(found.partly.size)} left out that not every reader scored{several}.",
                why="Cases share patients or groups; no analysis here serves that together with "
                "missing readings.",
                cases=tuple(evidence.case_ids[row] for row in found.partly),
                action="Complete the readings of these cases.",
            )
        )  # fmt: skip
    return findings


def _series(
    found: ReaderStudy,
    arms: ArmsAnalysis,
    beside: Sequence[BesideReaders],
    singles: list[list[Estimate]],
    protocol: Protocol,
) -> list[JsonObject]:
    noun, several = NOUNS[arms.figure], len(found.arms) > 1
    named: list[tuple[str, Estimate]] = []
    for arm, mean, row in zip(found.arms, arms.means, singles, strict=True):
        named += [(estimate.id.partition(":")[2], estimate) for estimate in row if estimate.n]
        named.append((f"Mean of readers, {arm}" if several else "Mean of readers", mean))
    named += [("Model", one.model) for one in beside[:1]]
    series = [
        reader_forest(
            ID, f"{noun} of each reader",
            f"Single readers: these readers, other cases; mean: other readers and cases; "
            f"question {found.question.id}",
            named,
        )
    ]  # fmt: skip
    differences = [estimate for estimate, _, _ in arms.differences]
    differences += [one for one in arms.beside if several]
    differences += [each for one in beside for each in (one.difference, one.fixed_cases)]
    if differences:
        series.insert(
            0,
            difference_forest(
                ID, f"Differences of the mean {noun}",
                "Other readers and other cases; beneath, where these readers or these cases are "
                "all there is to speak of",
                differences, protocol,
            ),
        )  # fmt: skip
    if arms.figure == "auroc":
        series.append(reader_roc(ID, found, arms.means, beside))
    return series
