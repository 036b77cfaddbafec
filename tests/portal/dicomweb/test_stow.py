"""What is stored goes through intake's door and comes back as a draft's instances."""

import io
from typing import Any

import numpy as np
import pydicom
import pytest
from django.test import Client

from portal.accounts.actions import create_token
from portal.blobs.models import Blob
from portal.dicomweb import stow
from portal.intake.models import Upload
from tests.portal.dicomweb.conftest import FILES, address
from tests.portal.people import signed_in
from workers.intake import read_upload

TYPE = 'multipart/related; type="application/dicom"; boundary=b'


def sent(client: Client, *files: bytes, url: str = "/dicomweb/studies", **more: Any) -> Any:
    head = b"--b\r\nContent-Type: application/dicom\r\n\r\n"
    body = b"".join(head + one + b"\r\n" for one in files) + b"--b--\r\n"
    return client.post(url, body, content_type=more.pop("content_type", TYPE), **more)


@pytest.fixture
def worker(monkeypatch: pytest.MonkeyPatch) -> None:
    def read(upload: Upload) -> Upload:
        read_upload(str(upload.pk))
        upload.refresh_from_db()
        return upload

    monkeypatch.setattr(stow, "wait_for", read)


@pytest.mark.usefixtures("worker")
def test_what_is_stored_is_a_draft_without_names_and_with_its_pixels(program: Client) -> None:
    names = ("CT_small.dcm", "MR_small_implicit.dcm")

    response = sent(program, *((FILES / name).read_bytes() for name in names))

    assert response.status_code == 200, response.content
    stored = response.json()["00081199"]["Value"]
    assert len(stored) == 2
    for name, one in zip(names, stored, strict=True):
        url = one["00081190"]["Value"][0].removeprefix("http://testserver")
        assert one["00081196"]["Value"] == [0xB000]
        assert url != address(name)
        data = program.get(url, headers={"accept": "application/dicom"}).content
        kept = pydicom.dcmread(io.BytesIO(data))
        wanted = pydicom.dcmread(FILES / name)
        assert kept.SOPInstanceUID == one["00081155"]["Value"][0] != wanted.SOPInstanceUID
        assert str(kept.PatientID) != str(wanted.PatientID)
        np.testing.assert_array_equal(kept.pixel_array, wanted.pixel_array)
    version = Upload.objects.get().cohort_version
    assert (version.state, version.cohort.name, version.n_cases) == ("draft", stow.TITLE, 2)


@pytest.mark.usefixtures("worker")
def test_of_a_request_with_one_bad_part_nothing_is_kept(program: Client) -> None:
    response = sent(program, (FILES / "CT_small.dcm").read_bytes(), b"no DICOM")

    assert (response.status_code, response.json()["code"]) == (409, "conflict")
    assert response.json()["details"]["refusals"][0]["code"] == "image_unsupported"
    assert program.get("/dicomweb/studies").json() == []


def test_what_takes_long_is_promised(program: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stow, "WAIT_SECONDS", 0)

    response = sent(program, b"anything")

    upload = Upload.objects.get()
    assert (response.status_code, response["Location"]) == (202, f"/api/v1/uploads/{upload.pk}")


def test_who_may_not_hand_in_stores_no_byte(team: Any, make_member: Any, as_owner: Client) -> None:
    viewer = make_member(team, "viewer")
    _, secret = create_token(actor=viewer, team=team, name="t")
    as_viewer = Client(headers={"Authorization": f"Bearer {secret}"})

    assert sent(as_viewer, b"x").status_code == 403
    assert sent(as_owner, b"x", url=f"/dicomweb/t/{team.slug}/studies").status_code == 403
    assert sent(Client(), b"x").status_code == 401
    assert sent(signed_in(viewer), b"x", url="/dicomweb/t/elsewhere/studies").status_code == 404
    assert not Upload.objects.exists()
    assert not Blob.objects.exists()


@pytest.mark.parametrize(
    ("content_type", "body", "status", "code"),
    [
        ("application/dicom", b"x", 415, "unsupported_media_type"),
        ('multipart/related; type="application/dicom+json"; boundary=b', b"", 415,
         "unsupported_media_type"),
        (TYPE, b"--b--", 400, "bad_request"),
        (TYPE, b"--b\r\nContent-Type: text/html\r\n\r\nx\r\n--b--", 415, "unsupported_media_type"),
        (TYPE, b"--b\r\nContent-Type: application/dicom\r\n\r\nx", 400, "bad_request"),
        (TYPE.split("; boundary")[0], b"x", 400, "bad_request"),
    ],
)  # fmt: skip
def test_what_is_no_such_request_says_why(
    program: Client, content_type: str, body: bytes, status: int, code: str
) -> None:
    response = program.post("/dicomweb/studies", body, content_type=content_type)

    assert (response.status_code, response.json()["code"]) == (status, code)
    assert not Upload.objects.exists()


def test_more_bytes_than_the_portal_takes(program: Client, settings: Any) -> None:
    settings.UPLOAD_MAX_BYTES = 1000

    assert sent(program, b"x" * 2000).status_code == 413


def test_a_cohort_version_is_not_added_to(program: Client, team: Any, scans: Any) -> None:
    response = sent(program, b"x", url=f"/dicomweb/t/{team.slug}/cohorts/{scans.pk}/studies")

    assert response.status_code == 409


def test_an_address_of_one_study_does_not_store(program: Client, scans: Any) -> None:
    study = address("CT_small.dcm").split("/series/")[0]

    assert sent(program, b"x", url=study).status_code == 405
