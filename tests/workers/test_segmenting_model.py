"""A model that segments, handed in, run and compared: what it marks is compared after it."""

import json

import pytest
import yaml
from django.core.exceptions import ValidationError
from django.test import Client

from ml.cli.main import main as command_line
from ml.engine.passes import CORRUPT, MOVE
from ml.engine.plan import COMPARE, PREDICT
from portal.audits.models import Shard
from portal.audits.planning import (
    lock_protocol,
    start_audit,
    waits_for_masks,
    write_protocol,
)
from portal.audits.preview import Choice, preview_of
from portal.blobs import store
from portal.intake.models import UploadKind
from portal.leases import WorkState
from portal.reports.models import Report
from tests.ml.engine.test_segment import cohort as cohort_of
from tests.ml.engine.test_segment import model as model_of
from tests.services import world
from workers.inference import run_shard


@pytest.fixture
def team(make_team):
    return make_team()


@pytest.fixture
def folders(tmp_path):
    return model_of(tmp_path / "model"), cohort_of(tmp_path / "cohort")


@pytest.fixture
def versions(team, folders):
    model, cohort = folders
    return (
        world.read_in(team, UploadKind.MODEL, model).model_version,
        world.read_in(team, UploadKind.COHORT, cohort).cohort_version,
    )


def started(team, versions):
    model, cohort = versions
    return start_audit(actor=team.owner, team=team, cohort_version=cohort, model_version=model)


def measures_of(document):
    (check,) = [one for one in document["checks"] if one["id"] == "segmentation"]
    return check["measures"]


def test_the_portal_says_what_the_command_line_says(team, versions, folders, tmp_path):
    words = ["--model", str(folders[0]), "--cohort", str(folders[1]), "--out", str(tmp_path / "o")]
    command_line(["audit", *words])
    alone = json.loads((tmp_path / "o" / "audit.json").read_text())
    audit = started(team, versions)

    world.run_here(audit)
    again = started(team, versions)
    world.run_here(again)

    assert audit.state == "sealed"
    names = audit.passes.order_by("position").values_list("name", flat=True)
    assert list(names) == [PREDICT, COMPARE]
    document = json.loads(store.read_bytes(Report.objects.get(audit=audit).audit_json))
    assert measures_of(document) == measures_of(alone)
    assert {one["id"]: one["n"] for one in measures_of(document)}["dice"] == 12
    states = Shard.objects.filter(work__audit=again).values_list("state", flat=True)
    assert set(states) == {"reused"}
    client = Client()
    client.force_login(team.owner)
    for shown in (versions[0], audit):
        assert client.get(shown.get_absolute_url()).status_code == 200


STRESS = {
    "checks": ["segmentation", "stress", "shift-consistency"], "draws": 200, "stress_cases": 10,
    "shift_cases": 10, "corruptions": ["gaussian-noise"], "legal_flips": ["left-right"],
}  # fmt: skip


def protocol_of(team):
    rules = write_protocol(actor=team.owner, team=team, name="Copies", body=STRESS)
    lock_protocol(actor=team.owner, protocol=rules)
    rules.refresh_from_db()
    return rules


def test_copies_are_marked_in_the_portal_as_at_the_command_line(team, versions, folders, tmp_path):
    (tmp_path / "protocol.yaml").write_text(yaml.safe_dump(STRESS))
    words = ["--model", str(folders[0]), "--cohort", str(folders[1]), "--out", str(tmp_path / "o")]
    command_line(["audit", *words, "--protocol", str(tmp_path / "protocol.yaml")])
    alone = json.loads((tmp_path / "o" / "audit.json").read_text())
    model, cohort = versions
    rules = protocol_of(team)
    choice = Choice(team, cohort, model, None, rules)
    before = preview_of(choice)
    audit = start_audit(
        actor=team.owner, team=team, cohort_version=cohort, model_version=model, protocol=rules
    )

    world.run_here(audit)

    assert audit.state == "sealed"
    names = audit.passes.order_by("position").values_list("name", flat=True)
    assert list(names) == [PREDICT, CORRUPT, MOVE, COMPARE]
    document = json.loads(store.read_bytes(Report.objects.get(audit=audit).audit_json))
    assert {one["id"] for one in document["checks"]} == set(STRESS["checks"])
    for one, other in zip(document["checks"], alone["checks"], strict=True):
        assert one["measures"] == other["measures"]
        assert one["series"] == other["series"]
    lines = {line.title: line for line in before.lines}
    assert lines["Stress"].word == lines["Shift consistency"].word == "Will run"
    assert "1 of 11 corruptions at 5 severities, on 10 cases" in lines["Stress"].reason
    # What was computed is found again under its key, references and all, before it is begun.
    after = preview_of(choice).cost
    assert (before.cost.n_reused, before.cost.n_shards) == (0, 3)
    assert after.n_reused == after.n_shards == 3
    assert audit.passes.get(name=CORRUPT).n_cases == 10


def test_masks_that_were_handed_in_are_not_marked_again(team, versions):
    _, cohort = versions

    lines = {line.title: line for line in preview_of(
        Choice(team, cohort, None, None, protocol_of(team))
    ).lines}  # fmt: skip

    assert lines["Shift consistency"].word == "Will not"
    assert "segments can mark moved images" in lines["Shift consistency"].reason


def test_what_is_not_marked_yet_is_not_compared_and_costs_no_attempt(team, versions):
    audit = started(team, versions)
    compare = Shard.objects.get(work__audit=audit, work__name=COMPARE)
    marks = Shard.objects.get(work__audit=audit, work__name=PREDICT)
    waiting = Shard.objects.filter(work__audit=audit)

    run_shard(str(compare.pk))
    compare.refresh_from_db()
    assert (compare.state, compare.attempts) == (WorkState.WAITING, 0)
    assert list(waits_for_masks(waiting)) == [compare]

    run_shard(str(marks.pk))
    assert not waits_for_masks(waiting).exists()
    run_shard(str(compare.pk))
    compare.refresh_from_db()
    assert compare.state == WorkState.DONE


def test_structures_in_another_order_or_by_other_names_are_refused(team, folders, tmp_path):
    cohort = cohort_of(tmp_path / "other", structures=("lesion",))
    model = world.read_in(team, UploadKind.MODEL, folders[0]).model_version
    version = world.read_in(team, UploadKind.COHORT, cohort).cohort_version

    with pytest.raises(ValidationError, match="structures"):
        started(team, (model, version))


def test_the_preview_says_that_it_will_run_and_what_it_costs(team, versions):
    model, cohort = versions
    preview = preview_of(Choice(team, cohort, model, None, None))

    lines = {line.title: line.word for line in preview.lines}
    assert preview.blocked == ""
    assert lines["Segmentation"] == "Will run"
    assert (preview.cost.n_cases, preview.cost.n_reused) == (12, 0)
