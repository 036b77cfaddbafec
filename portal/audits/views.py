"""The pages of audits: read the request, call an action or a query, render."""

from typing import Any
from uuid import UUID

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.exceptions import ValidationError
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_GET, require_POST

from portal.accounts.access import check_may, get_team_or_404, signed_in
from portal.accounts.models import Team, User
from portal.accounts.roles import Act
from portal.api.idempotency import once_from_form
from portal.audits import access, planning
from portal.audits.attention import notes_of
from portal.audits.forms import AuditForm
from portal.audits.models import Audit
from portal.audits.preview import Choice, Preview, preview_of
from portal.audits.progress import progress_of
from portal.audits.states import AuditState
from portal.lifecycle import IllegalMove
from portal.registry.results import first_of, headlines

PER_PAGE = 50
VERDICTS = ("pass", "caution", "fail", "not assessed")


@require_GET
@login_required
def audits(request: HttpRequest, team: str) -> HttpResponse:
    found = access.audits_of(get_team_or_404(signed_in(request), team))
    state, verdict = request.GET.get("state", ""), request.GET.get("verdict", "")
    total = found.count()
    if state in AuditState.values:
        found = found.filter(state=state)
    if verdict in VERDICTS:
        found = found.filter(verdict=verdict)
    page = Paginator(found, PER_PAGE).get_page(request.GET.get("page"))
    measured = headlines(page)
    context = {
        "total": total,
        "page": page,
        "rows": [(audit, first_of(measured[audit.pk])) for audit in page],
        "states": [value for value in AuditState.values if value != AuditState.DRAFT],
        "verdicts": VERDICTS,
        "state": state,
        "verdict": verdict,
    }
    return render(request, "audits/audits.html", context)


@login_required
def new(request: HttpRequest, team: str) -> HttpResponse:
    user = signed_in(request)
    found = get_team_or_404(user, team)
    check_may(user, found, Act.RUN_AUDIT)
    form = AuditForm(found, request.POST or request.GET)
    if request.method == "POST" and form.is_valid():
        try:
            return redirect(_start(user, found, form))
        except ValidationError as error:
            form.add_error(None, error)
    context = {"form": form, "preview": _preview(form)}
    status = 422 if request.method == "POST" else 200
    return render(request, "audits/new.html", context, status=status)


def _start(user: User, team: Team, form: AuditForm) -> Audit:
    """The audit of this form; the same one again when it is sent twice."""
    choice: Choice = form.cleaned_data["choice"]

    def begin() -> Audit:
        return planning.start_audit(
            actor=user,
            team=team,
            cohort_version=choice.cohort,
            model_version=choice.model,
            predictions=choice.predictions,
            protocol=choice.protocol,
            title=form.cleaned_data["title"],
            beside=choice.beside,
        )

    key = form.cleaned_data["key"]
    if key is None:  # a program's request, not the page's
        return begin()
    chosen = " ".join(str(form.cleaned_data[name]) for name in (*form.known, "beside"))
    return once_from_form(user, team, str(key), chosen, begin)


@require_GET
@login_required
def preview(request: HttpRequest, team: str) -> HttpResponse:
    """What the choices in the address would answer, as the fragment of the page of `new`."""
    user = signed_in(request)
    found = get_team_or_404(user, team)
    check_may(user, found, Act.RUN_AUDIT)
    form = AuditForm(found, request.GET)
    return render(request, "audits/_preview.html", {"form": form, "preview": _preview(form)})


def _preview(form: AuditForm) -> Preview | None:
    """None while a choice is missing or gone."""
    form.is_valid()
    choice = form.cleaned_data.get("choice")
    return preview_of(choice) if choice else None


@require_GET
@login_required
def audit(request: HttpRequest, team: str, audit_id: UUID) -> HttpResponse:
    found = access.get_audit_or_404(get_team_or_404(signed_in(request), team), audit_id)
    return render(request, "audits/audit.html", _progress_context(found))


@require_GET
@login_required
def progress(request: HttpRequest, team: str, audit_id: UUID) -> HttpResponse:
    """The live part alone, which the page asks for while the audit is active."""
    found = access.get_audit_or_404(get_team_or_404(signed_in(request), team), audit_id)
    return render(request, "audits/_progress.html", _progress_context(found) | {"again": True})


@require_GET
@login_required
def status(request: HttpRequest, team: str, audit_id: UUID) -> HttpResponse:
    """One sentence for screen readers, asked for seldom enough to be heard out."""
    found = access.get_audit_or_404(get_team_or_404(signed_in(request), team), audit_id)
    return render(request, "audits/_status.html", {"audit": found, "progress": progress_of(found)})


def _progress_context(found: Audit) -> dict[str, Any]:
    current = progress_of(found)
    return {"audit": found, "progress": current, "notes": notes_of(current)}


@require_POST
@login_required
def stop(request: HttpRequest, team: str, audit_id: UUID) -> HttpResponse:
    user = signed_in(request)
    found = access.get_audit_or_404(get_team_or_404(user, team), audit_id)
    try:
        planning.stop_audit(actor=user, audit=found)
        sentence = "Stopped. Shards that still run end by themselves; what is done is kept."
        messages.success(request, sentence)
    except IllegalMove:
        messages.error(request, f"This audit is {found.state}, so there is nothing to stop.")
    return redirect(found)


@require_POST
@login_required
def resume(request: HttpRequest, team: str, audit_id: UUID) -> HttpResponse:
    user = signed_in(request)
    found = access.get_audit_or_404(get_team_or_404(user, team), audit_id)
    try:
        planning.resume_audit(actor=user, audit=found)
        messages.success(request, "Taken up again. Finished shards are not done twice.")
    except IllegalMove:
        messages.error(request, f"This audit is {found.state}, so there is nothing to take up.")
    return redirect(found)
