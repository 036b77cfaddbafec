"""/account/: profile, password, tokens"""

from typing import Any

from django.test import Client
from django.urls import reverse

from portal.accounts.actions import create_token, find_token
from portal.accounts.models import ApiToken
from portal.trail.models import TrailEvent
from tests.portal.people import signed_in, text


def test_name_and_theme_are_kept_and_shown(team: Any, as_owner: Client) -> None:
    response = as_owner.post("/account/", {"name": "Ana Okafor", "theme": "dark"}, follow=True)

    page = text(response)
    assert "Ana Okafor" in page
    assert 'data-theme="dark"' in page
    team.owner.refresh_from_db()
    assert (team.owner.name, team.owner.theme) == ("Ana Okafor", "dark")


def test_an_empty_name_is_said_beside_the_field(team: Any, as_owner: Client) -> None:
    response = as_owner.post("/account/", {"name": "", "theme": "dark"})

    assert response.status_code == 422
    assert 'aria-invalid="true"' in text(response)


def test_changes_the_password_and_stays_signed_in(team: Any, as_owner: Client) -> None:
    form = {"current": "a long password", "new": "quite another phrase"}
    response = as_owner.post("/account/password/", form, follow=True)

    assert response.status_code == 200
    assert "Your password is changed" in text(response)
    team.owner.refresh_from_db()
    assert team.owner.check_password("quite another phrase")
    assert TrailEvent.objects.filter(action="password changed", actor=team.owner).exists()


def test_refuses_a_wrong_or_a_weak_password(team: Any, as_owner: Client) -> None:
    wrong = as_owner.post("/account/password/", {"current": "no", "new": "quite another phrase"})
    weak = as_owner.post("/account/password/", {"current": "a long password", "new": "short"})

    assert "This is not your current password." in text(wrong)
    assert "too short" in text(weak)
    team.owner.refresh_from_db()
    assert team.owner.check_password("a long password")


def test_the_secret_of_a_token_is_shown_once(team: Any, as_owner: Client) -> None:
    form = {"team": str(team.pk), "token_name": "build server", "days": "30"}
    response = as_owner.post("/account/tokens/", form)

    secret = response.context["secret"]
    assert secret in text(response)
    assert "no-store" in response["Cache-Control"]
    found = find_token(secret)
    assert found is not None
    assert found.user == team.owner
    again = text(as_owner.get("/account/"))
    assert secret not in again
    assert "build server" in again


def test_no_token_for_a_team_of_others(make_team: Any, as_owner: Client) -> None:
    other = make_team("Elsewhere")

    form = {"team": str(other.pk), "token_name": "x", "days": "30"}
    response = as_owner.post("/account/tokens/", form)

    assert response.status_code == 422
    assert not ApiToken.objects.exists()


def test_ends_an_own_token_and_nobody_elses(team: Any, as_owner: Client, make_member: Any) -> None:
    mate = make_member(team, "auditor")
    token, secret = create_token(actor=mate, team=team, name="mine")
    url = reverse("accounts:token-end", args=[token.pk])

    assert as_owner.post(url).status_code == 404
    assert find_token(secret) is not None
    assert signed_in(mate).post(url).status_code == 302
    assert find_token(secret) is None
