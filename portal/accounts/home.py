"""The first page of a team: what runs, what was found, what is shared outside."""

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_GET

from portal.accounts.access import get_team_or_404, signed_in, visible_teams
from portal.accounts.context import SESSION_TEAM, current_team


@require_GET
@login_required
def home(request: HttpRequest) -> HttpResponse:
    """To the team last looked at; a person without a team is told so."""
    team = current_team(request, list(visible_teams(signed_in(request))))
    if team is not None:
        return redirect(team)
    return render(request, "base.html", {"section": "home"})


@require_GET
@login_required
def team_home(request: HttpRequest, team: str) -> HttpResponse:
    found = get_team_or_404(signed_in(request), team)
    request.session[SESSION_TEAM] = found.slug
    return render(request, "base.html", {"section": "home"})


@require_GET
@login_required
def running(request: HttpRequest, team: str) -> HttpResponse:
    get_team_or_404(signed_in(request), team)
    return HttpResponse()
