"""What the model's answers are worth at the threshold it is used at."""

import numpy as np

from ml.checks import words
from ml.checks.judge import Wording, findings_of, judge, result_of
from ml.checks.registry import CheckResult, Finding, State, audit_check
from ml.checks.scored import (
    Calls,
    OperatingPoint,
    Scored,
    at_operating_point,
    calls_at,
)
from ml.estimate import Estimate, JsonObject, JsonValue
from ml.evidence.tables import Evidence, IntArray
from ml.protocol import Protocol
from ml.stats.arrays import BoolArray
from ml.stats.clusters import Clusters
from ml.stats.discrimination.predictive_values import predictive_value
from ml.stats.proportion import proportion

ID = "operating-point"
QUESTION = "What are its answers worth at the threshold it is used at?"
CONFIDENT = 0.99  # "sure": a confidence above
_CURVE = np.unique(
    np.concatenate([np.linspace(0, 1, 101), [1e-4, 3e-4, 1e-3, 3e-3, 0.997, 0.999, 0.9997, 0.9999]])
)


@audit_check(
    ID,
    title="Operating point",
    question=QUESTION,
    needs=("labels", "prediction"),
    task="classification",
)
def operating_point_check(evidence: Evidence, protocol: Protocol) -> CheckResult:
    found = at_operating_point(ID, QUESTION, evidence, protocol, "count as wrong answers")
    if isinstance(found, CheckResult):
        return found
    scored, point, failed = found
    answers = calls_at(evidence, scored, point)
    estimates = _estimates(answers, point, protocol)
    wordings = _wordings(evidence, scored, answers, point)
    findings = (
        *findings_of(ID, estimates, protocol, wordings),
        *_confident(evidence, scored, protocol.level),
        *failed,
    )
    series = [_forest(estimates, protocol), _curve(scored, point)]
    return result_of(QUESTION, estimates, findings, series)


def _estimates(answers: Calls, point: OperatingPoint, protocol: Protocol) -> list[Estimate]:
    present, called, level = answers.present, answers.called, protocol.level
    at = f"score ≥ {point.words} is called present ({point.origin})"
    if answers.failed:
        at += f"; {words.cases(answers.failed)} without a score count as wrong"
    n_events = int(present.sum())
    sensitivity = proportion(
        "sensitivity", called[present], answers.where(present), level=level, convention=at,
        n_events=n_events, of_what="cases with the finding",
    )  # fmt: skip
    specificity = proportion(
        "specificity", ~called[~present], answers.where(~present), level=level, convention=at,
        n_events=0, of_what="cases without the finding",
    )  # fmt: skip
    share = n_events / present.size
    prevalence = protocol.prevalence
    origin = "set by the protocol"
    if prevalence is None:
        prevalence, origin = share, "of this cohort; the protocol sets none"
    stated = (
        f"{at}; prevalence {words.per_cent(prevalence)} ({origin}); "
        f"from the answers to {words.cases(present.size)}"
    )
    # A cohort of one class has no prevalence to state; the measure then gives its own reason.
    usable = min(max(prevalence, 1e-9), 1 - 1e-9)
    return [
        sensitivity,
        specificity,
        predictive_value(
            "ppv", called, present, usable, answers.clusters, level=level, convention=stated
        ),
        predictive_value(
            "npv", called, present, usable, answers.clusters, level=level, convention=stated
        ),
    ]


def _wordings(
    evidence: Evidence, scored: Scored, answers: Calls, point: OperatingPoint
) -> dict[str, Wording]:
    misses = answers.rows[answers.present & ~answers.called]
    alarms = answers.rows[~answers.present & answers.called]
    score = evidence.prediction.score if evidence.prediction else np.empty(0)
    # The most confident wrong answers come first; failed cases, which have none, last.
    misses = misses[np.argsort(np.nan_to_num(score[misses], nan=2.0), kind="stable")]
    alarms = alarms[np.argsort(-np.nan_to_num(score[alarms], nan=-1.0), kind="stable")]
    n_present = int(answers.present.sum())
    n_absent = answers.present.size - n_present
    at = f"at its threshold of {point.words}"
    missed = f"misses {words.count(misses.size)}" if misses.size else "misses none"
    raised = words.count(alarms.size) if alarms.size else "none"
    return {
        "sensitivity": Wording(
            f"It {missed} of {words.cases(n_present)} with the finding {at}"
            f"{_counted_wrong(scored, misses, 'missed', 'missed')}.",
            why=_with_and_without(misses, n_present, evidence, "with the finding"),
            cases=tuple(evidence.case_ids[row] for row in misses),
            action=f"Do not rely on a negative answer {at}; see what other thresholds would give.",
        ),
        "specificity": Wording(
            f"It raises a false alarm in {raised} of {words.cases(n_absent)} without the "
            f"finding {at}{_counted_wrong(scored, alarms, 'a false alarm', 'false alarms')}.",
            why=_with_and_without(alarms, n_absent, evidence, "without the finding"),
            cases=tuple(evidence.case_ids[row] for row in alarms),
            action=f"Do not rely on a positive answer {at}; see what other thresholds would give.",
        ),
    }


def _counted_wrong(scored: Scored, wrong: IntArray, one: str, many: str) -> str:
    """ "; 5 of them have no prediction and count as missed", empty where all have a score."""
    without = int(np.isin(wrong, scored.failed).sum())
    if not without:
        return ""
    if without == 1:
        return f"; 1 of them has {scored.no_score} and counts as {one}"
    return f"; {words.count(without)} of them have {scored.no_score} and count as {many}"


def _with_and_without(wrong: IntArray, total: int, evidence: Evidence, which: str) -> str:
    """The rate of right answers among scored cases beside that among all; empty if equal."""
    assert evidence.prediction is not None
    answered_wrong = int(np.isfinite(evidence.prediction.score[wrong]).sum())
    without = wrong.size - answered_wrong
    if not without:
        return ""
    answered, right = total - without, total - wrong.size
    if not answered:
        return f"No case {which} has a score."
    return (
        f"Of scored cases {which}, {words.count(right)} of {words.count(answered)} are answered "
        f"rightly ({words.per_cent(right / answered)}); with the {words.count(without)} without a "
        f"score, {words.count(right)} of {words.count(total)} ({words.per_cent(right / total)})."
    )


def _confident(evidence: Evidence, scored: Scored, level: float) -> list[Finding]:
    """Wrong answers given with a confidence above 0.99, of scored cases; no limit is set on them.

    It informs and never judges: how many such errors are too many, nobody has declared.
    """
    confidence = np.maximum(scored.scores, 1 - scored.scores)
    sure = np.flatnonzero(confidence > CONFIDENT)
    wrong = (scored.scores[sure] >= 0.5) != (scored.present[sure] == 1)
    errors = int(((scored.scores >= 0.5) != (scored.present == 1)).sum())
    if not wrong.any():
        return []
    chosen = sure[wrong]
    chosen = chosen[np.argsort(-confidence[chosen], kind="stable")]
    on_scored = " on scored cases" if scored.failed.size else ""
    return [
        Finding(
            f"{ID}.confident-errors",
            State.INFO,
            f"It is sure in {words.count(chosen.size)} of its {words.count(errors)} wrong "
            f"answers{on_scored}: confidence above {CONFIDENT}.",
            why=_why_confident(scored, wrong, scored.clusters.where(sure), level),
            cases=scored.ids(evidence, chosen),
        )
    ]


def _why_confident(scored: Scored, wrong: BoolArray, clusters: Clusters, level: float) -> str:
    rate = proportion("error_rate", wrong, clusters, level=level)
    share = words.per_cent(float(wrong.mean()))
    if rate.low is not None and rate.high is not None:
        share += f" [{words.rate(rate.low)}, {words.rate(rate.high)}], {rate.method}"
    wrong_ones = (
        f"{words.count(int(wrong.sum()))} of {words.count(wrong.size)} answers with a confidence "
        f"above {CONFIDENT} are wrong ({share}); no limit set."
    )
    sentences = [
        wrong_ones,
        "" if rate.has_interval else rate.reason or "",
        "Confidence is max(P, 1 − P), the answer is present when P ≥ 0.5.",
    ]
    if scored.failed.size:
        verbs = ("has", "is") if scored.failed.size == 1 else ("have", "are")
        sentences.append(
            f"{words.cases(scored.failed.size)} {verbs[0]} {scored.no_score} and {verbs[1]} not "
            "among these answers."
        )
    return " ".join(sentence for sentence in sentences if sentence)


def _title(estimates: list[Estimate]) -> str:
    """What the chart shows, with its two first rows; accuracy, which it does not show, is mix."""
    known = [one for one in estimates[:2] if one.value is not None]
    said = [f"{words.name_of(one.id).lower()} {words.per_cent(one.value or 0.0)}" for one in known]
    text = ", ".join(said)
    return f"{text[0].upper()}{text[1:]}" if text else "No rate could be estimated"


def _forest(estimates: list[Estimate], protocol: Protocol) -> JsonObject:
    rows: list[JsonValue] = []
    for estimate in estimates:
        limit = protocol.limit(ID, estimate.id)
        state = judge(estimate, limit) if limit else State.INFO
        if estimate.value is None:
            state = State.NOT_ASSESSED
        rows.append(
            {
                "label": words.name_of(estimate.id),
                "estimate": estimate.to_json(),
                "state": state.value,
                "limit": limit.to_json() if limit else None,
            }
        )
    return {
        "kind": "forest",
        "check": ID,
        "title": _title(estimates),
        "subtitle": (f"Rates with {protocol.level * 100:g} % intervals; {estimates[0].convention}"),
        "unit": "%",
        "rows": rows,
        "limit": None,
    }


def _curve(scored: Scored, point: OperatingPoint) -> JsonObject:
    thresholds = np.unique(np.append(_CURVE, point.threshold))
    of_present = np.sort(scored.scores[scored.present == 1])
    of_absent = np.sort(scored.scores[scored.present == 0])
    below_present = np.searchsorted(of_present, thresholds, side="left")
    below_absent = np.searchsorted(of_absent, thresholds, side="left")
    rows: list[JsonValue] = [
        {
            "threshold": round(float(t), 6),
            "sensitivity": round(1 - float(p) / of_present.size, 6) if of_present.size else None,
            "specificity": round(float(a) / of_absent.size, 6) if of_absent.size else None,
            "flagged": int(scored.rows.size - p - a),
        }
        for t, p, a in zip(thresholds, below_present, below_absent, strict=True)
    ]
    return {
        "kind": "operating-curve",
        "check": ID,
        "title": "What other thresholds would give",
        "subtitle": (
            f"{scored.size_words}; for orientation only: choosing a threshold here uses up "
            "the test set"
        ),
        "rows": rows,
        "threshold": point.threshold,
    }
