"""Everything that changes cohorts; each change writes the trail."""

from collections.abc import Iterable, Mapping
from typing import Any

from django.db import transaction
from django.db.models import Max
from django.db.models.functions import Now

from ml.evidence.store import canonical
from ml.intake.regroup import regrouped
from portal.accounts.access import check_may
from portal.accounts.models import Team, User
from portal.accounts.roles import Act
from portal.blobs import store
from portal.blobs.models import Blob
from portal.cohorts import catalogue
from portal.cohorts.models import Case, Cohort, CohortVersion, Deidentification, Image
from portal.cohorts.states import COHORT, CohortState
from portal.reading.models import Reading
from portal.trail.actions import record

BATCH = 2000


@transaction.atomic
def add_version(
    *, team: Team, actor: User, catalogue: Mapping[str, Any], blob: Blob, files: Mapping[str, Blob]
) -> CohortVersion:
    """A draft with all its cases, images and readings, or nothing at all.

    Handing in the same content again returns the sealed version that holds it.
    """
    Team.objects.select_for_update().get(pk=team.pk)  # numbers are given one at a time
    cohort, _ = Cohort.objects.get_or_create(team=team, name=str(catalogue["title"])[:160])
    known = cohort.versions.filter(sha256=catalogue["sha256"]).first()
    if known is not None:
        return known
    newest = cohort.versions.aggregate(newest=Max("number"))["newest"] or 0
    version = CohortVersion.objects.create(
        cohort=cohort, number=newest + 1, catalogue=blob, created_by=actor, **_facts(catalogue)
    )
    cases = {case.case_id: case for case in _cases(version, catalogue)}
    Case.objects.bulk_create(cases.values(), batch_size=BATCH)
    Image.objects.bulk_create(_images(cases, catalogue, files), batch_size=BATCH)
    Reading.objects.bulk_create(_readings(cases, catalogue), batch_size=BATCH)
    record(team=team, actor=actor, action="cohort read", obj=version, sha256=version.sha256)
    return version


@transaction.atomic
def group_version(
    *, actor: User, version: CohortVersion, groups: Mapping[str, str], note: str
) -> CohortVersion | None:
    """A draft with the same cases, whose clusters hold whole groups; None if they do already.

    Args:
        groups: case id -> name of its group.
        note: where they come from, a sentence for the notes of the draft.
    """
    check_may(actor, version.cohort.team, Act.HAND_IN_COHORT)
    listed = regrouped(catalogue.load(version), groups, note)
    if listed is None:
        return None
    images = Image.objects.filter(case__version=version).select_related("blob", "display")
    files = {blob.sha256: blob for image in images for blob in (image.blob, image.display)}
    blob = store.put_bytes(canonical(listed), "application/json")
    made = add_version(
        team=version.cohort.team, actor=actor, catalogue=listed, blob=blob, files=files
    )
    kept = Deidentification.objects.filter(version=version).first()
    if kept is not None:  # of the same files
        keep_deidentification(version=made, report=kept.report)
    record(
        team=version.cohort.team,
        actor=actor,
        action="cohort grouped",
        obj=made,
        sha256=made.sha256,
        of=version.sha256,
    )
    return made


def _facts(catalogue: Mapping[str, Any]) -> dict[str, Any]:
    cases = catalogue["cases"]
    patients = {case["patient_id"] for case in cases if case.get("patient_id")}
    return {
        "sha256": catalogue["sha256"],
        "title": str(catalogue["title"])[:200],
        "task": catalogue["task"],
        "classes": catalogue["classes"],
        "positive": catalogue["positive"],
        "modality": str(catalogue.get("modality") or "")[:80],
        "notes": catalogue.get("notes") or "",
        "readers": catalogue["readers"],
        "questions": catalogue["questions"],
        "cluster_kind": catalogue["cluster_kind"],
        "n_cases": len(cases),
        "n_clusters": len({case["cluster"] for case in cases}),
        "n_patients": len(patients) or None,
        "n_images": sum(len(case["images"]) for case in cases),
        "n_labelled": sum(case.get("label") is not None for case in cases),
        "n_readings": len(catalogue["readings"]),
    }


def _cases(version: CohortVersion, catalogue: Mapping[str, Any]) -> Iterable[Case]:
    positive = set(catalogue["positive"])
    for position, case in enumerate(catalogue["cases"]):
        label = case.get("label")
        yield Case(
            version=version,
            position=position,
            case_id=case["case_id"],
            patient_id=case.get("patient_id") or "",
            cluster=case["cluster"],
            label=label or "",
            present=None if label is None else label in positive,
            covariates=case["covariates"],
        )


def _images(
    cases: Mapping[str, Case], catalogue: Mapping[str, Any], files: Mapping[str, Blob]
) -> Iterable[Image]:
    for case in catalogue["cases"]:
        for position, image in enumerate(case["images"]):
            yield Image(
                case=cases[case["case_id"]],
                position=position,
                blob=files[image["sha256"]],
                display=files[image["display_sha256"]],
                path=image["path"],
                media_type=image["media_type"],
                width=image["width"],
                height=image["height"],
                frames=image.get("frames") or 1,
            )


def _readings(cases: Mapping[str, Case], catalogue: Mapping[str, Any]) -> Iterable[Reading]:
    for reading in catalogue["readings"]:
        yield Reading(
            case=cases[reading["case_id"]],
            reader_id=reading["reader_id"],
            question=reading.get("question") or "",
            score=reading.get("score"),
            label=reading.get("label") or "",
            arm=reading.get("arm") or "",
            seconds=reading.get("seconds"),
        )


@transaction.atomic
def keep_deidentification(*, version: CohortVersion, report: Mapping[str, Any]) -> None:
    """Keep beside a version what was done to its files; once, however often they are handed in."""
    _, made = Deidentification.objects.get_or_create(
        version=version, defaults={"report": dict(report)}
    )
    if made:
        record(
            team=version.cohort.team,
            actor=None,
            action="cohort de-identified",
            obj=version,
            procedure=report["procedure"]["version"],
            needs_review=report["burned_in"]["needs_review"],
        )


@transaction.atomic
def seal_version(*, actor: User, version: CohortVersion) -> None:
    check_may(actor, version.cohort.team, Act.HAND_IN_COHORT)
    COHORT.check_move(version.state, CohortState.SEALED)
    sealed = CohortVersion.objects.filter(pk=version.pk, state=CohortState.DRAFT)
    if sealed.update(state=CohortState.SEALED, sealed_at=Now()):
        record(
            team=version.cohort.team,
            actor=actor,
            action="cohort sealed",
            obj=version,
            sha256=version.sha256,
        )


@transaction.atomic
def discard_draft(*, actor: User, version: CohortVersion) -> None:
    """A sealed version cannot be discarded: the database refuses it too."""
    check_may(actor, version.cohort.team, Act.HAND_IN_COHORT)
    record(team=version.cohort.team, actor=actor, action="cohort draft discarded", obj=version)
    version.delete()
