"""An audit and its progress, as the API shows them."""

from datetime import datetime
from uuid import UUID

from django.http import HttpRequest
from ninja import Schema
from pydantic import Field

from portal.api.common import page_url
from portal.audits.attention import notes_of
from portal.audits.further import further_of
from portal.audits.models import Audit
from portal.audits.progress import PassProgress, Progress, progress_of
from portal.audits.states import AuditState, FurtherKind, FurtherRole


class AuditOut(Schema):
    id: UUID
    reference: str
    title: str
    state: AuditState
    verdict: str | None = Field(description="of a sealed audit: pass, caution, fail, not assessed")
    failure: str | None = Field(description="of a failed audit: why, in a sentence")
    model: UUID | None
    predictions: UUID | None
    cohort: UUID
    protocol: UUID | None = Field(description="null: the platform's default")
    protocol_sha256: str
    look: int = Field(description="which audit of this cohort version it is")
    created_at: datetime
    started_at: datetime | None
    sealed_at: datetime | None
    report: UUID | None
    url: str


class PassOut(Schema):
    name: str
    cohort: str = Field(description="of the cohort beside the audited one; “” of the audited one")
    state: str
    n_cases: int
    shards: int
    done: int = Field(description="reused ones included")
    running: int
    reused: int
    retried: int
    seconds_per_case: float | None


class CheckOut(Schema):
    id: str
    title: str
    state: str
    outcome: str | None = Field(description="pass, caution, fail, not assessed or info")
    summary: str
    error: str


class LogOut(Schema):
    at: datetime
    source: str
    text: str


class NoteOut(Schema):
    claim: str
    why: str


class LeftOut(Schema):
    seconds: float
    low: float
    high: float


class ProgressOut(Schema):
    done: int = Field(description="shards and checks that are finished")
    total: int
    now: str
    elapsed_seconds: float | None
    left: LeftOut | None = Field(description="of the passes; null before the first shard is done")
    passes: list[PassOut]
    checks: list[CheckOut]
    notes: list[NoteOut] = Field(description="what a person should look at")
    log: list[LogOut] = Field(description="the last lines, the newest first")


class BesideOut(Schema):
    cohort: UUID
    name: str = Field(description="as the document has it")
    role: FurtherRole
    kind: FurtherKind | None = Field(description="of a foreign cohort")


class AuditDetail(AuditOut):
    beside: list[BesideOut] = Field(description="cohorts beside the audited one")
    progress: ProgressOut


def audit_out(request: HttpRequest, audit: Audit) -> AuditOut:
    report = getattr(audit, "report", None)
    return AuditOut(
        id=audit.pk,
        reference=audit.reference,
        title=audit.title,
        state=AuditState(audit.state),
        verdict=audit.verdict or None,
        failure=audit.failure or None,
        model=audit.model_version_id,
        predictions=audit.predictions_id,
        cohort=audit.cohort_version_id,
        protocol=audit.protocol_id,
        protocol_sha256=audit.protocol_sha256,
        look=audit.look,
        created_at=audit.created_at,
        started_at=audit.started_at,
        sealed_at=audit.sealed_at,
        report=report.pk if report else None,
        url=page_url(request, audit),
    )


def audit_detail(request: HttpRequest, audit: Audit) -> AuditDetail:
    facts = audit_out(request, audit).model_dump()
    beside = [
        BesideOut(
            cohort=row.cohort_version_id,
            name=row.name,
            role=FurtherRole(row.role),
            kind=FurtherKind(row.kind) if row.kind else None,
        )
        for row in further_of(audit)
    ]
    return AuditDetail(**facts, beside=beside, progress=_progress_out(progress_of(audit)))


def _progress_out(progress: Progress) -> ProgressOut:
    left = progress.left
    return ProgressOut(
        done=progress.done,
        total=progress.total,
        now=progress.now_doing if progress.audit.is_active else progress.audit.state,
        elapsed_seconds=progress.elapsed,
        left=LeftOut(seconds=left.seconds, low=left.low, high=left.high) if left else None,
        passes=[_pass_out(row) for row in progress.passes],
        checks=[
            CheckOut(
                id=row.id,
                title=row.title,
                state=row.state,
                outcome=row.outcome or None,
                summary=row.summary,
                error=row.error,
            )
            for row in progress.checks
        ],
        notes=[NoteOut(claim=note.claim, why=note.why) for note in notes_of(progress)],
        log=[LogOut(at=line.at, source=line.source, text=line.text) for line in progress.log],
    )


def _pass_out(row: PassProgress) -> PassOut:
    return PassOut(
        name=row.name,
        cohort=row.cohort,
        state=row.state,
        n_cases=row.n_cases,
        shards=row.n_shards,
        done=row.done,
        running=row.running,
        reused=row.reused,
        retried=row.retried,
        seconds_per_case=row.seconds_per_case,
    )
