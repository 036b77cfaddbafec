"""`stress` and `shift-consistency` of volumes, from hand-in to the page and its pictures."""

import html
import io

import numpy as np
import pytest
from django.urls import reverse
from PIL import Image

from ml.corruptions import corruptions_for
from ml.engine.passes import CORRUPT, MOVE
from ml.zoo import nodules
from portal.audits.planning import lock_protocol, start_audit, write_protocol
from portal.audits.preview import Choice, preview_of
from portal.blobs import store
from portal.blobs.models import Blob
from portal.intake.models import UploadKind
from portal.reports.doors import team_door
from portal.reports.models import Report
from portal.seen.models import Worsened
from tests.portal.people import signed_in
from tests.workers.test_run import read_in, run_all, team  # noqa: F401
from workers import seen as work
from workers.statistics import load_evidence

CHOSEN = ["gamma", "slice-thickness"]


@pytest.fixture
def audit(team, read_in, tmp_path):  # noqa: F811
    cohort = read_in(UploadKind.COHORT, nodules.cohort_folder(tmp_path / "c")).cohort_version
    model = read_in(UploadKind.MODEL, nodules.model_folder(tmp_path / "m")).model_version
    body = {"checks": ["stress", "shift-consistency"], "corruptions": CHOSEN, "draws": 200}
    rules = write_protocol(actor=team.owner, team=team, name="Volumes", body=body)
    lock_protocol(actor=team.owner, protocol=rules)
    rules.refresh_from_db()
    lines = {one.title: one for one in preview_of(Choice(team, cohort, model, None, rules)).lines}
    assert lines["Stress"].word == "Will run"
    assert "2 of 22 corruptions at 5 severities" in lines["Stress"].reason
    assert lines["Shift consistency"].word == "Will run"
    made = start_audit(
        actor=team.owner, team=team, cohort_version=cohort, model_version=model, protocol=rules
    )
    run_all(made)
    return made


def test_volumes_are_corrupted_and_moved_up_to_the_page_and_its_pictures(audit):
    names = [one.name for one in audit.passes.order_by("position")]
    assert names == ["predict", CORRUPT, MOVE]
    found = load_evidence(audit)
    assert found.corruptions.outputs.shape == (24, 10, 2)
    assert found.corruptions.offered == len(corruptions_for("CT", volumes=True)) == 22
    assert np.isfinite(found.corruptions.outputs).all()
    assert np.isfinite(found.moves.outputs).all()
    assert found.moves.distortions["translation"].said[1] == "shifted by 1 voxel"

    report = Report.objects.get(audit=audit)
    client = signed_in(report.team.memberships.get(role="owner").user)
    page = html.unescape(client.get(team_door(report).report).content.decode())
    for said in (
        "Slice thickness is too much for it from severity ",
        "In none of 24 cases does a small move of the volume change the answer.",
        "shifts by up to 2 voxels of the model's input",
    ):
        assert said in page

    client.post(reverse("reports:worsened-make", args=[report.team.slug, report.pk]))
    row = Worsened.objects.get()
    work.prepare_worsened(str(row.pk))
    row.refresh_from_db()
    assert row.state == "done", row.error
    at = [name for name, _ in row.wanted].index("slice-thickness")
    shown = [
        np.asarray(Image.open(io.BytesIO(store.read_bytes(Blob.objects.get(pk=one)))), float)
        for one in row.strips[at]["pictures"]
    ]
    assert {one.shape for one in shown} == {(32, 32)}
    # A voxel is as long as the thinnest thick slice is not: 2.5 mm.
    noise = [one.std() for one in shown]
    assert noise[1:] == sorted(noise[1:], reverse=True), "thicker slices are smoother"
    page = html.unescape(client.get(team_door(report).report).content.decode())
    assert "of its slices the one in the middle" in page
