"""Several answers to each case, from hand-in to the page of the report."""

import numpy as np
import pytest
from django.test import Client

from ml.engine.plan import PREDICT, SAMPLES
from ml.sandbox.warm import WarmChild
from ml.zoo.shades import cohort_folder
from portal.audits.models import CaseResult, Evidence, Shard
from portal.audits.planning import lock_protocol, start_audit, write_protocol
from portal.audits.preview import Choice, preview_of
from portal.intake.models import UploadKind
from portal.leases import WorkState
from portal.reports.models import Report
from tests.ml.intake.ensembles import ensemble_folder
from tests.ml.intake.exported import doubtful_folder
from tests.workers.test_run import document_of, read_in, run_all, team  # noqa: F401
from workers import inference, passes
from workers.statistics import load_evidence

ASKED = {"checks": ["uncertainty"], "limits": [], "draws": 200, "dropout_samples": 12}


@pytest.fixture
def protocol(team):  # noqa: F811
    written = write_protocol(actor=team.owner, team=team, name="Doubt", body=ASKED)
    lock_protocol(actor=team.owner, protocol=written)
    written.refresh_from_db()
    return written


@pytest.fixture
def cohort(read_in, tmp_path):  # noqa: F811
    return read_in(UploadKind.COHORT, cohort_folder(tmp_path / "c", n=24)).cohort_version


def line_of(team, cohort, model, protocol):  # noqa: F811
    chosen = Choice(team, cohort, model, None, protocol)
    return next(line for line in preview_of(chosen).lines if line.title == "Uncertainty")


def test_an_audit_of_dropout_from_folder_to_report(team, read_in, cohort, protocol, tmp_path):  # noqa: F811
    upload = read_in(UploadKind.MODEL, doubtful_folder(tmp_path / "m"))
    model = upload.model_version
    assert model is not None, upload.refusals
    asked = {"actor": team.owner, "team": team, "cohort_version": cohort, "model_version": model}
    cost = preview_of(Choice(team, cohort, model, None, protocol)).cost
    assert (cost.n_shards, cost.n_cases) == (2, 24)
    sampling = 24 * model.card["sampling"]["seconds_per_case"] * 12 / 30
    assert cost.seconds == pytest.approx(24 * cost.seconds_per_case + sampling)
    line = line_of(team, cohort, model, protocol)
    assert line.word == "Will run"
    assert "12 samples of its dropout answer each case" in line.reason

    audit = start_audit(**asked, protocol=protocol)
    run_all(audit)

    assert audit.state == "sealed"
    assert list(audit.passes.order_by("position").values_list("name", flat=True)) == [
        PREDICT, SAMPLES,
    ]  # fmt: skip
    (check,) = document_of(audit)["checks"]
    assert check["state"] == "info", check["reason"]
    scatter = check["series"][0]
    assert len(scatter["rows"]) == 24
    assert "12 samples of its dropout" in scatter["subtitle"]
    measured = {row["id"]: row["value"] for row in check["measures"]}
    assert measured["mean_uncertainty:epistemic"] > 0.001
    assert set(CaseResult.objects.filter(audit=audit).values_list("pass_name", flat=True)) == {
        PREDICT
    }
    again = start_audit(**asked, protocol=protocol)
    run_all(again)
    states = Shard.objects.filter(work__audit=again).values_list("state", flat=True)
    assert set(states) == {WorkState.REUSED}
    assert document_of(again)["checks"][0]["measures"] == check["measures"]
    client = Client()
    client.force_login(team.owner)
    html = client.get(Report.objects.get(audit=audit).get_absolute_url()).content.decode()
    assert "Have an expert read these cases" in html
    assert "Scatter of aleatoric against epistemic uncertainty" in html


def test_a_model_that_may_not_be_sampled_is_not_faked(team, read_in, cohort, protocol, tmp_path):  # noqa: F811
    folder = doubtful_folder(tmp_path / "m", dropout=None)
    model = read_in(UploadKind.MODEL, folder).model_version
    line = line_of(team, cohort, model, protocol)
    assert (line.word, "'dropout: allowed'" in line.reason) == ("Will not", True)

    audit = start_audit(
        actor=team.owner, team=team, cohort_version=cohort, model_version=model, protocol=protocol
    )

    assert list(audit.passes.values_list("name", flat=True)) == [PREDICT]
    assert "'dropout: allowed'" in load_evidence(audit).no_samples


@pytest.mark.parametrize("first", [PREDICT, SAMPLES])
def test_the_members_of_an_ensemble_are_run_once(
    first,
    team,  # noqa: F811
    read_in,  # noqa: F811
    cohort,
    protocol,
    tmp_path,
):
    model = read_in(UploadKind.MODEL, ensemble_folder(tmp_path / "m")).model_version
    cost = preview_of(Choice(team, cohort, model, None, protocol)).cost
    assert cost.seconds == pytest.approx(24 * cost.seconds_per_case), "they are run twice"
    audit = start_audit(
        actor=team.owner, team=team, cohort_version=cohort, model_version=model, protocol=protocol
    )
    of_shard = {one.work.name: one for one in Shard.objects.filter(work__audit=audit)}
    order = [first, *({PREDICT, SAMPLES} - {first})]

    for name in order:
        inference.run_shard(str(of_shard[name].pk))

    states = []
    for name in order:
        of_shard[name].refresh_from_db()
        states.append(of_shard[name].state)
    assert states == [WorkState.DONE, WorkState.REUSED]
    keys = {work.key for work in map(passes.of_shard, of_shard.values())}
    kept = Evidence.objects.filter(team=team)
    assert {one.key for one in kept} == keys, "the evidence is not where each pass looks for it"
    found = load_evidence(audit)
    assert found.samples.score.shape == (3, 24)
    assert np.isfinite(found.samples.score).all()
    assert found.prediction.score == pytest.approx(found.samples.score.mean(0), abs=1e-12)
    assert CaseResult.objects.filter(audit=audit, pass_name=PREDICT).count() == 24


def test_a_bad_table_beside_a_good_one_is_no_evidence(
    team,  # noqa: F811
    read_in,  # noqa: F811
    cohort,
    protocol,
    tmp_path,
    monkeypatch,
):
    model = read_in(UploadKind.MODEL, ensemble_folder(tmp_path / "m")).model_version
    audit = start_audit(
        actor=team.owner, team=team, cohort_version=cohort, model_version=model, protocol=protocol
    )
    honest = WarmChild.run

    def lie(self, job, **keywords):
        outcome = honest(self, job, **keywords)
        outcome.result["beside"]["table"] = outcome.result["table"]
        return outcome

    monkeypatch.setattr(WarmChild, "run", lie)
    shard = Shard.objects.get(work__audit=audit, work__name=PREDICT)

    inference.run_shard(str(shard.pk))

    shard.refresh_from_db()
    assert shard.state == WorkState.WAITING
    assert "cannot be used" in shard.error
    assert not Evidence.objects.exists()
