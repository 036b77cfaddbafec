"""Do maps of where it looks show what moves its answer?"""

from collections.abc import Sequence

import numpy as np

from ml.checks import words
from ml.checks.faithfulness_measures import (
    ID,
    NOTHING,
    OTHERS,
    Tried,
    by_rule,
    measured_of,
    tried_cases,
)
from ml.checks.faithfulness_series import curves_series
from ml.checks.judge import Wording, findings_of, result_of
from ml.checks.registry import CheckResult, Finding, State, audit_check, not_assessed
from ml.checks.scored import (
    failed_copies_finding,
    operating_point,
    settings_of,
    unknown_point,
    unrun_finding,
)
from ml.estimate import Estimate, JsonObject, JsonValue, rounded
from ml.evidence.orders import CENTRE, EDGES, MAP, RANDOM
from ml.evidence.tables import Evidence, IntArray
from ml.protocol import Protocol

QUESTION = "Do maps of where it looks show what moves its answer?"
_NO_MEANING = "The outputs of changed images came without a model that says what they mean."
_METHOD = "Grad-CAM"
_SAID = {
    RANDOM: "a random map", EDGES: "the edges of the picture",
    CENTRE: "the distance from the centre",
}  # fmt: skip
_DISTRUST = (
    "Do not read these maps as the reason of an answer, and do not show them to readers as such."
)


@audit_check(
    ID,
    title="Faithfulness of maps",
    question=QUESTION,
    needs=("prediction", "attributions", "perturbations"),
    task="classification",
)
def explanation_faithfulness(evidence: Evidence, protocol: Protocol) -> CheckResult:
    found, prediction = evidence.perturbations, evidence.prediction
    assert found is not None
    assert prediction is not None
    point = operating_point(prediction, protocol)
    if point is None:
        return not_assessed(QUESTION, unknown_point(protocol))
    if found.score is None:
        return not_assessed(QUESTION, _NO_MEANING)
    tried = tried_cases(evidence, found, prediction)
    incomplete = tuple(evidence.case_ids[row] for row in tried.incomplete)
    beside = [
        *_flat_finding(evidence, tried),
        *failed_copies_finding(ID, incomplete, "picture with parts taken away"),
        *unrun_finding(
            ID, {one: code for one, code in found.failures.items() if one not in incomplete}
        ),
    ]
    if not tried.rows.size:
        return not_assessed(
            QUESTION, "No case has both a map that tells places apart and all answers.",
            findings=beside,
        )  # fmt: skip
    wrong = np.full(tried.rows.size, -1)
    if evidence.present is not None:
        present = evidence.present[tried.rows]
        called = prediction.score[tried.rows] >= point.threshold
        wrong = np.where(present < 0, -1, called != (present == 1)).astype(np.int64)
    estimates = measured_of(evidence, tried, wrong, settings_of(protocol))
    findings = (*findings_of(ID, estimates, protocol, _wordings(evidence, tried, estimates)),
                *beside)  # fmt: skip
    curves = curves_series(found, tried, _METHOD, settings_of(protocol))
    series = [_forest(tried, estimates), curves, _cases(evidence, tried, wrong)]
    return result_of(QUESTION, estimates, findings, series)


def better(estimate: Estimate) -> bool:
    """The whole interval lies above what counts as nothing."""
    return estimate.low is not None and estimate.low > NOTHING


def _wordings(
    evidence: Evidence, tried: Tried, estimates: Sequence[Estimate]
) -> dict[str, Wording]:
    by_id = {one.id: one for one in estimates}
    gains = [by_id[f"gain:{other}"] for other in OTHERS]
    beaten = [other for other, one in zip(OTHERS, gains, strict=True) if better(one)]
    level = [other for other in OTHERS if other not in beaten]
    if not level:
        claim = (
            f"{_METHOD} says what this network used better than {_list(OTHERS)} would: the score "
            f"falls earlier by {words.measured(gains[0])} than in the order of a random map."
        )
    elif RANDOM in level:
        claim = f"{_METHOD} says what this network used no better than a random map would."
    else:
        claim = (
            f"{_METHOD} says what this network used better than {_list(beaten)} would, but no "
            f"better than {_list(level, 'or')}."
        )
    told = "; ".join(
        f"against {_SAID[other]} {words.measured(one)}"
        for other, one in zip(OTHERS, gains, strict=True)
    )
    agreed = by_id.get("baseline_agreement")
    parts = [_run(tried, told)]
    if agreed is not None and agreed.value is not None:
        parts.append(f"Both replacements rank cases alike by {words.decimal(agreed.value)}.")
    if tried.cut:
        parts.append(f"In {words.cases(tried.cut)} the score is so sure that changes are cut off.")
    parts.append("Listed: the five cases in which the map does worst.")
    found = {
        "gain:random": Wording(
            claim,
            why=" ".join(parts),
            cases=tuple(evidence.case_ids[row] for row in by_rule(tried)["worst"]),
            action=_DISTRUST,
        )
    }
    if tried.without_evidence.size:
        n = tried.without_evidence.size
        found["order_gap:map"] = Wording(
            f"In {words.cases(n)} of {words.count(tried.rows.size)} the map shows nothing that "
            "speaks for the finding.",
            why="It is positive nowhere: an empty overlay there is an answer, and no error.",
            cases=tuple(evidence.case_ids[row] for row in tried.without_evidence),
        )
    return found


def _run(tried: Tried, told: str) -> str:
    return (
        f"Run on {words.drawn(tried.rows.size, tried.drawn_from)}, with parts replaced by their "
        "mean and by a blur. Gap between taking away the least and the most important parts "
        f"first, {told}. An order counts as beaten where the whole interval lies above {NOTHING:g}."
    )


def _list(others: Sequence[str], joint: str = "and") -> str:
    *first, last = (_SAID[one] for one in others)
    return f"{', '.join(first)} {joint} {last}" if first else last


def _flat_finding(evidence: Evidence, tried: Tried) -> list[Finding]:
    if not tried.without_map.size:
        return []
    return [
        Finding(
            f"{ID}.flat-maps",
            State.CAUTION,
            f"Of {words.cases(tried.without_map.size)} the map is the same everywhere.",
            why="It ranks nothing, so these cases are left out.",
            cases=tuple(evidence.case_ids[row] for row in tried.without_map),
            action="Show no map of these cases.",
        )
    ]


def _forest(tried: Tried, estimates: Sequence[Estimate]) -> JsonObject:
    said = {f"gain:{other}": f"against {_SAID[other]}" for other in OTHERS}
    rows: list[JsonValue] = []
    for one in estimates:
        against, _, group = one.id.partition(", ")
        if against in said and one.value is not None:
            label = said[against] + (f" ({group})" if group else "")
            rows.append({"label": label, "estimate": one.to_json(), "state": "info"})
    return {
        "kind": "forest",
        "check": ID,
        "title": f"How much earlier the score falls in the order of {_METHOD}",
        "subtitle": "Gap between taking away the least and the most important parts first, minus "
        f"that of another order, in log-odds; above 0 is better. {words.cases(tried.rows.size)}.",
        "unit": "log-odds",
        "rows": rows,
        "limit": None,
    }


def _cases(evidence: Evidence, tried: Tried, wrong: IntArray) -> JsonObject:
    state = {1: "wrong", 0: "right", -1: "not known"}
    columns = [tried.gap(one) for one in (MAP, *OTHERS)]
    rows: list[JsonValue] = [
        [
            evidence.case_ids[row], state[int(wrong[at])],
            *(rounded(float(of[at]), 6) for of in columns),
        ]
        for at, row in enumerate(tried.rows)
    ]  # fmt: skip
    fields: list[JsonValue] = [
        "Case", "Answer", "Gap of the map", "Of a random map", "Of edges", "Of the centre",
    ]  # fmt: skip
    return {
        "kind": "points", "check": ID, "title": "Faithfulness of each case's map",
        "fields": fields, "rows": rows,
    }  # fmt: skip
