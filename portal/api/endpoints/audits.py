"""Starting audits, watching them, stopping them, taking them up again."""

from typing import Annotated
from uuid import UUID

from django.http import HttpRequest
from ninja import Header, Query, Router, Schema, Status
from pydantic import ConfigDict, Field

from portal.api.auth import bearer
from portal.api.common import find
from portal.api.endpoints.audit_schemas import AuditDetail, AuditOut, audit_detail, audit_out
from portal.api.idempotency import once
from portal.api.paging import Page, Window, page_of
from portal.audits.access import audits_of, protocols_of
from portal.audits.further import Beside, Foreign
from portal.audits.models import Audit
from portal.audits.planning import resume_audit, start_audit, stop_audit
from portal.audits.states import AuditState, FurtherKind
from portal.cohorts.access import versions_of as cohorts_of
from portal.registry.access import predictions_of
from portal.registry.access import versions_of as models_of

router = Router(tags=["Audits"])

Key = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key",
        description="Any text of yours: the same key with the same body starts one audit only.",
        min_length=1,
        max_length=200,
    ),
]


class ForeignIn(Schema):
    """A cohort of images that the model was not made for."""

    model_config = ConfigDict(extra="forbid")

    cohort: UUID = Field(description="a sealed cohort version")
    kind: FurtherKind = Field(
        description="near: like the audited images; far: nothing like them; shifted: the same "
        "task elsewhere, such as another scanner"
    )


class AuditIn(Schema):
    """At most one of `model` and `predictions`; without both, only the readings are audited.

    Foreign cohorts and the reference cohort take a model.
    """

    model_config = ConfigDict(extra="forbid")

    cohort: UUID = Field(description="a sealed cohort version")
    model: UUID | None = Field(None, description="an accepted model version")
    predictions: UUID | None = None
    protocol: UUID | None = Field(None, description="a locked protocol; left out: the default")
    title: str = Field("", max_length=200)
    foreign: list[ForeignIn] = Field(
        [], description="cohorts that the model is run on too, to see whether it notices them"
    )
    reference: UUID | None = Field(
        None, description="a sealed cohort version like what the model was developed on"
    )


@router.get("/audits", response=Page[AuditOut], operation_id="list_audits", summary="Audits")
def list_audits(
    request: HttpRequest,
    window: Query[Window],
    state: AuditState | None = None,
    verdict: str | None = None,
) -> Page[AuditOut]:
    """The newest first."""
    rows = audits_of(bearer(request).team)
    rows = rows.filter(state=state) if state else rows
    rows = rows.filter(verdict=verdict) if verdict else rows
    return page_of(rows, window, lambda row: audit_out(request, row))


@router.post(
    "/audits",
    response={201: AuditOut, 200: AuditOut},
    operation_id="start_audit",
    summary="Start an audit",
)
def start(request: HttpRequest, given: AuditIn, key: Key = None) -> Status[AuditOut]:
    """201 with the new audit; 200 with the same one when the Idempotency-Key was seen before.

    Starting counts as one look at the cohort version.
    """
    token = bearer(request)

    def begin() -> Audit:
        team = token.team
        return start_audit(
            actor=token.user,
            team=team,
            cohort_version=find(cohorts_of(team), given.cohort, "cohort version"),
            model_version=find(models_of(team), given.model, "model version")
            if given.model
            else None,
            predictions=find(predictions_of(team), given.predictions, "table of predictions")
            if given.predictions
            else None,
            protocol=find(protocols_of(team), given.protocol, "protocol")
            if given.protocol
            else None,
            title=given.title,
            beside=Beside(
                foreign=tuple(
                    Foreign(find(cohorts_of(team), one.cohort, "cohort version"), one.kind)
                    for one in given.foreign
                ),
                reference=find(cohorts_of(team), given.reference, "cohort version")
                if given.reference
                else None,
            ),
        )

    audit, is_new = once(token, key, given.model_dump_json(), begin)
    found = find(audits_of(token.team), audit.pk, "audit")
    return Status(201 if is_new else 200, audit_out(request, found))


@router.get(
    "/audits/{uuid:audit_id}",
    response=AuditDetail,
    operation_id="get_audit",
    summary="One audit and how far it is",
)
def get_audit(request: HttpRequest, audit_id: UUID) -> AuditDetail:
    """Passes, shards, checks, the last log lines; ask every few seconds while it is active."""
    return audit_detail(request, _found(request, audit_id))


@router.post(
    "/audits/{uuid:audit_id}/stop",
    response=AuditDetail,
    operation_id="stop_audit",
    summary="Stop an audit",
)
def stop(request: HttpRequest, audit_id: UUID) -> AuditDetail:
    """Shards that run end by themselves; what is done is kept."""
    stop_audit(actor=bearer(request).user, audit=_found(request, audit_id))
    return audit_detail(request, _found(request, audit_id))


@router.post(
    "/audits/{uuid:audit_id}/resume",
    response=AuditDetail,
    operation_id="resume_audit",
    summary="Take up a stopped or failed audit",
)
def resume(request: HttpRequest, audit_id: UUID) -> AuditDetail:
    """Finished shards are not done again."""
    resume_audit(actor=bearer(request).user, audit=_found(request, audit_id))
    return audit_detail(request, _found(request, audit_id))


def _found(request: HttpRequest, audit_id: UUID) -> Audit:
    return find(audits_of(bearer(request).team), audit_id, "audit")
