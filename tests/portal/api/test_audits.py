"""Audits through the API: started once, watched, stopped, taken up again."""

from collections.abc import Callable
from typing import Any
from uuid import uuid4

import pytest
from django.utils import timezone

from portal.audits.models import Audit, Protocol, Shard
from portal.audits.planning import write_protocol
from portal.leases import WorkState
from tests.portal.api.test_access import is_problem

Call = Callable[..., Any]
Make = Callable[..., Any]


@pytest.fixture
def given(team: Any, make_cohort_version: Make, make_model_version: Make) -> dict[str, str]:
    return {
        "cohort": str(make_cohort_version(team).pk),
        "model": str(make_model_version(team).pk),
    }


def test_start_and_look(
    call: Call, given: dict[str, str], owner: str, viewer: str, stranger: str
) -> None:
    answer = call("POST", "/audits", owner, json=given | {"title": "First"})
    assert answer.status_code == 201
    audit = answer.json()
    assert (audit["reference"], audit["title"], audit["look"]) == ("A-0001", "First", 1)
    assert (audit["state"], audit["verdict"], audit["report"]) == ("waiting", None, None)
    found = call("GET", f"/audits/{audit['id']}", viewer).json()
    [predict] = found["progress"]["passes"]
    assert (predict["name"], predict["shards"], predict["done"]) == ("predict", 1, 0)
    assert found["progress"]["total"] == 1 + len(found["progress"]["checks"])
    assert found["progress"]["log"][0]["text"].startswith("Started by")
    assert is_problem(call("GET", f"/audits/{audit['id']}", stranger), "not_found")
    assert call("GET", "/audits?state=waiting", viewer).json()["total"] == 1
    assert call("GET", "/audits?verdict=fail", viewer).json()["total"] == 0


def test_who_may_start(call: Call, given: dict[str, str], viewer: str, stranger: str) -> None:
    assert is_problem(call("POST", "/audits", viewer, json=given), "forbidden")
    answer = call("POST", "/audits", stranger, json=given)
    assert is_problem(answer, "not_found")  # the cohort is not theirs to see
    assert not Audit.objects.exists()


def test_the_same_key_starts_one_audit(call: Call, given: dict[str, str], owner: str) -> None:
    headers = {"Idempotency-Key": "night-run-17"}
    first = call("POST", "/audits", owner, json=given, headers=headers)
    again = call("POST", "/audits", owner, json=given, headers=headers)
    assert (first.status_code, again.status_code) == (201, 200)
    assert first.json()["id"] == again.json()["id"]
    other = call("POST", "/audits", owner, json=given | {"title": "Other"}, headers=headers)
    assert is_problem(other, "idempotency_mismatch")
    assert call("POST", "/audits", owner, json=given).json()["look"] == 2
    assert Audit.objects.count() == 2


def test_a_request_that_failed_leaves_its_key_free(
    call: Call, given: dict[str, str], owner: str
) -> None:
    headers = {"Idempotency-Key": "k"}
    wrong = given | {"model": str(uuid4())}
    assert is_problem(call("POST", "/audits", owner, json=wrong, headers=headers), "not_found")
    assert call("POST", "/audits", owner, json=given, headers=headers).status_code == 201


def test_what_cannot_be_started(
    call: Call, team: Any, given: dict[str, str], owner: str, make_cohort_version: Make
) -> None:
    draft = write_protocol(actor=team.owner, team=team, name="P", body={"title": "P"})
    unsealed = make_cohort_version(team, sealed=False, n=4)
    cases = [
        (given | {"protocol": str(draft.pk)}, "lock it"),
        (given | {"cohort": str(unsealed.pk)}, "seal it"),
        ({"model": given["model"]}, "cohort"),
        (given | {"models": "x"}, "models"),
        (given | {"cohort": "seven"}, "cohort"),
    ]
    for body, says in cases:
        answer = call("POST", "/audits", owner, json=body)
        assert is_problem(answer, "validation"), body
        assert says in str(answer.json())


def test_not_both_model_and_predictions(
    call: Call, team: Any, given: dict[str, str], owner: str, make_predictions: Make
) -> None:
    both = given | {"predictions": str(make_predictions(team).pk)}
    answer = call("POST", "/audits", owner, json=both)
    assert is_problem(answer, "validation")
    assert "not both" in answer.json()["message"]


def test_foreign_cohorts_are_named_or_refused_in_words(
    call: Call, team: Any, given: dict[str, str], owner: str, make_cohort_version: Make,
    make_team: Make,
) -> None:  # fmt: skip
    ct, dev = make_cohort_version(team, n=4), make_cohort_version(team, n=5)
    theirs = make_cohort_version(make_team("Elsewhere"), n=4)
    far = {"cohort": str(ct.pk), "kind": "far"}
    more = given | {"foreign": [far], "reference": str(dev.pk)}
    audit = call("POST", "/audits", owner, json=more).json()
    found = call("GET", f"/audits/{audit['id']}", owner).json()
    assert [(row["cohort"], row["role"], row["kind"]) for row in found["beside"]] == [
        (str(ct.pk), "foreign", "far"), (str(dev.pk), "reference", None),
    ]  # fmt: skip
    passes = [(row["name"], row["cohort"]) for row in found["progress"]["passes"]]
    assert passes[0] == ("predict", "")
    assert ("predict", "Test cohort of 4") in passes
    assert "ood-detection" in {check["id"] for check in found["progress"]["checks"]}

    before = Audit.objects.count()
    for body, code, says in (
        (given | {"foreign": [far | {"cohort": str(theirs.pk)}]}, "not_found", str(theirs.pk)),
        (given | {"foreign": [far], "reference": str(theirs.pk)}, "not_found", str(theirs.pk)),
        (given | {"foreign": [far | {"kind": "odd"}]}, "validation", "near"),
        (given | {"foreign": [{"cohort": far["cohort"]}]}, "validation", "kind"),
        (given | {"foreign": [far, far]}, "validation", "chosen twice"),
        (given | {"foreign": [far | {"cohort": given["cohort"]}]}, "validation", "audited"),
        (given | {"reference": str(dev.pk)}, "validation", "looks at a reference cohort"),
        (more | {"model": None}, "validation", "choose a model"),
    ):
        answer = call("POST", "/audits", owner, json=body)
        assert is_problem(answer, code), body
        assert says in str(answer.json())
    assert Audit.objects.count() == before


def test_stop_and_resume(
    call: Call, given: dict[str, str], owner: str, viewer: str, stranger: str
) -> None:
    audit_id = call("POST", "/audits", owner, json=given).json()["id"]
    stop, resume = f"/audits/{audit_id}/stop", f"/audits/{audit_id}/resume"
    for address in (stop, resume):
        assert is_problem(call("POST", address, viewer), "forbidden")
        assert is_problem(call("POST", address, stranger), "not_found")
    assert is_problem(call("POST", resume, owner), "conflict")
    assert call("POST", stop, owner).json()["state"] == "stopped"
    assert is_problem(call("POST", stop, owner), "conflict")
    assert call("POST", resume, owner).json()["state"] == "waiting"


def test_progress_speaks_of_retries(call: Call, given: dict[str, str], owner: str) -> None:
    audit_id = call("POST", "/audits", owner, json=given).json()["id"]
    Shard.objects.update(state=WorkState.RUNNING, attempts=2, n_done=3, started_at=timezone.now())
    progress = call("GET", f"/audits/{audit_id}", owner).json()["progress"]
    assert progress["passes"][0]["retried"] == 1
    assert progress["notes"][0]["claim"] == "Shard predict/0 was retried."
    assert not Protocol.objects.exists()
