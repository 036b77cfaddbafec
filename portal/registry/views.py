"""Models, their versions, and predictions that came without a model."""

from collections.abc import Iterable
from typing import Any
from uuid import UUID

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_GET, require_POST

from portal.accounts.access import check_may, get_team_or_404, signed_in
from portal.accounts.models import Team
from portal.accounts.roles import Act
from portal.audits.access import audits_of
from portal.audits.models import Audit
from portal.audits.states import ACTIVE, AuditState
from portal.intake.access import uploads_of
from portal.intake.models import UploadKind
from portal.leases import FINAL
from portal.lifecycle import IllegalMove
from portal.registry import access, actions
from portal.registry.forms import WithdrawForm
from portal.registry.models import ModelVersion
from portal.registry.results import Headline, headlines
from portal.registry.states import VersionState
from portal.registry.verdict import (
    able,
    auditable,
    facts,
    intensity,
    needs_met,
    refused_because,
    rows,
    verdict,
)

PER_PAGE = 50


@require_GET
@login_required
def models(request: HttpRequest, team: str) -> HttpResponse:
    found = get_team_or_404(signed_in(request), team)
    page = Paginator(access.versions_of(found), PER_PAGE).get_page(request.GET.get("page"))
    kinds = [UploadKind.MODEL, UploadKind.PREDICTIONS]
    context = {
        "section": "models",
        "n_models": access.models_of(found).count(),
        "page": page,
        "rows": _with_audits(found, page),
        "arriving": uploads_of(found).filter(kind__in=kinds).exclude(state__in=FINAL),
        "predictions": access.predictions_of(found)[:PER_PAGE],
    }
    return render(request, "registry/models.html", context)


@require_GET
@login_required
def model(request: HttpRequest, team: str, model_id: UUID) -> HttpResponse:
    found = get_team_or_404(signed_in(request), team)
    shown = access.get_model_or_404(found, model_id)
    versions = access.versions_of(found).filter(model=shown)
    page = Paginator(versions, PER_PAGE).get_page(request.GET.get("page"))
    context = {
        "section": "models",
        "model": shown,
        "page": page,
        "rows": _with_audits(found, page),
    }
    return render(request, "registry/model.html", context)


@require_GET
@login_required
def version(request: HttpRequest, team: str, version_id: UUID) -> HttpResponse:
    found = get_team_or_404(signed_in(request), team)
    return _version_page(request, access.get_version_or_404(found, version_id), WithdrawForm())


@require_POST
@login_required
def withdraw(request: HttpRequest, team: str, version_id: UUID) -> HttpResponse:
    user = signed_in(request)
    found = get_team_or_404(user, team)
    shown = access.get_version_or_404(found, version_id)
    check_may(user, found, Act.HAND_IN_MODEL)
    form = WithdrawForm(request.POST)
    if not form.is_valid():
        return _version_page(request, shown, form)
    try:
        actions.withdraw_version(actor=user, version=shown, because=form.cleaned_data["because"])
        messages.success(request, f"{shown} is withdrawn. Its audits and reports stay.")
    except IllegalMove:
        messages.error(request, f"{shown} is {shown.state}, so there is nothing to withdraw.")
    return redirect(shown)


@require_GET
@login_required
def predictions(request: HttpRequest, team: str, predictions_id: UUID) -> HttpResponse:
    found = get_team_or_404(signed_in(request), team)
    shown = access.get_predictions_or_404(found, predictions_id)
    context = {
        "section": "models",
        "predictions": shown,
        "audits": _with_measures(audits_of(found).filter(predictions=shown)[:PER_PAGE]),
        "of_masks": shown.meta["kind"] == "masks",
        "can_do": auditable(needs_met(shown)),
    }
    return render(request, "registry/predictions.html", context)


def _version_page(request: HttpRequest, shown: ModelVersion, form: WithdrawForm) -> HttpResponse:
    team = shown.model.team
    was_read = bool(shown.manifest)
    upload = uploads_of(team).filter(model_version=shown).first()
    context = {
        "section": "models",
        "version": shown,
        "was_read": was_read,
        "verdict": verdict(shown) if was_read else "",
        "rows": rows(shown) if was_read else [],
        "operations": sorted(
            (shown.card.get("operations") or {}).items(), key=lambda item: (-item[1], item[0])
        ),
        "able": able(shown) if was_read else [],
        "facts": facts(shown.card),
        "intensity": intensity(shown.manifest) if was_read else "",
        "scan": shown.card.get("scan") or {},
        "can_do": auditable(needs_met(shown)) if was_read else [],
        "refused_because": refused_because(shown.refusals),
        "is_refused": shown.state == VersionState.REFUSED,
        "audits": _with_measures(audits_of(team).filter(model_version=shown)[:PER_PAGE]),
        "siblings": access.versions_of(team).filter(model=shown.model),
        "upload": upload,
        "form": form,
    }
    return render(request, "registry/version.html", context, status=422 if form.errors else 200)


def _with_measures(audits: Iterable[Audit]) -> list[tuple[Audit, dict[str, Headline]]]:
    listed = list(audits)
    measured = headlines(listed)
    return [(audit, measured[audit.pk]) for audit in listed]


def _with_audits(team: Team, versions: Iterable[ModelVersion]) -> list[dict[str, Any]]:
    """Each version with how often it was audited and what the latest sealed audit found."""
    listed = list(versions)
    audits: dict[UUID, list[Audit]] = {shown.pk: [] for shown in listed}
    for audit in audits_of(team).filter(model_version__in=listed):
        if audit.model_version_id is not None:
            audits[audit.model_version_id].append(audit)
    sealed = {
        pk: next((audit for audit in own if audit.state == AuditState.SEALED), None)
        for pk, own in audits.items()
    }
    measured = headlines(audit for audit in sealed.values() if audit)
    found = []
    for shown in listed:
        latest = sealed[shown.pk]
        found.append(
            {
                "version": shown,
                "n_audits": len(audits[shown.pk]),
                "n_running": sum(audit.state in ACTIVE for audit in audits[shown.pk]),
                "latest": latest,
                "auc": measured[latest.pk]["auroc"] if latest else None,
            }
        )
    return found
