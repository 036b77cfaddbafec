"""Nobody outside the team learns that anything is there, by token or by session."""

from datetime import timedelta
from typing import Any

import pytest
from django.test import Client

from portal.accounts.actions import create_token, end_token
from tests.portal.dicomweb.conftest import address
from tests.portal.people import signed_in

BELOW = [
    "/studies/{study}/series", "/studies/{study}/instances", "/studies/{study}/metadata",
    "/studies/{study}", "/studies/{study}/series/{series}/instances",
    "/studies/{study}/series/{series}", "/studies/{study}/series/{series}/metadata",
    "{instance}", "{instance}/metadata", "{instance}/frames/1", "{instance}/bulkdata/pixels",
    "{instance}/rendered",
    "{instance}/frames/1/rendered",
    "/wado?requestType=WADO&studyUID={study}&seriesUID={series}&objectUID={sop}",
]  # fmt: skip


def addresses(root: str) -> list[str]:
    instance = address("CT_small.dcm", "")
    _, _, study, _, series, _, sop = instance.split("/")
    named = {"study": study, "series": series, "instance": instance, "sop": sop}
    return [root + one.format(**named) for one in BELOW]


@pytest.fixture
def stranger(make_team: Any) -> Any:
    return make_team("Elsewhere")


def test_a_stranger_with_a_token_finds_nothing(scans: Any, team: Any, stranger: Any) -> None:
    _, secret = create_token(actor=stranger.owner, team=stranger, name="t")
    client = Client(headers={"Authorization": f"Bearer {secret}"})
    own, foreign = f"/dicomweb/t/{stranger.slug}", f"/dicomweb/t/{team.slug}"
    cohort = f"/cohorts/{scans.pk}"
    roots = ("/dicomweb", foreign, foreign + cohort, own + cohort, own)

    answers = {url: client.get(url).status_code for root in roots for url in addresses(root)}

    assert {url: status for url, status in answers.items() if status != 404} == {}
    assert client.get("/dicomweb/studies").json() == []
    assert client.get(f"/dicomweb/t/{team.slug}/studies").status_code == 404


def test_a_stranger_who_is_signed_in_finds_nothing(scans: Any, team: Any, stranger: Any) -> None:
    client = signed_in(stranger.owner)
    roots = (f"/dicomweb/t/{team.slug}", f"/dicomweb/t/{stranger.slug}/cohorts/{scans.pk}")

    answers = {url: client.get(url).status_code for root in roots for url in addresses(root)}

    assert {url: status for url, status in answers.items() if status != 404} == {}


def test_nobody_gets_in_without_a_token_or_with_an_ended_one(scans: Any, team: Any) -> None:
    token, secret = create_token(actor=team.owner, team=team, name="t")
    end_token(actor=team.owner, token=token)
    ended = Client(headers={"Authorization": f"Bearer {secret}"})
    roots = ("/dicomweb", f"/dicomweb/t/{team.slug}")

    for client in (Client(), ended, Client(headers={"Authorization": "Basic Zm9v"})):
        for url in [one for root in roots for one in addresses(root)]:
            response = client.get(url)
            assert (response.status_code, response.json()["code"]) == (401, "unauthenticated")
            assert response["WWW-Authenticate"].startswith("Bearer")


def test_every_address_serves_the_team(scans: Any, team: Any, program: Client) -> None:
    page = signed_in(team.owner)
    own = f"/dicomweb/t/{team.slug}"

    for client, root in ((program, "/dicomweb"), (program, own), (page, own),
                         (page, f"{own}/cohorts/{scans.pk}")):  # fmt: skip
        answers = {url: client.get(url).status_code for url in addresses(root)}
        assert set(answers.values()) == {200}, answers


def test_a_session_alone_names_no_team(scans: Any, team: Any) -> None:
    assert signed_in(team.owner).get("/dicomweb/studies").status_code == 401


def test_a_viewer_that_asks_often_costs_one_write_of_when_a_token_was_used(
    scans: Any, team: Any
) -> None:
    token, secret = create_token(actor=team.owner, team=team, name="t")
    client = Client(headers={"Authorization": f"Bearer {secret}"})

    client.get("/dicomweb/studies")
    token.refresh_from_db()
    first = token.last_used_at
    client.get("/dicomweb/studies")
    token.refresh_from_db()
    again = token.last_used_at
    type(token).objects.filter(pk=token.pk).update(last_used_at=first - timedelta(minutes=2))
    client.get("/dicomweb/studies")
    token.refresh_from_db()

    assert first is not None
    assert again == first
    assert token.last_used_at > first
