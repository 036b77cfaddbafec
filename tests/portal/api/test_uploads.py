"""Handing in through the API, and following it."""

from collections.abc import Callable
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import override_settings

from portal.blobs import store
from portal.blobs.models import Blob
from portal.intake.models import Upload
from portal.leases import WorkState
from portal.trail.models import TrailEvent
from tests.portal.api.test_access import is_problem

Call = Callable[..., Any]


def zipped(content: bytes = b"PK not really") -> dict[str, Any]:
    return {"file": SimpleUploadedFile("thing.zip", content, "application/zip")}


@pytest.mark.parametrize(
    ("path", "kind"),
    [("/models", "model"), ("/cohorts", "cohort"), ("/predictions", "predictions")],
)
def test_what_is_pushed_is_kept_and_rung_for(
    call: Call, team: Any, owner: str, path: str, kind: str
) -> None:
    answer = call("POST", path, owner, data=zipped())
    assert answer.status_code == 202
    body = answer.json()
    assert (body["kind"], body["state"], body["accepted"]) == (kind, "waiting", None)
    upload = Upload.objects.get(pk=body["id"])
    assert upload.team == team
    assert upload.file_name == "thing.zip"
    assert store.read_bytes(upload.blob) == b"PK not really"
    assert TrailEvent.objects.filter(action=f"{kind} handed in", actor=team.owner).exists()


def test_a_cohort_can_stay_a_draft(call: Call, owner: str) -> None:
    body = call("POST", "/cohorts", owner, data=zipped() | {"seal": "false"}).json()
    assert Upload.objects.get(pk=body["id"]).seal is False


@pytest.mark.parametrize("path", ["/models", "/cohorts", "/predictions"])
def test_a_viewer_is_refused_before_a_byte_is_kept(call: Call, viewer: str, path: str) -> None:
    answer = call("POST", path, viewer, data=zipped())
    assert is_problem(answer, "forbidden")
    assert "viewer" in answer.json()["message"]
    assert not Upload.objects.exists()
    assert not Blob.objects.exists()


def test_nothing_and_too_much(call: Call, owner: str) -> None:
    assert is_problem(call("POST", "/models", owner, data={}), "validation")
    assert is_problem(call("POST", "/models", owner, data=zipped(b"")), "validation")
    with override_settings(UPLOAD_MAX_BYTES=1000):
        answer = call("POST", "/models", owner, data=zipped(b"x" * 2000))
    assert is_problem(answer, "too_large")
    assert answer.json()["details"] == {"most_bytes": 1000}
    assert not Upload.objects.exists()


def test_how_the_reading_goes(call: Call, owner: str, viewer: str, stranger: str) -> None:
    upload_id = call("POST", "/models", owner, data=zipped()).json()["id"]
    assert is_problem(call("GET", f"/uploads/{upload_id}", stranger), "not_found")
    assert call("GET", "/uploads", viewer).json()["total"] == 1
    refusal = {"code": "pickle_refused", "message": "It would run code.", "file": "w.pt"}
    Upload.objects.update(state=WorkState.DONE, refusals=[refusal], progress_done=3)
    body = call("GET", f"/uploads/{upload_id}", viewer).json()
    assert body["accepted"] is False
    assert body["refusals"] == [refusal | {"row": None}]
    assert body["progress"]["done"] == 3
    Upload.objects.update(refusals=[])
    assert call("GET", f"/uploads/{upload_id}", viewer).json()["accepted"] is True


def test_a_refused_model_gives_no_id_to_audit(
    call: Call, team: Any, owner: str, make_model_version: Callable[..., Any]
) -> None:
    upload_id = call("POST", "/models", owner, data=zipped()).json()["id"]
    version = make_model_version(team)
    Upload.objects.update(state=WorkState.DONE, model_version=version)
    assert call("GET", f"/uploads/{upload_id}", owner).json()["model"] == str(version.pk)
    Upload.objects.update(refusals=[{"code": "pickle_refused", "message": "No."}])
    assert call("GET", f"/uploads/{upload_id}", owner).json()["model"] is None
