"""Images are measured by a worker without a model, once for every audit of the team."""

import pytest

from ml.engine.images import DESCRIBE
from ml.zoo import stripes
from portal.audits.fitness import fitness_of, groups_in, start_fitness
from portal.audits.models import CaseResult, Shard
from portal.audits.planning import lock_protocol, start_audit, write_protocol
from portal.audits.preview import Choice, preview_of
from portal.cohorts.actions import group_version
from portal.intake.models import UploadKind
from portal.leases import WorkState
from tests.workers.test_run import read_in, team  # noqa: F401
from workers import inference, passes
from workers.statistics import load_evidence, run_check


@pytest.fixture
def choice(team, read_in, tmp_path):  # noqa: F811
    made = write_protocol(
        actor=team.owner, team=team, name="P",
        body={"checks": ["handcrafted-baseline"], "limits": [], "draws": 200},
    )  # fmt: skip
    lock_protocol(actor=team.owner, protocol=made)
    made.refresh_from_db()
    cohort = read_in(UploadKind.COHORT, stripes.cohort_folder(tmp_path / "c", n=52))
    table = read_in(UploadKind.PREDICTIONS, stripes.predictions_folder(tmp_path / "p", n=52))
    return Choice(team, cohort.cohort_version, None, table.predictions, made)


def started(choice):
    return start_audit(
        actor=choice.team.owner, team=choice.team, cohort_version=choice.cohort,
        predictions=choice.predictions, protocol=choice.protocol,
    )  # fmt: skip


def test_a_table_of_predictions_is_held_against_its_images(choice):
    lines = {line.title: line.state for line in preview_of(choice).lines}
    assert lines["Handcrafted baseline"] == "pass"
    audit = started(choice)
    assert list(audit.passes.values_list("name", "n_cases", "n_shards")) == [(DESCRIBE, 52, 2)]
    for shard in Shard.objects.filter(work__audit=audit):
        assert passes.subject_of(shard) == f"{audit.pk} {DESCRIBE}"
        inference.run_shard(str(shard.pk))
        shard.refresh_from_db()
        assert shard.state == WorkState.DONE, shard.error
    assert not CaseResult.objects.filter(audit=audit).exists(), "numbers of images are no answers"

    evidence = load_evidence(audit)
    assert evidence.described.known.all()
    for check in audit.check_runs.all():
        run_check(str(check.pk))
    (section,) = [one.result for one in audit.check_runs.all()]
    assert section["state"] == "info"
    assert section["measures"][0]["low"] > 0.2

    again = started(choice)
    for shard in Shard.objects.filter(work__audit=again):
        inference.run_shard(str(shard.pk))
        shard.refresh_from_db()
        assert shard.state == WorkState.REUSED, shard.error


def test_without_images_nothing_is_planned(choice, read_in, tmp_path):  # noqa: F811
    folder = stripes.cohort_folder(tmp_path / "bare", n=52)
    rows = [line.split(",") for line in (folder / "cases.csv").read_text().splitlines()]
    text = "\n".join(f"{case},{patient},{label}" for case, patient, _, label in rows)
    (folder / "cases.csv").write_text(text + "\n")
    bare = read_in(UploadKind.COHORT, folder).cohort_version
    other = Choice(choice.team, bare, None, choice.predictions, choice.protocol)
    (line,) = [one for one in preview_of(other).lines if one.title == "Handcrafted baseline"]
    assert (line.state, "no images" in line.reason) == ("not assessed", True)
    assert not started(other).passes.exists()


def test_what_a_cohort_is_fit_for_is_measured_and_its_duplicates_become_groups(
    team,  # noqa: F811
    read_in,  # noqa: F811
    tmp_path,
):
    folder = stripes.cohort_folder(tmp_path / "c", n=52)
    images = sorted((folder / "images").iterdir())
    images[40].write_bytes(images[0].read_bytes())  # of another patient
    cohort = read_in(UploadKind.COHORT, folder).cohort_version

    audit = start_fitness(actor=team.owner, team=team, version=cohort)
    for shard in Shard.objects.filter(work__audit=audit):
        inference.run_shard(str(shard.pk))
    for check in audit.check_runs.all():
        run_check(str(check.pk))

    found = fitness_of(team, cohort)
    assert [run.check_id for run in found.runs] == ["cohort-fitness", "duplicates"]
    assert found.duplicates.outcome == "caution", "a group spans two patients"
    assert {one.finding_id for one in found.findings} >= {
        "duplicates.units",
        "cohort-fitness.units",
    }
    assert [one["title"] for one in found.tables] == ["How the images were made and stored"]
    groups = groups_in(found.duplicates)
    assert len(groups) == 52
    alike = [case for case, group in groups.items() if group == groups[images[0].stem]]
    assert images[40].stem in alike
    made = group_version(actor=team.owner, version=cohort, groups=groups, note="N.")
    clusters = dict(made.cases.values_list("case_id", "cluster"))
    assert clusters[images[0].stem] == clusters[images[40].stem]
    assert made.n_clusters < cohort.n_clusters
