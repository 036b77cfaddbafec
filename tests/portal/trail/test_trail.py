"""/t/<team>/trail/"""

from collections.abc import Callable
from typing import Any

from django.test import Client
from django.urls import reverse

from portal.cohorts.actions import discard_draft
from portal.trail.actions import record
from portal.trail.links import Line
from portal.trail.models import TrailEvent
from tests.portal.people import text


def url(team: Any) -> str:
    return reverse("trail:trail", args=[team.slug])


def test_every_member_reads_who_did_what(
    team: Any, as_viewer: Client, make_model_version: Callable[..., Any]
) -> None:
    version = make_model_version(team)

    shown = text(as_viewer.get(url(team)))

    assert "Model accepted:" in shown
    assert version.get_absolute_url() in shown
    assert "Team created:" in shown


def test_filters_by_what_happened_and_to_what(team: Any, as_owner: Client) -> None:
    record(team=team, actor=None, action="audit stopped", obj=team)

    by_action = as_owner.get(url(team), {"action": "audit stopped"})
    by_name = as_owner.get(url(team), {"object": "no such thing"})

    assert [line.event.action for line in by_action.context["lines"]] == ["audit stopped"]
    assert "Plumbline" in text(by_action)
    assert "Nothing of this kind happened." in text(by_name)


def test_long_trails_have_pages(team: Any, as_owner: Client) -> None:
    for _ in range(60):
        record(team=team, actor=team.owner, action="looked", obj=team)

    first = as_owner.get(url(team), {"action": "looked"})
    second = as_owner.get(url(team), {"action": "looked", "page": "2"})

    assert len(first.context["lines"]) == 50
    assert "?action=looked&amp;page=2" in text(first)
    assert len(second.context["lines"]) == 10


def test_a_discarded_draft_has_no_page_to_lead_to(
    team: Any, as_owner: Client, make_cohort_version: Callable[..., Any]
) -> None:
    draft = make_cohort_version(team, sealed=False)
    gone = draft.get_absolute_url()
    discard_draft(actor=team.owner, version=draft)

    shown = text(as_owner.get(url(team)))

    assert "Cohort draft discarded:" in shown
    assert gone not in shown


def test_details_are_words(db: None) -> None:
    detail = {
        "with_images": False,
        "codes": ["a", "b"],
        "until": "2026-12-23T21:44:21.368150+00:00",
        "sha256": "f" * 64,
        "look": 2,
    }
    line = Line(TrailEvent(detail=detail), "")

    assert {d.name: d.text for d in line.details} == {
        "with images": "no",
        "codes": "a, b",
        "until": "23 Dec 2026, 21:44 UTC",
        "sha256": "f" * 64,
        "look": "2",
    }


def test_a_stranger_sees_nothing(team: Any, as_stranger: Client) -> None:
    assert as_stranger.get(url(team)).status_code == 404
