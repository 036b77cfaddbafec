"""What the scenarios work on, made through actions: people, a model, cohorts, a whole audit."""

import json
import uuid
from pathlib import Path
from typing import Any

from django.db.models import Count

from demo.run import zipped
from ml.zoo.shades import cohort_folder, model_folder
from portal.accounts.actions import create_team
from portal.accounts.models import Team, User
from portal.audits.models import Audit, CaseResult, CheckRun, Finding, Shard
from portal.blobs import store
from portal.blobs.models import Blob
from portal.cohorts import actions as cohorts
from portal.cohorts.models import CohortVersion
from portal.intake.actions import hand_in
from portal.intake.models import Upload, UploadKind
from portal.registry import actions as registry
from portal.registry.models import ModelVersion, Predictions
from portal.reports.models import Report
from workers import inference, intake, statistics

N_CASES = 250  # five shards
QUESTIONS = {  # neither in the order of the alphabet nor of their length, which jsonb sorts by
    "shade": {"position": 0, "scale": "ordinal", "values": ["5", "4", "3", "2", "1"]},
    "an even longer name": {"position": 1, "scale": "nominal", "values": ["yes", "no"]},
    "art": {"position": 2, "scale": "nominal", "values": ["b", "a"]},
}


def new_team() -> Team:
    name = f"t{uuid.uuid4().hex[:8]}"
    owner = User.objects.create_user(f"{name}@example.org", "a long password", name=name)
    return create_team(owner=owner, name=name)


def owner_of(team: Team) -> User:
    return team.memberships.get(role="owner").user


def small_cohort(team: Team, n: int = 4, *, seal: bool = True) -> CohortVersion:
    """Cases without images: enough for an audit of uploaded predictions."""
    cases = [
        {
            "case_id": f"c{number}",
            "patient_id": None,
            "group": None,
            "cluster": f"c{number}",
            "label": "bright" if number % 2 else "dark",
            "covariates": {"site": "b", "age": "4"},
            "images": [],
        }
        for number in range(n)
    ]
    catalogue = {
        "schema": 1,
        "title": "Small",
        "task": "classification",
        "classes": ["bright", "dark"],
        "positive": ["bright"],
        "modality": "none",
        "notes": "",
        "readers": "identified",
        "questions": QUESTIONS,
        "sha256": uuid.uuid4().hex * 2,
        "cluster_kind": "case",
        "simulated": True,
        "covariates": ["site", "age"],
        "cases": cases,
        "readings": [],
    }
    blob = store.put_bytes(json.dumps(catalogue).encode(), "application/json")
    actor = owner_of(team)
    version = cohorts.add_version(team=team, actor=actor, catalogue=catalogue, blob=blob, files={})
    if seal:
        cohorts.seal_version(actor=actor, version=version)
    version.refresh_from_db()
    return version


def some_predictions(team: Team) -> Predictions:
    table = store.put_bytes(uuid.uuid4().bytes)
    meta = {
        "kind": "probabilities",
        "classes": ["bright", "dark"],
        "positive": ["bright"],
        "model": {"name": "Elsewhere", "version": "1"},
    }
    return registry.accept_predictions(
        team=team, actor=owner_of(team), meta=meta, table=table, sha256=table.sha256, n_cases=4
    )


def hand_over(team: Team, kind: UploadKind, folder: Path) -> Upload:
    """Handed in and read in this process, as a worker would."""
    with store.local_folder() as scratch:
        blob = store.put_path(zipped(folder, scratch / "upload.zip"), "application/zip")
    upload = hand_in(
        actor=owner_of(team), team=team, kind=kind, file_name=f"{folder.name}.zip", blob=blob
    )
    intake.read_upload(str(upload.pk))
    upload.refresh_from_db()
    return upload


def read_in(team: Team, kind: UploadKind, folder: Path) -> Upload:
    upload = hand_over(team, kind, folder)
    assert upload.accepted, (upload.state, upload.error, upload.refusals)
    return upload


def shades(team: Team, home: Path) -> tuple[ModelVersion, CohortVersion]:
    model = read_in(team, UploadKind.MODEL, model_folder(home / "model", channels=48, layers=3))
    cohort = read_in(team, UploadKind.COHORT, cohort_folder(home / "cohort", n=N_CASES))
    assert model.model_version is not None
    assert cohort.cohort_version is not None
    return model.model_version, cohort.cohort_version


def same_for(
    team: Team, model: ModelVersion, cohort: CohortVersion
) -> tuple[ModelVersion, CohortVersion]:
    """The same content in another team, whose evidence is its own."""
    assert model.weights is not None
    actor = owner_of(team)
    read = registry.ReadModel(
        model.manifest, model.card, model.sha256, model.manifest_sha256, model.weights
    )
    version = registry.accept_version(team=team, actor=actor, read=read)
    catalogue = json.loads(store.read_bytes(cohort.catalogue))
    shas = {
        sha
        for case in catalogue["cases"]
        for image in case["images"]
        for sha in (image["sha256"], image["display_sha256"])
    }
    copied = cohorts.add_version(
        team=team,
        actor=actor,
        catalogue=catalogue,
        blob=cohort.catalogue,
        files=Blob.objects.in_bulk(shas),
    )
    cohorts.seal_version(actor=actor, version=copied)
    copied.refresh_from_db()
    return version, copied


def run_here(audit: Audit) -> None:
    """Every job of an audit in this process, as the broker would call them."""
    for shard in Shard.objects.filter(work__audit=audit).order_by("work__position", "position"):
        inference.run_shard(str(shard.pk))
    for check_run in audit.check_runs.order_by("position"):
        statistics.run_check(str(check_run.pk))
    statistics.seal_audit(str(audit.pk))
    audit.refresh_from_db()


def outcome(audit: Audit) -> dict[str, Any]:
    """What must be the same however the audit got there, and what may differ."""
    report = Report.objects.select_related("audit_json", "content").get(audit=audit)
    document = json.loads(store.read_bytes(report.audit_json))
    results = CaseResult.objects.filter(audit=audit)
    again = results.values("case", "pass_name").annotate(n=Count("pk")).filter(n__gt=1)
    shards = Shard.objects.filter(work__audit=audit)
    for check in document["checks"]:
        check.pop("seconds")
    return {
        "same": {
            "state": audit.state,
            "document": document,
            "cases": json.loads(store.read_bytes(report.content))["cases"],
            "outputs": list(results.order_by("case__position").values_list("outputs", flat=True)),
            "case_results": results.count(),
            "duplicates": again.count(),
            "check_runs": CheckRun.objects.filter(audit=audit).count(),
            "findings": Finding.objects.filter(audit=audit).count(),
            "reports": Report.objects.filter(audit=audit).count(),
        },
        "shards": sorted(shards.values_list("state", flat=True)),
        "attempts": sum(shards.values_list("attempts", flat=True)),
    }
