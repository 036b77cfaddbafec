"""Do maps of where it looks show what moves its answer?"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from ml.checks import words
from ml.checks.faithfulness_measures import (
    ID,
    NOTHING,
    OTHERS,
    Tried,
    by_method,
    by_rule,
    further_methods,
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
from ml.evidence.methods import TITLES
from ml.evidence.orders import BLUR, CENTRE, EDGES, LINEAR, MAP, MEAN, RANDOM
from ml.evidence.passes import CaseOutputs
from ml.evidence.tables import Evidence, IntArray, Prediction
from ml.protocol import Protocol

QUESTION = "Do maps of where it looks show what moves its answer?"
_NO_MEANING = "The outputs of changed images came without a model that says what they mean."
_SAID = {
    RANDOM: "a random map", EDGES: "the edges of the picture",
    CENTRE: "the distance from the centre",
}  # fmt: skip
_REPLACED = {MEAN: "their mean", BLUR: "a blur", LINEAR: "what lies around them"}
_SHOWN = {name: f"parts become {said}" for name, said in _REPLACED.items()}
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
    first, *others = (
        Of(TITLES.get(method, method), tried_cases(evidence, found, prediction, ranking))
        for ranking, method in methods_of(found, protocol).items()
    )
    tried = first.tried
    incomplete = tuple(evidence.case_ids[row] for row in tried.incomplete)
    beside = [
        *(finding for one in (first, *others) for finding in _flat_finding(evidence, one)),
        *(finding for one in others for finding in _missing_finding(evidence, first, one)),
        *failed_copies_finding(ID, incomplete, "picture with parts taken away"),
        *unrun_finding(
            ID,
            {
                one: code
                for one, code in found.failures.items()
                if one in _unanswered(evidence, first) and one not in incomplete
            },
        ),
    ]
    if not tried.rows.size:
        return not_assessed(
            QUESTION, "No case has both a map that tells places apart and all answers.",
            findings=beside,
        )  # fmt: skip
    tellers = [one for one in (first, *others) if one.tried.rows.size]
    estimates: list[Estimate] = []
    wordings: dict[str, Wording] = {}
    for one in tellers:
        wrong = _wrong(evidence, one.tried, prediction, point.threshold)
        own = measured_of(evidence, one.tried, wrong, settings_of(protocol))
        wordings |= _wordings(evidence, one, own)
        estimates += own
    findings = (*findings_of(ID, estimates, protocol, wordings), *beside)
    wrong = _wrong(evidence, tried, prediction, point.threshold)
    curves = curves_series(found, tried, first.title, settings_of(protocol))
    series = [_forest(tellers, estimates), curves, _cases(evidence, tellers, wrong)]
    return result_of(QUESTION, estimates, findings, series)


@dataclass(frozen=True)
class Of:
    """What was tried of one method, with its title as readers know it."""

    title: str
    tried: Tried


def methods_of(found: CaseOutputs, protocol: Protocol) -> dict[str, str]:
    """By what ranks, the method of its map: the protocol's first is that of the pass."""
    return {MAP: protocol.explanation_methods[0], **{one: one for one in further_methods(found)}}


def _wrong(evidence: Evidence, tried: Tried, prediction: Prediction, threshold: float) -> IntArray:
    """(m,) 1 answered wrongly, 0 rightly, -1 not known."""
    if evidence.present is None:
        return np.full(tried.rows.size, -1)
    present = evidence.present[tried.rows]
    called = prediction.score[tried.rows] >= threshold
    return np.where(present < 0, -1, called != (present == 1)).astype(np.int64)


def better(estimate: Estimate) -> bool:
    """The whole interval lies above what counts as nothing."""
    return estimate.low is not None and estimate.low > NOTHING


def _wordings(evidence: Evidence, of: Of, estimates: Sequence[Estimate]) -> dict[str, Wording]:
    by_id, tried = {one.id: one for one in estimates}, of.tried
    gains = [by_id[_named(f"gain:{other}", tried)] for other in OTHERS]
    beaten = [other for other, one in zip(OTHERS, gains, strict=True) if better(one)]
    level = [other for other in OTHERS if other not in beaten]
    says = f"{of.title} {'say' if of.title.endswith('s') else 'says'} what this network used"
    if not level:
        claim = (
            f"{says} better than {_list(OTHERS)} would: the score falls earlier by "
            f"{words.measured(gains[0])} than in the order of a random map."
        )
    elif gains[0].value is not None and gains[0].low is None:
        claim = f"So few cases do not tell whether {says} better than a random map would."
    elif RANDOM in level:
        claim = f"{says} no better than a random map would."
    else:
        claim = (
            f"{says} better than {_list(beaten)} would, but no better than {_list(level, 'or')}."
        )
    told = "; ".join(
        f"against {_SAID[other]} {words.measured(one)}"
        for other, one in zip(OTHERS, gains, strict=True)
    )
    parts = [_run(evidence, tried, told)]
    agreed = [
        one.value for one in estimates
        if one.id.startswith("baseline_agreement:") and one.value is not None
    ]  # fmt: skip
    if agreed:
        parts.append(f"Replacements rank cases alike by {words.decimal(min(agreed))} or more.")
    if RANDOM in beaten and (opposed := _opposed(tried, by_id)):
        parts.append(f"Not so with parts replaced by {' or '.join(opposed)}: trust it little.")
    if tried.cut:
        parts.append(f"In {words.cases(tried.cut)} the score is so sure that changes are cut off.")
    parts.append("Listed: the five cases in which the map does worst.")
    found = {
        gains[0].id: Wording(
            claim,
            why=" ".join(parts),
            cases=tuple(evidence.case_ids[row] for row in by_rule(tried)["worst"]),
            action=_DISTRUST,
        )
    }
    if tried.without_evidence.size:
        n = tried.without_evidence.size
        found[f"order_gap:{tried.ranking}"] = Wording(
            f"In {words.cases(n)} of {words.count(tried.rows.size)} the map shows nothing that "
            "speaks for the finding.",
            why=f"{of.title} is positive nowhere: an empty overlay there is an answer, and no "
            "error.",
            cases=tuple(evidence.case_ids[row] for row in tried.without_evidence),
        )
    return found


def _named(name: str, tried: Tried) -> str:
    return name if tried.ranking == MAP else by_method(name, tried.ranking)


def _opposed(tried: Tried, by_id: Mapping[str, Estimate]) -> list[str]:
    """Replacements by which the whole interval of the gain over chance is not above nothing."""
    return [
        _REPLACED[one]
        for one in tried.baselines
        if not better(by_id[_named(f"gain:{RANDOM}, {one}", tried)])
    ]


def _run(evidence: Evidence, tried: Tried, told: str) -> str:
    replaced = _joined([_REPLACED[one] for one in tried.baselines])
    return (
        f"Run on {words.drawn(tried.rows.size, tried.drawn_from)}{_strata(evidence, tried)}, with "
        f"parts replaced by {replaced}. Gap between taking away the least and the most important "
        f"parts first, {told}. An order counts as beaten where the whole interval lies above "
        f"{NOTHING:g}."
    )


def _strata(evidence: Evidence, tried: Tried) -> str:
    """How many of them have the finding, where labels tell: they are drawn so, not as they come."""
    if evidence.present is None:
        return ""
    present = evidence.present[tried.rows]
    counts = [int((present == of).sum()) for of in (1, 0)]
    return f" ({counts[0]} with the finding, {counts[1]} without it)" if sum(counts) else ""


def _list(others: Sequence[str], joint: str = "and") -> str:
    return _joined([_SAID[one] for one in others], joint)


def _joined(said: Sequence[str], joint: str = "and") -> str:
    *first, last = said
    return f"{', '.join(first)} {joint} {last}" if first else last


def _flat_finding(evidence: Evidence, of: Of) -> list[Finding]:
    flat = of.tried.without_map
    if not flat.size:
        return []
    return [
        Finding(
            _beside(f"{ID}.flat-maps", of),
            State.CAUTION,
            f"Of {words.cases(flat.size)} the map is the same everywhere.",
            why=f"{of.title} ranks nothing there, so these cases are left out.",
            cases=tuple(evidence.case_ids[row] for row in flat),
            action="Show no map of these cases.",
        )
    ]


def _beside(name: str, of: Of) -> str:
    return name if of.tried.ranking == MAP else f"{name}.{of.tried.ranking}"


def _unanswered(evidence: Evidence, first: Of) -> set[str]:
    """Cases of which nothing is there: where a further method alone has no map, others answer."""
    answered = {*first.tried.rows.tolist(), *first.tried.without_map.tolist()}
    return {one for row, one in enumerate(evidence.case_ids) if row not in answered}


def _missing_finding(evidence: Evidence, first: Of, of: Of) -> list[Finding]:
    """Cases that another method has a map of."""
    there = set(first.tried.incomplete.tolist())
    missing = [row for row in of.tried.incomplete.tolist() if row not in there]
    if not missing:
        return []
    return [
        Finding(
            _beside(f"{ID}.no-map", of),
            State.INFO,
            f"Of {words.cases(len(missing))} there is no map by {of.title}.",
            why="This network gives none, or it holds what is no number.",
            cases=tuple(evidence.case_ids[row] for row in missing),
        )
    ]


def _forest(methods: Sequence[Of], estimates: Sequence[Estimate]) -> JsonObject:
    said = {f"gain:{other}": f"against {_SAID[other]}" for other in OTHERS}
    titles = {of.tried.ranking: of.title for of in methods}
    rows: list[JsonValue] = []
    for one in estimates:
        against, *groups = one.id.split(", ")
        if against in said and one.value is not None:
            whose = [titles[group] for group in groups if group in titles]
            if len(methods) > 1 and not whose:
                whose = [titles[MAP]]
            of = [*whose, *(_SHOWN.get(group, group) for group in groups if group not in titles)]
            label = said[against] + (f" ({', '.join(of)})" if of else "")
            rows.append({"label": label, "estimate": one.to_json(), "state": "info"})
    return {
        "kind": "forest",
        "check": ID,
        "title": f"How much earlier the score falls in the order of {_joined([*titles.values()])}",
        "subtitle": "Gap between taking away the least and the most important parts first, minus "
        f"that of another order, in log-odds; above 0 is better. "
        f"{words.cases(methods[0].tried.rows.size)}.",
        "unit": "log-odds",
        "rows": rows,
        "limit": None,
    }


def _cases(evidence: Evidence, methods: Sequence[Of], wrong: IntArray) -> JsonObject:
    state = {1: "wrong", 0: "right", -1: "not known"}
    tried = methods[0].tried
    gaps = {
        of.title: dict(
            zip(of.tried.rows.tolist(), of.tried.gap(of.tried.ranking).tolist(), strict=True)
        )
        for of in methods[1:]
    }
    columns = [tried.gap(one) for one in (MAP, *OTHERS)]
    rows: list[JsonValue] = [
        [
            evidence.case_ids[row], state[int(wrong[at])],
            *(rounded(float(of[at]), 6) for of in columns),
            *(rounded(of[row], 6) if row in of else None for of in gaps.values()),
        ]
        for at, row in enumerate(tried.rows.tolist())
    ]  # fmt: skip
    fields: list[JsonValue] = [
        "Case", "Answer", "Gap of the map", "Of a random map", "Of edges", "Of the centre",
        *(f"Of {title}" for title in gaps),
    ]  # fmt: skip
    return {
        "kind": "points", "check": ID, "title": "Faithfulness of each case's map",
        "fields": fields, "rows": rows,
    }  # fmt: skip
