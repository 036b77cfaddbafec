"""What the model saw of each corruption of a report: one case, as it is and at every severity.

Which case is frozen in the report; the pictures are made by a worker when somebody asks, and are
no part of it.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from ml.corruptions.registry import SEVERITIES
from ml.engine.plan import takes_pictures
from ml.imaging.seen import MOST_SIDE
from portal.audits.models import Audit
from portal.leases import FINAL
from portal.reports.doors import Door
from portal.reports.frozen import Frozen, Json
from portal.reports.gallery import score_text
from portal.reports.stress import CURVES, ordered
from portal.seen.access import worsened_of
from portal.seen.models import Worsened
from portal.ui import numbers


@dataclass(frozen=True)
class Shown:
    """One picture: a case at a severity, and what the model answered there."""

    severity: int
    value: str  # of the parameter; "" of the image as it is
    url: str
    alt: str
    score: str
    is_right: bool | None  # None where masks are made: nothing is right or wrong
    is_too_much: bool  # the first severity that is shown to be


@dataclass(frozen=True)
class Strip:
    title: str
    parameter: str
    first_too_much: int | None
    case_id: str
    case_url: str
    pictures: list[Shown] = field(default_factory=list)
    refusal: str = ""  # why there are none


@dataclass(frozen=True)
class Gallery:
    """What a page shows of it; without a row nobody has asked yet."""

    door: Door
    finding_name: str
    n: int  # corruptions that can be shown
    row: Worsened | None
    strips: list[Strip]
    width: int | None  # of a picture in pixels, where the model's input has a fixed size
    height: int | None
    is_reduced: bool  # drawn smaller than the model was given it
    of_volumes: bool = False  # each picture is the middle slice of one
    of_masks: bool = False  # a score is a Dice
    has_outlines: bool = False  # what the model and the reference mark is drawn
    other_engine: str = ""  # that drew them, where the audit ran with another one

    @property
    def is_over(self) -> bool:
        return self.row is not None and self.row.state in FINAL


def wanted(frozen: Frozen) -> list[tuple[str, str]]:
    """Corruption and case of every strip, in the order in which they are shown."""
    return [(panel["corruption"], panel["shown"]["case"]) for panel in _panels(frozen)]


def of(frozen: Frozen, door: Door, audit: Audit) -> Gallery | None:
    """None where the report has no corruptions, or was sealed before it named cases of them."""
    panels = list(_panels(frozen))
    if not panels:
        return None
    # Paper holds what was sealed, and a link without images none: neither asks for the pictures.
    row = worsened_of(audit) if door.worsened(0, 0) else None
    if door.is_shared and row is not None and not row.strips:
        row = None  # how far the team's worker is, is no concern of a reader outside
    width, height = _size(frozen)
    made_by = row.engine if row else ""
    return Gallery(
        door=door,
        finding_name=frozen.finding_name,
        n=len(panels),
        row=row,
        strips=list(_strips(frozen, door, panels, row)) if row and row.strips else [],
        width=min(width, MOST_SIDE) if width else None,
        height=min(height, MOST_SIDE) if height else None,
        is_reduced=max(width or 0, height or 0) > MOST_SIDE,
        of_volumes=not takes_pictures((frozen.model or {}).get("manifest") or {}),
        of_masks=frozen.of_masks,
        has_outlines=row is not None and any(strip.get("outlined") for strip in row.strips),
        other_engine=made_by if made_by != _engine(frozen) else "",
    )


def _panels(frozen: Frozen) -> Iterator[Json]:
    """Of masks those of the first structure: a corruption looks the same to all of them."""
    curves = [
        series
        for check in frozen.checks
        for series in check.get("series") or []
        if series["kind"] == CURVES
    ]
    for series in curves[:1]:
        yield from (panel for panel in ordered(series["panels"]) if panel.get("shown"))


def _strips(frozen: Frozen, door: Door, panels: list[Json], row: Worsened) -> Iterator[Strip]:
    """The row may have been asked for in another order, so each strip is found by its name."""
    places = {corruption: at for at, (corruption, _) in enumerate(row.wanted)}
    for panel in panels:
        at = places.get(panel["corruption"])
        if at is None:
            continue
        made, case_id = row.strips[at], row.wanted[at][1]
        yield Strip(
            title=panel["title"],
            parameter=panel["parameter"],
            first_too_much=panel["first_too_much"],
            case_id=case_id,
            case_url=door.case(case_id) if case_id in frozen.by_id else "",
            pictures=list(_shown(door, panel, at)) if made["pictures"] else [],
            refusal=made["message"],
        )


def _shown(door: Door, panel: Json, at: int) -> Iterator[Shown]:
    case = panel["shown"]
    for severity in range(SEVERITIES + 1):
        value = _value(panel["rows"][severity - 1]["value"]) if severity else ""
        how = f"severity {severity}, {panel['parameter']} {value}" if severity else "as it is"
        yield Shown(
            severity=severity,
            value=value,
            url=door.worsened(at, severity),
            alt=f"Case {case['case']}, {panel['title']}: {how}",
            score=_score(case, severity),
            is_right=case["right"][severity] if "right" in case else None,
            is_too_much=severity == panel["first_too_much"],
        )


def _score(case: Json, severity: int) -> str:
    """What the model answered, or how far its mask overlaps the reference."""
    return (
        numbers.decimal(case["dice"][severity])
        if "dice" in case
        else score_text(case["scores"][severity])
    )


def _value(value: float) -> str:
    return f"{value:g}".replace("-", numbers.MINUS)


def _size(frozen: Frozen) -> tuple[int | None, int | None]:
    """Width and height of the model's input; None each where it takes pictures of any size."""
    size: Any = (((frozen.model or {}).get("manifest") or {}).get("input") or {}).get("size")
    if isinstance(size, int):
        return size, size
    return (size[1], size[0]) if isinstance(size, list) and len(size) == 2 else (None, None)


def _engine(frozen: Frozen) -> str:
    return str((frozen.audit.get("engine") or {}).get("version") or "")
