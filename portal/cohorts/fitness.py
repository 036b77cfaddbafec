"""What a cohort version is fit for: measured on a click, and its duplicates made groups on one."""

from uuid import UUID

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.views.decorators.http import require_POST

from portal.accounts.access import get_team_or_404, signed_in
from portal.audits.fitness import fitness_of, groups_in, start_fitness
from portal.cohorts import access, actions


@require_POST
@login_required
def measure(request: HttpRequest, team: str, version_id: UUID) -> HttpResponse:
    user = signed_in(request)
    found = get_team_or_404(user, team)
    shown = access.get_version_or_404(found, version_id)
    running = fitness_of(found, shown).running
    if running is not None:
        messages.info(request, "It is being measured already.")
        return redirect(running)
    try:
        return redirect(start_fitness(actor=user, team=found, version=shown))
    except ValidationError as error:
        messages.error(request, " ".join(error.messages))
        return redirect(shown)


@require_POST
@login_required
def group(request: HttpRequest, team: str, version_id: UUID) -> HttpResponse:
    user = signed_in(request)
    found = get_team_or_404(user, team)
    shown = access.get_version_or_404(found, version_id)
    run = fitness_of(found, shown).duplicates
    if run is None:
        messages.error(request, "Nobody has looked for duplicates yet: measure its fitness first.")
        return redirect(shown)
    note = (
        f"Groups are near-duplicates that {run.audit.reference} found in version {shown.number}, "
        "joined with the clusters of that version."
    )
    made = actions.group_version(actor=user, version=shown, groups=groups_in(run), note=note)
    if made is None:
        messages.info(request, "Every group of duplicates lies in one cluster already.")
        return redirect(shown)
    messages.success(request, f"{made} takes each group of duplicates as one unit: look.")
    return redirect(made)
