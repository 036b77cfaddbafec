"""Several masks of each case, from hand-in to the page of the report."""

import json

import pytest
import yaml
from django.test import Client

from ml.cli.main import main as command_line
from ml.engine.plan import COMPARE, PREDICT, SAMPLES
from portal.audits.models import Shard
from portal.audits.planning import lock_protocol, start_audit, write_protocol
from portal.audits.preview import Choice, preview_of
from portal.blobs import store
from portal.intake.models import UploadKind
from portal.reports.models import Report
from tests.ml.engine.test_segment import cohort as cohort_of
from tests.ml.engine.test_segment import model as without_dropout
from tests.ml.engine.unsure import model as model_of
from tests.services import world

ASKED = {
    "checks": ["segmentation", "segmentation-uncertainty"], "limits": [], "draws": 200,
    "dropout_samples": 6,
}  # fmt: skip
PATCHES = {"size": None, "patch": {"size": [16, 16], "overlap": 0.25}}
TITLE = "Uncertainty of masks"


@pytest.fixture
def team(make_team):
    return make_team()


@pytest.fixture
def protocol(team):
    written = write_protocol(actor=team.owner, team=team, name="Doubt", body=ASKED)
    lock_protocol(actor=team.owner, protocol=written)
    written.refresh_from_db()
    return written


@pytest.fixture
def cohort(team, tmp_path):
    folder = cohort_of(tmp_path / "cohort")
    return world.read_in(team, UploadKind.COHORT, folder).cohort_version


def line_of(team, cohort, model, protocol):
    chosen = Choice(team, cohort, model, None, protocol)
    return next(line for line in preview_of(chosen).lines if line.title == TITLE)


def test_an_audit_of_sampled_masks_from_folder_to_report(team, cohort, protocol, tmp_path):
    folder = model_of(tmp_path / "m", (16, 16), input=PATCHES)
    upload = world.read_in(team, UploadKind.MODEL, folder)
    model = upload.model_version
    assert model is not None, upload.refusals
    line = line_of(team, cohort, model, protocol)
    assert line.word == "Will run", line.reason
    assert "6 samples of its dropout mark each case" in line.reason
    asked = {"actor": team.owner, "team": team, "cohort_version": cohort, "model_version": model}

    audit = start_audit(**asked, protocol=protocol)
    world.run_here(audit)

    assert audit.state == "sealed"
    names = list(audit.passes.order_by("position").values_list("name", flat=True))
    assert names == [PREDICT, SAMPLES, COMPARE]
    document = json.loads(store.read_bytes(Report.objects.get(audit=audit).audit_json))
    checks = {one["id"]: one for one in document["checks"]}
    check = checks["segmentation-uncertainty"]
    assert check["state"] == "info", check["reason"]
    measures = {one["id"]: one for one in check["measures"]}
    assert measures["loss_aurc:disagreement"]["n"] == 12
    assert 0 < measures["mask_doubt:disagreement"]["value"] < 1
    (tmp_path / "protocol.yaml").write_text(yaml.safe_dump(ASKED))
    words = {"model": folder, "cohort": tmp_path / "cohort", "out": tmp_path / "o",
             "protocol": tmp_path / "protocol.yaml"}  # fmt: skip
    command_line(
        ["audit", *(one for name, path in words.items() for one in (f"--{name}", str(path)))]
    )
    alone = json.loads((tmp_path / "o" / "audit.json").read_text())
    (same,) = [one for one in alone["checks"] if one["id"] == "segmentation-uncertainty"]
    assert same["measures"] == check["measures"]

    again = start_audit(**asked, protocol=protocol)
    world.run_here(again)
    states = Shard.objects.filter(work__audit=again).values_list("state", flat=True)
    assert set(states) == {"reused"}
    client = Client()
    client.force_login(team.owner)
    page = client.get(audit.get_absolute_url())
    assert page.status_code == 200
    assert TITLE in page.content.decode()


def test_without_dropout_it_says_why_and_the_way_out(team, cohort, protocol, tmp_path):
    folder = without_dropout(tmp_path / "m")
    model = world.read_in(team, UploadKind.MODEL, folder).model_version
    line = line_of(team, cohort, model, protocol)
    audit = start_audit(
        actor=team.owner, team=team, cohort_version=cohort, model_version=model, protocol=protocol
    )
    world.run_here(audit)

    assert line.word == "Will not"
    document = json.loads(store.read_bytes(Report.objects.get(audit=audit).audit_json))
    (check,) = [one for one in document["checks"] if one["id"] == "segmentation-uncertainty"]
    assert check["state"] == "not assessed"
    for said in (line.reason, check["reason"]):
        assert "no dropout" in said
        assert "'format: ensemble'" in said
