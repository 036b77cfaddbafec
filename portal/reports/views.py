"""Reports as the team's people see them."""

from uuid import UUID

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse

from portal.accounts.access import get_team_or_404, signed_in
from portal.reports import access


@login_required
def reports(request: HttpRequest, team: str) -> HttpResponse:
    found = access.reports_of(get_team_or_404(signed_in(request), team))
    return HttpResponse("\n".join(map(str, found)), content_type="text/plain")


@login_required
def report(request: HttpRequest, team: str, report_id: UUID, **parts: str) -> HttpResponse:
    found = access.get_report_or_404(get_team_or_404(signed_in(request), team), report_id)
    return HttpResponse(str(found), content_type="text/plain")


cases = case = image = csv = pdf = audit_json = report
explore = explore_data = share = end_link = report
