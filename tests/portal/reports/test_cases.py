"""Cases behind every number: lists, one case, its image."""

from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client

from portal.blobs import store
from portal.reports.cases import Query, find, neighbours
from portal.reports.frozen import open_report
from tests.conftest import png_bytes
from tests.portal.reports.conftest import FALSE_ALARM, NO_SCORE, WRONG_TEST

Address = Callable[..., str]


def test_who_sees_lists_cases_and_images(
    as_owner: Client, as_viewer: Client, as_stranger: Client, address: Address, report: Any
) -> None:
    image = next(iter(open_report(report).pictures))
    for name, more in (("cases", ()), ("case", ("c1",)), ("image", (image,))):
        assert as_owner.get(address(name, *more)).status_code == 200
        assert as_viewer.get(address(name, *more)).status_code == 200
        assert as_stranger.get(address(name, *more)).status_code == 404


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        ("missed", {WRONG_TEST}),
        ("false-alarm", {FALSE_ALARM}),
        ("wrong", {WRONG_TEST, FALSE_ALARM}),
        ("failed", {NO_SCORE}),
        ("counted-wrong", {NO_SCORE}),
        ("analysed", {f"c{k}" for k in range(24)} - {NO_SCORE}),
        ("present", {f"c{k}" for k in range(1, 24, 2)}),
        ("absent", {f"c{k}" for k in range(0, 24, 2)}),
        ("unlabelled", set()),
        ("all", {f"c{k}" for k in range(24)}),
        ("nonsense", {f"c{k}" for k in range(24)}),
    ],
)
def test_filters(
    as_owner: Client, address: Address, report: Any, wanted: str, expected: set[str]
) -> None:
    html = as_owner.get(address("cases"), {"filter": wanted}).content.decode()
    listed = {
        case.case_id for case in open_report(report).cases if f'<b title="{case.case_id}">' in html
    }
    assert listed == expected


def test_misses_begin_with_the_most_confident(report: Any) -> None:
    frozen = open_report(report)
    assert [case.case_id for case in find(frozen, Query(filter="wrong"))] == [
        WRONG_TEST,
        FALSE_ALARM,
    ]


@pytest.mark.parametrize(
    ("sort", "first"), [("high", FALSE_ALARM), ("low", WRONG_TEST), ("case", "c0")]
)
def test_sorting(report: Any, sort: str, first: str) -> None:
    found = find(open_report(report), Query(sort=sort))
    assert found[0].case_id == first
    if sort != "case":
        assert found[-1].case_id == NO_SCORE


def test_every_finding_leads_to_exactly_its_cases(
    as_owner: Client, address: Address, report: Any
) -> None:
    frozen = open_report(report)
    page = as_owner.get(address("report")).content.decode()
    named = [finding for _, finding in frozen.findings if finding["cases"]]
    assert named
    for finding in named:
        assert f"{address('cases')}?finding={finding['id']}" in page
        listed = find(frozen, Query(finding=finding["id"]))
        assert [case.case_id for case in listed] == finding["cases"]


def test_every_measure_leads_to_the_cases_it_rests_on(
    as_owner: Client, address: Address, report: Any
) -> None:
    page = as_owner.get(address("report")).content.decode()
    frozen = open_report(report)
    measures = {row["id"]: row for check in frozen.checks for row in check["measures"]}
    for wanted, measure in (("present", "sensitivity"), ("absent", "specificity")):
        assert f"{address('cases')}?filter={wanted}" in page
        n = len(find(frozen, Query(filter=wanted)))
        assert measures[measure]["extra"]["denominator"] == n
    assert measures["auroc"]["n"] == len(find(frozen, Query(filter="analysed")))
    for wanted, measure in (("called-present", "ppv"), ("called-absent", "npv")):
        assert measures[measure]["n"] == len(find(frozen, Query(filter=wanted)))


def test_an_unknown_finding_is_not_an_empty_list(as_owner: Client, address: Address) -> None:
    assert as_owner.get(address("cases"), {"finding": "made.up"}).status_code == 404


def test_a_list_is_paginated(team: Any, make_report: Callable[..., Any], as_owner: Client) -> None:
    report = make_report(team, n=60)
    first = as_owner.get(f"{report.get_absolute_url()}cases/").content.decode()
    second = as_owner.get(f"{report.get_absolute_url()}cases/?page=2").content.decode()
    assert first.count('class="tile"') == 48
    assert second.count('class="tile"') == 12
    assert "Page 1 of 2" in first


def test_a_chosen_few_are_kept_for_the_person(
    as_owner: Client, as_viewer: Client, address: Address
) -> None:
    response = as_owner.get(address("cases"), {"ids": "c3,c8,unknown"})
    assert response.status_code == 302
    html = as_owner.get(response["Location"]).content.decode()
    assert "2 cases" in html
    assert "Selected in the chart" in html
    case = as_owner.get(address("case", "c3"), {"filter": "selection"}).content.decode()
    assert "1 of 2 selected in the chart" in case
    rows = as_owner.get(address("csv", "cases"), {"filter": "selection"}).content.decode()
    assert len(rows.splitlines()) == 3
    other = as_viewer.get(address("cases"), {"filter": "selection"}).content.decode()
    assert "0 cases" in other


def test_a_long_choice_comes_by_post(as_owner: Client, address: Address) -> None:
    response = as_owner.post(address("cases"), {"ids": ",".join(f"c{k}" for k in range(20))})
    assert "20 cases" in as_owner.get(response["Location"]).content.decode()


def test_a_case_shows_answer_reference_and_neighbours(as_owner: Client, address: Address) -> None:
    html = as_owner.get(address("case", WRONG_TEST), {"filter": "wrong"}).content.decode()
    assert "Missed: called absent" in html
    assert "P(tumour)" in html
    assert "0.020" in html
    assert "1 of 2 missed or falsely alarmed" in html
    assert f'rel="next" href="{address("case", FALSE_ALARM)}?filter=wrong"' in html
    assert 'rel="prev"' not in html
    assert "1 other case" in html
    assert "operating-point.sensitivity" in html


def test_a_case_without_a_score_says_why(as_owner: Client, address: Address) -> None:
    html = as_owner.get(address("case", NO_SCORE)).content.decode()
    assert "unreadable" in html
    assert "Without a score the case counts as missed." in html


def test_an_unknown_case_is_not_there(as_owner: Client, address: Address) -> None:
    assert as_owner.get(address("case", "c999")).status_code == 404


def test_readings_are_drawn_and_listed(
    team: Any, make_report: Callable[..., Any], as_owner: Client
) -> None:
    report = make_report(team, readings=True)
    html = as_owner.get(f"{report.get_absolute_url()}case/c2/").content.decode()
    assert "3 readers" in html
    assert "Answers to tumour: r0: 3, r1: 1, r2: 2." in html


def test_an_image_is_served_only_if_the_report_names_it(
    as_owner: Client, address: Address, report: Any
) -> None:
    mine = next(iter(open_report(report).pictures))
    response = as_owner.get(address("image", mine))
    assert response["Content-Type"] == "image/png"
    assert response["X-Content-Type-Options"] == "nosniff"
    assert "immutable" in response["Cache-Control"]
    other = store.put_bytes(png_bytes(255, (5, 5)), "image/png")
    assert as_owner.get(address("image", other.sha256)).status_code == 404
    assert as_owner.get(address("image", report.audit_json_id)).status_code == 404


def test_neighbours_of_a_case_outside_the_list(report: Any) -> None:
    frozen = open_report(report)
    beside = neighbours(find(frozen, Query(filter="missed")), frozen.by_id["c0"])
    assert (beside.position, beside.previous, beside.following) == (0, None, None)
