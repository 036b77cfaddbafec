"""What was handed in, and how its reading goes."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from django.conf import settings
from django.http import HttpRequest
from ninja import Query, Router, Schema
from ninja.files import UploadedFile
from pydantic import Field

from portal.accounts.access import check_may
from portal.api.auth import bearer
from portal.api.common import find, page_url
from portal.api.paging import Page, Window, page_of
from portal.api.problems import Problem
from portal.blobs import store
from portal.intake.access import uploads_of
from portal.intake.actions import ACT_OF, hand_in
from portal.intake.models import Upload, UploadKind
from portal.leases import WorkState

router = Router(tags=["Uploads"])


class RefusalOut(Schema):
    code: str
    message: str
    file: str | None = None
    row: int | None = None


def refusals_out(stored: Sequence[Mapping[str, Any]]) -> list[RefusalOut]:
    return [
        RefusalOut(
            code=str(refusal.get("code", "unknown")),
            message=str(refusal.get("message", "")),
            file=refusal.get("file"),
            row=refusal.get("row"),
        )
        for refusal in stored
    ]


class ScannedFile(Schema):
    name: str
    bytes: int
    kind: str = Field(description="told by its first bytes")
    use: str = Field(description="what it was read as; of a refused upload: what it is refused for")


class ScanOut(Schema):
    files: list[ScannedFile] = Field(description="the first 200")
    n_files: int
    n_bytes: int


class ReadingProgress(Schema):
    text: str
    done: int
    total: int


class UploadOut(Schema):
    id: UUID
    kind: str = Field(description="model, cohort or predictions")
    file_name: str
    sha256: str
    size_bytes: int
    state: str = Field(description="waiting, running, done or failed")
    accepted: bool | None = Field(description="null until it is read")
    progress: ReadingProgress
    refusals: list[RefusalOut]
    scan: ScanOut | None = Field(
        description="what lay in a model's upload, accepted or refused; null where it is unknown"
    )
    error: str
    model: UUID | None = Field(description="the model version it became; null when refused")
    cohort: UUID | None = Field(description="the cohort version that was made of it")
    predictions: UUID | None
    created_at: datetime
    url: str


def upload_out(request: HttpRequest, upload: Upload) -> UploadOut:
    return UploadOut(
        id=upload.pk,
        kind=upload.kind,
        file_name=upload.file_name,
        sha256=upload.blob.sha256,
        size_bytes=upload.blob.size_bytes,
        state=upload.state,
        accepted=upload.accepted if upload.state == WorkState.DONE else None,
        progress=ReadingProgress(
            text=upload.progress, done=upload.progress_done, total=upload.progress_total
        ),
        refusals=refusals_out(upload.refusals),
        scan=_scan_out(upload),
        error=upload.error,
        model=upload.model_version_id if upload.accepted else None,
        cohort=upload.cohort_version_id,
        predictions=upload.predictions_id,
        created_at=upload.created_at,
        url=page_url(request, upload),
    )


def _scan_out(upload: Upload) -> ScanOut | None:
    found = upload.model_version.card.get("scan") if upload.model_version else None
    return ScanOut.model_validate(found) if found else None


def take(request: HttpRequest, kind: UploadKind, file: UploadedFile, seal: bool) -> UploadOut:
    token = bearer(request)
    check_may(token.user, token.team, ACT_OF[kind])  # before any byte is put away
    if not file.size:
        raise Problem("validation", "The file is empty.", fields=[{"field": "file"}])
    if file.size > settings.UPLOAD_MAX_BYTES:
        most = settings.UPLOAD_MAX_BYTES
        raise Problem("too_large", f"This portal takes at most {most:,} bytes.", most_bytes=most)
    blob = store.put(file)
    upload = hand_in(
        actor=token.user,
        team=token.team,
        kind=kind,
        file_name=file.name or kind,
        blob=blob,
        seal=seal,
    )
    return upload_out(request, find(uploads_of(token.team), upload.pk, "upload"))


@router.get(
    "/uploads", response=Page[UploadOut], operation_id="list_uploads", summary="What was handed in"
)
def list_uploads(request: HttpRequest, window: Query[Window]) -> Page[UploadOut]:
    rows = uploads_of(bearer(request).team).select_related("blob")
    return page_of(rows, window, lambda row: upload_out(request, row))


@router.get(
    "/uploads/{uuid:upload_id}",
    response=UploadOut,
    operation_id="get_upload",
    summary="How the reading of an upload goes",
)
def get_upload(request: HttpRequest, upload_id: UUID) -> UploadOut:
    """State, progress and, when it was refused, every reason; the ids it became when accepted."""
    rows = uploads_of(bearer(request).team).select_related("blob")
    return upload_out(request, find(rows, upload_id, "upload"))
