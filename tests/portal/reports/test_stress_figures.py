"""Many corruptions on one page: what is too much first, the rest in a fold; whole on paper."""

from typing import Any

from portal.reports.report_page import Card, CheckSection
from portal.reports.stress import figures, ordered
from portal.ui.charts import render
from tests.portal.ui import samples


def many(n: int, too_much: dict[int, int]) -> dict[str, Any]:
    """`too_much`: number of a panel -> the severity from which it is."""
    series = samples.stress_curves()
    panels = [
        series["panels"][1] | {"title": f"Kind {at}", "first_too_much": too_much.get(at)}
        for at in range(n)
    ]
    return series | {"panels": panels}


def titles(series: dict[str, Any]) -> list[str]:
    return [panel["title"] for panel in series["panels"]]


def test_the_mildest_that_is_too_much_comes_first() -> None:
    found = ordered(many(5, {1: 4, 3: 1, 4: 4})["panels"])

    assert [panel["title"] for panel in found] == ["Kind 3", "Kind 1", "Kind 4", "Kind 0", "Kind 2"]


def test_what_is_not_too_much_lies_in_a_fold_and_on_the_same_scale() -> None:
    series = many(21, {7: 2, 20: 1})
    series["panels"][3] = series["panels"][3] | {
        "rows": [row | {"accuracy": 0.2} for row in series["panels"][3]["rows"]]
    }
    (first, shown), (rest, fold) = figures(series, is_paper=False)

    assert (shown, fold) == ("", "19 corruptions not shown to be too much")
    assert titles(first) == ["Kind 20", "Kind 7"]
    assert len(rest["panels"]) == 19
    assert first["range"] == rest["range"]
    assert first["range"][0] <= 0.2, "the lowest panel lies in the fold and is on the scale"
    assert ">0.2<" in render(first)


def test_a_few_need_no_fold_and_many_that_are_borne_are_one() -> None:
    assert [fold for _, fold in figures(many(6, {0: 1}), is_paper=False)] == [""]
    assert [fold for _, fold in figures(many(9, dict.fromkeys(range(9), 3)), is_paper=False)] == [
        ""
    ]
    ((series, fold),) = figures(many(13, {}), is_paper=False)
    assert fold == "All 13 corruptions, severity by severity"
    assert len(series["panels"]) == 13


def test_paper_has_all_of_them_in_figures_that_fit_a_page() -> None:
    series = many(21, {7: 2})
    found = figures(series, is_paper=True)

    assert [fold for _, fold in found] == [""] * 3
    assert [len(one["panels"]) for one, _ in found] == [9, 9, 3]
    assert sorted(title for one, _ in found for title in titles(one)) == sorted(titles(series))
    assert titles(found[0][0])[0] == "Kind 7"
    assert found[0][0]["title"] == series["title"]
    assert found[1][0]["title"] == "Further corruptions"


def section(*states: str, on_top: tuple[int, ...] = ()) -> CheckSection:
    cards = [
        Card({"id": f"stress.severity_borne:{at}", "state": state}, None, "", "", "", at in on_top)
        for at, state in enumerate(states)
    ]
    other = Card({"id": "stress.unnoticed", "state": "caution"}, None, "", "", "", False)
    return CheckSection(
        number=4, check={"id": "stress"}, title="Stress", cards=[*cards, other], charts=[],
        measures=[], shown=[], measures_csv="", confusion=None, pictures=[],
    )  # fmt: skip


def ids(cards: list[Card]) -> list[str]:
    return [card.finding["id"].rpartition(".")[2] for card in cards]


def test_of_twenty_findings_alike_the_worst_stand_and_the_others_are_opened() -> None:
    found = section("caution", "fail", "pass", "fail", "fail", "fail")

    assert ids(found.first_cards) == [*(f"severity_borne:{at}" for at in (1, 3, 4)), "unnoticed"]
    assert ids(found.alike_cards) == [f"severity_borne:{at}" for at in (5, 0, 2)]


def test_those_that_stand_above_count_and_are_named_in_their_section() -> None:
    found = section("fail", "fail", "fail", "fail", on_top=(0, 3))

    assert ids(found.first_cards) == [*(f"severity_borne:{at}" for at in (0, 1, 3)), "unnoticed"]
    assert ids(found.alike_cards) == ["severity_borne:2"]
    assert section("fail", "fail", "fail").alike_cards == []
