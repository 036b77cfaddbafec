"""Who gets in, and the shape of what everybody else is told."""

import re
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.contrib.staticfiles import finders
from django.test import Client, override_settings
from django.utils import timezone

from portal.accounts.actions import end_token, remove_member
from portal.accounts.models import ApiToken
from portal.api.problems import CODES
from portal.api.root import api

Call = Callable[..., Any]

GETS = ["/me", "/models", "/predictions", "/cohorts", "/uploads", "/audits", "/reports"]
GETS += ["/protocols", "/protocols/default"]


def is_problem(response: Any, code: str) -> bool:
    body = response.json()
    assert set(body) == {"code", "message", "details"}
    assert body["message"]
    assert response.status_code == CODES[code][0]
    return bool(body["code"] == code)


@pytest.mark.parametrize("path", GETS)
def test_lists_need_a_token_and_take_a_viewers(
    call: Call, owner: str, viewer: str, path: str
) -> None:
    answer = call("GET", path)
    assert is_problem(answer, "unauthenticated")
    assert answer["WWW-Authenticate"].startswith("Bearer")
    assert call("GET", path, owner).status_code == 200
    assert call("GET", path, viewer).status_code == 200


def test_a_token_that_expired_ended_or_never_was(call: Call, team: Any, owner: str) -> None:
    token = ApiToken.objects.get(team=team)
    assert is_problem(call("GET", "/me", "plb_never"), "unauthenticated")
    assert is_problem(
        call("GET", "/me", headers={"Authorization": f"Basic {owner}"}), "unauthenticated"
    )
    ApiToken.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
    assert is_problem(call("GET", "/me", owner), "unauthenticated")
    ApiToken.objects.update(expires_at=timezone.now() + timedelta(days=1))
    assert call("GET", "/me", owner).status_code == 200
    end_token(actor=team.owner, token=token)
    assert is_problem(call("GET", "/me", owner), "unauthenticated")


def test_a_person_who_left_the_team(
    call: Call, team: Any, viewer: str, make_team: Callable[..., Any]
) -> None:
    person = ApiToken.objects.get(team=team).user
    remove_member(actor=team.owner, team=team, user=person)
    assert is_problem(call("GET", "/me", viewer), "unauthenticated")


def test_a_session_is_not_enough(call: Call, client: Client, team: Any) -> None:
    client.force_login(team.owner)
    assert is_problem(call("GET", "/me"), "unauthenticated")


def test_me_says_who_and_what_one_may(call: Call, team: Any, owner: str, viewer: str) -> None:
    mine = call("GET", "/me", owner).json()
    assert mine["team"] == {"id": str(team.pk), "name": "Neuro", "slug": "neuro"}
    assert mine["role"] == "owner"
    assert "run_audit" in mine["may"]
    assert mine["token"]["prefix"] == owner[:12]
    theirs = call("GET", "/me", viewer).json()
    assert (theirs["role"], theirs["may"]) == ("viewer", ["view"])


def test_unknown_address_and_method(call: Call, owner: str) -> None:
    assert is_problem(call("GET", "/nowhere", owner), "not_found")
    assert is_problem(call("POST", "/nowhere", owner), "not_found")
    answer = call("DELETE", "/audits", owner)
    assert is_problem(answer, "method_not_allowed")
    assert set(answer["Allow"].split(", ")) == {"GET", "POST"}


def test_a_body_that_is_not_json(call: Call, owner: str) -> None:
    answer = call("POST", "/audits", owner, data="{", content_type="application/json")
    assert is_problem(answer, "bad_request")


@override_settings(DATA_UPLOAD_MAX_MEMORY_SIZE=10)
def test_a_body_that_is_too_large(call: Call, owner: str) -> None:
    answer = call("POST", "/audits", owner, json={"cohort": "x" * 20})
    assert is_problem(answer, "too_large")


def test_a_fault_keeps_its_details_to_itself(
    call: Call, owner: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(*args: Any) -> None:
        raise RuntimeError("the password is swordfish")

    monkeypatch.setattr("portal.api.endpoints.me.role_of", broken)
    answer = call("GET", "/me", owner)
    assert is_problem(answer, "internal")
    assert "swordfish" not in answer.text
    assert answer.json()["details"]["reference"]
    assert "swordfish" in caplog.text


@pytest.mark.parametrize("query", ["limit=0", "limit=201", "offset=-1", "limit=many"])
def test_windows_are_capped(call: Call, owner: str, query: str) -> None:
    answer = call("GET", f"/audits?{query}", owner)
    assert is_problem(answer, "validation")
    assert answer.json()["details"]["fields"][0]["field"].startswith("query.")


def test_the_document_names_every_operation_once(client: Client) -> None:
    document = client.get("/api/v1/openapi.json").json()
    names = [op["operationId"] for item in document["paths"].values() for op in item.values()]
    assert len(names) == len(set(names)) >= 24
    assert document["components"]["securitySchemes"]["TokenAuth"]["scheme"] == "bearer"
    assert api.get_openapi_schema()["info"]["title"] == "Plumbline API"


def test_the_docs_page_asks_nothing_from_elsewhere(client: Client) -> None:
    page = client.get("/api/v1/docs")
    assert page.status_code == 200
    assert "//" not in page.text.replace("<!--", "").lower()
    assert (
        "'unsafe-inline'"
        not in page["Content-Security-Policy"].split("script-src")[1].split(";")[0]
    )


def test_the_docs_list_every_code(repo_root: Path) -> None:
    page = (repo_root / "docs" / "api.md").read_text()
    for code, (status, words) in CODES.items():
        assert f"| `{code}` | {status} | {words} |" in page


def test_the_docs_page_s_files_are_served_from_here(client: Client) -> None:
    page = client.get("/api/v1/docs").text
    names = re.findall(r'(?:src|href)="/static/([^"]+\.(?:js|css))"', page)
    assert len(names) == 4
    assert [name for name in names if finders.find(name) is None] == []
