"""The page of one upload, its progress, and trying again"""

from pathlib import Path
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from ml.evidence.intake_record import sealed
from ml.intake.model import read_model
from ml.sandbox.results import ResultError
from portal.blobs import store
from portal.intake import actions
from portal.intake.models import Upload, UploadKind
from portal.leases import claim
from portal.registry.models import ModelVersion
from tests.ml.intake.build import QUIET, model_folder
from tests.portal.people import signed_in, text

REFUSAL = {
    "code": "label_class", "message": "The label gliom is no class.", "file": "cases.csv", "row": 4
}  # fmt: skip


@pytest.fixture
def upload(team: Any) -> Upload:
    return actions.hand_in(
        actor=team.owner,
        team=team,
        kind=UploadKind.MODEL,
        file_name="lung.pt",
        blob=store.put_bytes(b"x"),
    )


def progress(upload: Upload) -> str:
    return reverse("intake:progress", args=[upload.team.slug, upload.pk])


def retry(upload: Upload) -> str:
    return reverse("intake:retry", args=[upload.team.slug, upload.pk])


def refuse(upload: Upload, *refusals: dict[str, Any]) -> None:
    fence = claim(Upload, upload.pk)
    assert fence is not None
    actions.refuse(upload, fence, refusals or (REFUSAL,), ["reading cases.csv"])


def test_asks_again_while_it_is_read(upload: Upload, as_viewer: Client) -> None:
    waiting = text(as_viewer.get(progress(upload)))
    Upload.objects.filter(pk=upload.pk).update(
        state="running", progress="reading images", progress_done=20, progress_total=60
    )
    running = text(as_viewer.get(progress(upload)))

    assert "Waiting for a worker" in waiting
    assert "data-live-url" in waiting
    assert "Reading images" in running
    assert "20 of 60" in running


def test_a_refusal_names_file_row_and_code(upload: Upload, as_viewer: Client) -> None:
    refuse(upload)

    page = text(as_viewer.get(upload.get_absolute_url()))
    fragment = text(as_viewer.get(progress(upload)))

    assert "cases.csv</span>, row 4" in page
    assert "The label gliom is no class." in page
    assert "label_class" in page
    assert "reading cases.csv" in page
    assert "data-live-url" not in fragment
    assert 'data-live-done="reload"' in fragment


def test_a_lone_file_is_called_as_it_was_handed_in(upload: Upload) -> None:
    stored = {"code": "pickle_refused", "message": "No.", "file": f"{upload.blob_id}.pt"}
    refuse(upload, stored)

    upload.refresh_from_db()
    assert upload.refusals[0]["file"] == "lung.pt"
    assert ModelVersion.objects.get().refusals == upload.refusals


FILE = {"name": "m.onnx", "sha256": "0" * 64, "path": f"files/{'0' * 64}"}


def test_a_network_without_its_manifest_is_refused(upload: Upload, tmp_path: Path) -> None:
    fence = claim(Upload, upload.pk)
    assert fence is not None

    told: dict[str, Any] = {"manifest": None, "manifest_sha256": None, "sha256": "0" * 64}
    told |= {"card": sealed({"format": "onnx"}), "files": [FILE]}
    actions.accept(upload, fence, told, tmp_path, [])

    upload.refresh_from_db()
    assert upload.refusals[0]["code"] == "manifest_missing"


def test_a_file_that_is_not_what_its_name_says_is_not_taken(upload: Upload, tmp_path: Path) -> None:
    fence = claim(Upload, upload.pk)
    assert fence is not None
    out = tmp_path / "out"
    out.mkdir()
    told = read_model(model_folder(tmp_path / "m"), out, QUIET)
    (out / "files" / str(told["sha256"])).write_bytes(b"another network")

    with pytest.raises(ResultError, match="not the one that its name says"):
        actions.accept(upload, fence, told, out, [])
    assert not ModelVersion.objects.exists()


def test_a_failure_on_our_side_can_be_tried_again(upload: Upload, as_owner: Client) -> None:
    Upload.objects.filter(pk=upload.pk).update(state="failed", error="It ran out of memory.")

    page = text(as_owner.get(upload.get_absolute_url()))
    as_owner.post(retry(upload))

    assert "It ran out of memory." in page
    assert "Try again" in page
    upload.refresh_from_db()
    assert (upload.state, upload.attempts) == ("waiting", 0)


def test_a_refused_one_is_not_read_again(upload: Upload, as_owner: Client) -> None:
    refuse(upload)

    as_owner.post(retry(upload))

    upload.refresh_from_db()
    assert upload.state == "done"


def test_leads_to_what_came_of_it(
    team: Any, upload: Upload, as_viewer: Client, make_model_version: Any
) -> None:
    version = make_model_version(team)
    Upload.objects.filter(pk=upload.pk).update(state="done", model_version=version)

    page = text(as_viewer.get(upload.get_absolute_url()))

    assert "It is Shade net 1.0 now." in page
    assert version.get_absolute_url() in page


def test_a_mate_without_the_right_may_not_retry(
    upload: Upload, as_viewer: Client, make_member: Any
) -> None:
    Upload.objects.filter(pk=upload.pk).update(state="failed", error="e")

    assert as_viewer.post(retry(upload)).status_code == 403
    assert "Try again" not in text(as_viewer.get(upload.get_absolute_url()))
    assert signed_in(make_member(upload.team, "submitter")).post(retry(upload)).status_code == 302


def test_a_stranger_sees_nothing(upload: Upload, as_stranger: Client) -> None:
    assert as_stranger.get(upload.get_absolute_url()).status_code == 404
    assert as_stranger.get(progress(upload)).status_code == 404
    assert as_stranger.post(retry(upload)).status_code == 404
