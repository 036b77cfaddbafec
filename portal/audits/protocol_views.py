"""The pages of protocols: read the request, call an action or a query, render."""

from uuid import UUID

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_GET, require_POST

from portal.accounts.access import get_team_or_404, signed_in
from portal.audits import access


@require_GET
@login_required
def protocols(request: HttpRequest, team: str) -> HttpResponse:
    found = access.protocols_of(get_team_or_404(signed_in(request), team))
    return HttpResponse(f"{found.count()} protocols")


@login_required
def protocol_new(request: HttpRequest, team: str) -> HttpResponse:
    get_team_or_404(signed_in(request), team)
    return HttpResponse("new protocol")


@require_GET
@login_required
def protocol_default(request: HttpRequest, team: str) -> HttpResponse:
    get_team_or_404(signed_in(request), team)
    return HttpResponse("platform default")


@require_GET
@login_required
def default_yaml(request: HttpRequest, team: str) -> HttpResponse:
    get_team_or_404(signed_in(request), team)
    return HttpResponse("", content_type="application/yaml")


@require_GET
@login_required
def protocol(request: HttpRequest, team: str, protocol_id: UUID) -> HttpResponse:
    found = access.get_protocol_or_404(get_team_or_404(signed_in(request), team), protocol_id)
    return HttpResponse(str(found))


@require_POST
@login_required
def protocol_lock(request: HttpRequest, team: str, protocol_id: UUID) -> HttpResponse:
    found = access.get_protocol_or_404(get_team_or_404(signed_in(request), team), protocol_id)
    return HttpResponse(found.state)


@require_GET
@login_required
def protocol_yaml(request: HttpRequest, team: str, protocol_id: UUID) -> HttpResponse:
    found = access.get_protocol_or_404(get_team_or_404(signed_in(request), team), protocol_id)
    return HttpResponse(found.sha256, content_type="application/yaml")
