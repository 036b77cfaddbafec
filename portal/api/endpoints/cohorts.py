"""Cohort versions."""

from datetime import datetime
from typing import Any
from uuid import UUID

from django.http import HttpRequest
from ninja import File, Form, Query, Router, Schema, Status
from ninja.files import UploadedFile
from pydantic import Field

from portal.api.auth import bearer
from portal.api.common import find, page_url
from portal.api.endpoints.uploads import UploadOut, take
from portal.api.paging import Page, Window, page_of
from portal.api.problems import Problem
from portal.cohorts.access import versions_of
from portal.cohorts.models import CohortVersion, Deidentification
from portal.cohorts.states import CohortState
from portal.intake.models import UploadKind

router = Router(tags=["Cohorts"])


class CohortOut(Schema):
    id: UUID = Field(description="of this version; audits are started with it")
    name: str
    number: int
    state: CohortState
    sha256: str
    task: str = Field(description="classification or segmentation")
    classes: list[str] = Field(description="of a segmentation: the structures")
    positive: list[str]
    modality: str
    cluster_kind: str = Field(description="case, patient or group: the independent unit")
    n_cases: int
    n_clusters: int
    n_patients: int | None = Field(description="null: no patient ids in the data")
    n_images: int
    n_labelled: int
    n_readings: int
    created_at: datetime
    sealed_at: datetime | None
    url: str


def _cohort_out(request: HttpRequest, version: CohortVersion) -> CohortOut:
    return CohortOut(
        id=version.pk,
        name=version.cohort.name,
        number=version.number,
        state=CohortState(version.state),
        sha256=version.sha256,
        task=version.task,
        classes=version.classes,
        positive=version.positive,
        modality=version.modality,
        cluster_kind=version.cluster_kind,
        n_cases=version.n_cases,
        n_clusters=version.n_clusters,
        n_patients=version.n_patients,
        n_images=version.n_images,
        n_labelled=version.n_labelled,
        n_readings=version.n_readings,
        created_at=version.created_at,
        sealed_at=version.sealed_at,
        url=page_url(request, version),
    )


@router.get(
    "/cohorts", response=Page[CohortOut], operation_id="list_cohorts", summary="Cohort versions"
)
def list_cohorts(
    request: HttpRequest, window: Query[Window], state: CohortState | None = None
) -> Page[CohortOut]:
    """Every version of every cohort of the team; only sealed ones can be audited."""
    rows = versions_of(bearer(request).team)
    rows = rows.filter(state=state) if state else rows
    return page_of(rows, window, lambda row: _cohort_out(request, row))


@router.post(
    "/cohorts", response={202: UploadOut}, operation_id="push_cohort", summary="Hand in a cohort"
)
def push_cohort(
    request: HttpRequest, file: File[UploadedFile], seal: Form[bool] = True
) -> Status[UploadOut]:
    """A zip of a cohort folder. `seal=false` leaves a draft that a person looks at first."""
    return Status(202, take(request, UploadKind.COHORT, file, seal))


@router.get(
    "/cohorts/{uuid:version_id}",
    response=CohortOut,
    operation_id="get_cohort",
    summary="One cohort version",
)
def get_cohort(request: HttpRequest, version_id: UUID) -> CohortOut:
    found = find(versions_of(bearer(request).team), version_id, "cohort version")
    return _cohort_out(request, found)


@router.get(
    "/cohorts/{uuid:version_id}/deidentification",
    response=dict[str, Any],
    operation_id="get_deidentification",
    summary="What was removed from DICOM files",
)
def get_deidentification(request: HttpRequest, version_id: UUID) -> dict[str, Any]:
    """Counts for each attribute and action, never a value; 404 where no file is DICOM."""
    found = find(versions_of(bearer(request).team), version_id, "cohort version")
    kept = Deidentification.objects.filter(version=found).first()
    if kept is None:
        raise Problem("not_found", "This cohort version has no de-identified DICOM files.")
    report: dict[str, Any] = kept.report
    return report
