"""The list of a version's cases, and the page of one"""

from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from portal.cohorts.models import Case, CohortVersion
from tests.portal.people import text


@pytest.fixture
def version(team: Any, make_cohort_version: Callable[..., Any]) -> CohortVersion:
    made: CohortVersion = make_cohort_version(team, n=6, readings=True)
    return made


def listed(client: Client, version: CohortVersion, **query: str) -> Any:
    return client.get(reverse("cohorts:cases", args=[version.cohort.team.slug, version.pk]), query)


def page(version: CohortVersion, case_id: str) -> str:
    case = Case.objects.get(version=version, case_id=case_id)
    return reverse("cohorts:case", args=[version.cohort.team.slug, case.pk])


@pytest.mark.parametrize(
    ("query", "case_ids"),
    [
        ({}, ["c0", "c1", "c2", "c3", "c4", "c5"]),
        ({"label": "tumour"}, ["c1", "c3", "c5"]),
        ({"label": "-"}, []),
        ({"text": "p1"}, ["c2", "c3"]),
        ({"text": "C4"}, ["c4"]),
        ({"readings": "without"}, []),
        ({"readings": "with", "label": "none"}, ["c0", "c2", "c4"]),
    ],
)
def test_filters(
    version: CohortVersion, as_viewer: Client, query: dict[str, str], case_ids: list[str]
) -> None:
    response = listed(as_viewer, version, **query)

    assert [case.case_id for case in response.context["page"]] == case_ids
    if not case_ids:
        assert "No case fits." in text(response)


def test_a_long_list_keeps_its_filter(
    team: Any, as_viewer: Client, make_cohort_version: Callable[..., Any]
) -> None:
    response = listed(as_viewer, make_cohort_version(team, n=120), label="tumour")

    assert len(response.context["page"]) == 50
    assert "?label=tumour&amp;page=2" in text(response)
    assert "60 of 120 cases" in text(response)


def test_a_case_shows_image_label_readings_and_origin(
    version: CohortVersion, as_viewer: Client
) -> None:
    shown = text(as_viewer.get(page(version, "c1")))
    image = Case.objects.get(version=version, case_id="c1").images.get()

    assert "Case 2 of 6" in shown
    assert "tumour, the finding" in shown
    assert reverse("cohorts:image", args=[version.cohort.team.slug, image.pk]) in shown
    assert image.blob_id in shown
    assert version.sha256 in shown
    assert all(f"<td>r{reader}</td>" in shown for reader in range(3))


def test_neighbours_follow_the_order_of_the_table(
    version: CohortVersion, as_viewer: Client
) -> None:
    first = text(as_viewer.get(page(version, "c0")))
    middle = text(as_viewer.get(page(version, "c2")))

    assert 'rel="prev"' not in first
    assert f'rel="prev" href="{page(version, "c1")}"' in middle
    assert f'rel="next" href="{page(version, "c3")}"' in middle


def test_a_made_up_image_shows_the_first(version: CohortVersion, as_viewer: Client) -> None:
    response = as_viewer.get(page(version, "c1"), {"image": "nonsense"})

    assert response.context["image"].position == 0


def test_a_stranger_sees_nothing(version: CohortVersion, as_stranger: Client) -> None:
    assert listed(as_stranger, version).status_code == 404
    assert as_stranger.get(page(version, "c1")).status_code == 404
