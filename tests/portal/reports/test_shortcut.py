"""Places that answers hang on are outlined on the cases behind them."""

from typing import Any

import pytest
from django.urls import reverse

from portal.reports import shortcut
from portal.reports.doors import Door
from portal.reports.frozen import open_report


class _Door:
    def case(self, case_id: str, query: dict[str, str]) -> str:
        return f"/case/{case_id}"

    def cases(self, **query: str) -> str:
        return f"/cases/{query['finding']}"

    def image(self, picture: str) -> str:
        return f"/image/{picture}"


def _finding(measure: str, state: str, cases: list[str]) -> dict[str, Any]:
    return {"id": f"shortcut.{measure}", "measure": measure, "state": state, "cases": cases}


def _check(cases: list[str]) -> dict[str, Any]:
    fields = ["Place", "Top", "Left", "Height", "Width", "Cases with it"]
    return {
        "id": "shortcut",
        "findings": [
            _finding("reliance:ruler at the left", "fail", cases),
            _finding("reliance:lower border", "pass", cases),
            _finding("auroc:label by metadata", "info", cases),
        ],
        "series": [
            {"kind": "forest", "rows": []},
            {"kind": "points", "fields": fields,
             "rows": [["ruler at the left", 0.125, 0.05, 0.6, 0.2, 9]]},
        ],
    }  # fmt: skip


@pytest.mark.django_db
def test_the_place_is_outlined_on_cases_whose_answer_turns(
    report: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    frozen = open_report(report)
    monkeypatch.setattr(shortcut, "find", lambda _, query: list(frozen.cases[:8]))
    door: Door = _Door()  # type: ignore[assignment]

    (row,) = [one for one in shortcut.gallery(frozen, door, _check(["c"])) if "Ruler" in one.title]

    assert (row.title, row.total, len(row.tiles)) == ("Ruler at the left", 8, 6)
    assert row.tiles[0].box == (12.5, 5.0, 60.0, 20.0)
    assert row.which == "6 of 8 whose answer turns"
    assert shortcut.gallery(frozen, door, {"id": "stress", "findings": []}) == []


@pytest.mark.django_db
def test_a_report_without_the_check_has_no_such_pictures(as_owner: Any, report: Any) -> None:
    page = as_owner.get(reverse("reports:report", args=[report.team.slug, report.pk]))
    assert "with the place outlined" not in page.content.decode()
