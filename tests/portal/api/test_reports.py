"""Reports through the API: the sealed bytes, unchanged."""

import hashlib
import json
from collections.abc import Callable
from typing import Any

import pytest

from portal.audits.planning import move
from portal.audits.states import AuditState
from portal.reports.actions import seal
from tests.portal.api.test_access import is_problem

Call = Callable[..., Any]


@pytest.fixture
def report(team: Any, make_audit: Callable[..., Any]) -> Any:
    audit = make_audit(team)
    move(audit, AuditState.WAITING, AuditState.RUNNING)
    document = {"schema": 1, "verdict": "caution", "checks": [], "title": "Grün"}
    return seal(audit, document, {"headline": {"verdict_sentence": "Look twice."}})


def test_a_report(call: Call, report: Any, viewer: str, stranger: str) -> None:
    [listed] = call("GET", "/reports", viewer).json()["items"]
    one = call("GET", f"/reports/{report.pk}", viewer).json()
    assert listed == one
    assert (one["verdict"], one["headline"]) == ("caution", "Look twice.")
    assert one["audit"] == str(report.audit_id)
    assert call("GET", "/reports", stranger).json()["total"] == 0
    assert is_problem(call("GET", f"/reports/{report.pk}", stranger), "not_found")
    assert is_problem(call("GET", f"/reports/{report.pk}/audit.json", stranger), "not_found")
    assert is_problem(call("GET", f"/reports/{report.pk}/audit.json"), "unauthenticated")


def test_the_sealed_bytes(call: Call, report: Any, viewer: str) -> None:
    answer = call("GET", f"/reports/{report.pk}/audit.json", viewer)
    digest = hashlib.sha256(answer.content).hexdigest()
    assert digest == report.audit_json_id
    assert answer["ETag"] == f'"{digest}"'
    assert json.loads(answer.content)["title"] == "Grün"


def test_the_audit_names_its_report(call: Call, report: Any, viewer: str) -> None:
    audit = call("GET", f"/audits/{report.audit_id}", viewer).json()
    assert (audit["state"], audit["verdict"]) == ("sealed", "caution")
    assert audit["report"] == str(report.pk)
    assert audit["progress"]["now"] == "sealed"
