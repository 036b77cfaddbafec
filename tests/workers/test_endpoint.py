"""A model behind an address: allowed by an owner, asked by a worker, named in the report."""

import json

import pytest
from django.urls import reverse

from ml.zoo.shades import cohort_folder
from portal.accounts.actions import allow_models
from portal.audits.models import Evidence, Shard
from portal.audits.planning import start_audit
from portal.blobs import store
from portal.intake.actions import hand_in
from portal.intake.models import Upload, UploadKind
from portal.reports.models import Report
from portal.trail.models import TrailEvent
from tests.ml.endpoint.folders import endpoint_folder
from tests.ml.endpoint.server import Model, serving
from tests.portal.intake.test_endpoint import TYPED
from tests.portal.people import signed_in, text
from tests.workers.test_run import cohort, document_of, read_in, run_all, team  # noqa: F401
from workers import inference, intake

pytestmark = pytest.mark.reads_anew

TOKEN = "a-secret-that-nobody-may-see"
SIZE = [16, 16]


@pytest.fixture
def server(monkeypatch):
    with serving(Model(shape=(-1, 1, *SIZE))) as (served, url):
        monkeypatch.setenv("ENDPOINT_ALLOWED_HOSTS", url)
        monkeypatch.setenv("ENDPOINT_TOKEN_127_0_0_1", TOKEN)
        yield served, url


@pytest.fixture
def folder(server, tmp_path):
    declared = {"size": SIZE, "colour": "gray", "intensity": {"scale": 255}}
    return endpoint_folder(tmp_path / "far", server[1], input=declared)


def test_a_team_that_has_not_allowed_it_calls_nobody(team, folder, server):  # noqa: F811
    """Handed in as a browser or `plumb` sends it: the manifest by itself."""
    blob = store.put_path(folder / "model.yaml")
    upload = hand_in(
        actor=team.owner, team=team, kind=UploadKind.MODEL, file_name="model.yaml", blob=blob
    )
    intake.read_upload(str(upload.pk))
    upload.refresh_from_db()

    assert [refusal["code"] for refusal in upload.refusals] == ["endpoint_refused"]
    assert "owner" in upload.refusals[0]["message"]
    assert server[0].requests == []


def test_from_address_to_report(team, read_in, folder, cohort, server, monkeypatch):  # noqa: F811
    served, url = server
    monkeypatch.setenv("ENDPOINT_TEAMS_127_0_0_1", team.slug)
    allow_models(actor=team.owner, team=team, torchscript=False, endpoints=True)
    version = read_in(UploadKind.MODEL, folder).model_version
    assert version.format == "endpoint"
    audits = [
        start_audit(actor=team.owner, team=team, cohort_version=cohort, model_version=version)
        for _ in range(2)
    ]
    for audit in audits:
        run_all(audit)
        assert audit.state == "sealed"

    document, host = document_of(audits[0]), url.partition("//")[2]
    endpoint = document["engine"]["endpoint"]
    assert endpoint["model_version"] == "1"
    assert endpoint["host"] == host
    assert endpoint["requests"] == 9  # fifty and ten cases, in batches of eight
    page = text(signed_in(team.owner).get(Report.objects.get(audit=audits[0]).get_absolute_url()))
    assert f"{host}, model cxr, version 1 as the server states it; 9 requests" in page
    card = text(signed_in(team.owner).get(version.get_absolute_url()))
    assert f"audits send the prepared pictures to {host}" in card
    assert "It runs on a server that is not ours" in card
    assert "holds nothing but tensors" not in card
    states = Shard.objects.filter(work__audit=audits[1]).values_list("state", flat=True)
    assert set(states) == {"reused"}
    assert all(headers["Authorization"] == f"Bearer {TOKEN}" for *_, headers in served.requests)
    kept = [*TrailEvent.objects.values(), *Evidence.objects.values(), version.card, document]
    assert TOKEN not in json.dumps(kept, default=str)


def run_shards(audit):
    shards = Shard.objects.filter(work__audit=audit).order_by("position")
    for shard in shards:
        inference.run_shard(str(shard.pk))
    return list(shards.all())


def test_no_version_no_reuse_no_token_of_another_team(team, read_in, folder, server, tmp_path, monkeypatch):  # noqa: F811, E501  # fmt: skip
    served, _ = server
    served.versions, served.answers_version = (), None
    monkeypatch.setenv("ENDPOINT_TEAMS_127_0_0_1", "others")
    allow_models(actor=team.owner, team=team, torchscript=False, endpoints=True)
    version = read_in(UploadKind.MODEL, folder).model_version
    few = read_in(UploadKind.COHORT, cohort_folder(tmp_path / "few", n=4)).cohort_version

    page = reverse("audits:new", args=[team.slug])
    choice = {"model": version.pk, "cohort": few.pk}
    before = text(signed_in(team.owner).get(page, choice))
    assert "Pictures leave this portal." in before
    assert "Those of 4 cases" in before

    def start():
        return start_audit(actor=team.owner, team=team, cohort_version=few, model_version=version)

    for _ in range(2):
        assert [shard.state for shard in run_shards(start())] == ["done"]
    assert not any("Authorization" in headers for *_, headers in served.requests)

    allow_models(actor=team.owner, team=team, torchscript=False, endpoints=False)
    asked = len(served.requests)
    after = text(signed_in(team.owner).get(page, choice))
    assert "does not take models of the format endpoint any more" in after
    (shard,) = run_shards(start())
    assert len(served.requests) == asked
    assert "endpoint_refused" in shard.error


def test_from_the_form_to_a_version(team, server, monkeypatch):  # noqa: F811
    allow_models(actor=team.owner, team=team, torchscript=False, endpoints=True)
    typed = TYPED | {"url": server[1], "size": "16, 16", "colour": "gray", "mean": "", "std": ""}
    typed |= {"tensor": "", "output": "", "sent_as": "json"}

    signed_in(team.owner).post(reverse("intake:endpoint", args=[team.slug]), typed)
    upload = Upload.objects.get()
    intake.read_upload(str(upload.pk))
    upload.refresh_from_db()

    assert upload.refusals == []
    assert upload.model_version.format == "endpoint"
    assert str(upload.model_version) == "Chest classifier 3.1"
