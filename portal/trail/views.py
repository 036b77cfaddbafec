"""The trail of a team: who did what, and when."""

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_GET

from portal.accounts.access import get_team_or_404, signed_in


@require_GET
@login_required
def trail(request: HttpRequest, team: str) -> HttpResponse:
    get_team_or_404(signed_in(request), team)
    return render(request, "base.html", {"section": "trail"})
