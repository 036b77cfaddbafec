"""A pass that a check of a plug-in asks for is planned, run by a worker and given to the check."""

import numpy as np
import pytest

from ml.checks import registry
from ml.checks.registry import CheckResult, State, audit_check
from ml.engine.passes import CORRUPT
from ml.engine.plan import PREDICT
from ml.sandbox.messages import Outcome
from ml.sandbox.warm import WarmChild
from ml.zoo.shades import cohort_folder, model_folder
from portal.audits.models import CaseResult, Evidence, Shard
from portal.audits.planning import lock_protocol, start_audit, write_protocol
from portal.audits.preview import Choice, preview_of
from portal.intake.models import UploadKind
from portal.leases import WorkState
from tests.workers.test_run import read_in, team  # noqa: F401
from workers import inference
from workers.statistics import load_evidence


@pytest.fixture
def protocol(monkeypatch, team):  # noqa: F811
    monkeypatch.setattr(registry, "_checks", dict(registry._checks))
    audit_check("test-corrupt", title="T", question="?", needs=("corruptions", "prediction"))(
        lambda evidence, rules: CheckResult(State.INFO, "?", ".")
    )
    made = write_protocol(
        actor=team.owner, team=team, name="P", body={"checks": ["test-corrupt"], "limits": []}
    )
    lock_protocol(actor=team.owner, protocol=made)
    made.refresh_from_db()
    return made


@pytest.fixture
def cohort(read_in, tmp_path):  # noqa: F811
    return read_in(UploadKind.COHORT, cohort_folder(tmp_path / "c", n=8)).cohort_version


@pytest.fixture
def model(team, read_in, tmp_path):  # noqa: F811
    return read_in(UploadKind.MODEL, model_folder(tmp_path / "model")).model_version


def test_corrupted_images_are_run_and_reach_the_check(team, cohort, model, protocol):  # noqa: F811
    model.card = {**model.card, "smoke": {"seconds_per_case": 0.5}}
    cost = preview_of(Choice(team, cohort, model, None, protocol)).cost
    assert cost.seconds == pytest.approx(cohort.n_cases * (1 + 30) * 0.5), "every forward counts"
    audit = start_audit(
        actor=team.owner, team=team, cohort_version=cohort, model_version=model, protocol=protocol
    )
    names = [one.name for one in audit.passes.order_by("position")]
    for shard in Shard.objects.filter(work__audit=audit).order_by("work__position", "position"):
        inference.run_shard(str(shard.pk))

    found = load_evidence(audit)

    assert names == [PREDICT, CORRUPT]
    n = len(found.case_ids)
    assert found.corruptions.outputs.shape[:2] == (n, 30)
    assert np.isfinite(found.corruptions.outputs).all()
    assert np.isfinite(found.prediction.score).all()
    # A mild blur says nearly what the image itself does; what is shown with a case is that alone.
    (mild,) = found.corruptions.version(corruption="gaussian-blur", severity=1)
    assert np.ptp(found.corruptions.outputs[:, mild], axis=0).max() > 0
    assert set(CaseResult.objects.filter(audit=audit).values_list("pass_name", flat=True)) == {
        PREDICT
    }


def test_a_child_that_lies_is_not_believed(team, cohort, model, protocol, monkeypatch):  # noqa: F811
    """It answers a table of the predict pass where one of corrupted images was asked for."""
    honest = WarmChild.run

    def lie(self, job, **keywords):
        outcome: Outcome = honest(self, type(job)("predict", job.inputs, job.out_dir), **keywords)
        return outcome

    audit = start_audit(
        actor=team.owner, team=team, cohort_version=cohort, model_version=model, protocol=protocol
    )
    shard = Shard.objects.filter(work__audit=audit, work__name=CORRUPT).first()
    monkeypatch.setattr(WarmChild, "run", lie)

    inference.run_shard(str(shard.pk))

    shard.refresh_from_db()
    assert shard.state == WorkState.WAITING
    assert "cannot be used" in shard.error
    assert not Evidence.objects.exists()
