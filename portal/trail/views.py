"""The trail of a team: who did what, and when."""

from django.contrib.auth.decorators import login_required
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_GET

from portal.accounts.access import get_team_or_404, signed_in
from portal.trail.access import events_of
from portal.trail.links import lines

PER_PAGE = 50


@require_GET
@login_required
def trail(request: HttpRequest, team: str) -> HttpResponse:
    found = get_team_or_404(signed_in(request), team)
    events = events_of(found)
    actions = events.order_by("action").values_list("action", flat=True).distinct()
    chosen, named = request.GET.get("action", ""), request.GET.get("object", "").strip()
    if chosen:
        events = events.filter(action=chosen)
    if named:
        events = events.filter(object_name__icontains=named)
    page = Paginator(events, PER_PAGE).get_page(request.GET.get("page"))
    context = {
        "section": "trail",
        "page": page,
        "lines": lines(found, page),
        "actions": actions,
        "chosen": chosen,
        "named": named,
    }
    return render(request, "trail/trail.html", context)
