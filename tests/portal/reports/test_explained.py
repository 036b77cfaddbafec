"""Maps on pages: of one case, and of cases that a rule chose; what has none says why."""

from typing import Any

import pytest
from django.template.loader import render_to_string

from portal.reports import case_page, explained_gallery, report_page
from portal.reports.cases import Query
from portal.reports.doors import paper_door, shared_door, team_door
from portal.reports.frozen import Frozen, open_report
from tests.portal.people import text

OWN, OVERLAY = "a" * 64, "b" * 64
METHODS = [
    {"name": "grad-cam", "title": "Grad-CAM", "of": "layer", "layer": "conv5",
     "target": "positive"},
    {"name": "gradient", "title": "Gradient", "of": "input", "layer": "", "target": "positive"},
]  # fmt: skip
CURVE = {"morf": [0.9, 0.2, 0.1], "lerf": [0.9, 0.8, 0.1],
         "random morf": [0.9, None, 0.1], "random lerf": [0.9, 0.5, 0.1]}  # fmt: skip
ID = "explanation-faithfulness"


def a_map(low: float, high: float) -> dict[str, Any]:
    return {"own": OWN, "overlay": OVERLAY, "low": low, "high": high, "score": 1.25}


def a_check(frozen: Frozen, gains: dict[str, float]) -> dict[str, Any]:
    fields = ["Case", "Answer", "Gap of the map", "Of a random map", "Of edges", "Of the centre"]
    rows = [[one, "right", 1.0 + gain, 1.0, 0.5, 0.5] for one, gain in gains.items()]
    first = frozen.checks[0]
    finding = {"id": "f", "state": "fail", "claim": "No better than a random map.", "why": "",
               "measure": None, "cases": ["c2"], "action": "", "limit": None}  # fmt: skip
    return first | {
        "id": ID, "title": "Faithfulness of maps", "state": "fail", "summary": "S.", "reason": "",
        "measures": [], "findings": [finding],
        "series": [{"kind": "points", "check": ID, "title": "T", "fields": fields, "rows": rows}],
    }  # fmt: skip


@pytest.fixture
def explained(report: Any) -> Frozen:
    """The report as if twenty of its cases had been explained, c3 without a positive place."""
    plain = open_report(report)
    cases: dict[str, Any] = {
        f"c{k}": {"maps": {"grad-cam": a_map(-0.5, 2.0), "gradient": a_map(-1.0, 1.0)},
                  "curves": {"mean": CURVE, "blur": CURVE}}
        for k in range(20)
    }  # fmt: skip
    cases["c3"]["maps"]["grad-cam"] = a_map(-2.0, -0.25)
    cases["c4"]["maps"]["grad-cam"] = a_map(1.5, 1.5)
    kept = {"methods": METHODS, "sides": [7, 7], "ranked_by": "grad-cam", "cases": cases}
    gains = {f"c{k}": 0.1 * (k - 4) for k in range(12)}
    audit = dict(plain.audit) | {"checks": [*plain.checks, a_check(plain, gains)]}
    return Frozen(plain.data | {"audit": audit, "explained": kept})


def page_of(frozen: Frozen, door: Any, report: Any, case_id: str, method: str = "") -> str:
    case = frozen.by_id[case_id]
    context = case_page.as_context(frozen, door, case, Query(), "", method)
    return render_to_string("reports/_explained.html", context | {"report": report})


def test_a_map_stands_beside_and_over_the_image_with_its_raw_range(
    explained: Frozen, report: Any
) -> None:
    page = page_of(explained, team_door(report), report, "c1")

    assert f"image/{OWN}" in page
    assert f"image/{OVERLAY}" in page
    assert "7 × 7 positions" in page
    assert "−0.5 to 2" in page
    assert "of layer conv5, for tumour" in page
    assert "positive evidence" not in page
    assert '<label for="map-opacity">' in page
    assert "a random map" in page, "the curves name what they are held against"
    assert "log-odds earlier" not in page, "c1 has a loss"
    assert "0.30 log-odds later" in page


def test_what_a_map_does_not_show_is_said(explained: Frozen, report: Any) -> None:
    door = team_door(report)
    assert "No positive evidence" in page_of(explained, door, report, "c3")
    assert "the same everywhere" in page_of(explained, door, report, "c4")
    none = page_of(explained, door, report, "c22")
    assert "No map of this case was kept" in none
    assert "not among those whose pictures" in none


def test_another_method_is_a_link_away_and_an_unknown_one_is_the_first(
    explained: Frozen, report: Any
) -> None:
    door = team_door(report)
    first, other, odd = (
        page_of(explained, door, report, "c1", one) for one in ("", "gradient", "x")
    )
    assert "map=gradient#explained" in first
    assert "Map by Gradient" in other
    assert "of the input" in other
    assert "Map by Grad-CAM" in odd


def test_a_link_without_images_shows_numbers_and_no_map(explained: Frozen, make_link: Any) -> None:
    link, _ = make_link()
    page = page_of(explained, shared_door(link, "t"), link.report, "c1")
    assert OWN not in page
    assert OVERLAY not in page
    assert "Pixels were not shared" in page
    assert "−0.5 to 2" in page


def test_the_gallery_is_chosen_by_rule(explained: Frozen, report: Any) -> None:
    check = explained.checks[-1]
    most, least, drawn = explained_gallery.rows(explained, team_door(report), check)

    assert [one.case.case_id for one in most.tiles] == [f"c{k}" for k in range(11, 5, -1)]
    assert [one.case.case_id for one in least.tiles] == [f"c{k}" for k in range(6)]
    assert len(drawn.tiles) == 6
    assert drawn.total == 20
    again = explained_gallery.rows(explained, team_door(report), check)[2]
    assert [one.case.case_id for one in again.tiles] == [one.case.case_id for one in drawn.tiles]
    assert "largest gain over a random map" in most.which
    assert most.tiles[0].gain == "gain +0.70"
    assert least.tiles[3].map_state == "no positive evidence"
    assert explained_gallery.rows(explained, team_door(report), explained.checks[0]) == []


def test_of_few_cases_none_stands_in_both_rows(explained: Frozen, report: Any) -> None:
    check = a_check(explained, {"c1": 0.2, "c2": 0.1, "c3": 0.0})
    most, least, _ = explained_gallery.rows(explained, team_door(report), check)
    assert [one.case.case_id for one in most.tiles] == ["c1", "c2"]
    assert [one.case.case_id for one in least.tiles] == ["c3"]


def test_the_least_plausible_stand_there_where_experts_marked_regions(
    explained: Frozen, report: Any
) -> None:
    check = explained.checks[-1]
    points = {"kind": "points", "fields": ["Case", "Times chance"],
              "rows": [["c1", 0.5], ["c2", 0.01], ["c3", None]]}  # fmt: skip
    other = check | {"id": explained_gallery.PLAUSIBILITY, "series": [points], "findings": []}
    audit = dict(explained.audit) | {"checks": [*explained.checks, other]}
    rows = explained_gallery.rows(
        Frozen(explained.data | {"audit": audit}), team_door(report), check
    )
    (row,) = [one for one in rows if "implausible" in one.title]
    assert [one.case.case_id for one in row.tiles] == ["c2", "c1"]


def test_paper_holds_the_gallery_too(explained: Frozen, report: Any) -> None:
    door = paper_door(with_images=True)
    page = report_page.build(explained, door)
    section = next(one for one in page.sections if one.check["id"] == ID)
    html = render_to_string("reports/_check.html", {
        "section": section, "door": door, "frozen": explained, "page": page,
    })  # fmt: skip
    assert f'class="over" src="blob:{OVERLAY}"' in html
    assert OVERLAY in explained.files
    assert OVERLAY not in explained.pictures
    assert "Nobody chose these" in html


def test_reports_that_explain_nothing_say_nothing(as_owner: Any, address: Any) -> None:
    assert "How this answer came about" not in text(as_owner.get(address("case", "c1")))
