"""What a model saw of a case: the image beside the network's input after every declared step."""

from typing import Any
from uuid import UUID

from django.contrib.auth.decorators import login_required
from django.core.paginator import Paginator
from django.db.models import Prefetch
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_GET, require_POST

from ml.engine.plan import takes_pictures
from portal.accounts.access import get_team_or_404, signed_in
from portal.accounts.models import Team
from portal.blobs.models import Blob
from portal.cohorts import access as cohorts
from portal.cohorts.models import Case, CohortVersion, Image
from portal.cohorts.pictures import answer
from portal.leases import FINAL
from portal.registry.models import ModelVersion
from portal.seen import access, actions, steps, viewer
from portal.seen.models import Seen

PER_PAGE = 24
MOST_COHORTS = 50


@require_GET
@login_required
def cases(request: HttpRequest, team: str, version_id: UUID) -> HttpResponse:
    """Which case: those of one cohort version as tiles."""
    found = get_team_or_404(signed_in(request), team)
    version = access.get_version_or_404(found, version_id)
    listed = list(cohorts.versions_of(found).filter(n_images__gt=0)[:MOST_COHORTS])
    wanted = request.GET.get("cohort", "")
    chosen = next((one for one in listed if str(one.pk) == wanted), next(iter(listed), None))
    context = {
        "section": "models",
        "version": version,
        "cohorts": listed,
        "chosen": chosen,
        "page": _page(request, chosen) if chosen else None,
        "text": request.GET.get("text", ""),
    }
    return render(request, "seen/cases.html", context)


def _page(request: HttpRequest, chosen: CohortVersion) -> Any:
    first = Prefetch("images", Image.objects.filter(position=0))
    shown = cohorts.cases_of(chosen).filter(images__position=0).prefetch_related(first)
    if text := request.GET.get("text", ""):
        shown = shown.filter(case_id__icontains=text)
    return Paginator(shown, PER_PAGE).get_page(request.GET.get("page"))


@require_GET
@login_required
def case(request: HttpRequest, team: str, version_id: UUID, case_id: UUID) -> HttpResponse:
    version, shown = _get(request, team, version_id, case_id)
    others = cohorts.cases_of(shown.version).filter(images__position=0)
    images = list(shown.images.order_by("position"))
    context = _shown(version, shown) | {
        "section": "models",
        "images": images,
        "n_more": len(images) - 1,
        "at": steps.position(request.GET.get("at", "")),
        "declared": steps.declared(version.manifest["input"]),
        "previous": others.filter(position__lt=shown.position).last(),
        "next": others.filter(position__gt=shown.position).first(),
    }
    seen = context["seen"]
    if seen is not None:
        context["steps"] = steps.rows(seen, context["at"])
        context["positions"] = steps.positions(seen)
        context["middle"] = context["positions"] // 2 + 1
        context["is_volume"] = not takes_pictures(version.manifest)
        context |= viewer.as_context(seen)
    return render(request, "seen/case.html", context)


@require_POST
@login_required
def make(request: HttpRequest, team: str, version_id: UUID, case_id: UUID) -> HttpResponse:
    version, shown = _get(request, team, version_id, case_id)
    return redirect(actions.ask(actor=signed_in(request), version=version, case=shown))


@require_GET
@login_required
def progress(request: HttpRequest, team: str, version_id: UUID, case_id: UUID) -> HttpResponse:
    """The progress box alone, which the page asks for until the pictures are there."""
    version, shown = _get(request, team, version_id, case_id)
    return render(request, "seen/_progress.html", _shown(version, shown) | {"asked_again": True})


@require_GET
@login_required
def picture(request: HttpRequest, team: str, seen_id: UUID, step: int, at: int) -> HttpResponse:
    seen = access.get_seen_or_404(get_team_or_404(signed_in(request), team), seen_id)
    try:
        sha256 = seen.steps[step]["pictures"][at]
    except IndexError:
        raise Http404("no such picture") from None
    return answer(get_object_or_404(Blob, pk=sha256), "image/png")


def _get(
    request: HttpRequest, team: str, version_id: UUID, case_id: UUID
) -> tuple[ModelVersion, Case]:
    found: Team = get_team_or_404(signed_in(request), team)
    return access.get_version_or_404(found, version_id), cohorts.get_case_or_404(found, case_id)


def _shown(version: ModelVersion, shown: Case) -> dict[str, Any]:
    seen: Seen | None = access.find(version, shown)
    return {
        "version": version,
        "case": shown,
        "seen": seen,
        "is_over": seen is None or seen.state in FINAL,
        "has_image": shown.images.exists(),
    }
