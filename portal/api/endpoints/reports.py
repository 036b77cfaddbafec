"""Sealed reports and their audit.json."""

from datetime import datetime
from uuid import UUID

from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from ninja import Query, Router, Schema
from pydantic import Field

from portal.api.auth import bearer
from portal.api.common import find, page_url
from portal.api.paging import Page, Window, page_of
from portal.blobs import store
from portal.reports.access import reports_of
from portal.reports.models import Report

router = Router(tags=["Reports"])


class ReportOut(Schema):
    id: UUID
    reference: str
    title: str
    state: str
    verdict: str
    headline: str
    audit: UUID
    sealed_at: datetime
    audit_json_sha256: str
    audit_json_url: str = Field(description="the sealed audit.json, byte for byte")
    url: str


def _report_out(request: HttpRequest, report: Report) -> ReportOut:
    address = reverse("api:get_audit_json", args=[report.pk])
    return ReportOut(
        id=report.pk,
        reference=report.reference,
        title=report.title,
        state=report.state,
        verdict=report.verdict,
        headline=report.headline,
        audit=report.audit_id,
        sealed_at=report.sealed_at,
        audit_json_sha256=report.audit_json_id,
        audit_json_url=request.build_absolute_uri(address),
        url=page_url(request, report),
    )


@router.get("/reports", response=Page[ReportOut], operation_id="list_reports", summary="Reports")
def list_reports(request: HttpRequest, window: Query[Window]) -> Page[ReportOut]:
    """The newest first."""
    rows = reports_of(bearer(request).team)
    return page_of(rows, window, lambda row: _report_out(request, row))


@router.get(
    "/reports/{uuid:report_id}", response=ReportOut, operation_id="get_report", summary="One report"
)
def get_report(request: HttpRequest, report_id: UUID) -> ReportOut:
    return _report_out(request, find(reports_of(bearer(request).team), report_id, "report"))


@router.get(
    "/reports/{uuid:report_id}/audit.json",
    operation_id="get_audit_json",
    url_name="get_audit_json",
    summary="The sealed audit.json",
)
def get_audit_json(request: HttpRequest, report_id: UUID) -> HttpResponse:
    """Exactly the bytes that were sealed; their SHA-256 is the ETag and `audit_json_sha256`."""
    report = find(reports_of(bearer(request).team), report_id, "report")
    response = HttpResponse(
        store.read_bytes(report.audit_json), content_type="application/json; charset=utf-8"
    )
    response["ETag"] = f'"{report.audit_json_id}"'
    return response
