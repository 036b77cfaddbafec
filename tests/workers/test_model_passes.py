"""A pass that a check of a plug-in asks for is planned, run by a worker and given to the check."""

import html
from copy import copy

import numpy as np
import pytest
from django.test import Client

from ml.checks import registry
from ml.checks.registry import CheckResult, State, audit_check
from ml.corruptions import corruptions_for
from ml.engine.attack_form import ATTACK
from ml.engine.passes import CORRUPT, MOVE
from ml.engine.plan import COMPARE, PREDICT
from ml.sandbox import warm as warm_child
from ml.sandbox.launch import Child
from ml.sandbox.messages import Outcome
from ml.sandbox.warm import WarmChild
from ml.zoo import weave
from ml.zoo.shades import cohort_folder, model_folder
from portal.audits.models import CaseResult, Evidence, Shard
from portal.audits.planning import lock_protocol, start_audit, write_protocol
from portal.audits.preview import Choice, preview_of
from portal.intake.models import UploadKind
from portal.leases import WorkState
from portal.reports.doors import team_door
from portal.reports.frozen import open_report
from portal.reports.models import Report
from tests.workers.test_run import document_of, read_in, run_all, team  # noqa: F401
from workers import inference, passes, warm
from workers.statistics import load_evidence

# Of a cohort that declares no modality, and a model that takes gray pictures.
N_COPIES = 5 * len(corruptions_for("", "gray"))


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
    assert cost.seconds == pytest.approx(cohort.n_cases * (1 + N_COPIES) * 0.5), (
        "every forward counts"
    )
    audit = start_audit(
        actor=team.owner, team=team, cohort_version=cohort, model_version=model, protocol=protocol
    )
    names = [one.name for one in audit.passes.order_by("position")]
    for shard in Shard.objects.filter(work__audit=audit).order_by("work__position", "position"):
        inference.run_shard(str(shard.pk))

    found = load_evidence(audit)

    assert names == [PREDICT, CORRUPT]
    n = len(found.case_ids)
    assert found.corruptions.outputs.shape[:2] == (n, N_COPIES)
    assert np.isfinite(found.corruptions.outputs).all()
    assert np.isfinite(found.prediction.score).all()
    # A mild blur says nearly what the image itself does; what is shown with a case is that alone.
    (mild,) = found.corruptions.version(corruption="gaussian-blur", severity=1)
    assert np.ptp(found.corruptions.outputs[:, mild], axis=0).max() > 0
    assert set(CaseResult.objects.filter(audit=audit).values_list("pass_name", flat=True)) == {
        PREDICT
    }


def test_moved_images_are_run_judged_and_reported(team, read_in, tmp_path):  # noqa: F811
    """By a worker, of a network that skips pixels, up to the page that shows it."""
    asked = write_protocol(
        actor=team.owner, team=team, name="M", body={"checks": ["shift-consistency"], "draws": 200}
    )
    lock_protocol(actor=team.owner, protocol=asked)
    asked.refresh_from_db()
    folder = weave.cohort_folder(tmp_path / "weaves", n=16)
    cohort = read_in(UploadKind.COHORT, folder).cohort_version
    folder = weave.model_folder(tmp_path / "skips", skips=True)
    model = read_in(UploadKind.MODEL, folder).model_version
    timed = copy(model)
    timed.card = {**model.card, "smoke": {"seconds_per_case": 0.5}}
    preview = preview_of(Choice(team, cohort, timed, None, asked))
    audit = start_audit(
        actor=team.owner, team=team, cohort_version=cohort, model_version=model, protocol=asked
    )
    run_all(audit)

    assert model.card["gradients"], "its maps can be taken"
    assert preview.cost.seconds == pytest.approx(16 * (1 + 41) * 0.5)
    assert audit.passes.get(name=MOVE).params["maps"]
    found = load_evidence(audit).moves
    assert found.outputs.shape == (16, 20, 2)
    assert np.isfinite(found.map_agreement).any()
    report = Report.objects.get(audit=audit)
    client = Client()
    client.force_login(team.owner)
    page = html.unescape(client.get(team_door(report).report).content.decode())
    for said in (
        "In 8 of 16 cases the answer changes when the picture is shifted by 1 pixel.",
        "0 of these have a score within 0.1 of the threshold of 0.5",
        "any small move", "turned by 15 degrees", "Agreement of maps", "at most 5 %",
    ):  # fmt: skip
        assert said in page
    finding = open_report(report).finding("shift-consistency.flip_rate")
    assert finding["state"] == "fail"
    assert sorted(finding["cases"]) == [f"w{number:04d}" for number in range(1, 16, 2)]


def test_one_child_serves_the_passes_of_a_model_and_another_compares_masks(
    team,  # noqa: F811
    cohort,
    model,
    protocol,
    monkeypatch,
):
    started = []
    monkeypatch.setattr(
        warm_child, "Child", lambda *given, **named: started.append(1) or Child(*given, **named)
    )
    audit, again = (
        start_audit(
            actor=team.owner, team=team, cohort_version=cohort, model_version=model,
            protocol=protocol,
        )
        for _ in range(2)
    )  # fmt: skip
    shards = list(Shard.objects.filter(work__audit=audit).order_by("work__position"))
    for shard in shards:
        inference.run_shard(str(shard.pk))

    assert [shard.work.name for shard in shards] == [PREDICT, CORRUPT]
    assert len(started) == 1, "each pass starts a child of its own"
    assert not warm._kept, "it is kept though nothing is left to do"
    subjects = {passes.subject_of(shard) for shard in shards}
    assert len(subjects) == 1
    others = Shard.objects.filter(work__audit=again)
    assert not subjects & {passes.subject_of(shard) for shard in others}
    shards[0].work.name = COMPARE
    assert passes.subject_of(shards[0]) not in subjects


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


def test_of_a_large_cohort_only_drawn_cases_are_planned_and_counted(team, cohort, model):  # noqa: F811
    body = {"checks": ["stress"], "limits": [], "stress_cases": 10}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("ml.protocol._DRAWN_CASES_RANGE", (1, 100))
        few = write_protocol(
            actor=team.owner, team=team, name="Fewer", body=body | {"stress_cases": 3}
        )
        lock_protocol(actor=team.owner, protocol=few)
        few.refresh_from_db()
        model.card = {**model.card, "smoke": {"seconds_per_case": 0.5}}
        cost = preview_of(Choice(team, cohort, model, None, few)).cost
        audit = start_audit(
            actor=team.owner, team=team, cohort_version=cohort, model_version=model, protocol=few
        )
    assert cost.seconds == pytest.approx((cohort.n_cases + 3 * N_COPIES) * 0.5)
    corrupt = audit.passes.get(name=CORRUPT)
    assert (corrupt.n_cases, corrupt.n_shards) == (3, 1)
    assert len(Shard.objects.get(work=corrupt).case_ids) == 3
    assert audit.passes.get(name=PREDICT).n_cases == cohort.n_cases


def test_attacked_images_reach_the_check_and_its_report(team, cohort, model, client):  # noqa: F811
    body = {"checks": ["adversarial-lite"], "limits": [], "draws": 200}
    rules = write_protocol(actor=team.owner, team=team, name="Attack", body=body)
    lock_protocol(actor=team.owner, protocol=rules)
    rules.refresh_from_db()
    line = next(
        one
        for one in preview_of(Choice(team, cohort, model, None, rules)).lines
        if one.title == "Changes on purpose"
    )
    assert line.word == "Will run"
    audit = start_audit(
        actor=team.owner, team=team, cohort_version=cohort, model_version=model, protocol=rules
    )
    assert [one.name for one in audit.passes.order_by("position")] == [PREDICT, ATTACK]
    params = audit.passes.get(name=ATTACK).params
    assert (params["classes"], params["most_cases"]) == (["bright", "dark"], 40)

    run_all(audit)

    (check,) = document_of(audit)["checks"]
    assert check["state"] == "info"
    shares = {one["id"]: one["value"] for one in check["measures"]}
    # By how bright a picture is on average: what turns few answers of eight at 4 of 255.
    assert shares["flip_rate:pgd, eps 4/255"] >= shares["flip_rate:noise, eps 4/255"]
    assert shares["zero_gradient"] == 0
    client.force_login(team.owner)
    page = client.get(Report.objects.get(audit=audit).get_absolute_url()).content.decode()
    assert "Changes on purpose" in page
    assert "made on purpose, turns" in page
    assert 'class="ch ch-attack-curves' in page
