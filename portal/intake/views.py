"""Handing files in, and watching intake read them."""

from uuid import UUID

from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from portal.accounts.access import get_team_or_404, signed_in
from portal.intake import access


@require_http_methods(["GET", "POST"])
@login_required
def hand_in(request: HttpRequest, team: str) -> HttpResponse:
    get_team_or_404(signed_in(request), team)
    return render(request, "base.html")


@require_GET
@login_required
def example(request: HttpRequest, team: str, name: str) -> HttpResponse:
    get_team_or_404(signed_in(request), team)
    raise Http404


@require_GET
@login_required
def upload(request: HttpRequest, team: str, upload_id: UUID) -> HttpResponse:
    access.get_upload_or_404(get_team_or_404(signed_in(request), team), upload_id)
    return render(request, "base.html")


@require_GET
@login_required
def progress(request: HttpRequest, team: str, upload_id: UUID) -> HttpResponse:
    access.get_upload_or_404(get_team_or_404(signed_in(request), team), upload_id)
    return HttpResponse()


@require_POST
@login_required
def retry(request: HttpRequest, team: str, upload_id: UUID) -> HttpResponse:
    found = access.get_upload_or_404(get_team_or_404(signed_in(request), team), upload_id)
    return redirect(found)
