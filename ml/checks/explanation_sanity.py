"""Do maps show what the network learned, or the picture alone?"""

from collections.abc import Mapping

import numpy as np

from ml.checks import words
from ml.checks.judge import Wording, findings_of, judge, result_of
from ml.checks.registry import CheckResult, Finding, State, audit_check, not_assessed
from ml.checks.sanity_measures import (
    FEWEST_POSITIONS,
    ID,
    MOVED,
    SAME,
    SURVIVES,
    Measured,
    compared_with,
    measured_of,
)
from ml.checks.scored import clusters_at, in_clusters, settings_of, unrun_finding
from ml.estimate import JsonObject, JsonValue, rounded
from ml.evidence.compared_maps import Stage
from ml.evidence.methods import TITLES
from ml.evidence.passes import CASCADING, INDEPENDENT
from ml.evidence.tables import Evidence, FloatArray
from ml.protocol import Protocol

QUESTION = "Do maps of where it looks show what the network learned, or the picture alone?"


@audit_check(
    ID,
    title="Sanity of explanations",
    question=QUESTION,
    needs=("prediction", "randomisations"),
    task="classification",
)
def explanation_sanity(evidence: Evidence, protocol: Protocol) -> CheckResult:
    found = evidence.randomisations
    assert found is not None
    failed = unrun_finding(ID, found.failures)
    own = compared_with(found)
    rows = np.flatnonzero(own.mapped)
    if not rows.size:
        return not_assessed(QUESTION, "No case has a map.", findings=failed)
    positions = int(np.prod(found.maps.shape[2:]))
    if positions < FEWEST_POSITIONS:
        return not_assessed(
            QUESTION,
            f"A map of this network has {positions} positions: the ranks of fewer than "
            f"{FEWEST_POSITIONS} are alike by chance too often.",
            findings=failed,
        )
    clusters = clusters_at(evidence, rows)
    settings = settings_of(protocol)
    measured = measured_of(own, clusters, settings)
    further = {
        method: measured_of(
            one, clusters_at(evidence, np.flatnonzero(one.mapped)), settings, method
        )
        for method, one in evidence.further_randomisations.items()
        if one.mapped.any()
    }
    size = f"{words.cases(rows.size)}{in_clusters(clusters)}"
    findings = (
        *findings_of(ID, measured.whole, protocol, wordings(evidence, protocol, measured, size)),
        *(finding for method in further for finding in _of_further(evidence, further, method,
                                                                   protocol)),
        *failed,
    )  # fmt: skip
    series = [_forest(measured, size, further), _points(measured)]
    estimates = (*measured.whole, *(one for of in further.values() for one in of.whole))
    return result_of(QUESTION, estimates, findings, series)


def _of_further(
    evidence: Evidence, further: Mapping[str, Measured], method: str, protocol: Protocol
) -> list[Finding]:
    """What is named of a method whose maps no page shows: that it should not be one either."""
    measured, title = further[method], TITLES[method]
    limit = protocol.limit(ID, "map_survives")
    survives = measured.of("map_survives")
    beyond = limit is not None and judge(survives, limit) is State.FAIL
    stays = measured.rows[np.flatnonzero(measured.similar > SURVIVES)]
    known = int(np.isfinite(measured.similar).sum())
    shown = f"in {words.count(stays.size)} of {words.cases(known)}"
    told = [f"Mean likeness {words.measured(measured.of('map_similarity'))}."]
    again = next((one for one in measured.whole if one.id.startswith("seed_similarity")), None)
    if again is not None and again.value is not None:
        told.append(f"Drawn again its maps are alike by {words.measured(again)}.")
    shift = measured.of("shift_sensitivity")
    if shift.value is not None and shift.value > MOVED:
        told.append(f"A constant that changes no answer moves it by {words.per_cent(shift.value)}.")
    return [
        Finding(
            f"{ID}.further-{method}",
            State.CAUTION if beyond else State.INFO,
            f"{title} hardly depends on what the network learned: it stays {shown}."
            if beyond
            else f"When all that was learned is taken away, {title} stays {shown}.",
            why=" ".join(told),
            measure=survives.id,
            cases=tuple(evidence.case_ids[row] for row in stays),
            action=f"Do not show {title} beside an answer of this network." if beyond else "",
        )
    ]


def wordings(
    evidence: Evidence, protocol: Protocol, measured: Measured, size: str
) -> Mapping[str, Wording]:
    """What each measure is said as; of the judged ones by where they stand."""

    def ids(values: FloatArray, line: float) -> tuple[str, ...]:
        """The cases beyond the line, those furthest beyond it first."""
        beyond = np.flatnonzero(values > line)
        order = beyond[np.argsort(-values[beyond], kind="stable")]
        return tuple(evidence.case_ids[row] for row in measured.rows[order])

    title = TITLES[protocol.explanation_methods[0]]
    sensitivity, similar = measured.of("map_sensitivity"), measured.of("map_similarity")
    kept = ids(measured.similar, SURVIVES)
    known = int(np.isfinite(measured.similar).sum())
    shown = f"in {words.count(len(kept))} of {words.cases(known)}"
    found = {
        "map_survives": Wording(
            _learned(_state("map_survives", protocol, measured), shown, title),
            why=f"{size}; the weights of all layers permuted, {words.count(measured.draws)} draws; "
            f"mean likeness {words.measured(similar)}. Listed: cases whose map stays.",
            cases=kept,
            action="Do not show this map beside an answer. Choose another method and check it too.",
        )
    }
    if sensitivity.value is not None:
        found["map_sensitivity"] = Wording(
            "Under noise of a hundredth of the picture’s range a map changes by "
            f"{words.per_cent(sensitivity.value)} of its size.",
            why="The largest change of some copies of each case, mean over cases.",
        )
    shift = measured.of("shift_sensitivity")
    if shift.value is not None and shift.value > MOVED:
        found["shift_sensitivity"] = Wording(
            f"A constant that changes no answer changes a map by {words.per_cent(shift.value)} of "
            "its size.",
            why="It is added to the picture and taken off by the network again. So the map tells "
            "also of how bright the picture is, and not of what the network makes of it alone.",
            action="Say beside the map against which baseline it was taken.",
        )
    if measured.of("class_survives").value is not None:
        alike, known = ids(measured.classes, SAME), int(np.isfinite(measured.classes).sum())
        shown = f"in {words.count(len(alike))} of {words.cases(known)}"
        found["class_survives"] = Wording(
            _classes(_state("class_survives", protocol, measured), shown, title),
            why=f"Mean likeness {words.measured(measured.of('class_similarity'))}. Listed: cases "
            "whose maps are alike.",
            cases=alike,
            action="Do not show this map as the reason for one answer and not another.",
        )
    return found


def _learned(state: State, shown: str, title: str) -> str:
    if state is State.FAIL:
        return (
            f"This map ({title}) hardly depends on what the network learned: do not use it as an "
            f"explanation. It stays {shown} when all that was learned is taken away."
        )
    if state is State.CAUTION:
        return (
            f"Whether this map ({title}) depends on what the network learned is not decided: it "
            f"stays {shown} when that is taken away."
        )
    return f"When all that was learned is taken away, this map ({title}) stays {shown}."


def _classes(state: State, shown: str, title: str) -> str:
    if state is State.FAIL:
        return (
            f"This map ({title}) is the same whichever class is asked for, "
            f"{shown}: it does not say why this answer was given and not another."
        )
    return f"The map of the positive classes is also that of the others {shown}."


def _state(measure: str, protocol: Protocol, measured: Measured) -> State:
    limit = protocol.limit(ID, measure)
    return State.INFO if limit is None else judge(measured.of(measure), limit)


def _said(key: Stage) -> str:
    order, at = key
    if order == CASCADING:
        return f"layers of group 1 to {at}, from the output" if at > 1 else "layers of group 1"
    if order == INDEPENDENT:
        return f"layers of group {at} alone"
    return f"all layers, draw {at + 1}"


def _forest(measured: Measured, size: str, further: Mapping[str, Measured]) -> JsonObject:
    whole = measured.of("map_similarity")
    first: JsonObject = {
        "label": "all layers, all draws", "estimate": whole.to_json(), "state": "info", "all": True,
    }  # fmt: skip
    others: list[JsonValue] = [
        {
            "label": f"{TITLES[method]}: all layers, all draws",
            "estimate": of.of("map_similarity").to_json(), "state": "info",
        }
        for method, of in further.items()
        if of.of("map_similarity").value is not None
    ]  # fmt: skip
    each: list[JsonValue] = [
        {"label": _said(key), "estimate": one.to_json(), "state": "info"}
        for key, one in measured.by_stage
    ]
    return {
        "kind": "forest",
        "check": ID,
        "title": "How alike a map stays while layers lose what they learned",
        "subtitle": f"{size}; rank correlation with the map of the network as it is, 1 the same. "
        f"Diamond: all layers permuted; a map beyond {SURVIVES:g} counts as one that stays.",
        "unit": "",
        "rows": [first, *others, *each],
        "limit": None,
    }


def _points(measured: Measured) -> JsonObject:
    rows: list[JsonValue] = [
        [_said(key), one.n, rounded(one.value, 6), rounded(one.low, 6), rounded(one.high, 6)]
        for key, one in measured.by_stage
    ]
    fields: list[JsonValue] = ["What was permuted", "n", "Likeness", "Low", "High"]
    return {"kind": "points", "check": ID, "title": "Every stage", "fields": fields, "rows": rows}
