"""The pages of protocols: read the request, call an action or a query, render."""

from typing import Any
from uuid import UUID

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.exceptions import ValidationError
from django.core.paginator import Paginator
from django.db.models import Count
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.text import slugify
from django.views.decorators.http import require_GET, require_POST

from ml.protocol import Protocol as Rules
from portal.accounts.access import check_may, get_team_or_404, signed_in
from portal.accounts.models import Team, User
from portal.accounts.roles import Act
from portal.audits import access, planning
from portal.audits.models import Protocol
from portal.audits.protocol_forms import (
    LimitSet,
    RulesForm,
    TextForm,
    initial_limits,
    initial_rules,
)
from portal.audits.protocol_text import rules_of, write_yaml
from portal.lifecycle import IllegalMove

PER_PAGE = 50
SECTION = {"section": "protocols"}


@require_GET
@login_required
def protocols(request: HttpRequest, team: str) -> HttpResponse:
    found = get_team_or_404(signed_in(request), team)
    rows = access.protocols_of(found).select_related("created_by", "team")
    rows = rows.annotate(n_audits=Count("audit"))
    context = SECTION | {
        "page": Paginator(rows, PER_PAGE).get_page(request.GET.get("page")),
        "default": Rules.default(),
        "n_default": access.audits_of(found).filter(protocol=None).count(),
    }
    return render(request, "audits/protocols.html", context)


@login_required
def protocol_new(request: HttpRequest, team: str) -> HttpResponse:
    """Its limits one by one, or, with `?by=text`, the text of a protocol.yaml."""
    user = signed_in(request)
    found = get_team_or_404(user, team)
    check_may(user, found, Act.WRITE_PROTOCOL)
    if request.GET.get("by") == "text":
        return _by_text(request, user, found)
    return _by_form(request, user, found)


def _by_text(request: HttpRequest, user: User, team: Team) -> HttpResponse:
    if request.method == "POST":
        form = TextForm(request.POST, request.FILES)
        if form.is_valid():
            written = _write(user, team, form, form.cleaned_data["body"])
            if written is not None:
                return redirect(written)
    else:
        form = TextForm(initial={"text": write_yaml(Rules.default(), titled=False)})
    context = SECTION | {"form": form, "by": "text"}
    status = 422 if request.method == "POST" else 200
    return render(request, "audits/protocol_new.html", context, status=status)


def _by_form(request: HttpRequest, user: User, team: Team) -> HttpResponse:
    default = Rules.default()
    if request.method == "POST":
        form, limits = RulesForm(request.POST), LimitSet(request.POST, prefix="limits")
        if form.is_valid() and limits.is_valid():
            written = _write(user, team, form, form.body(limits))
            if written is not None:
                return redirect(written)
    else:
        form = RulesForm(initial=initial_rules(default))
        limits = LimitSet(initial=initial_limits(default), prefix="limits")
    context = SECTION | {"form": form, "limits": limits, "by": "form"}
    status = 422 if request.method == "POST" else 200
    return render(request, "audits/protocol_new.html", context, status=status)


def _write(user: User, team: Team, form: Any, body: dict[str, Any]) -> Protocol | None:
    """The draft, or None with what is wrong added to the form."""
    try:
        return planning.write_protocol(
            actor=user, team=team, name=form.cleaned_data["name"], body=body
        )
    except ValidationError as error:
        form.add_error(None, error)
        return None


@require_GET
@login_required
def protocol(request: HttpRequest, team: str, protocol_id: UUID) -> HttpResponse:
    found = get_team_or_404(signed_in(request), team)
    shown = access.get_protocol_or_404(found, protocol_id)
    context = SECTION | {
        "protocol": shown,
        "rules": rules_of(shown),
        "audits": access.audits_of(found).filter(protocol=shown)[:PER_PAGE],
        "siblings": access.protocols_of(found).filter(name=shown.name),
    }
    return render(request, "audits/protocol.html", context)


@require_GET
@login_required
def protocol_default(request: HttpRequest, team: str) -> HttpResponse:
    found = get_team_or_404(signed_in(request), team)
    context = SECTION | {
        "rules": Rules.default(),
        "audits": access.audits_of(found).filter(protocol=None)[:PER_PAGE],
    }
    return render(request, "audits/protocol.html", context)


@require_POST
@login_required
def protocol_lock(request: HttpRequest, team: str, protocol_id: UUID) -> HttpResponse:
    user = signed_in(request)
    shown = access.get_protocol_or_404(get_team_or_404(user, team), protocol_id)
    try:
        planning.lock_protocol(actor=user, protocol=shown)
        messages.success(request, f"{shown} is locked. It never changes; audits may use it.")
    except IllegalMove:
        messages.error(request, f"{shown} is locked already.")
    return redirect(shown)


@require_GET
@login_required
def protocol_yaml(request: HttpRequest, team: str, protocol_id: UUID) -> HttpResponse:
    shown = access.get_protocol_or_404(get_team_or_404(signed_in(request), team), protocol_id)
    return _yaml(rules_of(shown), f"{shown.name} {shown.version}")


@require_GET
@login_required
def default_yaml(request: HttpRequest, team: str) -> HttpResponse:
    get_team_or_404(signed_in(request), team)
    return _yaml(Rules.default(), "platform default")


def _yaml(rules: Rules, name: str) -> HttpResponse:
    response = HttpResponse(write_yaml(rules), content_type="application/yaml; charset=utf-8")
    file_name = f"{slugify(name) or 'protocol'}.yaml"
    response["Content-Disposition"] = f'attachment; filename="{file_name}"'
    return response
