"""A frozen report as the holder of a share link sees it: no session, no way into the team."""

from django.http import Http404, HttpRequest, HttpResponse
from django.urls import path

from portal.reports import access


def report(request: HttpRequest, token: str, **parts: str) -> HttpResponse:
    link = access.find_link(token)
    if link is None:
        raise Http404
    return HttpResponse(str(link.report), content_type="text/plain")


urlpatterns = [
    path("", report, name="report"),
    path("cases/", report, name="cases"),
    path("case/<path:case_id>/", report, name="case"),
    path("image/<str:sha256>", report, name="image"),
    path("csv/<str:name>.csv", report, name="csv"),
    path("report.pdf", report, name="pdf"),
    path("audit.json", report, name="audit-json"),
]
