"""An event of the trail as people read it: its details in words, its page if there is one."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.urls import reverse

from portal.accounts.models import Team
from portal.cohorts.models import CohortVersion
from portal.trail.models import TrailEvent
from portal.ui import numbers

# kind of thing -> the page that shows it
PAGES = {
    "modelversion": "registry:version",
    "predictions": "registry:predictions",
    "cohortversion": "cohorts:version",
    "upload": "intake:upload",
    "protocol": "audits:protocol",
    "audit": "audits:audit",
    "report": "reports:report",
}


@dataclass(frozen=True)
class Detail:
    name: str
    text: str
    is_hash: bool


@dataclass(frozen=True)
class Line:
    """An event and, where there still is such a page, its address."""

    event: TrailEvent
    url: str

    @property
    def details(self) -> list[Detail]:
        return [
            Detail(name.replace("_", " "), _text(value), name.endswith("sha256"))
            for name, value in self.event.detail.items()
        ]


def lines(team: Team, events: Iterable[TrailEvent]) -> list[Line]:
    shown = list(events)
    drafts = {event.object_id for event in shown if event.object_type == "cohortversion"}
    kept = CohortVersion.objects.filter(pk__in=drafts).values_list("pk", flat=True)
    gone = drafts - {str(pk) for pk in kept}  # a discarded draft leaves no page behind
    return [
        Line(event, "" if event.object_id in gone else _address(team, event)) for event in shown
    ]


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return ", ".join(_text(part) for part in value)
    try:
        return numbers.when(datetime.fromisoformat(value))
    except (TypeError, ValueError):
        return str(value)


def _address(team: Team, event: TrailEvent) -> str:
    page = PAGES.get(event.object_type)
    return reverse(page, args=[team.slug, event.object_id]) if page else ""
