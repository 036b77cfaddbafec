"""Masks from the folder to the report, through the door everybody uses."""

import json
from pathlib import Path

import pytest
from django.core.exceptions import ValidationError
from django.core.files.storage import default_storage

from ml.cli.main import main as command_line
from ml.zoo import blobs
from portal.audits.models import CaseResult, Evidence, Shard
from portal.audits.planning import start_audit
from portal.blobs import store
from portal.blobs.models import Blob
from portal.cohorts import catalogue
from portal.intake.models import UploadKind
from portal.reports import limitations
from portal.reports.frozen import open_report
from portal.reports.models import Report
from tests.services import world

CHECKS = [
    "segmentation", "segmentation-panel", "segmentation-uncertainty", "intake", "determinism",
]  # fmt: skip


@pytest.fixture
def team(make_team):
    return make_team()


@pytest.fixture
def folders(tmp_path):
    cohort = blobs.cohort_folder(tmp_path / "cohort")
    return cohort, blobs.predictions_folder(tmp_path / "predictions")


@pytest.fixture
def audit(team, folders):
    """Waiting: the masks of a model on balls that three readers outlined."""
    cohort, predictions = folders
    return start_audit(
        actor=team.owner,
        team=team,
        cohort_version=world.read_in(team, UploadKind.COHORT, cohort).cohort_version,
        predictions=world.read_in(team, UploadKind.PREDICTIONS, predictions).predictions,
    )


def document_of(audit):
    return json.loads(store.read_bytes(Report.objects.get(audit=audit).audit_json))


def said(document):
    kept = ("id", "state", "reason", "measures", "findings")
    return [{key: check[key] for key in kept} for check in document["checks"]]


def test_the_portal_says_what_the_command_line_says(audit, folders, tmp_path):
    cohort, predictions = folders
    words = ["--cohort", str(cohort), "--predictions", str(predictions)]
    command_line(["audit", *words, "--out", str(tmp_path / "out")])
    alone = json.loads((tmp_path / "out" / "audit.json").read_text())

    world.run_here(audit)

    assert audit.state == "sealed"
    assert list(audit.passes.values_list("name", flat=True)) == ["compare-masks"]
    document = document_of(audit)
    assert [check["id"] for check in document["checks"]] == CHECKS
    assert said(document) == said(alone)
    measures = {m["id"]: m for m in document["checks"][0]["measures"]}
    assert 0.5 < measures["dice"]["value"] < 0.9
    assert not CaseResult.objects.filter(audit=audit).exists()  # a comparison is no case's score


def test_readers_alone_are_compared(team, folders):
    cohort = world.read_in(team, UploadKind.COHORT, folders[0]).cohort_version
    audit = start_audit(actor=team.owner, team=team, cohort_version=cohort)

    world.run_here(audit)

    states = {check["id"]: check["state"] for check in document_of(audit)["checks"]}
    assert list(states) == CHECKS  # readers' answers are another question than their masks
    assert states["segmentation"] == "not assessed"
    assert states["segmentation-panel"] != "not assessed"
    unasked = [about for about, _ in limitations.unasked(open_report(Report.objects.get()))]
    assert "readers" not in unasked


def test_answers_beside_masks_are_named_as_a_question_not_asked(team, folders):
    cohort = folders[0] / "cohort.yaml"
    cohort.write_text(cohort.read_text() + "questions: {sure: {scale: nominal, values: [y, n]}}\n")
    case_id = (folders[0] / "cases.csv").read_text().splitlines()[1].partition(",")[0]
    rows = f"reader_id,case_id,question,label\nA,{case_id},sure,y\n"
    (folders[0] / "readings.csv").write_text(rows)
    version = world.read_in(team, UploadKind.COHORT, folders[0]).cohort_version
    audit = start_audit(actor=team.owner, team=team, cohort_version=version)

    world.run_here(audit)

    unasked = [about for about, _ in limitations.unasked(open_report(Report.objects.get()))]
    assert "readers" in unasked


def test_a_second_audit_reuses_the_comparisons(audit, team):
    world.run_here(audit)
    kept = Evidence.objects.count()
    again = start_audit(
        actor=team.owner,
        team=team,
        cohort_version=audit.cohort_version,
        predictions=audit.predictions,
    )

    world.run_here(again)

    states = Shard.objects.filter(work__audit=again).values_list("state", flat=True)
    assert set(states) == {"reused"}
    assert Evidence.objects.count() == kept
    assert said(document_of(again)) == said(document_of(audit))


def test_a_shard_delivered_twice_changes_nothing(audit):
    world.run_here(audit)
    before = document_of(audit)

    world.run_here(audit)

    assert document_of(audit) == before
    assert set(Shard.objects.values_list("attempts", flat=True)) == {1}


def test_a_mask_that_is_gone_fails_its_case_alone_and_is_no_evidence_for_others(audit, team):
    case = catalogue.load(audit.cohort_version)["cases"][2]
    gone = Blob.objects.get(pk=case["mask"]["sha256"])
    stored = Path(default_storage.path(gone.storage_name))
    away = stored.rename(stored.with_suffix(".away"))

    world.run_here(audit)

    assert audit.state == "sealed"
    (said_so,) = [
        finding
        for finding in document_of(audit)["checks"][0]["findings"]
        if finding["id"] == "segmentation.image-missing"
    ]
    assert said_so["cases"] == [case["case_id"]]
    assert said_so["state"] == "caution"
    frozen = open_report(Report.objects.get(audit=audit))
    assert [c.case_id for c in frozen.cases if not c.masks] == [case["case_id"]]
    lines = [line.sentence for line in limitations.of(frozen)]
    assert "The masks of 1 case could not be compared and enter no measure." in lines

    away.rename(stored)
    whole = start_audit(
        actor=team.owner,
        team=team,
        cohort_version=audit.cohort_version,
        predictions=audit.predictions,
    )
    world.run_here(whole)
    states = Shard.objects.filter(work__audit=whole).values_list("state", flat=True)
    assert set(states) == {"done"}  # nothing of the broken run is reused
    assert not any("missing" in f["id"] for f in document_of(whole)["checks"][0]["findings"])


def test_what_does_not_fit_together_is_not_started(
    audit, team, make_cohort_version, make_model_version, make_predictions
):
    of_masks, of_labels = audit.cohort_version, make_cohort_version(team)
    wrong = [
        (of_labels, {"predictions": audit.predictions}, "choose a segmentation cohort"),
        (of_masks, {"predictions": make_predictions(team)}, "choose predictions with masks"),
        (of_masks, {"model_version": make_model_version(team)}, "choose a model that segments"),
    ]
    for cohort, subject, sentence in wrong:
        with pytest.raises(ValidationError, match=sentence):
            start_audit(actor=team.owner, team=team, cohort_version=cohort, **subject)


def test_structures_must_be_those_of_the_cohort(audit, team):
    audit.predictions.meta["classes"] = ["cube"]
    with pytest.raises(ValidationError, match="in its order: ball"):
        start_audit(
            actor=team.owner,
            team=team,
            cohort_version=audit.cohort_version,
            predictions=audit.predictions,
        )
