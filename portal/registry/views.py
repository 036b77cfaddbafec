"""Models, their versions, and predictions that came without a model."""

from uuid import UUID

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_GET, require_POST

from portal.accounts.access import get_team_or_404, signed_in
from portal.registry import access


@require_GET
@login_required
def models(request: HttpRequest, team: str) -> HttpResponse:
    get_team_or_404(signed_in(request), team)
    return render(request, "base.html", {"section": "models"})


@require_GET
@login_required
def model(request: HttpRequest, team: str, model_id: UUID) -> HttpResponse:
    get_team_or_404(signed_in(request), team)
    return render(request, "base.html", {"section": "models"})


@require_GET
@login_required
def version(request: HttpRequest, team: str, version_id: UUID) -> HttpResponse:
    access.get_version_or_404(get_team_or_404(signed_in(request), team), version_id)
    return render(request, "base.html", {"section": "models"})


@require_POST
@login_required
def withdraw(request: HttpRequest, team: str, version_id: UUID) -> HttpResponse:
    found = access.get_version_or_404(get_team_or_404(signed_in(request), team), version_id)
    return redirect(found)


@require_GET
@login_required
def predictions(request: HttpRequest, team: str, predictions_id: UUID) -> HttpResponse:
    access.get_predictions_or_404(get_team_or_404(signed_in(request), team), predictions_id)
    return render(request, "base.html", {"section": "models"})
