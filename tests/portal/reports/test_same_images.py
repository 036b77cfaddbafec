"""Cases whose images count as one are shown in the order of the check, and its tables as tables."""

from typing import Any

import pytest
from django.template.loader import render_to_string

from portal.reports import same_images
from portal.reports.doors import paper_door
from portal.reports.frozen import open_report
from portal.reports.report_page import _section
from portal.reports.tables import _of_check
from tests.portal.reports.test_shortcut import _Door


def _check(listed: list[str], rows: int = 3) -> dict[str, Any]:
    fields = ["Characteristic", "Value", "all, n = 24"]
    return {
        "id": "duplicates", "title": "Duplicates", "question": "?", "state": "info",
        "summary": "S.", "reason": None, "measures": [],
        "findings": [
            {"id": "duplicates.duplicates", "state": "info", "claim": "One.", "why": "",
             "measure": None, "limit": None, "action": "", "cases": listed},
            {"id": "duplicates.units", "state": "pass", "claim": "Two.", "why": "",
             "measure": None, "limit": None, "action": "", "cases": listed},
        ],
        "series": [
            {"kind": "table", "title": "Table 1: who is in the cohort", "subtitle": "Median",
             "fields": fields, "rows": [["age", f"level {at}", "3 (12.5 %)"] for at in range(rows)]}
        ],
    }  # fmt: skip


@pytest.mark.django_db
def test_the_order_is_that_of_the_finding(report: Any) -> None:
    frozen = open_report(report)
    door: Any = _Door()
    (row,) = same_images.gallery(frozen, door, _check(["c7", "c2", "no such case", "c5"]))
    assert [tile.case.case_id for tile in row.tiles] == ["c7", "c2", "c5"]
    assert (row.title, row.total, row.which) == ("The largest group", 3, "3 of 3, of the group")
    assert same_images.gallery(frozen, door, _check([])) == []


@pytest.mark.django_db
def test_a_table_is_shown_and_a_long_one_is_left_to_its_file(report: Any) -> None:
    frozen, door = open_report(report), paper_door(with_images=True)
    for rows, is_shown in ((3, True), (500, False)):
        section = _section(frozen, door, _check([], rows), 4, set())
        shown = render_to_string(
            "reports/_check.html", {"section": section, "door": door, "frozen": frozen}
        )
        assert "Table 1: who is in the cohort" in shown
        assert ("<td>level 2</td>" in shown) == is_shown
        assert ("500 rows: in the file" in shown) != is_shown
        (named,) = [one for one in _of_check(_check([], rows)) if "series" in one.name]
        assert (named.name, len(named.table.rows)) == ("duplicates.series-1", rows)
