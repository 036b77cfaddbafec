"""Files beside a report: CSV, audit.json, PDF."""

import csv
import hashlib
import io
from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client

from portal.reports import pdf
from portal.reports.frozen import open_report
from portal.reports.tables import all_tables, csv_bytes, safe
from portal.ui.charts.table import build

Address = Callable[..., str]
needs_weasyprint = pytest.mark.skipif(
    not pdf.is_available(), reason=f"WeasyPrint needs the system libraries {pdf.PACKAGES}"
)


@pytest.mark.parametrize(
    ("cell", "written"),
    [
        ("=SUM(A1:A9)", "'=SUM(A1:A9)"),
        ("+1+1", "'+1+1"),
        ("-1+1", "'-1+1"),
        ("@cmd", "'@cmd"),
        ("\tx", "'\tx"),
        ("\rx", "'\rx"),
        ("-", "'-"),
        ("-0.25", "-0.25"),
        ("+3", "+3"),
        ("-1e-5", "-1e-5"),
        (-0.25, -0.25),
        (None, None),
        ("tumour", "tumour"),
    ],
)
def test_cells_that_a_spreadsheet_would_run(cell: Any, written: Any) -> None:
    assert safe(cell) == written


def test_head_and_rows_are_both_made_safe() -> None:
    text = csv_bytes(build(["=head", "b"], [["=cell", None], [-0.5, "-x"]])).decode()
    assert text.splitlines() == ["'=head,b", "'=cell,", "-0.5,'-x"]


def test_every_table_of_the_appendix_can_be_had(
    as_owner: Client, as_viewer: Client, as_stranger: Client, address: Address, report: Any
) -> None:
    for table in all_tables(open_report(report)):
        response = as_owner.get(address("csv", table.name))
        rows = list(csv.reader(io.StringIO(response.content.decode())))
        assert response["Content-Type"].startswith("text/csv")
        assert "attachment" in response["Content-Disposition"]
        assert len(rows) == len(table.table.rows) + 1
    assert as_viewer.get(address("csv", "cases")).status_code == 200
    assert as_stranger.get(address("csv", "cases")).status_code == 404
    assert as_owner.get(address("csv", "nothing")).status_code == 404


def test_the_csv_of_cases_follows_the_list(as_owner: Client, address: Address) -> None:
    text = as_owner.get(address("csv", "cases"), {"filter": "missed"}).content.decode()
    head, *rows = csv.reader(io.StringIO(text))
    assert [row[0] for row in rows] == ["c1"]
    first = dict(zip(head, rows[0], strict=True))
    assert (first["score"], first["outcome"], first["present"]) == ("0.02", "missed", "yes")
    assert first["sex"] in ("f", "m")


def test_the_csv_of_endpoints_holds_what_was_not_assessed(
    as_owner: Client, address: Address
) -> None:
    text = as_owner.get(address("csv", "endpoints")).content.decode()
    rows = {row["measure"]: row for row in csv.DictReader(io.StringIO(text))}
    assert rows["alpha"]["state"] == "not assessed"
    assert rows["alpha"]["reason"].startswith("This cohort has no readings.")
    assert rows["auroc"]["reason"] == ""


def test_audit_json_is_the_sealed_bytes(
    as_owner: Client, as_stranger: Client, address: Address, report: Any
) -> None:
    response = as_owner.get(address("audit-json"))
    assert hashlib.sha256(response.content).hexdigest() == report.audit_json_id
    assert response["X-Content-SHA256"] == report.audit_json_id
    assert response["Content-Type"] == "application/json"
    assert "attachment" in response["Content-Disposition"]
    assert as_stranger.get(address("audit-json")).status_code == 404


@needs_weasyprint
def test_the_pdf_is_made_once_and_kept(
    as_viewer: Client, as_stranger: Client, address: Address, report: Any
) -> None:
    assert as_stranger.get(address("pdf")).status_code == 404
    first = as_viewer.get(address("pdf"))
    assert first["Content-Type"] == "application/pdf"
    assert first.content.startswith(b"%PDF-")
    report.refresh_from_db()
    assert report.pdf is not None
    assert as_viewer.get(address("pdf")).content == first.content


@needs_weasyprint
def test_a_pdf_without_images_holds_none_and_is_not_kept(report: Any) -> None:
    assert b"/Subtype /Image" not in pdf.document(report, with_images=False)
    report.refresh_from_db()
    assert report.pdf is None
    assert b"/Subtype /Image" in pdf.document(report, with_images=True)


@needs_weasyprint
@pytest.mark.parametrize("box", ["note", "verify"])
def test_a_long_box_breaks_across_pages(box: str) -> None:
    """WeasyPrint 70 stops at an icon that is a cell or a float of a grid and breaks."""
    from portal.reports.paper import typeset

    icon = '<svg width="10" height="10" viewBox="0 0 10 10"><path d="M0 0h10v10z"/></svg>'
    text = "<p>A reason that is given in full.</p>" * 90

    inner = f'<div class="{box}">{icon}<div>{text}</div></div>'
    for page in (inner, f'<div class="grid g1">{inner}</div>', f"<p>{text}</p>{inner}"):
        assert typeset(page, {}).startswith(b"%PDF-")


@needs_weasyprint
@pytest.mark.parametrize(
    "address",
    ["http://127.0.0.1:1/x.png", "file:///etc/passwd", "data:text/css,a{}", "blob:" + "0" * 64,
     "font:../../etc/passwd", "ftp://example.org/x"],
)  # fmt: skip
def test_a_document_may_load_its_own_files_only(address: str) -> None:
    from portal.reports.paper import OwnFilesOnly, Refused

    with pytest.raises(Refused):
        OwnFilesOnly({"a" * 64: "image/png"}).fetch(address)


def test_without_its_libraries_printing_is_offered_instead(
    as_owner: Client, address: Address, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pdf, "is_available", lambda: False)
    html = as_owner.get(address("report")).content.decode()
    assert address("pdf") not in html
    assert pdf.PACKAGES in html
    assert "data-print" in html
    assert as_owner.get(address("pdf")).status_code == 404
