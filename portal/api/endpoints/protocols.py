"""Protocols: written as a draft, locked before they are used."""

from datetime import datetime
from typing import Any
from uuid import UUID

from django.http import HttpRequest
from ninja import Query, Router, Schema, Status
from pydantic import ConfigDict, Field

from ml.protocol import Protocol as Rules
from portal.api.auth import bearer
from portal.api.common import find, page_url
from portal.api.paging import Page, Window, page_of
from portal.audits.access import protocols_of
from portal.audits.models import Protocol
from portal.audits.planning import lock_protocol, write_protocol
from portal.audits.protocol_text import read_yaml
from portal.audits.states import ProtocolState

router = Router(tags=["Protocols"])


class ProtocolOut(Schema):
    id: UUID
    name: str
    version: int
    state: ProtocolState
    sha256: str
    created_at: datetime
    locked_at: datetime | None
    url: str


class ProtocolDetail(ProtocolOut):
    body: dict[str, Any]


class DefaultOut(Schema):
    sha256: str
    body: dict[str, Any]


class ProtocolIn(Schema):
    """Either `yaml`, the text of a protocol.yaml, or `body`, the same as an object."""

    model_config = ConfigDict(extra="forbid")

    name: str = Field("", max_length=120, description="default: the title in the protocol")
    yaml: str | None = Field(None, max_length=200_000)
    body: dict[str, Any] | None = None
    lock: bool = Field(False, description="lock it at once; a locked protocol never changes")


def _facts(request: HttpRequest, row: Protocol) -> dict[str, Any]:
    return {
        "id": row.pk,
        "name": row.name,
        "version": row.version,
        "state": row.state,
        "sha256": row.sha256,
        "created_at": row.created_at,
        "locked_at": row.locked_at,
        "url": page_url(request, row),
    }


def _detail(request: HttpRequest, row: Protocol) -> ProtocolDetail:
    return ProtocolDetail(**_facts(request, row), body=row.body)


@router.get(
    "/protocols", response=Page[ProtocolOut], operation_id="list_protocols", summary="Protocols"
)
def list_protocols(
    request: HttpRequest, window: Query[Window], state: ProtocolState | None = None
) -> Page[ProtocolOut]:
    rows = protocols_of(bearer(request).team).select_related("team")
    rows = rows.filter(state=state) if state else rows
    return page_of(rows, window, lambda row: ProtocolOut(**_facts(request, row)))


@router.get(
    "/protocols/default",
    response=DefaultOut,
    operation_id="get_default_protocol",
    summary="What is run when no protocol is named",
)
def get_default_protocol(request: HttpRequest) -> DefaultOut:
    rules = Rules.default()
    return DefaultOut(sha256=rules.sha256, body=rules.to_json())


@router.get(
    "/protocols/{uuid:protocol_id}",
    response=ProtocolDetail,
    operation_id="get_protocol",
    summary="One protocol with its limits",
)
def get_protocol(request: HttpRequest, protocol_id: UUID) -> ProtocolDetail:
    return _detail(request, find(protocols_of(bearer(request).team), protocol_id, "protocol"))


@router.post(
    "/protocols",
    response={201: ProtocolDetail},
    operation_id="push_protocol",
    summary="Write a protocol",
)
def push_protocol(request: HttpRequest, given: ProtocolIn) -> Status[ProtocolDetail]:
    """A draft, or a locked protocol with `lock`. A name that exists gets its next version."""
    token = bearer(request)
    body = given.body if given.body is not None else read_yaml(given.yaml or "")
    name = given.name.strip() or str(body.get("title") or "").strip() or "Protocol"
    written = write_protocol(actor=token.user, team=token.team, name=name[:120], body=body)
    if given.lock:
        lock_protocol(actor=token.user, protocol=written)
    found = find(protocols_of(token.team), written.pk, "protocol")
    return Status(201, _detail(request, found))


@router.post(
    "/protocols/{uuid:protocol_id}/lock",
    response=ProtocolDetail,
    operation_id="lock_protocol",
    summary="Lock a draft",
)
def lock(request: HttpRequest, protocol_id: UUID) -> ProtocolDetail:
    """From then on it never changes, and audits may use it."""
    token = bearer(request)
    rows = protocols_of(token.team)
    lock_protocol(actor=token.user, protocol=find(rows, protocol_id, "protocol"))
    return _detail(request, find(rows, protocol_id, "protocol"))
