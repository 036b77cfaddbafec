"""Cohorts, their versions, and the cases in them."""

from collections.abc import Iterable
from uuid import UUID

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.paginator import Paginator
from django.db.models import Count, Prefetch, QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_GET, require_POST

from portal.accounts.access import check_may, get_team_or_404, signed_in
from portal.accounts.roles import Act
from portal.audits.access import audits_beside, audits_of
from portal.audits.fitness import fitness_of
from portal.cohorts import access, actions, catalogue
from portal.cohorts.deidentified import removed_from
from portal.cohorts.description import describe, facts
from portal.cohorts.filters import CaseFilter
from portal.cohorts.masks import SEGMENTATION, masks_by_case
from portal.cohorts.models import Case, CohortVersion, Image
from portal.cohorts.oddities import oddities_of
from portal.cohorts.questions import answer_text
from portal.cohorts.states import CohortState
from portal.intake.access import uploads_of
from portal.intake.models import UploadKind
from portal.leases import FINAL
from portal.lifecycle import IllegalMove
from portal.registry.access import usable_versions

PER_PAGE = 50
TILES = 12
IMAGES_PER_PAGE = 24
MODELS = 10


@require_GET
@login_required
def cohorts(request: HttpRequest, team: str) -> HttpResponse:
    found = get_team_or_404(signed_in(request), team)
    newest_first = access.versions_of(found).order_by("-number").annotate(n_audits=Count("audit"))
    listed = access.cohorts_of(found).prefetch_related(Prefetch("versions", newest_first))
    context = {
        "section": "cohorts",
        "page": Paginator(listed, PER_PAGE).get_page(request.GET.get("page")),
        "arriving": uploads_of(found).filter(kind=UploadKind.COHORT).exclude(state__in=FINAL),
    }
    return render(request, "cohorts/cohorts.html", context)


@require_GET
@login_required
def cohort(request: HttpRequest, team: str, cohort_id: UUID) -> HttpResponse:
    found = get_team_or_404(signed_in(request), team)
    shown = access.get_cohort_or_404(found, cohort_id)
    versions = access.versions_of(found).filter(cohort=shown).annotate(n_audits=Count("audit"))
    page = Paginator(versions, PER_PAGE).get_page(request.GET.get("page"))
    context = {"section": "cohorts", "cohort": shown, "page": page}
    return render(request, "cohorts/cohort.html", context)


@require_GET
@login_required
def version(request: HttpRequest, team: str, version_id: UUID) -> HttpResponse:
    found = get_team_or_404(signed_in(request), team)
    shown = access.get_version_or_404(found, version_id)
    described = describe(shown)
    context = {
        "section": "cohorts",
        "version": shown,
        "described": described,
        "facts": facts(shown, described),
        "removed": removed_from(shown),
        "tiles": _with_first_image(shown)[:TILES] if shown.n_images else [],
        "audits": audits_of(found).filter(cohort_version=shown)[:PER_PAGE],
        "beside": audits_beside(found, shown)[:PER_PAGE],
        "fitness": fitness_of(found, shown),
        "siblings": access.versions_of(found).filter(cohort=shown.cohort),
    }
    return render(request, "cohorts/version.html", context)


@require_GET
@login_required
def cases(request: HttpRequest, team: str, version_id: UUID) -> HttpResponse:
    found = get_team_or_404(signed_in(request), team)
    shown = access.get_version_or_404(found, version_id)
    wanted = CaseFilter.of(request.GET)
    listed = wanted.apply(_with_first_image(shown)).annotate(n_readings=Count("readings"))
    page = Paginator(listed, PER_PAGE).get_page(request.GET.get("page"))
    masks = masks_by_case(catalogue.load(shown))
    context = {
        "section": "cohorts",
        "version": shown,
        "of_masks": _of_masks(shown),
        "of_finding": bool(masks) and not _of_masks(shown),
        "listed": [(case, masks.get(case.case_id)) for case in page],
        "filter": wanted,
        "page": page,
    }
    return render(request, "cohorts/cases.html", context)


@require_GET
@login_required
def case(request: HttpRequest, team: str, case_id: UUID) -> HttpResponse:
    found = get_team_or_404(signed_in(request), team)
    shown = access.get_case_or_404(found, case_id)
    others = access.cases_of(shown.version)
    images = shown.images.select_related("blob", "display").order_by("position")
    page = Paginator(images, IMAGES_PER_PAGE).get_page(request.GET.get("page"))
    readings = list(shown.readings.order_by("question", "reader_id"))
    listed = catalogue.load(shown.version)
    masks = masks_by_case(listed).get(shown.case_id)
    of_masks = _of_masks(shown.version)
    image = _chosen_image(page.object_list, request.GET.get("image", ""))
    context = {
        "section": "cohorts",
        "case": shown,
        "masks": masks if of_masks else None,
        "finding_masks": None if of_masks else masks,
        "version": shown.version,
        "page": page,
        "image": image,
        "odd": oddities_of(listed, shown.case_id, image.position) if image else [],
        "readings": [
            (reading, answer_text({"score": reading.score, "label": reading.label}))
            for reading in readings
        ],
        "has_arms": any(reading.arm for reading in readings),
        "has_times": any(reading.seconds is not None for reading in readings),
        "previous": others.filter(position__lt=shown.position).last(),
        "next": others.filter(position__gt=shown.position).first(),
        "models": usable_versions(found)[:MODELS] if page.paginator.count else [],
    }
    return render(request, "cohorts/case.html", context)


@require_POST
@login_required
def seal(request: HttpRequest, team: str, version_id: UUID) -> HttpResponse:
    user = signed_in(request)
    found = get_team_or_404(user, team)
    shown = access.get_version_or_404(found, version_id)
    try:
        actions.seal_version(actor=user, version=shown)
        messages.success(request, f"{shown} is sealed. Audits can use it now.")
    except IllegalMove:
        messages.info(request, f"{shown} is sealed already.")
    return redirect(shown)


@require_POST
@login_required
def discard(request: HttpRequest, team: str, version_id: UUID) -> HttpResponse:
    user = signed_in(request)
    found = get_team_or_404(user, team)
    shown = access.get_version_or_404(found, version_id)
    check_may(user, found, Act.HAND_IN_COHORT)
    if shown.state != CohortState.DRAFT:
        messages.error(request, f"{shown} is sealed, so it stays.")
        return redirect(shown)
    actions.discard_draft(actor=user, version=shown)
    messages.success(request, "The draft is discarded. Nothing of it was kept.")
    return redirect("cohorts:cohorts", found.slug)


def _with_first_image(shown: CohortVersion) -> QuerySet[Case]:
    first = Image.objects.filter(position=0)
    return access.cases_of(shown).prefetch_related(Prefetch("images", first))


def _chosen_image(images: Iterable[Image], wanted: str) -> Image | None:
    """The one asked for in the address, else the first."""
    listed = list(images)
    return next((image for image in listed if str(image.pk) == wanted), next(iter(listed), None))


def _of_masks(version: CohortVersion) -> bool:
    return version.task == SEGMENTATION
