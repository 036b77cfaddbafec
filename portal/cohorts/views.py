"""Cohorts, their versions, and the cases in them."""

from uuid import UUID

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_GET, require_POST

from portal.accounts.access import get_team_or_404, signed_in
from portal.cohorts import access


@require_GET
@login_required
def cohorts(request: HttpRequest, team: str) -> HttpResponse:
    get_team_or_404(signed_in(request), team)
    return render(request, "base.html", {"section": "cohorts"})


@require_GET
@login_required
def cohort(request: HttpRequest, team: str, cohort_id: UUID) -> HttpResponse:
    get_team_or_404(signed_in(request), team)
    return render(request, "base.html", {"section": "cohorts"})


@require_GET
@login_required
def version(request: HttpRequest, team: str, version_id: UUID) -> HttpResponse:
    access.get_version_or_404(get_team_or_404(signed_in(request), team), version_id)
    return render(request, "base.html", {"section": "cohorts"})


@require_GET
@login_required
def cases(request: HttpRequest, team: str, version_id: UUID) -> HttpResponse:
    access.get_version_or_404(get_team_or_404(signed_in(request), team), version_id)
    return render(request, "base.html", {"section": "cohorts"})


@require_GET
@login_required
def case(request: HttpRequest, team: str, case_id: UUID) -> HttpResponse:
    access.get_case_or_404(get_team_or_404(signed_in(request), team), case_id)
    return render(request, "base.html", {"section": "cohorts"})


@require_POST
@login_required
def seal(request: HttpRequest, team: str, version_id: UUID) -> HttpResponse:
    found = access.get_version_or_404(get_team_or_404(signed_in(request), team), version_id)
    return redirect(found)


@require_POST
@login_required
def discard(request: HttpRequest, team: str, version_id: UUID) -> HttpResponse:
    found = access.get_version_or_404(get_team_or_404(signed_in(request), team), version_id)
    return redirect(found)
