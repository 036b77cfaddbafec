"""The people of a team and their roles: the pages of its settings."""

from uuid import UUID

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_GET, require_POST

from portal.accounts.access import get_team_or_404, signed_in


@require_GET
@login_required
def team_settings(request: HttpRequest, team: str) -> HttpResponse:
    get_team_or_404(signed_in(request), team)
    return render(request, "base.html", {"section": "team"})


@require_POST
@login_required
def add(request: HttpRequest, team: str) -> HttpResponse:
    get_team_or_404(signed_in(request), team)
    return redirect("accounts:team-settings", team)


@require_POST
@login_required
def role(request: HttpRequest, team: str, user_id: UUID) -> HttpResponse:
    get_team_or_404(signed_in(request), team)
    return redirect("accounts:team-settings", team)


@require_POST
@login_required
def remove(request: HttpRequest, team: str, user_id: UUID) -> HttpResponse:
    get_team_or_404(signed_in(request), team)
    return redirect("accounts:team-settings", team)
