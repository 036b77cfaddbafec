"""/t/<team>/hand-in/"""

import io
import zipfile
from pathlib import Path
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse

from portal.blobs import store
from portal.intake.models import Upload
from tests.portal.people import text

BOUNDARY = "a-boundary"


def url(team: Any) -> str:
    return reverse("intake:hand-in", args=[team.slug])


def form(files: dict[str, bytes], **fields: str) -> bytes:
    """A form as a browser sends it when a folder is chosen: with the paths in the names."""
    lines = []
    for name, value in fields.items():
        lines += [f"--{BOUNDARY}", f'Content-Disposition: form-data; name="{name}"', "", value]
    body = "\r\n".join([*lines, ""]).encode()
    for name, data in files.items():
        head = (
            f"--{BOUNDARY}\r\nContent-Disposition: form-data; "
            f'name="folder"; filename="{name}"\r\nContent-Type: text/plain\r\n\r\n'
        )
        body += head.encode() + data + b"\r\n"
    return body + f"--{BOUNDARY}--\r\n".encode()


def send(client: Client, team: Any, files: dict[str, bytes], **fields: str) -> Any:
    return client.post(
        url(team), form(files, **fields), content_type=f"multipart/form-data; boundary={BOUNDARY}"
    )


def names(upload: Upload) -> list[str]:
    with store.open_blob(upload.blob) as file, zipfile.ZipFile(file) as packed:
        return packed.namelist()


def test_shows_what_belongs_in_each_folder(team: Any, as_owner: Client) -> None:
    shown = text(as_owner.get(url(team), {"kind": "cohort"}))

    assert 'value="cohort" checked' in shown
    assert "cases.csv" in shown
    assert "webkitdirectory" in shown


def test_takes_a_zip_as_it_is(team: Any, as_owner: Client) -> None:
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w") as packed:
        packed.writestr("model.yaml", "name: x")
    file = SimpleUploadedFile("vgg16.zip", data.getvalue())

    response = as_owner.post(url(team), {"kind": "model", "files": file})

    upload = Upload.objects.get()
    assert response["Location"] == upload.get_absolute_url()
    assert (upload.kind, upload.file_name, upload.state) == ("model", "vgg16.zip", "waiting")
    assert store.read_bytes(upload.blob) == data.getvalue()


def test_packs_a_folder_with_its_paths(team: Any, as_owner: Client) -> None:
    files = {"brain/cohort.yaml": b"title: x", "brain/images/c1.png": b"\x89PNG"}

    send(as_owner, team, files, kind="cohort", seal="on")

    upload = Upload.objects.get()
    assert (upload.file_name, upload.seal) == ("brain.zip", True)
    assert names(upload) == ["brain/cohort.yaml", "brain/images/c1.png"]


def test_the_same_files_are_stored_once(team: Any, as_owner: Client) -> None:
    for files in ({"f/a": b"1", "f/b": b"2"}, {"f/b": b"2", "f/a": b"1"}):
        send(as_owner, team, files, kind="cohort")

    first, second = Upload.objects.all()
    assert first.blob_id == second.blob_id
    assert not first.seal


def test_paths_that_lead_out_are_cut(team: Any, as_owner: Client) -> None:
    files = {"../../etc/passwd": b"x", "C:\\secret\\b.txt": b"y"}

    send(as_owner, team, files, kind="cohort")

    assert names(Upload.objects.get()) == ["etc/passwd", "secret/b.txt"]


@pytest.mark.parametrize(
    ("files", "fields", "says"),
    [
        ({}, {"kind": "model"}, "Choose a zip, a folder or the files of one."),
        ({"a.zip": b"x"}, {"kind": "novel"}, "Choose what it is"),
        ({"a.zip": b"x"}, {}, "Choose what it is"),
    ],
)
def test_says_what_to_choose(
    team: Any, as_owner: Client, files: dict[str, bytes], fields: dict[str, str], says: str
) -> None:
    response = send(as_owner, team, files, **fields)

    assert response.status_code == 422
    assert says in text(response)
    assert not Upload.objects.exists()


def test_two_files_of_one_name_need_their_folder(team: Any, as_owner: Client) -> None:
    twins = [SimpleUploadedFile("c1.png", b"1"), SimpleUploadedFile("c1.png", b"2")]

    response = as_owner.post(url(team), {"kind": "cohort", "files": twins})

    assert "Several files have the same name (c1.png)" in text(response)


def test_stops_at_the_most_that_is_taken(
    team: Any, as_owner: Client, settings: Any, tmp_path: Path
) -> None:
    settings.UPLOAD_MAX_BYTES = 1_000
    settings.FILE_UPLOAD_TEMP_DIR = str(tmp_path)

    response = send(as_owner, team, {"f/a": b"x" * 600, "f/b": b"x" * 600}, kind="cohort")

    assert response.status_code == 422
    assert "That is more than 1.0 kB" in text(response)
    assert not Upload.objects.exists()
    assert not list(tmp_path.glob("tmp*"))  # what had arrived is gone


def test_says_when_there_are_too_many_files(team: Any, as_owner: Client, settings: Any) -> None:
    settings.DATA_UPLOAD_MAX_NUMBER_FILES = 2

    response = send(as_owner, team, {f"f/{n}": b"x" for n in range(3)}, kind="cohort")

    assert "More than 2 files: send them as one zip." in text(response)


@pytest.mark.parametrize(
    ("role", "kind", "status"),
    [
        ("viewer", "model", 403),
        ("reader", "predictions", 403),
        ("submitter", "cohort", 403),
        ("submitter", "model", 302),
        ("submitter", "predictions", 302),
        ("auditor", "cohort", 302),
    ],
)
def test_who_may_hand_in_what(
    team: Any, make_member: Any, client: Client, role: str, kind: str, status: int
) -> None:
    client.force_login(make_member(team, role))

    response = client.post(url(team), {"kind": kind, "files": SimpleUploadedFile("a.zip", b"x")})

    assert response.status_code == status


def test_needs_the_token_of_the_form(team: Any) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(team.owner)

    response = client.post(url(team), {"kind": "model", "files": SimpleUploadedFile("a.zip", b"x")})

    assert response.status_code == 403
    assert not Upload.objects.exists()


def test_examples_are_downloads(team: Any, as_viewer: Client) -> None:
    found = as_viewer.get(reverse("intake:example", args=[team.slug, "model.yaml"]))
    none = as_viewer.get(reverse("intake:example", args=[team.slug, "views.py"]))

    assert found["Content-Disposition"] == 'attachment; filename="model.yaml"'
    assert b"positive:" in found.content
    assert none.status_code == 404


def test_a_stranger_hands_nothing_in(team: Any, as_stranger: Client) -> None:
    assert as_stranger.get(url(team)).status_code == 404
    assert send(as_stranger, team, {"a": b"x"}, kind="model").status_code == 404
