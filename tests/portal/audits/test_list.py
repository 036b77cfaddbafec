"""The list of audits."""

from collections.abc import Callable
from typing import Any

from django.urls import reverse

from portal.audits.planning import move, stop_audit
from portal.audits.states import AuditState
from portal.reports.actions import seal
from tests.portal.people import signed_in, text

Make = Callable[..., Any]


def test_an_empty_list_says_what_belongs_there(make_team: Make, make_member: Make) -> None:
    team = make_team("Neuro")
    url = reverse("audits:audits", args=[team.slug])
    mine = text(signed_in(team.owner).get(url))
    assert "No audit yet" in mine
    assert reverse("audits:new", args=[team.slug]) in mine
    theirs = text(signed_in(make_member(team, "viewer")).get(url))
    assert "No audit yet" in theirs
    assert reverse("audits:new", args=[team.slug]) not in theirs


def test_filters_and_what_each_row_says(make_team: Make, make_audit: Make) -> None:
    team = make_team("Neuro")
    sealed = make_audit(team, title="The sealed one")
    stopped = make_audit(team, cohort=sealed.cohort_version, title="The other")
    move(sealed, AuditState.WAITING, AuditState.RUNNING)
    content = {"headline": {"verdict_sentence": "Misses two tumours in three."}}
    seal(sealed, {"schema": 1, "verdict": "fail"}, content)
    stop_audit(actor=team.owner, audit=stopped)
    client, url = signed_in(team.owner), reverse("audits:audits", args=[team.slug])
    both = text(client.get(url))
    assert "Misses two tumours in three." in both
    assert "look 2" in both
    assert "The other" not in text(client.get(url, {"verdict": "fail"}))
    assert "The sealed one" not in text(client.get(url, {"state": "stopped"}))
    assert "No audit is like that" in text(client.get(url, {"state": "running"}))
    assert "The other" in text(client.get(url, {"state": "no such state"}))


def test_a_stranger_finds_nothing(make_team: Make, make_user: Make) -> None:
    team = make_team("Neuro")
    url = reverse("audits:audits", args=[team.slug])
    assert signed_in(make_user("stranger")).get(url).status_code == 404
