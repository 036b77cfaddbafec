"""Foreign cohorts in the portal: planned, run by workers, and answered as at the command line."""

import json
from uuid import uuid4

import pytest
from django.core.exceptions import ValidationError
from PIL import Image

from ml.cli import audit as command
from ml.cli import beside as beside_cohorts
from ml.cli import shards
from ml.cli.main import main
from ml.engine.plan import PREDICT
from portal.audits.further import Beside, Foreign
from portal.audits.models import CaseResult, Evidence, Shard
from portal.audits.planning import (
    lock_protocol,
    read_rules,
    resume_audit,
    start_audit,
    stop_audit,
    write_protocol,
)
from portal.intake.models import UploadKind
from portal.trail.models import TrailEvent
from tests.ml.cli.test_audit_passes import Here
from tests.ml.intake.build import cohort_folder, model_folder
from tests.workers.test_run import document_of, read_in, run_all, team  # noqa: F401
from workers import inference, intake, warm
from workers.statistics import load_evidence

BODY = {"checks": ["discrimination", "ood-detection"], "limits": [], "draws": 200}
FOLDERS = (("cohort", 60, "Own"), ("ct", 12, "chest CT"), ("us", 11, "chest CT"),
           ("dev", 30, "Development"))  # fmt: skip


@pytest.fixture(autouse=True)
def in_this_process(monkeypatch):
    """Children would take most of the test; that they give the same is tested elsewhere."""

    def job_here(job, limits, **_):
        return Here(job.out_dir, limits).run(job)

    for module, name in ((intake, "run"), (command, "run_job"), (beside_cohorts, "run_job")):
        monkeypatch.setattr(module, name, job_here)
    for module in (warm, shards):
        monkeypatch.setattr(module, "WarmChild", Here)
    monkeypatch.setattr(warm, "_kept", {})


@pytest.fixture
def folders(tmp_path):
    model_folder(tmp_path / "model")
    for name, n, title in FOLDERS:
        cohort_folder(tmp_path / name, n=n, title=title)
    for side, name in enumerate(("ct", "us", "dev"), 11):  # pictures of their own
        for path in (tmp_path / name / "images").iterdir():
            bright = 90 if name == "ct" else 0  # so that some are called so with confidence
            picture = Image.open(path).resize((side, side))
            picture.point(lambda p, more=bright: p + more if p > 130 else p).save(path)
    return tmp_path


@pytest.fixture
def things(folders, team, read_in):  # noqa: F811
    """Model, audited cohort, two foreign ones and a reference, as read by the portal."""
    found = {
        name: read_in(UploadKind.COHORT, folders / name).cohort_version for name, *_ in FOLDERS
    }
    return found | {"model": read_in(UploadKind.MODEL, folders / "model").model_version}


@pytest.fixture
def protocol(team):  # noqa: F811
    made = write_protocol(actor=team.owner, team=team, name="P", body=BODY)
    lock_protocol(actor=team.owner, protocol=made)
    made.refresh_from_db()
    return made


def beside(things):
    foreign = (Foreign(things["ct"], "far"), Foreign(things["us"], "near"))
    return Beside(foreign, things["dev"])


@pytest.fixture
def started(team, things, protocol):  # noqa: F811
    def start(**more):
        given = {
            "cohort_version": things["cohort"], "model_version": things["model"],
            "protocol": protocol, "beside": beside(things),
        }  # fmt: skip
        return start_audit(actor=team.owner, team=team, **(given | more))

    return start


def test_the_portal_says_what_the_command_line_says(folders, started, things):
    audit = started()
    run_all(audit)
    document = document_of(audit)

    (folders / "protocol.yaml").write_text(json.dumps(BODY))
    code = main([
        "audit", "--model", str(folders / "model"), "--cohort", str(folders / "cohort"),
        "--ood", f"far={folders / 'ct'}", "--ood", f"near={folders / 'us'}",
        "--reference", str(folders / "dev"), "--protocol", str(folders / "protocol.yaml"),
        "--out", str(folders / "out"),
    ])  # fmt: skip
    assert code == 0
    other = json.loads((folders / "out" / "audit.json").read_text())

    assert document["protocol"] == other["protocol"]
    assert document["cohort"]["beside"] == other["cohort"]["beside"]
    assert [(row["name"], row["role"], row.get("kind")) for row in other["cohort"]["beside"]] == [
        ("chest CT", "foreign", "far"), ("chest CT (2)", "foreign", "near"),
        ("Development", "reference", None),
    ]  # fmt: skip
    check, there = document["checks"][1], other["checks"][1]
    assert check["id"] == "ood-detection"
    for part in ("state", "summary", "measures", "findings", "series"):
        assert check[part] == there[part]
    measured = {one["id"]: one for one in check["measures"]}
    assert measured["confident_findings"]["n"] == 23
    assert any(name.endswith("/knn") for name in measured), "features of foreign cohorts are taken"


def test_each_cohort_has_its_own_shards_results_and_evidence(started, things):
    audit = started()
    listed = [
        (row.name, row.further and row.further.name, row.n_cases)
        for row in audit.passes.order_by("position")
    ]
    assert listed == [
        (PREDICT, None, 60), (PREDICT, "chest CT", 12), (PREDICT, "chest CT (2)", 11),
        (PREDICT, "Development", 30),
    ]  # fmt: skip
    run_all(audit)
    assert audit.state == "sealed"
    found = load_evidence(audit)
    assert {name: len(one.case_ids) for name, one in found.foreign.items()} == {
        "chest CT": 12, "chest CT (2)": 11,
    }  # fmt: skip
    assert len(found.reference.case_ids) == 30
    assert len(found.case_ids) == 60, "no further case is a row of the audited cohort"
    for name in ("cohort", "ct", "us", "dev"):
        results = CaseResult.objects.filter(audit=audit, case__version=things[name])
        assert results.count() == things[name].n_cases
        assert all(len(row.outputs) == 2 for row in results)
    said = set(audit.log.values_list("source", flat=True))
    assert {"predict/0", "predict/0 of chest CT", "predict/0 of Development"} <= said
    (event,) = TrailEvent.objects.filter(action="audit started")
    assert [things[name].sha256 for name in ("ct", "us", "dev")] == event.detail["beside"]


def test_evidence_of_foreign_cohorts_serves_again(started, things):
    run_all(started())
    evidence = Evidence.objects.count()
    second = started(cohort_version=things["dev"], beside=Beside((Foreign(things["ct"], "far"),)))
    run_all(second)
    states = dict(
        Shard.objects.filter(work__audit=second).values_list("work__further__name", "state")
    )
    assert states == {None: "reused", "chest CT": "reused"}
    assert Evidence.objects.count() == evidence
    assert second.state == "sealed"


def test_stopped_between_two_cohorts_it_goes_on_where_it_was(team, started):  # noqa: F811
    audit = started()
    rows = list(Shard.objects.filter(work__audit=audit).order_by("work__position", "position"))
    for shard in rows[:3]:
        inference.run_shard(str(shard.pk))
    audit.refresh_from_db()
    assert not audit.check_runs.exclude(state="waiting").exists()
    stop_audit(actor=team.owner, audit=audit)
    resume_audit(actor=team.owner, audit=audit)
    run_all(audit)
    assert audit.state == "sealed"
    attempts = Shard.objects.filter(work__audit=audit).values_list("attempts", flat=True)
    assert set(attempts) == {1}
    assert len(document_of(audit)["checks"][1]["measures"]) > 10


def test_the_default_protocol_asks_one_check_more_and_keeps_saying_so(team, started, things):  # noqa: F811
    audit = started(protocol=None)
    assert audit.protocol_body["is_default"]
    assert audit.check_runs.filter(check_id="ood-detection").exists()
    plain = started(protocol=None, beside=Beside())
    assert not plain.check_runs.filter(check_id="ood-detection").exists()
    assert plain.protocol_sha256 != audit.protocol_sha256
    rules = read_rules(audit.protocol_body)
    assert rules.sha256 == audit.protocol_sha256, "what is run and sealed is what was planned"
    limits = [limit.measure for limit in rules.limits if limit.check == "ood-detection"]
    assert limits == ["confident_findings"]


def test_what_cannot_stand_beside_is_refused_in_words(team, make_team, started, things, protocol):  # noqa: F811
    def refused(**more):
        with pytest.raises(ValidationError) as found:
            started(**more)
        return " ".join(found.value.messages)

    ct, dev = Foreign(things["ct"], "far"), things["dev"]
    assert "choose a model" in refused(model_version=None)
    assert "looks at a reference cohort" in refused(beside=Beside(reference=dev))
    assert "the audited cohort" in refused(beside=Beside((Foreign(things["cohort"], "near"),)))
    assert "chosen twice" in refused(beside=Beside((ct, ct)))
    assert "chosen twice" in refused(beside=Beside((ct,), things["ct"]))
    assert "what kind" in refused(beside=Beside((Foreign(things["ct"], "odd"),)))
    assert "at most 20" in refused(beside=Beside((ct,) * 21))
    other = write_protocol(
        actor=team.owner, team=team, name="Q", body={"checks": ["discrimination"], "limits": []}
    )
    lock_protocol(actor=team.owner, protocol=other)
    other.refresh_from_db()
    assert "names ood-detection" in refused(protocol=other)
    theirs = _moved(things["us"], make_team("Elsewhere"))
    assert "belong to the team" in refused(beside=Beside((Foreign(theirs, "far"),)))


def _moved(version, to):
    """The same version as if another team had it; nothing of the row is written."""
    version.cohort.team_id = to.pk
    version.pk = uuid4()
    return version
