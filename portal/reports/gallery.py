"""Pictures of cases as tiles, and the wrong ones that the model was surest of."""

from dataclasses import dataclass

from portal.reports.cases import Query, find
from portal.reports.doors import Door
from portal.reports.frozen import Case, Frozen
from portal.ui import numbers

_PER_ROW = 6
_TINY = 0.0005  # a score that three decimals would show as 0.000


@dataclass(frozen=True)
class Tile:
    case: Case
    url: str
    image_url: str
    score: str
    answers: str  # of the readers to the first question, as they were given


@dataclass(frozen=True)
class GalleryRow:
    title: str
    total: int
    url: str
    tiles: list[Tile]


def rows(frozen: Frozen, door: Door) -> list[GalleryRow]:
    """Misses, then false alarms; the most confident first."""
    if frozen.threshold is None:
        return []
    return [
        _row(frozen, door, "missed", "Missed"),
        _row(frozen, door, "false-alarm", "False alarms"),
    ]


def _row(frozen: Frozen, door: Door, kind: str, title: str) -> GalleryRow:
    query = Query(filter=kind)
    found = find(frozen, query)
    return GalleryRow(
        title=title,
        total=len(found),
        url=door.cases(filter=kind) if found else "",
        tiles=[tile(frozen, door, case, query.as_query()) for case in found[:_PER_ROW]],
    )


def tile(frozen: Frozen, door: Door, case: Case, query: dict[str, str]) -> Tile:
    return Tile(
        case=case,
        url=door.case(case.case_id, query),
        image_url=door.image(case.picture) if case.picture else "",
        score=score_text(case.score),
        answers=_answers(frozen, case),
    )


def _answers(frozen: Frozen, case: Case) -> str:
    question = next(iter(frozen.questions), None)
    given = [answer_text(row[2], row[3]) for row in case.readings if row[1] == question]
    return ", ".join(given)


def answer_text(score: float | None, label: str | None) -> str:
    """What a reader answered, as it was written."""
    if label:
        return str(label)
    return "not given" if score is None else numbers.plain(float(score))


def score_text(score: float | None) -> str:
    """Three decimals, and never a 0.000 or 1.000 that is not exact."""
    if score is None:
        return ""
    if 0 < score < _TINY:
        return "< 0.001"
    if 1 - _TINY < score < 1:
        return "> 0.999"
    return numbers.decimal(score)
