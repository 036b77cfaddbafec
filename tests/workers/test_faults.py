"""What breaks around the work delays it; it never becomes a result."""

import shutil
from pathlib import Path

import pytest
from django.core.files.storage import default_storage
from django.db import OperationalError

from ml.zoo.shades import cohort_folder, model_folder
from portal.audits.models import CaseResult, CheckRun, Shard
from portal.audits.planning import start_audit
from portal.blobs.models import Blob
from portal.cohorts.models import Image
from portal.intake.models import UploadKind
from portal.leases import WorkState
from portal.reports.models import Report
from tests.services import world
from workers import inference, statistics

pytestmark = pytest.mark.reads_anew


@pytest.fixture
def team(make_team):
    return make_team()


@pytest.fixture
def audit(team):
    """Of readers only: no pass, so its checks come first."""
    cohort = world.small_cohort(team)
    audit = start_audit(actor=team.owner, team=team, cohort_version=cohort)
    Shard.objects.filter(work__audit=audit).delete()
    return audit


@pytest.fixture
def away(monkeypatch):
    """`away(module, name)`: the next call finds the database gone, later ones do not."""

    def make(module, name):
        real, calls = getattr(module, name), []

        def call(*given, **named):
            calls.append(name)
            if len(calls) == 1:
                raise OperationalError("server closed the connection unexpectedly")
            return real(*given, **named)

        monkeypatch.setattr(module, name, call)

    return make


@pytest.mark.parametrize(
    ("module", "name"), [(statistics, "load_evidence"), (statistics.actions, "finish_check")]
)
def test_a_check_whose_database_went_away_is_run_again(audit, away, module, name):
    away(module, name)
    check_run = audit.check_runs.first()

    statistics.run_check(str(check_run.pk))
    check_run.refresh_from_db()
    assert check_run.state == WorkState.WAITING
    assert check_run.rung_at is not None  # whoever found it waiting has rung
    assert check_run.outcome == ""

    statistics.run_check(str(check_run.pk))
    check_run.refresh_from_db()
    assert check_run.state == WorkState.DONE
    assert check_run.error == ""
    assert check_run.attempts == 2


def test_after_its_last_attempt_such_a_check_is_not_assessed(audit, settings, monkeypatch):
    settings.MAX_ATTEMPTS = 1

    def gone(*_):
        raise OperationalError("gone")

    monkeypatch.setattr(statistics, "load_evidence", gone)
    check_run = audit.check_runs.first()

    statistics.run_check(str(check_run.pk))
    check_run.refresh_from_db()
    assert check_run.state == WorkState.FAILED
    assert "on our side" in check_run.error


def test_a_seal_whose_database_went_away_is_asked_for_again(audit, away):
    for check_run in CheckRun.objects.filter(audit=audit):
        statistics.run_check(str(check_run.pk))
    away(statistics.reports, "seal")

    statistics.seal_audit(str(audit.pk))
    audit.refresh_from_db()
    assert audit.state == "running"

    statistics.seal_audit(str(audit.pk))
    audit.refresh_from_db()
    assert audit.state == "sealed"


def test_a_case_that_cannot_be_read_fails_alone(team, tmp_path):
    model = world.read_in(team, UploadKind.MODEL, model_folder(tmp_path / "m", channels=4))
    cohort = world.read_in(team, UploadKind.COHORT, cohort_folder(tmp_path / "c", n=6))
    image = Image.objects.order_by("case__position").first()
    damage(image.blob)
    audit = start_audit(
        actor=team.owner,
        team=team,
        cohort_version=cohort.cohort_version,
        model_version=model.model_version,
    )

    inference.run_shard(str(Shard.objects.get(work__audit=audit).pk))

    assert Shard.objects.get(work__audit=audit).state == WorkState.DONE
    failed = CaseResult.objects.get(case=image.case)
    assert failed.error != ""
    assert failed.outputs == []
    assert CaseResult.objects.filter(audit=audit, error="").count() == 5

    world.run_here(audit)
    assert audit.state == "sealed"
    assert Report.objects.filter(audit=audit).exists()


def damage(blob: Blob) -> None:
    stored = Path(default_storage.path(blob.storage_name))
    shutil.copy(stored, stored.with_suffix(".tmp"))
    stored.unlink()
    stored.write_bytes(b"no image any more")
