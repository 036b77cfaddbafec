"""Answers that the team's doors and a shared link's door have in common."""

from dataclasses import replace
from typing import Any
from urllib.parse import urlencode

from django.core.paginator import Paginator
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render

from portal.blobs import store
from portal.blobs.models import Blob
from portal.cohorts.pictures import answer
from portal.reports import case_page, explore, pdf, regions, report_page, tables
from portal.reports.cases import (
    BUTTONS,
    FILTERS,
    PER_PAGE,
    SORTS,
    Query,
    describe,
    find,
    read_query,
)
from portal.reports.doors import Door
from portal.reports.frozen import Frozen, Outcome, open_report
from portal.reports.gallery import tile
from portal.reports.models import Report, ShareLink
from portal.reports.readings import about
from portal.seen.access import worsened_of

_YEAR_SECONDS = 365 * 24 * 3600


def report_page_response(
    request: HttpRequest, report: Report, door: Door, **more: object
) -> HttpResponse:
    door = _with_points(open_report(report), door)
    context = report_page.document_context(report, door) | {
        "can_pdf": pdf.is_available(),
        "pdf_packages": pdf.PACKAGES,
        **more,
    }
    return render(request, "reports/report.html", context)


def cases_response(
    request: HttpRequest,
    report: Report,
    door: Door,
    *,
    layout: str,
    selection: list[str] | None = None,
    link: ShareLink | None = None,
) -> HttpResponse:
    frozen = open_report(report).spoken
    door = _with_points(frozen, door)
    query = read_query(request.GET.dict(), selection or [])
    if query.finding and frozen.finding(query.finding) is None:
        raise Http404("no such finding")
    found = find(frozen, query)
    paging = Paginator(found, PER_PAGE).get_page(request.GET.get("page"))
    parameters = query.as_query()
    of = about(frozen, frozen.finding(query.finding) if query.finding else None)
    context = {
        "layout": layout,
        "section": "reports",
        "report": report,
        "link": link,
        "door": door,
        "frozen": frozen,
        "query": query,
        "total": len(found),
        "finding": frozen.finding(query.finding) if query.finding else None,
        "described": describe(frozen, query),
        "buttons": _buttons(frozen, door, query),
        "kept": [(k, v) for k, v in parameters.items() if k not in ("q", "sort")],
        "sorts": [(key, words) for key, (words, _) in SORTS.items() if _makes_sense(frozen, key)],
        "order": query.order,
        "is_nameless": door.is_shared and frozen.cohort.get("cluster_kind") == "patient",
        "as_table": not door.shows_images or not frozen.pictures,
        "about": of,
        "asked": frozen.names.of(of.question),
        "tiles": [tile(frozen, door, case, parameters, of) for case in paging],
        "paging": paging,
        "page_query": f"{urlencode(parameters)}&" if parameters else "",
        "all_url": door.cases(),
        "csv_url": door.with_query(door.csv("cases"), parameters),
        "readings_url": door.with_query(door.csv(tables.READINGS), parameters)
        if frozen.has_readings
        else "",
    }
    return render(request, "reports/cases.html", context)


def _with_points(frozen: Frozen, door: Door) -> Door:
    """The door leads to the explore page only where that has something to draw."""
    return replace(door, has_points=bool(explore.views(frozen)))


def _makes_sense(frozen: Frozen, sort: str) -> bool:
    if sort in ("dice", "readers"):
        return frozen.of_masks and (sort == "readers" or frozen.subject is not None)
    return frozen.has_scores or sort == "case"


def _buttons(frozen: Frozen, door: Door, query: Query) -> list[dict[str, Any]]:
    """The filters that would find something, with how many, within the finding or cluster."""
    base = find(frozen, Query(finding=query.finding, cluster=query.cluster, q=query.q))
    buttons = []
    shown = [key for key in FILTERS if key in BUTTONS or key == query.filter]
    for key in shown:
        words, fits = FILTERS[key]
        if key == "failed":
            words = frozen.word(Outcome.FAILED)
        if frozen.of_masks and key != "all":  # the others sort by labels and scores
            continue
        n = sum(fits(case) for case in base)
        is_current = key == query.filter
        if key in ("wrong", "found", "rightly-clear") and frozen.threshold is None:
            continue
        if n or is_current or key == "all":
            changed = query.as_query(filter="" if key == "all" else key, sort="")
            url = door.cases(**changed)
            buttons.append({"words": words, "n": n, "url": url, "is_current": is_current})
    return buttons


def case_response(
    request: HttpRequest,
    report: Report,
    door: Door,
    case_id: str,
    *,
    layout: str,
    selection: list[str] | None = None,
    link: ShareLink | None = None,
    seen_url: str = "",
    region: regions.RegionForm | None = None,
) -> HttpResponse:
    """
    Args:
        seen_url: where members ask for what the model was given for the case.
        region: that cannot be asked about, with what is wrong with it.
    """
    frozen = open_report(report).spoken
    case = frozen.by_id.get(case_id)
    if case is None:
        raise Http404("no such case")
    query = read_query(request.GET.dict(), selection or [])
    shown = request.GET.get("image", "")
    method = request.GET.get("map", "")
    context = case_page.as_context(frozen, door, case, query, shown, method) | {
        "layout": layout,
        "section": "reports",
        "report": report,
        "link": link,
        "seen_url": seen_url,
        "regions": regions.of(frozen, door, report.audit, case, region),
    }
    return render(request, "reports/case.html", context)


def image_response(report: Report, sha256: str) -> HttpResponse:
    """An image or map that this report's own content names; any other does not exist here."""
    media_type = open_report(report).files.get(sha256)
    if media_type is None:
        raise Http404("no such image in this report")
    blob = get_object_or_404(Blob, pk=sha256)
    return HttpResponse(
        store.read_bytes(blob),
        content_type=media_type,
        headers={
            "Cache-Control": f"private, max-age={_YEAR_SECONDS}, immutable",
            "X-Content-Type-Options": "nosniff",
            "Content-Disposition": "inline",
        },
    )


def worsened_picture_response(report: Report, strip: int, severity: int) -> HttpResponse:
    """One picture of a corrupted case, where it was made; no longer kept than it can be seen."""
    row = worsened_of(report.audit)
    try:
        sha256 = row.strips[strip]["pictures"][severity] if row else ""
    except IndexError:
        sha256 = ""
    if not sha256:
        raise Http404("no such picture of this report")
    return answer(get_object_or_404(Blob, pk=sha256), "image/png")


def csv_response(
    request: HttpRequest,
    report: Report,
    name: str,
    selection: list[str] | None = None,
    *,
    with_patients: bool = True,
) -> HttpResponse:
    frozen = open_report(report)
    if name == "cases":
        rows = tables.chosen_cases(frozen, request.GET.dict(), selection or [])
        if not with_patients:
            rows = tables.without_patients(frozen, rows)
    elif name == tables.READINGS and frozen.has_readings:
        rows = tables.chosen_readings(frozen, request.GET.dict(), selection or [])
    else:
        found = tables.find_table(frozen, name)
        if found is None:
            raise Http404("no such table")
        rows = found.table
    return _download(tables.csv_bytes(rows), "text/csv; charset=utf-8", f"{report}", f"{name}.csv")


def audit_json_response(report: Report) -> HttpResponse:
    """The sealed bytes, exactly."""
    data = store.read_bytes(report.audit_json)
    response = _download(data, "application/json", f"{report}", "audit.json")
    response.headers["X-Content-SHA256"] = report.audit_json_id
    response.headers["ETag"] = f'"{report.audit_json_id}"'
    return response


def pdf_response(report: Report, *, with_images: bool) -> HttpResponse:
    if not pdf.is_available():
        raise Http404("no PDF on this server")
    data = pdf.document(report, with_images=with_images)
    return _download(data, "application/pdf", f"{report}", "report.pdf")


def _download(data: bytes, media_type: str, report: str, name: str) -> HttpResponse:
    reference = report.partition(":")[0]
    return HttpResponse(
        data,
        content_type=media_type,
        headers={
            "Content-Disposition": f'attachment; filename="{reference}-{name}"',
            "X-Content-Type-Options": "nosniff",
        },
    )
