"""The people of a team and their roles: the pages of its settings."""

from typing import Any
from uuid import UUID

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.exceptions import ValidationError
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_POST

from portal.accounts import actions
from portal.accounts.access import check_may, get_team_or_404, signed_in
from portal.accounts.forms import AllowForm, PersonForm, RoleForm
from portal.accounts.models import Team
from portal.accounts.roles import MAY, Act, Role


@require_GET
@login_required
def team_settings(request: HttpRequest, team: str) -> HttpResponse:
    return _page(request, get_team_or_404(signed_in(request), team))


@require_POST
@login_required
@never_cache
def add(request: HttpRequest, team: str) -> HttpResponse:
    """The answer carries a new account's password: it is shown once and kept nowhere."""
    user = signed_in(request)
    found = get_team_or_404(user, team)
    check_may(user, found, Act.MANAGE_TEAM)
    form = PersonForm(request.POST)
    if form.is_valid():
        try:
            person, password = actions.invite(
                actor=user,
                team=found,
                email=form.cleaned_data["email"],
                name=form.cleaned_data["name"],
                role=Role(form.cleaned_data["role"]),
            )
        except ValidationError as error:
            form.add_error("email", error)
        else:
            if password is not None:
                return _page(request, found, made=person, password=password)
            messages.success(request, f"{person} is in {found} now.")
            return redirect("accounts:team-settings", found.slug)
    return _page(request, found, status=422, form=form)


@require_POST
@login_required
def role(request: HttpRequest, team: str, user_id: UUID) -> HttpResponse:
    user = signed_in(request)
    found = get_team_or_404(user, team)
    check_may(user, found, Act.MANAGE_TEAM)
    member = get_object_or_404(found.memberships.select_related("user"), user_id=user_id)
    form = RoleForm(request.POST)
    if not form.is_valid():
        raise Http404
    chosen = Role(form.cleaned_data["role"])
    try:
        actions.set_role(actor=user, team=found, user=member.user, role=chosen)
        messages.success(request, f"{member.user} is {chosen} now.")
    except ValidationError as error:
        messages.error(request, error.message)
    return redirect("accounts:team-settings", found.slug)


@require_POST
@login_required
def remove(request: HttpRequest, team: str, user_id: UUID) -> HttpResponse:
    user = signed_in(request)
    found = get_team_or_404(user, team)
    check_may(user, found, Act.MANAGE_TEAM)
    member = get_object_or_404(found.memberships.select_related("user"), user_id=user_id)
    try:
        actions.remove_member(actor=user, team=found, user=member.user)
    except ValidationError as error:
        messages.error(request, error.message)
        return redirect("accounts:team-settings", found.slug)
    messages.success(request, f"{member.user} left {found}; what they did stays on the trail.")
    return redirect("home" if member.user == user else found)


@require_POST
@login_required
def allow(request: HttpRequest, team: str) -> HttpResponse:
    """Which kinds of models the team takes besides plain networks."""
    user = signed_in(request)
    found = get_team_or_404(user, team)
    check_may(user, found, Act.MANAGE_TEAM)
    form = AllowForm(request.POST)
    if form.is_valid():  # two boxes: there is nothing that could be wrong
        actions.allow_models(actor=user, team=found, **form.cleaned_data)
        messages.success(request, "Kept. It counts for what is read from now on.")
    return redirect("accounts:team-settings", found.slug)


def _page(request: HttpRequest, team: Team, *, status: int = 200, **more: Any) -> HttpResponse:
    members = team.memberships.select_related("user").order_by("user__name")
    context = {
        "section": "team",
        "members": members,
        "roles": Role.choices,
        "may": [(role.label, [act for act in Act if act in MAY[role]]) for role in Role],
        "form": PersonForm(),
        "allow": AllowForm(
            initial={
                "endpoints": team.allows_endpoints,
                "torchscript": team.allows_torchscript,
            }
        ),
    } | more
    return render(request, "accounts/team_settings.html", context, status=status)
