"""Which reports a person sees, and which one a share link opens."""

from uuid import UUID

from django.db.models import Count, Q, QuerySet
from django.shortcuts import get_object_or_404
from django.utils import timezone

from portal.accounts.actions import hash_secret
from portal.accounts.models import Team
from portal.reports.models import Report, ShareLink


def reports_of(team: Team) -> QuerySet[Report]:
    return (
        Report.objects.filter(team=team)
        .select_related("team", "audit", "audit_json", "content", "pdf")
        .order_by("-number")
    )


def search(team: Team, words: str, verdict: str) -> QuerySet[Report]:
    """By words of the title, headline or number (R-0012), and by verdict."""
    found = reports_of(team).annotate(n_active_links=Count("links", filter=_active_links()))
    if verdict:
        found = found.filter(verdict=verdict)
    if words:
        meant = Q(title__icontains=words) | Q(headline__icontains=words)
        digits = words.upper().removeprefix("R-")
        if digits.isdecimal():
            meant |= Q(number=int(digits))
        found = found.filter(meant)
    return found


def _active_links() -> Q:
    return Q(links__ended_at=None, links__expires_at__gt=timezone.now())


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
