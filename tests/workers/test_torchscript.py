"""TorchScript in the portal: refused until an owner allows it, and never behind weaker walls."""

import pytest

from portal.accounts.actions import allow_models
from portal.intake.models import UploadKind
from tests.ml.engine.test_script_session import Plain, behind_namespaces, script_folder
from tests.workers.test_run import read_in, team  # noqa: F401


@pytest.fixture
def folder(tmp_path):
    return script_folder(tmp_path / "script", Plain())


def test_it_is_refused_until_an_owner_allows_it(team, read_in, folder):  # noqa: F811
    upload = read_in(UploadKind.MODEL, folder)
    assert [refusal["code"] for refusal in upload.refusals] == ["pickle_refused"]
    assert "An owner of a team can allow TorchScript" in upload.refusals[0]["message"]


@behind_namespaces
def test_allowed_it_is_a_black_box(team, read_in, folder, settings):  # noqa: F811
    allow_models(actor=team.owner, team=team, torchscript=True, endpoints=False)
    settings.SANDBOX = "limits"
    upload = read_in(UploadKind.MODEL, folder)
    assert [refusal["code"] for refusal in upload.refusals] == ["isolation_required"]
    settings.SANDBOX = "auto"
    version = read_in(UploadKind.MODEL, folder).model_version
    assert version.format == "torchscript"
    assert version.card["gradients"] is False
