"""A whole audit in this process: the tasks are called as the broker would, one after the other."""

import json

import pytest

from demo.run import zipped
from ml.checks.registry import checks_of
from ml.protocol import Protocol
from ml.sandbox.messages import Outcome
from ml.zoo.shades import cohort_folder, model_folder
from portal import jobs
from portal.audits.models import Audit, CaseResult, CheckRun, Evidence, Finding, Shard
from portal.audits.planning import resume_audit, start_audit, stop_audit
from portal.blobs import store
from portal.blobs.models import Blob
from portal.intake.actions import hand_in
from portal.intake.models import Upload, UploadKind
from portal.reports.models import Report
from workers import inference, intake, statistics
from workers.main import app as worker_app


@pytest.fixture
def team(make_team):
    return make_team()


@pytest.fixture
def read_in(team, tmp_path):
    def read(kind, folder):
        blob = store.put_path(zipped(folder, tmp_path / f"{folder.name}.zip"), "application/zip")
        upload = hand_in(
            actor=team.owner, team=team, kind=kind, file_name=f"{folder.name}.zip", blob=blob
        )
        intake.read_upload(str(upload.pk))
        upload.refresh_from_db()
        return upload

    return read


@pytest.fixture
def model(read_in, tmp_path):
    return read_in(UploadKind.MODEL, model_folder(tmp_path / "m", channels=4)).model_version


@pytest.fixture
def cohort(read_in, tmp_path):
    return read_in(UploadKind.COHORT, cohort_folder(tmp_path / "c", n=60)).cohort_version


def run_all(audit):
    for shard in Shard.objects.filter(work__audit=audit).order_by("position"):
        inference.run_shard(str(shard.pk))
    for check_run in audit.check_runs.order_by("position"):
        statistics.run_check(str(check_run.pk))
    statistics.seal_audit(str(audit.pk))
    audit.refresh_from_db()


def document_of(audit):
    return json.loads(store.read_bytes(Report.objects.get(audit=audit).audit_json))


@pytest.mark.parametrize("job", jobs.Job)
def test_every_job_has_a_worker_and_a_queue(job):
    assert job.value in worker_app.tasks
    assert job in jobs.QUEUE_OF


def test_an_audit_from_folder_to_report(team, model, cohort):
    audit = start_audit(actor=team.owner, team=team, cohort_version=cohort, model_version=model)
    run_all(audit)

    assert audit.state == "sealed"
    document = document_of(audit)
    asked = [check.id for check in checks_of(Protocol.default(), "classification")]
    assert [check["id"] for check in document["checks"]] == asked
    assert "segmentation" not in asked
    assert document["model"]["sha256"] == model.sha256
    assert CaseResult.objects.filter(audit=audit, error="").count() == 60
    assert Report.objects.get(audit=audit).verdict == document["verdict"]
    assert Finding.objects.filter(audit=audit).exists()


def test_a_second_audit_reuses_the_evidence_and_says_the_same(team, model, cohort):
    first, second = (
        start_audit(actor=team.owner, team=team, cohort_version=cohort, model_version=model)
        for _ in range(2)
    )
    run_all(first)
    evidence = Evidence.objects.count()
    run_all(second)

    assert set(Shard.objects.filter(work__audit=second).values_list("state", flat=True)) == {
        "reused"
    }
    assert Evidence.objects.count() == evidence
    measures = [[check["measures"] for check in document_of(a)["checks"]] for a in (first, second)]
    assert measures[0] == measures[1]
    assert second.look == 2


def test_every_task_delivered_twice_changes_nothing(team, model, cohort):
    audit = start_audit(actor=team.owner, team=team, cohort_version=cohort, model_version=model)
    run_all(audit)
    before = document_of(audit)
    run_all(audit)

    assert document_of(audit) == before
    assert Report.objects.count() == 1
    assert CaseResult.objects.filter(audit=audit).count() == 60
    assert set(Shard.objects.values_list("attempts", flat=True)) == {1}


def test_readings_alone_are_audited_without_a_pass(team, cohort):
    audit = start_audit(actor=team.owner, team=team, cohort_version=cohort)
    assert not audit.passes.exists()
    run_all(audit)

    states = {check["id"]: check["state"] for check in document_of(audit)["checks"]}
    assert states["discrimination"] == "not assessed"
    assert states["agreement"] != "not assessed"


def test_a_broken_check_costs_its_own_result(team, model, cohort, monkeypatch):
    audit = start_audit(actor=team.owner, team=team, cohort_version=cohort, model_version=model)
    real = statistics.all_checks

    def with_one_broken():
        from dataclasses import replace

        def breaks(evidence, protocol):
            raise ZeroDivisionError("no positives")

        return tuple(
            replace(check, run=breaks) if check.id == "calibration" else check for check in real()
        )

    monkeypatch.setattr(statistics, "all_checks", with_one_broken)
    run_all(audit)

    checks = {check["id"]: check for check in document_of(audit)["checks"]}
    assert checks["calibration"]["state"] == "not assessed"
    assert "ZeroDivisionError" in checks["calibration"]["reason"]
    assert checks["discrimination"]["measures"]


def test_stopping_keeps_what_is_done_and_resuming_does_the_rest(team, model, cohort):
    audit = start_audit(actor=team.owner, team=team, cohort_version=cohort, model_version=model)
    first, second = Shard.objects.filter(work__audit=audit).order_by("position")
    inference.run_shard(str(first.pk))
    audit.refresh_from_db()
    stop_audit(actor=team.owner, audit=audit)
    inference.run_shard(str(second.pk))  # its message was still in the queue
    second.refresh_from_db()
    assert second.state == "stopped"
    assert second.attempts == 0

    resume_audit(actor=team.owner, audit=audit)
    run_all(audit)

    first.refresh_from_db()
    assert audit.state == "sealed"
    assert first.attempts == 1


def test_a_model_that_never_answers_fails_the_audit_in_words(team, model, cohort, settings):
    settings.MAX_ATTEMPTS = 1
    settings.SHARD_WALL_SECONDS = 0.01
    audit = start_audit(actor=team.owner, team=team, cohort_version=cohort, model_version=model)
    inference.run_shard(str(Shard.objects.order_by("position").first().pk))
    audit.refresh_from_db()

    assert audit.state == "failed"
    assert "shard 0" in audit.failure
    assert "retry" in audit.failure

    settings.SHARD_WALL_SECONDS = 100
    resume_audit(actor=team.owner, audit=audit)
    run_all(audit)
    assert audit.state == "sealed"


def test_a_refused_upload_leaves_nothing_but_its_reasons(read_in, tmp_path, team):
    folder = cohort_folder(tmp_path / "bad", n=4)
    text = (
        (folder / "cases.csv").read_text().replace("c0002,p0001,images/c0002.png,dark", "c0002,,,x")
    )
    (folder / "cases.csv").write_text(text)

    upload = read_in(UploadKind.COHORT, folder)

    assert upload.state == "done"
    assert not upload.accepted
    assert {refusal["row"] for refusal in upload.refusals if "row" in refusal} == {4}
    assert upload.cohort_version is None
    assert not team.cohorts.exists()


def test_a_taken_upload_is_left_alone(read_in, tmp_path):
    upload = read_in(UploadKind.COHORT, cohort_folder(tmp_path / "c2", n=4))
    intake.read_upload(str(upload.pk))

    assert Upload.objects.get(pk=upload.pk).attempts == 1
    assert CheckRun.objects.count() == Audit.objects.count() == 0


@pytest.mark.parametrize("kind", list(UploadKind))
def test_a_reader_that_names_files_outside_its_folder_stores_nothing(
    kind, read_in, team, tmp_path, monkeypatch
):
    """Whoever broke into the child would have the worker store what it may read."""
    secret = tmp_path / "secret"
    secret.write_text('{"cases": []}')
    said = {
        "catalogue": str(secret), "table": str(secret), "sha256": f"../../{secret}", "meta": {},
        "manifest": {}, "manifest_sha256": "", "card": {}, "n": 0,
    }  # fmt: skip
    monkeypatch.setattr(intake, "run", lambda *_, **__: Outcome("done", said))
    before = Blob.objects.count()

    upload = read_in(kind, cohort_folder(tmp_path / "c", n=4))

    assert upload.state in ("waiting", "failed")
    assert "cannot be taken" in upload.error
    assert Blob.objects.count() == before + 1, "only what was handed in"
