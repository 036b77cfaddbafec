"""The pages of audits: read the request, call an action or a query, render."""

from uuid import UUID

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_GET, require_POST

from portal.accounts.access import get_team_or_404, signed_in
from portal.audits import access


@require_GET
@login_required
def audits(request: HttpRequest, team: str) -> HttpResponse:
    found = access.audits_of(get_team_or_404(signed_in(request), team))
    return HttpResponse(f"{found.count()} audits")


@login_required
def new(request: HttpRequest, team: str) -> HttpResponse:
    get_team_or_404(signed_in(request), team)
    return HttpResponse("new audit")


@require_GET
@login_required
def preview(request: HttpRequest, team: str) -> HttpResponse:
    get_team_or_404(signed_in(request), team)
    return HttpResponse("")


@require_GET
@login_required
def audit(request: HttpRequest, team: str, audit_id: UUID) -> HttpResponse:
    found = access.get_audit_or_404(get_team_or_404(signed_in(request), team), audit_id)
    return HttpResponse(str(found))


@require_GET
@login_required
def progress(request: HttpRequest, team: str, audit_id: UUID) -> HttpResponse:
    found = access.get_audit_or_404(get_team_or_404(signed_in(request), team), audit_id)
    return HttpResponse(found.state)


@require_POST
@login_required
def stop(request: HttpRequest, team: str, audit_id: UUID) -> HttpResponse:
    found = access.get_audit_or_404(get_team_or_404(signed_in(request), team), audit_id)
    return HttpResponse(found.state)


@require_POST
@login_required
def resume(request: HttpRequest, team: str, audit_id: UUID) -> HttpResponse:
    found = access.get_audit_or_404(get_team_or_404(signed_in(request), team), audit_id)
    return HttpResponse(found.state)
