"""One case as its page shows it: image, answers, readings, origin, place in its list."""

from collections.abc import Iterator
from dataclasses import dataclass
from math import exp
from typing import Any

from django.utils.safestring import SafeString

from portal.reports import case_charts, explained
from portal.reports.cases import Query, describe, find, neighbours
from portal.reports.doors import Door
from portal.reports.frozen import Case, Frozen, Json, Outcome, display_sha256
from portal.reports.gallery import score_text
from portal.reports.mask_sheets import sheets
from portal.reports.readings import About, about, answer_text

_CALLS = {True: "present", False: "absent"}


@dataclass(frozen=True)
class Sheet:
    """All readings of a case; an empty answer was not given."""

    readers: list[str]
    rows: list[tuple[str, list[tuple[str, str]]]]  # question, then reader and answer


@dataclass(frozen=True)
class ReadingLine:
    question: str
    figure: SafeString


@dataclass(frozen=True)
class Bar:
    name: str
    value: str
    width: float  # 0..100
    is_top: bool
    is_positive: bool


def as_context(
    frozen: Frozen, door: Door, case: Case, query: Query, shown: str = "", method: str = ""
) -> dict[str, Any]:
    """
    Args:
        shown: hash of the image to show first, of those the case has.
        method: whose map is shown, of those that made one.
    """
    found = find(frozen, query)
    of = about(frozen, frozen.finding(query.finding)) if query.finding else About()
    beside = neighbours(found, case)
    parameters = query.as_query()
    if query.filter == "selection":
        parameters["filter"] = "selection"
    siblings = [c for c in frozen.cases if c.cluster == case.cluster and not case.cohort]
    pictures = [sha for image in case.images if (sha := display_sha256(image))]
    chosen = shown if shown in pictures else case.picture
    kinds = ("group",) if door.is_shared else ("group", "patient")  # a link names no patient
    has_clusters = frozen.cohort.get("cluster_kind") in kinds
    return {
        "frozen": frozen,
        "door": door,
        "cohort": frozen.cohort,
        "subject": frozen.subject,
        "case": case,
        "score": score_text(case.score),
        "call": _call(frozen, case),
        "verdict_words": _verdict(case),
        "score_line": _score_line(frozen, case),
        "bars": bars(frozen, case),
        "bars_note": _bars_note(frozen),
        "readings": _readings(frozen, case),
        "about": of,
        "asked": frozen.names.of(of.question),
        "reading_lines": list(_reading_lines(frozen, case)),
        "images": case.images,
        "explained": explained.of(frozen, door, case, parameters, method),
        "mask_sheets": sheets(frozen, case),
        "picture": next((i for i in case.images if display_sha256(i) == chosen), {}),
        "picture_url": door.image(chosen) if chosen else "",
        "more_images": [
            {"url": door.case(case.case_id, parameters | {"image": sha}), "is_shown": sha == chosen}
            for sha in pictures
        ]
        if len(pictures) > 1
        else [],
        "cluster_url": door.cases(cluster=case.cluster) if has_clusters and not case.cohort else "",
        "n_siblings": len(siblings) - 1,
        "known": [(frozen.names.of(name), value) for name, value in case.covariates.items()],
        "named_by": _named_by(frozen, door, case),
        "beside": beside,
        "described": describe(frozen, query),
        "list_url": door.cases(**parameters),
        "previous_url": _url(door, beside.previous, parameters),
        "next_url": _url(door, beside.following, parameters),
    }


def _url(door: Door, case: Case | None, parameters: dict[str, str]) -> str:
    return door.case(case.case_id, parameters) if case else ""


def _call(frozen: Frozen, case: Case) -> str:
    if frozen.threshold is None or case.score is None:
        return ""
    return _CALLS[case.score >= frozen.threshold]


def _verdict(case: Case) -> str:
    """The word of the outcome and what the model said, as a reader would put it."""
    said = {
        Outcome.MISSED: "Missed: called absent",
        Outcome.FALSE_ALARM: "False alarm: called present",
        Outcome.FOUND: "Found: called present",
        Outcome.CLEAR: "Rightly clear: called absent",
    }
    return said.get(case.outcome, case.word)


def _score_line(frozen: Frozen, case: Case) -> SafeString | str:
    if case.score is None:
        return ""
    return case_charts.score_line(case.score, frozen.threshold, frozen.finding_name)


def bars(frozen: Frozen, case: Case) -> list[Bar]:
    """What came out for each class, highest first; logits through the declared activation."""
    if not case.outputs or None in case.outputs or len(case.outputs) != len(frozen.outputs):
        return []
    manifest = (frozen.model or {}).get("manifest") or {}
    output = manifest.get("output") or {}
    values = activated(case.outputs, output)
    positive = set(output.get("positive") or frozen.cohort.get("positive") or [])
    top = max(values)
    pairs = sorted(zip(frozen.outputs, values, strict=True), key=lambda pair: -pair[1])
    return [
        Bar(name, score_text(value), round(100 * value, 1), value == top, name in positive)
        for name, value in pairs
    ]


def activated(values: list[float], output: Json) -> list[float]:
    """Probabilities of declared logits; probabilities stay as they are."""
    if output.get("kind") != "logits":
        return [min(max(value, 0.0), 1.0) for value in values]
    if output.get("activation") == "sigmoid":
        return [1 / (1 + exp(-value)) if value > -700 else 0.0 for value in values]
    top = max(values)
    raised = [exp(value - top) for value in values]
    return [value / sum(raised) for value in raised]


def _bars_note(frozen: Frozen) -> str:
    output = ((frozen.model or {}).get("manifest") or {}).get("output") or {}
    how = "As the model returned it"
    if output.get("kind") == "logits":
        how = f"The model’s logits through {output.get('activation') or 'softmax'}, as declared"
    positive = ", ".join(output.get("positive") or [])
    return f"{how}; not recalibrated." + (f" Present means {positive}." if positive else "")


def _readings(frozen: Frozen, case: Case) -> Sheet:
    """One row for each question, one column for each reader."""
    readers = list(dict.fromkeys(str(row[0]) for row in case.readings))
    given: dict[str, dict[str, list[str]]] = {name: {} for name in frozen.questions}
    for reader, question, score, label in case.readings:
        answers = given.setdefault(str(question), {}).setdefault(str(reader), [])
        answers.append(answer_text(score, label))
    rows = [
        (
            frozen.names.of(question),
            [(reader, "; ".join(by_reader.get(reader, []))) for reader in readers],
        )
        for question, by_reader in given.items()
        if by_reader
    ]
    return Sheet(readers, rows)


def _reading_lines(frozen: Frozen, case: Case) -> Iterator[ReadingLine]:
    """One line of dots for each question that two or more readers answered."""
    by_question: dict[str, list[list[Any]]] = {name: [] for name in frozen.questions}
    for row in case.readings:
        by_question.setdefault(str(row[1]), []).append(row)
    for question, rows in by_question.items():
        values = [
            str(value) for value in (frozen.questions.get(question) or {}).get("values") or []
        ]
        answers = [
            (str(reader), place)
            for reader, _, score, label in rows
            if (place := _place(values, score, label)) is not None
        ]
        if len(answers) > 1:
            asked = frozen.names.of(question)
            yield ReadingLine(asked, case_charts.readings_line(asked, values, answers))


def _place(values: list[str], score: float | None, label: str | None) -> float | None:
    answer = answer_text(score, label)
    if values:
        return float(values.index(answer)) if answer in values else None
    return None if score is None else float(score)


def _named_by(frozen: Frozen, door: Door, case: Case) -> list[Json]:
    return [
        {"finding": finding, "url": door.cases(finding=finding["id"])}
        for _, finding in frozen.findings
        if case.case_id in finding["cases"]
    ]
