"""The list of reports, and the points behind the explore page."""

from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from portal.reports import explore
from portal.reports.frozen import open_report
from portal.reports.views import known_ids

Address = Callable[..., str]


def test_the_list_and_its_filters(
    as_owner: Client, as_viewer: Client, as_stranger: Client, report: Any
) -> None:
    url = reverse("reports:reports", args=[report.team.slug])
    assert report.reference in as_owner.get(url).content.decode()
    assert report.reference in as_viewer.get(url).content.decode()
    assert as_stranger.get(url).status_code == 404
    assert report.reference in as_owner.get(url, {"q": "r-0001"}).content.decode()
    assert report.headline in as_owner.get(url, {"verdict": report.verdict}).content.decode()
    assert report.headline not in as_owner.get(url, {"verdict": "pass"}).content.decode()
    assert report.headline not in as_owner.get(url, {"q": "nothing like it"}).content.decode()


def test_an_empty_list_says_what_belongs_there(team: Any, as_owner: Client) -> None:
    html = as_owner.get(reverse("reports:reports", args=[team.slug])).content.decode()
    assert "No report yet" in html
    assert reverse("audits:new", args=[team.slug]) in html


def test_active_links_are_counted(as_owner: Client, make_link: Any, report: Any) -> None:
    make_link()
    url = reverse("reports:reports", args=[report.team.slug])
    assert "1 link" in as_owner.get(url).content.decode()


def test_who_may_explore(
    as_owner: Client, as_viewer: Client, as_stranger: Client, address: Address
) -> None:
    for name in ("explore", "explore-data"):
        assert as_owner.get(address(name)).status_code == 200
        assert as_viewer.get(address(name)).status_code == 200
        assert as_stranger.get(address(name)).status_code == 404


def test_points_hold_every_case_and_the_axes_of_every_view(report: Any) -> None:
    frozen = open_report(report)
    points = explore.points(frozen)
    assert [row[0] for row in points["rows"]] == [case.case_id for case in frozen.cases]
    assert all(len(row) == len(points["fields"]) for row in points["rows"])
    for view in explore.views(frozen):
        assert {view.x, view.y} <= set(points["fields"])
        assert view.colour == "" or view.colour in points["fields"]


def test_the_same_report_has_the_same_points(report: Any) -> None:
    frozen = open_report(report)
    assert explore.points(frozen) == explore.points(frozen)


def test_a_case_stands_on_the_roc_curve_of_the_check(report: Any) -> None:
    frozen = open_report(report)
    points = explore.points(frozen)
    fpr, tpr = points["fields"].index(explore.FPR), points["fields"].index(explore.TPR)
    [roc] = [s for c in frozen.checks for s in c["series"] if s["kind"] == "roc"]
    corners = {(round(x, 4), round(y, 4)) for x, y in roc["points"]}
    mine = {(round(r[fpr], 4), round(r[tpr], 4)) for r in points["rows"] if r[fpr] is not None}
    assert corners - {(0.0, 0.0)} <= mine


def test_readings_have_a_view_of_their_own(team: Any, make_report: Callable[..., Any]) -> None:
    frozen = open_report(make_report(team, readings=True))
    assert "readings-tumour" in [view.id for view in explore.views(frozen)]


def test_ids_with_commas_survive(report: Any) -> None:
    class Known:
        by_id = {"a,b": 1, "c": 2, "a": 3}

    assert known_ids(Known(), "a,b,c") == ["a", "c"]  # type: ignore[arg-type]
    assert known_ids(Known(), "x,c") == ["c"]  # type: ignore[arg-type]


def test_what_has_nothing_to_draw_is_not_linked(
    as_owner: Client, address: Address, monkeypatch: pytest.MonkeyPatch
) -> None:
    pages = [address(name, *more) for name, more in (("report", ()), ("cases", ()))]
    assert all(address("explore") in as_owner.get(page).content.decode() for page in pages)
    monkeypatch.setattr(explore, "views", lambda frozen: [])
    assert not any(address("explore") in as_owner.get(page).content.decode() for page in pages)
    assert "Nothing to draw" in as_owner.get(address("explore")).content.decode()


def test_points_can_be_chosen_by_keyboard(as_owner: Client, address: Address) -> None:
    html = as_owner.get(address("explore")).content.decode()
    assert f'data-case-url="{address("report")}case/"' in html
    for name in ("x-from", "x-to", "y-from", "y-to"):
        assert f'<label for="{name}">' in html
    assert "data-list" in html
