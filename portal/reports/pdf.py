"""The report as a PDF: made on first request from the frozen content, kept if it has pictures."""

import logging
import re
from functools import cache, lru_cache
from importlib import import_module

from django.template.loader import render_to_string

from portal.blobs import store
from portal.reports import actions
from portal.reports.doors import paper_door
from portal.reports.frozen import open_report
from portal.reports.models import Report
from portal.reports.report_page import document_context
from portal.ui.charts.palette import COLOURS

_STATE = re.compile(r'<span class="st (\w+)[^>]*><svg.*?</svg>', re.DOTALL)
for _chatty in ("fontTools", "weasyprint.progress"):  # each step of each font otherwise
    logging.getLogger(_chatty).setLevel(logging.WARNING)

PACKAGES = "libpango-1.0-0 libpangoft2-1.0-0 libharfbuzz-subset0"


@cache
def is_available() -> bool:
    """Whether this machine has WeasyPrint and the system libraries it needs."""
    try:
        import_module("portal.reports.paper")  # not at the top: it needs those libraries
    except (ImportError, OSError):
        return False
    return True


def document(report: Report, *, with_images: bool) -> bytes:
    if not with_images:
        return _without_images(report.pk.hex)
    if report.pdf is None:
        actions.keep_pdf(report, _render(report, with_images=True))
        report.refresh_from_db(fields=["pdf"])
    assert report.pdf is not None
    return store.read_bytes(report.pdf)


@lru_cache(maxsize=4)
def _without_images(report_id: str) -> bytes:
    """For links that show no images: not kept, so that nobody takes it for the other one."""
    return _render(Report.objects.select_related("team").get(pk=report_id), with_images=False)


def _with_state_colours(html: str) -> str:
    """Icons of states in the colour of their words, which no stylesheet gives them on paper."""
    return _STATE.sub(
        lambda found: found[0].replace("currentColor", COLOURS.get(found[1], COLOURS["ink"])), html
    )


def _render(report: Report, *, with_images: bool) -> bytes:
    context = document_context(report, paper_door(with_images=with_images))
    html = _with_state_colours(render_to_string("reports/paper.html", context))
    pictures = open_report(report).files if with_images else {}
    data: bytes = import_module("portal.reports.paper").typeset(html, pictures)
    return data
