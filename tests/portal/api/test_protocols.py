"""Protocols through the API: written, locked, never changed."""

from collections.abc import Callable
from typing import Any

import pytest

from portal.audits.models import Protocol
from tests.portal.api.test_access import is_problem

Call = Callable[..., Any]

TEXT = """\
title: Brain MR triage
checks: [discrimination]
limits:
  - {check: discrimination, measure: auroc, value: 0.9, direction: min, origin: pre-registered}
"""


def test_a_protocol_from_its_text(call: Call, owner: str, viewer: str, stranger: str) -> None:
    answer = call("POST", "/protocols", owner, json={"yaml": TEXT})
    assert answer.status_code == 201
    body = answer.json()
    assert (body["name"], body["version"], body["state"]) == ("Brain MR triage", 1, "draft")
    assert body["body"]["limits"][0]["value"] == 0.9
    assert call("GET", f"/protocols/{body['id']}", viewer).json() == body
    assert is_problem(call("GET", f"/protocols/{body['id']}", stranger), "not_found")
    assert call("GET", "/protocols?state=locked", viewer).json()["total"] == 0


def test_a_name_that_exists_gets_its_next_version(call: Call, owner: str) -> None:
    first = call("POST", "/protocols", owner, json={"yaml": TEXT, "lock": True}).json()
    second = call("POST", "/protocols", owner, json={"body": {"title": "Brain MR triage"}}).json()
    assert (first["state"], first["version"], second["version"]) == ("locked", 1, 2)
    assert first["sha256"] != second["sha256"]


def test_locking(call: Call, owner: str, viewer: str, stranger: str) -> None:
    made = call("POST", "/protocols", owner, json={"yaml": TEXT}).json()
    address = f"/protocols/{made['id']}/lock"
    assert is_problem(call("POST", address, viewer), "forbidden")
    assert is_problem(call("POST", address, stranger), "not_found")
    assert call("POST", address, owner).json()["state"] == "locked"
    assert is_problem(call("POST", address, owner), "conflict")


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"yaml": "limits: 3"}, "'limits' must be a list"),
        ({"yaml": "- a"}, "key: value"),
        ({"yaml": "a: [1"}, "YAML"),
        ({}, "empty"),
        ({"body": {"checks": ["telepathy"]}}, "telepathy"),
        ({"yaml": TEXT, "colour": "red"}, "colour"),
    ],
)
def test_what_is_wrong_is_said(call: Call, owner: str, given: dict[str, Any], says: str) -> None:
    answer = call("POST", "/protocols", owner, json=given)
    assert is_problem(answer, "validation")
    assert says in str(answer.json())
    assert not Protocol.objects.exists()


def test_a_viewer_writes_none(call: Call, viewer: str) -> None:
    assert is_problem(call("POST", "/protocols", viewer, json={"yaml": TEXT}), "forbidden")


def test_the_default(call: Call, viewer: str) -> None:
    body = call("GET", "/protocols/default", viewer).json()
    assert body["body"]["is_default"] is True
    assert {limit["origin"] for limit in body["body"]["limits"]} >= {"platform-default"}
