"""Reports as the team's people see them."""

from urllib.parse import urlencode
from uuid import UUID

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.paginator import Paginator
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from ml.checks.registry import State
from portal.accounts.access import can, check_may, get_team_or_404, signed_in
from portal.accounts.roles import Act
from portal.audits.further import further_named
from portal.reports import access, actions, explore, pages, worsened
from portal.reports import regions as by_hand
from portal.reports.doors import team_door
from portal.reports.forms import ShareForm
from portal.reports.frozen import Frozen, open_report
from portal.reports.models import Report
from portal.seen import actions as seen

LAYOUT = "base.html"
PER_PAGE = 50
_SELECTION = "selected_cases"
_VERDICTS = (State.FAIL, State.CAUTION, State.PASS, State.NOT_ASSESSED)


def _get(request: HttpRequest, team: str, report_id: UUID) -> Report:
    return access.get_report_or_404(get_team_or_404(signed_in(request), team), report_id)


@require_GET
@login_required
def reports(request: HttpRequest, team: str) -> HttpResponse:
    user = signed_in(request)
    ours = get_team_or_404(user, team)
    q, verdict = request.GET.get("q", "").strip(), request.GET.get("verdict", "")
    found = access.search(ours, q, verdict)
    paging = Paginator(found, PER_PAGE).get_page(request.GET.get("page"))
    may_run = can(user, ours, Act.RUN_AUDIT)
    context = {
        "section": "reports",
        "team": ours,
        "reports": paging.object_list,
        "paging": paging,
        "page_query": f"{urlencode({'q': q, 'verdict': verdict})}&",
        "has_any": access.reports_of(ours).exists(),
        "q": q,
        "verdict": verdict,
        "verdicts": [state.value for state in _VERDICTS],
        "action": "Start an audit" if may_run else "",
        "action_url": reverse("audits:new", args=[ours.slug]) if may_run else "",
    }
    return render(request, "reports/reports.html", context)


@require_GET
@login_required
def report(request: HttpRequest, team: str, report_id: UUID) -> HttpResponse:
    found = _get(request, team, report_id)
    may_share = can(request.user, found.team, Act.SHARE_REPORT)
    return pages.report_page_response(request, found, team_door(found), may_share=may_share)


@require_http_methods(["GET", "HEAD", "POST"])
@login_required
def cases(request: HttpRequest, team: str, report_id: UUID) -> HttpResponse:
    """The list; ids chosen on the explore page are kept for this person and shown as a filter."""
    found = _get(request, team, report_id)
    door = team_door(found)
    chosen = request.POST.get("ids") or request.GET.get("ids")
    if chosen:
        ids = known_ids(open_report(found), chosen)
        request.session[_SELECTION] = {str(found.pk): ids}
        return redirect(door.cases(filter="selection"))
    selection = _selection(request, found)
    return pages.cases_response(request, found, door, layout=LAYOUT, selection=selection)


@require_GET
@login_required
def case(request: HttpRequest, team: str, report_id: UUID, case_id: str) -> HttpResponse:
    found = _get(request, team, report_id)
    selection = _selection(request, found)
    return pages.case_response(
        request,
        found,
        team_door(found),
        case_id,
        layout=LAYOUT,
        selection=selection,
        seen_url=_seen_url(found, case_id),
    )


@require_http_methods(["GET", "HEAD", "POST"])
@login_required
def regions(request: HttpRequest, team: str, report_id: UUID, case_id: str) -> HttpResponse:
    """Asks the model about a case without a region; a GET is what was asked, how far it is."""
    found = _get(request, team, report_id)
    frozen, door = open_report(found).spoken, team_door(found)
    shown = frozen.by_id.get(case_id)
    if shown is None or not by_hand.offers(frozen, found.audit, shown):
        raise Http404("no case whose regions can be tried")
    if request.method != "POST":
        panel = by_hand.of(frozen, door, found.audit, shown)
        return render(request, "reports/_tried.html", {"regions": panel, "frozen": frozen})
    form = by_hand.RegionForm(request.POST)
    if form.is_valid():
        own = get_object_or_404(found.audit.cohort_version.cases, case_id=case_id)
        name = form.cleaned_data["name"].strip() or "region"
        try:
            seen.explore(
                actor=signed_in(request), audit=found.audit, case=own, name=name, box=form.box
            )
        except seen.TooMany as problem:
            form.add_error(None, str(problem))
        else:
            return redirect(f"{door.case(case_id)}#regions")
    return pages.case_response(
        request, found, door, case_id, layout=LAYOUT, selection=_selection(request, found),
        seen_url=_seen_url(found, case_id), region=form,
    )  # fmt: skip


def _seen_url(found: Report, case_id: str) -> str:
    """Where what the model was given for this case is asked for; "" without a model or image."""
    audit = found.audit
    version, own_id = audit.cohort_version, case_id
    frozen_case = open_report(found).by_id.get(case_id)
    if frozen_case is not None and frozen_case.cohort:
        version = further_named(audit, frozen_case.cohort).cohort_version
        own_id = case_id.rpartition("/")[2]
    cases = version.cases.filter(case_id=own_id, images__position=0)
    shown = cases.first() if audit.model_version_id else None
    if shown is None:
        return ""
    return reverse("seen:make", args=[found.team.slug, audit.model_version_id, shown.pk])


@require_GET
@login_required
def image(request: HttpRequest, team: str, report_id: UUID, sha256: str) -> HttpResponse:
    return pages.image_response(_get(request, team, report_id), sha256)


@require_POST
@login_required
def worsened_make(request: HttpRequest, team: str, report_id: UUID) -> HttpResponse:
    """Asks for pictures of the corruptions; whoever sees the report may."""
    found = _get(request, team, report_id)
    wanted = worsened.wanted(open_report(found))
    if not wanted:
        raise Http404("no corruption of this report can be shown")
    seen.ask_worsened(actor=signed_in(request), audit=found.audit, wanted=wanted)
    return redirect(f"{team_door(found).report}#worsened")


@require_GET
@login_required
def worsened_progress(request: HttpRequest, team: str, report_id: UUID) -> HttpResponse:
    """The pictures alone, or how far they are: the page asks until they are there."""
    found = _get(request, team, report_id)
    shown = worsened.of(open_report(found).spoken, team_door(found), found.audit)
    return render(request, "reports/_worsened.html", {"worsened": shown})


@require_GET
@login_required
def worsened_picture(
    request: HttpRequest, team: str, report_id: UUID, strip: int, severity: int
) -> HttpResponse:
    return pages.worsened_picture_response(_get(request, team, report_id), strip, severity)


@require_GET
@login_required
def csv(request: HttpRequest, team: str, report_id: UUID, name: str) -> HttpResponse:
    found = _get(request, team, report_id)
    return pages.csv_response(request, found, name, _selection(request, found))


@require_GET
@login_required
def pdf(request: HttpRequest, team: str, report_id: UUID) -> HttpResponse:
    return pages.pdf_response(_get(request, team, report_id), with_images=True)


@require_GET
@login_required
def audit_json(request: HttpRequest, team: str, report_id: UUID) -> HttpResponse:
    return pages.audit_json_response(_get(request, team, report_id))


@require_GET
@login_required
def explore_page(request: HttpRequest, team: str, report_id: UUID) -> HttpResponse:
    found = _get(request, team, report_id)
    frozen, door = open_report(found), team_door(found)
    context = {
        "section": "reports",
        "report": found,
        "door": door,
        "views": explore.views(frozen),
        "view": explore.find_view(frozen, request.GET.get("view", "")),
        "data_url": reverse("reports:explore-data", args=[team, report_id]),
        "csv_url": door.csv("cases"),
    }
    return render(request, "reports/explore.html", context)


@require_GET
@login_required
def explore_data(request: HttpRequest, team: str, report_id: UUID) -> HttpResponse:
    return JsonResponse(explore.points(open_report(_get(request, team, report_id))))


@require_http_methods(["GET", "HEAD", "POST"])
@login_required
def share(request: HttpRequest, team: str, report_id: UUID) -> HttpResponse:
    """The panel; a new link's address is in the answer to its form and nowhere else."""
    found = _get(request, team, report_id)
    check_may(request.user, found.team, Act.SHARE_REPORT)
    frozen = open_report(found)
    context = {
        "section": "reports",
        "report": found,
        "door": team_door(found),
        "cohort": frozen.cohort,
        "run": frozen.context,
        "form": ShareForm(),
    }
    if request.method == "POST":
        form = ShareForm(request.POST)
        if form.is_valid():
            link, token = actions.share(actor=signed_in(request), report=found, **form.cleaned_data)
            address = request.build_absolute_uri(reverse("shared:report", args=[token]))
            context |= {"new_link": link, "address": address}
        else:
            context["form"] = form
    context["links"] = list(access.links_of(found))
    response = render(request, "reports/share.html", context)
    response.headers["Cache-Control"] = "no-store"
    return response


@require_POST
@login_required
def end_link(request: HttpRequest, team: str, report_id: UUID, link_id: UUID) -> HttpResponse:
    found = _get(request, team, report_id)
    link = get_object_or_404(access.links_of(found), pk=link_id)
    actions.end_link(actor=signed_in(request), link=link)
    messages.success(request, f"The link for {link.for_whom} has ended.")
    return redirect("reports:share", team, report_id)


def _selection(request: HttpRequest, found: Report) -> list[str]:
    kept: dict[str, list[str]] = request.session.get(_SELECTION) or {}
    return kept.get(str(found.pk), [])


def known_ids(frozen: Frozen, joined: str) -> list[str]:
    """Case ids out of a list joined by commas, though an id may hold a comma itself."""
    ids, waiting = [], ""
    for part in joined.split(","):
        waiting = f"{waiting},{part}" if waiting else part
        if waiting in frozen.by_id:
            ids.append(waiting)
            waiting = ""
        elif part in frozen.by_id:
            ids.append(part)
            waiting = ""
    return ids
