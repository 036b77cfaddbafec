"""/t/<team>/settings/: people and roles"""

import re
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from portal.accounts.models import Membership, User
from portal.trail.models import TrailEvent
from tests.portal.people import text


def page(team: Any) -> str:
    return reverse("accounts:team-settings", args=[team.slug])


def test_owner_sees_people_and_what_roles_may(team: Any, as_owner: Client) -> None:
    shown = text(as_owner.get(page(team)))

    assert team.owner.email in shown
    assert "hand in a model or predictions" in shown
    assert "Add a person" in shown


def test_a_mate_reads_but_changes_nothing(team: Any, as_viewer: Client) -> None:
    shown = text(as_viewer.get(page(team)))
    added = as_viewer.post(
        reverse("accounts:person-add", args=[team.slug]),
        {"email": "x@example.org", "role": "owner"},
    )

    assert "Add a person" not in shown
    assert added.status_code == 403
    assert "An owner of the team can change that" in text(added)
    assert not User.objects.filter(email="x@example.org").exists()


@pytest.mark.parametrize("name", ["person-role", "person-remove"])
def test_a_mate_may_not_touch_people(team: Any, as_viewer: Client, name: str) -> None:
    url = reverse(f"accounts:{name}", args=[team.slug, team.owner.pk])

    assert as_viewer.post(url, {"role": "viewer"}).status_code == 403
    assert Membership.objects.get(user=team.owner).role == "owner"


def test_adds_somebody_who_has_an_account(team: Any, as_owner: Client, make_user: Any) -> None:
    mate = make_user("ben")

    form = {"email": "Ben@example.org", "role": "auditor"}
    response = as_owner.post(reverse("accounts:person-add", args=[team.slug]), form, follow=True)

    assert "ben is in Neuro now." in text(response)
    assert Membership.objects.get(team=team, user=mate).role == "auditor"
    mate.refresh_from_db()
    assert mate.check_password("a long password")


def test_makes_an_account_and_shows_its_password_once(team: Any, as_owner: Client) -> None:
    form = {"email": "new@example.org", "name": "New Person", "role": "submitter"}
    response = as_owner.post(reverse("accounts:person-add", args=[team.slug]), form)

    password = response.context["password"]
    assert password in text(response)
    assert "no-store" in response["Cache-Control"]
    assert Client().login(username="new@example.org", password=password)
    assert password not in text(as_owner.get(page(team)))


def test_says_who_is_there_already(team: Any, as_owner: Client) -> None:
    form = {"email": team.owner.email, "role": "viewer"}
    response = as_owner.post(reverse("accounts:person-add", args=[team.slug]), form)

    assert response.status_code == 422
    assert "is in Neuro already" in text(response)
    assert Membership.objects.get(user=team.owner).role == "owner"


def test_changes_a_role_and_removes(team: Any, as_owner: Client, make_member: Any) -> None:
    mate = make_member(team, "viewer")
    as_owner.post(reverse("accounts:person-role", args=[team.slug, mate.pk]), {"role": "auditor"})
    assert Membership.objects.get(user=mate).role == "auditor"

    as_owner.post(reverse("accounts:person-remove", args=[team.slug, mate.pk]))
    assert not Membership.objects.filter(user=mate).exists()


@pytest.mark.parametrize(
    ("name", "form"), [("person-role", {"role": "viewer"}), ("person-remove", {})]
)
def test_the_last_owner_stays(team: Any, as_owner: Client, name: str, form: dict[str, str]) -> None:
    url = reverse(f"accounts:{name}", args=[team.slug, team.owner.pk])

    shown = text(as_owner.post(url, form, follow=True))

    assert "is the only owner of Neuro: make somebody else owner first." in shown
    assert Membership.objects.get(user=team.owner).role == "owner"


def test_a_made_up_role_changes_nothing(team: Any, as_owner: Client) -> None:
    url = reverse("accounts:person-role", args=[team.slug, team.owner.pk])

    assert as_owner.post(url, {"role": "god"}).status_code == 404


def test_a_stranger_sees_nothing(team: Any, as_stranger: Client) -> None:
    assert as_stranger.get(page(team)).status_code == 404


def allow(team: Any) -> str:
    return reverse("accounts:team-allow", args=[team.slug])


def test_an_owner_allows_kinds_of_models_and_the_trail_says_so(team: Any, as_owner: Client) -> None:
    assert not team.allows_endpoints
    assert not team.allows_torchscript
    shown = text(as_owner.get(page(team)))
    assert "they leave this portal" in shown
    assert "runs code that it brings" in shown

    response = as_owner.post(allow(team), {"torchscript": "on"}, follow=True)
    team.refresh_from_db()
    assert (team.allows_torchscript, team.allows_endpoints) == (True, False)
    boxes = re.findall(r'<input type="checkbox" name="(\w+)"([^>]*)>', text(response))
    assert {name: "checked" in rest for name, rest in boxes} == {
        "endpoints": False,
        "torchscript": True,
    }
    as_owner.post(allow(team), {"endpoints": "on"})
    as_owner.post(allow(team), {"endpoints": "on"})  # changes nothing, and so says nothing

    said = TrailEvent.objects.filter(team=team).order_by("pk").values_list("action", flat=True)
    assert list(said)[-3:] == [
        "torchscript allowed",
        "torchscript no longer allowed",
        "endpoints allowed",
    ]


def test_a_mate_sees_what_is_allowed_and_changes_nothing(team: Any, as_viewer: Client) -> None:
    assert "TorchScript: not allowed" in text(as_viewer.get(page(team)))
    assert as_viewer.post(allow(team), {"torchscript": "on"}).status_code == 403
    team.refresh_from_db()
    assert not team.allows_torchscript


def test_a_stranger_finds_no_team(team: Any, as_stranger: Client) -> None:
    assert as_stranger.post(allow(team), {"torchscript": "on"}).status_code == 404
