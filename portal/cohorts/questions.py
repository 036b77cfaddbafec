"""What readers answered, question by question: how often each value, and by how many readers."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from portal.ui import numbers
from portal.ui.names import readable

Json = Mapping[str, Any]
MOST_VALUES = 12  # of a question without declared values that are drawn one by one
BINS = 8
FEW = 10  # below: counts only


@dataclass(frozen=True)
class Question:
    id: str
    scale: str
    n_readings: int
    n_cases: int
    per_case: tuple[tuple[int, int], ...]  # (readings, cases that have so many), most first
    series: dict[str, Any] | None  # for the chart; None: nobody answered


def questions(catalogue: Json) -> list[Question]:
    answers: dict[str, list[Json]] = {}
    for reading in catalogue["readings"]:
        answers.setdefault(reading["question"] or "", []).append(reading)
    declared = in_order(catalogue["questions"])
    ids = [*declared, *(name for name in answers if name not in declared)]
    return [_question(name, declared.get(name, {}), answers.get(name, [])) for name in ids]


def in_order(declared: Json) -> dict[str, Any]:
    """As the cohort declared them, the primary one first; stored keys have no order."""
    return dict(sorted(declared.items(), key=lambda item: item[1]["position"]))


def _question(name: str, spec: Json, given: list[Json]) -> Question:
    of_cases = Counter(reading["case_id"] for reading in given)
    per_case = tuple(sorted(Counter(of_cases.values()).items(), reverse=True))
    scale = spec.get("scale") or "nominal"
    # an interval scale declares its ends, not its answers
    named = [] if scale == "interval" else list(spec.get("values") or ())
    values, counts = _distribution(named, given)
    series = None
    if given:
        series = {
            "kind": "rating-distribution",
            "title": _title(values, counts),
            "subtitle": f"{numbers.count(len(given))} readings of "
            f"{numbers.counted(len(of_cases), 'case')}, every reader counted",
            "question": readable(name) or "the case",
            "values": values,
            "counts": counts,
            "readers_per_case": {str(k): n for k, n in per_case},
        }
    return Question(name or "the case", scale, len(given), len(of_cases), per_case, series)


def answer_text(reading: Json) -> str:
    """What was answered, as it was written."""
    if reading.get("label"):
        return str(reading["label"])
    score = reading.get("score")
    return numbers.plain(score) if score is not None else "no answer"


def _distribution(named: list[str], given: list[Json]) -> tuple[list[str], list[int]]:
    said = Counter(_as_declared(reading, named) for reading in given)
    if named:
        values = [*named, *(value for value in said if value not in named)]
        return values, [said[value] for value in values]
    scores = [reading["score"] for reading in given if reading.get("score") is not None]
    if len(said) > MOST_VALUES and len(scores) == len(given):
        return _binned(scores)
    values = sorted(said, key=_natural)
    return values, [said[value] for value in values]


def _as_declared(reading: Json, named: list[str]) -> str:
    """A score is the declared value of the same number, however that is written."""
    score = reading.get("score")
    if reading.get("label") or score is None:
        return answer_text(reading)
    return next((value for value in named if _same_number(value, score)), f"{score:g}")


def _same_number(text: str, score: float) -> bool:
    try:
        return float(text) == score
    except ValueError:
        return False


def _natural(text: str) -> tuple[int, float, str]:
    try:
        return (0, float(text), "")
    except ValueError:
        return (1, 0.0, text)


def _binned(scores: list[float]) -> tuple[list[str], list[int]]:
    low, high = min(scores), max(scores)
    width = (high - low) / BINS
    counts = [0] * BINS
    for score in scores:
        counts[min(int((score - low) / width), BINS - 1)] += 1
    edges = [low + k * width for k in range(BINS + 1)]
    values = [f"{numbers.plain(edges[k])} to {numbers.plain(edges[k + 1])}" for k in range(BINS)]
    return values, counts


def _title(values: list[str], counts: list[int]) -> str:
    total, most = sum(counts), max(counts)
    value = values[counts.index(most)]
    share = f", {numbers.percent(most / total)}" if total >= FEW else ""
    return f"“{value}” is said most often: {numbers.count(most)} of {numbers.count(total)}{share}"
