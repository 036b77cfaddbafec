"""A refused model: its page, the API and the command line list everything that lay in it."""

import json
import pickle

import pytest

from ml.cli.main import main
from ml.zoo.shades import model_folder
from portal.blobs import store
from portal.intake.actions import hand_in
from portal.intake.models import UploadKind
from tests.portal.people import signed_in, text
from tests.workers.test_run import read_in, team  # noqa: F401
from workers import intake

pytestmark = pytest.mark.reads_anew


@pytest.fixture
def folder(tmp_path):
    made = model_folder(tmp_path / "refused", channels=4)
    (made / "model.onnx").write_bytes(pickle.dumps({"weights": [1.0]}))
    (made / "train.py").write_text("raise SystemExit")
    return made


def test_pages_and_api_list_the_upload(team, read_in, folder, client):  # noqa: F811
    from portal.accounts.actions import create_token

    upload = read_in(UploadKind.MODEL, folder)

    person = signed_in(team.owner)
    for address in (upload.get_absolute_url(), upload.model_version.get_absolute_url()):
        page = text(person.get(address))
        assert "What was in the upload" in page
        assert '>train.py</th><td>program text</td><td class="mut2">not named by a reason' in page
        assert '<td>pickle</td><td class="mut2"><span class="mono xs">pickle_refused' in page
    secret = create_token(actor=team.owner, team=team, name="test")[1]
    headers = {"Authorization": f"Bearer {secret}"}
    told = client.get(f"/api/v1/uploads/{upload.pk}", headers=headers).json()
    assert (told["accepted"], told["model"], told["scan"]["n_files"]) == (False, None, 3)
    refused = client.get(f"/api/v1/models/{upload.model_version_id}", headers=headers).json()
    assert refused["card"]["scan"] == told["scan"]


def test_a_lone_file_is_listed_by_the_name_it_was_given(team):  # noqa: F811
    blob = store.put_bytes(pickle.dumps([1.0]))
    upload = hand_in(
        actor=team.owner, team=team, kind=UploadKind.MODEL, file_name="lung.pt", blob=blob
    )
    intake.read_upload(str(upload.pk))
    upload.refresh_from_db()

    (row,) = upload.model_version.card["scan"]["files"]
    assert (row["name"], row["kind"], row["use"]) == ("lung.pt", "pickle", "pickle_refused")


def test_what_cannot_be_taken_apart_says_so(team):  # noqa: F811
    upload = hand_in(
        actor=team.owner,
        team=team,
        kind=UploadKind.MODEL,
        file_name="model.zip",
        blob=store.put_bytes(b"PK\x03\x04 and nothing more"),
    )
    intake.read_upload(str(upload.pk))
    upload.refresh_from_db()

    page = text(signed_in(team.owner).get(upload.get_absolute_url()))
    assert upload.refusals
    assert "Its files were not listed" in page


def test_the_command_line_lists_it_too(folder, capsys):
    assert main(["intake", str(folder)]) == 2

    told = json.loads(capsys.readouterr().out)
    assert told["refused"][0]["code"] == "pickle_refused"
    assert [row["name"] for row in told["scan"]["files"]] == [
        "model.onnx",
        "model.yaml",
        "train.py",
    ]
