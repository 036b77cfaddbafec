"""Pictures of cases as tiles, and the wrong answers with the scores furthest from right."""

from dataclasses import dataclass

from portal.reports.cases import Query, find
from portal.reports.doors import Door
from portal.reports.frozen import Case, Frozen, Outcome
from portal.reports.readings import About, Answer, answers
from portal.ui import numbers

_PER_ROW = 6
_TINY = 0.001  # three decimals cannot tell a smaller score from none


@dataclass(frozen=True)
class Tile:
    case: Case
    url: str
    image_url: str
    score: str
    answers: list[Answer]  # of the readers to one question
    box: tuple[float, float, float, float] | None = None  # top, left, height, width; of 100


@dataclass(frozen=True)
class GalleryRow:
    title: str
    total: int
    url: str
    tiles: list[Tile]
    which: str  # of all of them are shown
    aside: str = ""  # what the measures count besides


def rows(frozen: Frozen, door: Door) -> list[GalleryRow]:
    """Misses and false alarms, the most confident first; then what has no score to be wrong."""
    if frozen.threshold is None:
        return []
    misses = sum(case.counts_as_miss for case in frozen.cases)
    alarms = sum(case.counts_as_alarm for case in frozen.cases)
    found = [
        _row(frozen, door, "missed", "Missed", "with the lowest score", besides(misses, "missed")),
        _row(
            frozen, door, "false-alarm", "False alarms", "with the highest score",
            besides(alarms, "a false alarm", "false alarms"),
        ),
    ]  # fmt: skip
    if misses + alarms:
        title = frozen.word(Outcome.FAILED)
        found.append(_row(frozen, door, "counted-wrong", title, "", ""))
    return found


def besides(n: int, one: str, several: str = "") -> str:
    """
    >>> besides(5, "missed"), besides(1, "a false alarm", "false alarms"), besides(0, "missed")
    ('5 without a score count as missed', '1 without a score counts as a false alarm', '')
    """
    if not n:
        return ""
    counts = f"counts as {one}" if n == 1 else f"count as {several or one}"
    return f"{numbers.count(n)} without a score {counts}"


def _row(frozen: Frozen, door: Door, kind: str, title: str, which: str, aside: str) -> GalleryRow:
    query = Query(filter=kind)
    found = find(frozen, query)
    shown = found[:_PER_ROW]
    return GalleryRow(
        title=title,
        total=len(found),
        url=door.cases(filter=kind) if found else "",
        tiles=[tile(frozen, door, case, query.as_query()) for case in shown],
        which=f"{len(shown)} of {numbers.count(len(found))} {which}".strip() if shown else "",
        aside=aside,
    )


def tile(
    frozen: Frozen, door: Door, case: Case, query: dict[str, str], of: About | None = None
) -> Tile:
    """`of`: the question whose answers are shown, and the reader to be marked."""
    return Tile(
        case=case,
        url=door.case(case.case_id, query),
        image_url=door.image(case.picture) if case.picture else "",
        score=score_text(case.score),
        answers=answers(case, of) if of else [],
    )


def score_text(score: float | None) -> str:
    """Three decimals; what is exactly none or all is written as 0 or 1, and nothing else.

    >>> [score_text(x) for x in (None, 0.0, 1e-9, 0.0009, 0.001, 0.02, 0.9995, 1.0)]
    ['', '0', '< 0.001', '< 0.001', '0.001', '0.020', '> 0.999', '1']
    """
    if score is None:
        return ""
    if score in (0, 1):
        return f"{score:.0f}"
    if 0 < score < _TINY:
        return "< 0.001"
    if 1 - _TINY < score < 1:
        return "> 0.999"
    return numbers.decimal(score)
