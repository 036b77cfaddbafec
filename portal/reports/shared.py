"""A frozen report as the holder of a share link sees it: no session, no way into the team."""

from collections.abc import Callable
from functools import wraps
from typing import Any

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import path
from django.views.decorators.http import require_GET, require_safe

from portal.reports import access, actions, pages
from portal.reports.doors import shared_door
from portal.reports.models import ShareLink
from portal.reports.states import LinkState

LAYOUT = "reports/outside.html"
_GONE = 410
# The address is the key: it must not travel on in a header, a search engine or a cache.
_QUIET = {
    "Referrer-Policy": "no-referrer",
    "X-Robots-Tag": "noindex, nofollow",
    "Cache-Control": "private, no-store",
}

View = Callable[..., HttpResponse]


def through_link(view: View) -> View:
    """Turns the token into its active link; says what became of one that has ended."""

    @wraps(view)
    def opened(request: HttpRequest, token: str, **parts: Any) -> HttpResponse:
        link = access.find_link(token)
        if link is None:
            raise Http404
        if link.state != LinkState.ACTIVE:
            response = render(request, "reports/ended.html", {"link": link}, status=_GONE)
        else:
            response = view(request, link, token, **parts)
        for name, value in _QUIET.items():
            response.headers[name] = value
        return response

    return opened


@require_safe
@through_link
def report(request: HttpRequest, link: ShareLink, token: str) -> HttpResponse:
    """The page whose openings are counted."""
    if request.method == "GET":
        actions.opened(link)
    door = shared_door(link, token)
    return pages.report_page_response(request, link.report, door, link=link)


@require_GET
@through_link
def cases(request: HttpRequest, link: ShareLink, token: str) -> HttpResponse:
    door = shared_door(link, token)
    return pages.cases_response(request, link.report, door, layout=LAYOUT, link=link)


@require_GET
@through_link
def case(request: HttpRequest, link: ShareLink, token: str, case_id: str) -> HttpResponse:
    door = shared_door(link, token)
    return pages.case_response(request, link.report, door, case_id, layout=LAYOUT, link=link)


@require_GET
@through_link
def image(request: HttpRequest, link: ShareLink, token: str, sha256: str) -> HttpResponse:
    if not link.with_images:
        raise Http404("pixels were not shared with this link")
    return pages.image_response(link.report, sha256)


@require_GET
@through_link
def worsened_picture(
    request: HttpRequest, link: ShareLink, token: str, strip: int, severity: int
) -> HttpResponse:
    """As of cases: with a link that shows images, and only what the team had made."""
    if not link.with_images:
        raise Http404("pixels were not shared with this link")
    return pages.worsened_picture_response(link.report, strip, severity)


@require_GET
@through_link
def csv(request: HttpRequest, link: ShareLink, token: str, name: str) -> HttpResponse:
    return pages.csv_response(request, link.report, name, with_patients=False)


@require_GET
@through_link
def pdf(request: HttpRequest, link: ShareLink, token: str) -> HttpResponse:
    return pages.pdf_response(link.report, with_images=link.with_images)


@require_GET
@through_link
def audit_json(request: HttpRequest, link: ShareLink, token: str) -> HttpResponse:
    return pages.audit_json_response(link.report)


urlpatterns = [
    path("", report, name="report"),
    path("cases/", cases, name="cases"),
    path("case/<path:case_id>/", case, name="case"),
    path("image/<str:sha256>", image, name="image"),
    path("worsened/<int:strip>/<int:severity>/", worsened_picture, name="worsened-picture"),
    path("csv/<str:name>.csv", csv, name="csv"),
    path("report.pdf", pdf, name="pdf"),
    path("audit.json", audit_json, name="audit-json"),
]
