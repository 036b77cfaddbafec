"""The first page of a team: what waits, what runs, what was found, what is shared outside."""

from typing import Any

from django.contrib.auth.decorators import login_required
from django.db.models import Count, Q, Sum
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_GET

from portal.accounts.access import can, get_team_or_404, signed_in, visible_teams
from portal.accounts.context import SESSION_TEAM, current_team
from portal.accounts.models import Team, User
from portal.accounts.roles import Act
from portal.audits.access import audits_of
from portal.audits.models import Audit, Shard
from portal.audits.states import ACTIVE, AuditState
from portal.cohorts.access import sealed_versions, versions_of
from portal.cohorts.states import CohortState
from portal.intake.access import uploads_of
from portal.intake.actions import ACT_OF
from portal.intake.models import UploadKind
from portal.leases import FINAL, WorkState
from portal.registry.models import Model
from portal.registry.results import first_of, headlines
from portal.reports.access import reports_of
from portal.reports.models import ShareLink
from portal.trail.access import events_of
from portal.trail.links import lines

FEW = 6


@require_GET
@login_required
def home(request: HttpRequest) -> HttpResponse:
    """To the team last looked at; a person without a team is told so."""
    team = current_team(request, list(visible_teams(signed_in(request))))
    if team is not None:
        return redirect(team)
    return render(request, "accounts/no_team.html", {"section": "home"})


@require_GET
@login_required
def team_home(request: HttpRequest, team: str) -> HttpResponse:
    user = signed_in(request)
    found = get_team_or_404(user, team)
    request.session[SESSION_TEAM] = found.slug
    reports = list(reports_of(found)[:FEW])
    measured = headlines(report.audit for report in reports)
    context = {
        "section": "home",
        "is_empty": not _has_content(found),
        "waits": _waits_for(user, found),
        "reports": [(report, first_of(measured[report.audit_id])) for report in reports],
        "n_reports": reports_of(found).count(),
        "looks": sealed_versions(found)
        .annotate(n_looks=Count("audit"))
        .order_by("-sealed_at")[:FEW],
        "links": ShareLink.objects.filter(report__team=found)
        .select_related("report", "ended_by")
        .order_by("-created_at")[:FEW],
        "lines": lines(found, events_of(found)[:FEW]),
    } | _running(found)
    return render(request, "accounts/home.html", context)


@require_GET
@login_required
def running(request: HttpRequest, team: str) -> HttpResponse:
    """What runs, alone: the page asks for it until nothing does, and then for all of itself."""
    found = get_team_or_404(signed_in(request), team)
    return render(request, "accounts/_running.html", _running(found) | {"asked_again": True})


def _running(team: Team) -> dict[str, Any]:
    audits = list(audits_of(team).filter(state__in=ACTIVE)[:FEW])
    return {
        "at_work": [_with_progress(audit) for audit in audits],
        "arriving": list(uploads_of(team).exclude(state__in=FINAL)[:FEW]),
    }


def _with_progress(audit: Audit) -> dict[str, Any]:
    """How many cases of the passes are through; without a pass, how many checks."""
    shards = Shard.objects.filter(work__audit=audit).aggregate(
        done=Sum("n_done"), total=Sum("n_cases"), again=Count("pk", filter=Q(attempts__gt=1))
    )
    checks = audit.check_runs.aggregate(
        done=Count("pk", filter=Q(state__in=FINAL)), total=Count("pk")
    )
    cases_left = (shards["done"] or 0) < (shards["total"] or 0)
    stage = shards if cases_left else checks
    return {
        "audit": audit,
        "done": stage["done"] or 0,
        "total": stage["total"] or 0,
        "counted": "case" if cases_left else "check",
        "again": shards["again"],
    }


def _has_content(team: Team) -> bool:
    return (
        Model.objects.filter(team=team).exists()
        or versions_of(team).exists()
        or uploads_of(team).exists()
    )


def _waits_for(user: User, team: Team) -> list[dict[str, Any]]:
    """What only a person can move on, and this person may."""
    waits: list[dict[str, Any]] = []
    if can(user, team, Act.RUN_AUDIT):
        waits += [
            {"state": "failed", "word": "Retry", "what": audit, "why": audit.failure}
            for audit in audits_of(team).filter(state=AuditState.FAILED)[:FEW]
        ]
    if can(user, team, Act.HAND_IN_COHORT):
        waits += [
            {
                "state": "draft",
                "word": "Seal",
                "what": version,
                "why": "A draft may still change, so no audit can use it.",
            }
            for version in versions_of(team).filter(state=CohortState.DRAFT)[:FEW]
        ]
    waits += [
        {"state": "failed", "word": "Retry", "what": upload, "why": upload.error}
        for upload in uploads_of(team).filter(state=WorkState.FAILED)[:FEW]
        if can(user, team, ACT_OF[UploadKind(upload.kind)])
    ]
    return waits
