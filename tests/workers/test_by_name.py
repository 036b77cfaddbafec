"""Weights of a network built by name, and a MONAI bundle: handed in, audited, shown as others."""

import hashlib

import pytest
import yaml
from django.test import Client

from portal.audits.planning import start_audit
from portal.intake.models import UploadKind
from tests.ml.intake.test_bundle import bundle, weights
from tests.ml.intake.test_model_by_name import NAMED
from tests.workers.test_run import cohort, document_of, read_in, run_all, team  # noqa: F401
from workers.passes import place_kept


@pytest.fixture
def named(tmp_path):
    folder = tmp_path / "named"
    folder.mkdir()
    (folder / "model.safetensors").write_bytes((weights() / "model.safetensors").read_bytes())
    (folder / "model.yaml").write_text(yaml.safe_dump(NAMED))
    return folder


def test_an_audit_of_weights_and_a_name_is_sealed(team, read_in, cohort, named, tmp_path):  # noqa: F811
    upload = read_in(UploadKind.MODEL, named)
    assert upload.model_version is not None, upload.refusals
    audit = start_audit(
        actor=team.owner, team=team, cohort_version=cohort, model_version=upload.model_version
    )
    run_all(audit)

    assert audit.state == "sealed"
    document = document_of(audit)
    assert document["model"]["name"] == NAMED["name"]
    values = [row["value"] for check in document["checks"] for row in check["measures"]]
    assert sum(value is not None for value in values) > 20
    place_kept(upload.model_version, tmp_path / "weights")
    program = (tmp_path / "weights.program").read_bytes()
    assert hashlib.sha256(program).hexdigest() == upload.model_version.card["program_sha256"]


def test_the_page_of_a_bundle_says_which_network_it_is(team, read_in, tmp_path):  # noqa: F811
    version = read_in(UploadKind.MODEL, bundle(tmp_path / "b", file="model.pt")).model_version
    client = Client()
    client.force_login(team.owner)

    html = client.get(version.get_absolute_url()).content.decode()

    assert "monai.DenseNet, built by its name" in html
    assert "was rewritten as safetensors" in html
    assert "x before y" in html
