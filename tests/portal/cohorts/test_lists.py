"""/t/<team>/cohorts/ and the page of one cohort"""

from collections.abc import Callable
from typing import Any

from django.test import Client
from django.urls import reverse

from portal.cohorts.actions import discard_draft
from tests.portal.people import text


def url(team: Any) -> str:
    return reverse("cohorts:cohorts", args=[team.slug])


def test_lists_versions_with_state_and_counts(
    team: Any, as_viewer: Client, make_cohort_version: Callable[..., Any]
) -> None:
    version = make_cohort_version(team, n=8, readings=True)

    shown = text(as_viewer.get(url(team)))

    assert "Test cohort of 8, version 1" in shown
    assert "Sealed" in shown
    assert '<td class="r" data-label="Readings">24</td>' in shown  # three readers, eight cases
    assert "New version" not in shown
    assert "Version 1" in text(as_viewer.get(version.cohort.get_absolute_url()))


def test_an_empty_list_says_what_belongs_here(team: Any, as_owner: Client) -> None:
    shown = text(as_owner.get(url(team)))

    assert "No cohort yet" in shown
    assert reverse("intake:hand-in", args=[team.slug]) + "?kind=cohort" in shown


def test_a_cohort_whose_only_draft_was_discarded_still_has_a_page(
    team: Any, as_owner: Client, make_cohort_version: Callable[..., Any]
) -> None:
    draft = make_cohort_version(team, sealed=False)
    page = draft.cohort.get_absolute_url()
    discard_draft(actor=team.owner, version=draft)

    assert "Its draft was discarded." in text(as_owner.get(page))


def test_a_stranger_sees_nothing(
    team: Any, as_stranger: Client, make_cohort_version: Callable[..., Any]
) -> None:
    version = make_cohort_version(team)

    assert as_stranger.get(url(team)).status_code == 404
    assert as_stranger.get(version.cohort.get_absolute_url()).status_code == 404
