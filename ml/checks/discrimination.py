"""Does the score rank cases with the finding above those without?"""

import numpy as np

from ml.checks import words
from ml.checks.judge import Wording, findings_of, result_of
from ml.checks.registry import CheckResult, audit_check, not_assessed
from ml.checks.scored import (
    OperatingPoint,
    Scored,
    compared_words,
    failed_finding,
    missing_scores,
    operating_point,
    scored_cases,
    settings_of,
    unknown_finding,
)
from ml.estimate import Estimate, JsonObject, JsonValue, rounded
from ml.evidence.tables import Evidence
from ml.protocol import Protocol
from ml.stats.bootstrap import Settings
from ml.stats.discrimination.auroc import auroc
from ml.stats.discrimination.roc import roc_band, roc_curve

ID = "discrimination"
QUESTION = "Does the score rank cases with the finding above those without?"
_HISTOGRAM_BINS = 20


@audit_check(
    ID,
    title="Discrimination",
    question=QUESTION,
    needs=("labels", "prediction"),
    task="classification",
)
def discrimination(evidence: Evidence, protocol: Protocol) -> CheckResult:
    scored = scored_cases(evidence)
    failed = [
        *failed_finding(ID, evidence, scored, "are left out of the ranking"),
        *unknown_finding(ID, evidence),
    ]
    reason = missing_scores(scored)
    if reason:
        return not_assessed(QUESTION, reason, findings=failed)
    assert evidence.prediction is not None
    settings = settings_of(protocol)
    estimate = auroc(scored.scores, scored.present, scored.clusters, settings)
    findings = (
        *findings_of(ID, [estimate], protocol, {"auroc": _wording(evidence, scored, estimate)}),
        *failed,
    )
    point = operating_point(evidence.prediction, protocol)
    series = [_histogram(scored, point), _points(evidence)]
    if estimate.value is not None:
        series.insert(0, _roc(scored, estimate, point, settings))
    return result_of(QUESTION, [estimate], findings, series)


def _wording(evidence: Evidence, scored: Scored, estimate: Estimate) -> Wording:
    value = words.decimal(estimate.value) if estimate.value is not None else ""
    order = np.argsort(scored.scores, kind="stable")
    lowest = order[scored.present[order] == 1]
    # The cases with the finding that most cases without it outrank explain a low AUROC best.
    above = np.sort(scored.scores[scored.present == 0])
    outranked = above.size - np.searchsorted(above, scored.scores[lowest], side="right")
    cases = scored.ids(evidence, lowest[outranked > 0])
    unlabelled = (
        f"{words.cases(scored.unlabelled)} without a label left out." if scored.unlabelled else ""
    )
    parts = (
        f"Measured on {scored.size_words}.",
        unlabelled,
        compared_words(evidence),
        f"Listed: {words.cases(len(cases))} with the finding that some case without it outranks.",
    )
    return Wording(
        f"Its AUROC is {value}: the probability that it scores a case with the finding above one "
        "without it.",
        why=" ".join(part for part in parts if part),
        cases=cases,
        action="Look at the cases with the finding and the lowest scores first.",
    )


def _roc(
    scored: Scored, estimate: Estimate, point: OperatingPoint | None, settings: Settings
) -> JsonObject:
    curve = roc_curve(scored.scores, scored.present)
    band = roc_band(scored.scores, scored.present, scored.clusters, settings)
    points: list[JsonValue] = [
        [round(float(x), 6), round(float(y), 6)]
        for x, y in zip(curve.false_positive_rate, curve.true_positive_rate, strict=True)
    ]
    drawn: list[JsonValue] | None = None
    subtitle = f"ROC of {scored.size_words}"
    if band is not None:
        drawn = [[round(float(v), 6) for v in row] for row in zip(*band, strict=True)]
        subtitle += (
            f"; {settings.level:.0%} pointwise band, bootstrap of {scored.clusters.words}, "
            f"{settings.draws:,} draws, seed {settings.seed}"
        ).replace("%", " %")
    operating: JsonObject | None = None
    if point is not None:
        called = scored.scores >= point.threshold
        operating = {
            "threshold": point.threshold,
            "fpr": rounded(float(called[scored.present == 0].mean())),
            "tpr": rounded(float(called[scored.present == 1].mean())),
        }
    assert estimate.value is not None
    return {
        "kind": "roc",
        "check": ID,
        "title": f"The AUROC is {words.decimal(estimate.value)}",
        "subtitle": subtitle,
        "points": points,
        "band": drawn,
        "auc": estimate.to_json(),
        "operating": operating,
    }


def _histogram(scored: Scored, point: OperatingPoint | None) -> JsonObject:
    edges = np.linspace(0, 1, _HISTOGRAM_BINS + 1)
    present, _ = np.histogram(scored.scores[scored.present == 1], edges)
    absent, _ = np.histogram(scored.scores[scored.present == 0], edges)
    title = "Scores of the cases with and without the finding"
    if point is not None and scored.n_events:
        below = int((scored.scores[scored.present == 1] < point.threshold).sum())
        title = (
            f"{words.count(below)} of {words.cases(scored.n_events)} with the finding score "
            f"below {point.words}"
        )
    return {
        "kind": "score-histogram",
        "check": ID,
        "title": title,
        "subtitle": f"P(finding) of {scored.size_words}; {_HISTOGRAM_BINS} equal-width bins",
        "edges": [round(float(edge), 6) for edge in edges],
        "present": [int(n) for n in present],
        "absent": [int(n) for n in absent],
        "threshold": None if point is None else point.threshold,
    }


def _points(evidence: Evidence) -> JsonObject:
    assert evidence.prediction is not None
    assert evidence.present is not None
    rows: list[JsonValue] = [
        [
            case_id,
            None if np.isnan(score) else round(float(score), 6),
            int(present) if present >= 0 else None,
            int(cluster),
        ]
        for case_id, score, present, cluster in zip(
            evidence.case_ids,
            evidence.prediction.score,
            evidence.present,
            evidence.cluster,
            strict=True,
        )
    ]
    return {
        "kind": "points",
        "check": ID,
        "title": "Every case with its score",
        "subtitle": "P(finding); no score where the model failed, no label where none was given",
        "fields": ["case_id", "score", "present", "cluster"],
        "rows": rows,
    }
