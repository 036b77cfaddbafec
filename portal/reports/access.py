"""Which reports a person sees, and which one a share link opens."""

from uuid import UUID

from django.db.models import QuerySet
from django.shortcuts import get_object_or_404

from portal.accounts.actions import hash_secret
from portal.accounts.models import Team
from portal.reports.models import Report, ShareLink


def reports_of(team: Team) -> QuerySet[Report]:
    return (
        Report.objects.filter(team=team)
        .select_related("team", "audit", "audit_json", "content", "pdf")
        .order_by("-number")
    )


def get_report_or_404(team: Team, report_id: UUID) -> Report:
    return get_object_or_404(reports_of(team), pk=report_id)


def links_of(report: Report) -> QuerySet[ShareLink]:
    return report.links.select_related("created_by", "ended_by").order_by("-created_at")


def find_link(token: str) -> ShareLink | None:
    """The link with this token, active or ended; the page says which."""
    return (
        ShareLink.objects.filter(token_sha256=hash_secret(token))
        .select_related("report", "report__team", "report__content", "created_by", "ended_by")
        .first()
    )
