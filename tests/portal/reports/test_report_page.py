"""The report's page: what its first screen says, and that it is frozen."""

from collections.abc import Callable
from typing import Any

import pytest
from django.template.loader import render_to_string
from django.test import Client

from portal.reports import report_page
from portal.reports.doors import paper_door
from portal.reports.frozen import Outcome, open_report
from portal.reports.report_page import document_context
from tests.portal.reports.conftest import FALSE_ALARM, NO_SCORE, WRONG_TEST

Address = Callable[..., str]


def page(client: Client, address: str) -> str:
    response = client.get(address)
    assert response.status_code == 200
    return response.content.decode()


def test_owner_and_viewer_read_it_and_a_stranger_does_not(
    as_owner: Client, as_viewer: Client, as_stranger: Client, address: Address
) -> None:
    assert as_owner.get(address("report")).status_code == 200
    assert as_viewer.get(address("report")).status_code == 200
    assert as_stranger.get(address("report")).status_code == 404
    assert Client().get(address("report")).status_code == 302


def test_only_who_may_share_is_offered_to(
    as_owner: Client, as_viewer: Client, address: Address
) -> None:
    assert address("share") in page(as_owner, address("report"))
    assert address("share") not in page(as_viewer, address("report"))


def test_the_first_screen_says_verdict_numbers_and_what_was_not_tested(
    as_owner: Client, report: Any, address: Address
) -> None:
    html = page(as_owner, address("report"))
    first, rest = html.split('id="findings"', 1)
    assert report.headline in first
    assert "Shade net 1.0" in first
    assert "Telling bright test images from dark ones." in first
    assert "Test cohort of 24" in first
    assert "platform default" in first
    assert "Not tested." in first
    assert "This cohort has no readings." in first
    assert "whether these cases were trained on is not known" in first
    assert "How much noise, blur or another contrast does it bear?" in rest
    assert "Made-up images for tests." in first
    assert report.audit_json_id in first
    assert "Reproduce" in rest


def test_every_check_has_its_section_and_every_section_is_in_the_contents(
    as_owner: Client, report: Any, address: Address
) -> None:
    html = page(as_owner, address("report"))
    for check in open_report(report).checks:
        assert f'<section id="check-{check["id"]}">' in html
        assert f'href="#check-{check["id"]}"' in html
    for anchor in ("summary", "plan", "data", "wrong-cases", "limitations", "reproduce", "tables"):
        assert html.count(f'id="{anchor}"') == 1
        assert f'href="#{anchor}"' in html


def test_every_drawn_series_has_a_table_and_a_csv(
    as_owner: Client, report: Any, address: Address
) -> None:
    html = page(as_owner, address("report"))
    shown = {
        f"{check['id']}.series-{k}": series["kind"]
        for check in open_report(report).checks
        for k, series in enumerate(check["series"], 1)
        if series["kind"] != "points"
    }
    assert shown
    for name in shown:
        assert address("csv", name) in html
    # What is a table by what it is has no drawing with a twin.
    drawn = [kind for kind in shown.values() if kind != "table"]
    assert html.count("Table and CSV") == len(drawn) < len(shown)


def test_a_very_long_table_of_measures_is_opened_on_request(
    as_owner: Client, report: Any, address: Address, monkeypatch: pytest.MonkeyPatch
) -> None:
    folded = "measures of this check</summary>"
    assert folded not in page(as_owner, address("report"))
    monkeypatch.setattr(report_page, "_TOO_MANY_MEASURES", 3)
    html = page(as_owner, address("report"))
    assert 0 < html.count(folded) < html.count("Measures of this check")
    assert html.count("<details") == html.count("</details>")


def test_of_a_very_long_table_paper_prints_what_findings_name_and_says_where_the_rest_is(
    report: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def on_paper() -> Any:
        return document_context(report, paper_door(with_images=False))

    whole = on_paper()
    assert all(section.shown == section.measures for section in whole["page"].sections)
    assert "measures of this check are printed" not in render_to_string("reports/paper.html", whole)
    monkeypatch.setattr(report_page, "_TOO_MANY_MEASURES", 3)
    context = on_paper()
    shorter = [one for one in context["page"].sections if one.shown != one.measures]
    assert shorter
    for section in shorter:
        named = {finding["measure"] for finding in section.check["findings"]}
        assert [row.estimate["id"] for row in section.shown] == [
            row.estimate["id"] for row in section.measures if row.estimate["id"] in named
        ]
    html = render_to_string("reports/paper.html", context)
    assert "measures of this check</summary>" not in html, "paper opens nothing"
    for section in shorter:
        said = f"{len(section.shown)} of the {len(section.measures)} measures of this check"
        assert f"{said} are printed, those that findings name." in html
        assert f"{section.check['id']}.measures.csv" in html
    assert html.count("measures of this check are printed") == len(shorter)
    assert html.count("<table") == html.count("</table>")


def test_the_case_ledger_adds_up(report: Any) -> None:
    from portal.reports.doors import team_door
    from portal.reports.ledger import rows

    received, *between, analysed = rows(open_report(report), team_door(report))
    assert received.n == 24
    assert received.n == sum(row.n for row in between) + analysed.n
    assert [row.n for row in between] == [0, 1]


def test_a_case_without_a_score_counts_among_the_misses(report: Any) -> None:
    frozen = open_report(report)
    finding = frozen.finding("operating-point.sensitivity")
    assert finding is not None
    missed = {case.case_id for case in frozen.cases if case.outcome is Outcome.MISSED}
    counted = {case.case_id for case in frozen.cases if case.counts_as_miss}
    assert (missed, counted) == ({WRONG_TEST}, {NO_SCORE})
    assert missed | counted == set(finding["cases"])
    alarms = {case.case_id for case in frozen.cases if case.outcome is Outcome.FALSE_ALARM}
    assert alarms == {FALSE_ALARM}
    assert not any(case.counts_as_alarm for case in frozen.cases)


def test_a_case_without_a_score_is_not_shown_as_missed(
    as_owner: Client, report: Any, address: Address
) -> None:
    wrong = page(as_owner, address("report")).split('<section id="wrong-cases">', 1)[1]
    missed, rest = wrong.split("False alarms, 1", 1)
    assert "1 of 1 with the lowest score · 1 without a score counts as missed" in missed
    assert WRONG_TEST in missed
    assert f">{NO_SCORE}<" not in missed
    assert "Inference failed, 1" in rest
    listed = page(as_owner, f"{address('cases')}?filter=failed")
    assert "Inference failed" in listed
    assert "</svg>Missed" not in listed


def test_a_table_has_no_prediction_where_a_model_failed(report: Any) -> None:
    from portal.reports.frozen import Frozen

    data = open_report(report).data
    audit = data["audit"] | {"model": data["audit"]["model"] | {"kind": "predictions"}}
    case = Frozen(data | {"audit": audit}).by_id[NO_SCORE]
    assert (case.state, case.word) == ("not assessed", "No prediction")


def test_changing_rows_afterwards_changes_nothing(
    as_owner: Client, report: Any, address: Address
) -> None:
    before = page(as_owner, address("report"))
    version = report.audit.cohort_version
    type(version.cohort).objects.filter(pk=version.cohort_id).update(name="Renamed")
    model = report.audit.model_version.model
    type(model).objects.filter(pk=model.pk).update(name="Renamed")
    type(report.audit.created_by).objects.update(name="Renamed")
    after = page(as_owner, address("report"))
    assert "Renamed" not in after
    assert main_part(before) == main_part(after)


def main_part(html: str) -> str:
    return html.split('<main id="main"', 1)[1]


def test_words_of_the_cohort_are_escaped(
    team: Any, make_report: Callable[..., Any], as_owner: Client
) -> None:
    from portal.cohorts.models import Cohort
    from portal.registry.models import Model

    report = make_report(team, title="<script>alert(1)</script>")
    assert Cohort.objects.exists()
    assert Model.objects.exists()
    html = page(as_owner, report.get_absolute_url())
    assert "<script>alert(1)</script>" not in html


def test_limitations_follow_from_the_data(
    team: Any, make_report: Callable[..., Any], as_owner: Client
) -> None:
    html = page(as_owner, make_report(team, n=24).get_absolute_url())
    assert "There are only 12 independent units" in html
    assert "The data does not say age, ethnicity, site, manufacturer and scanner" in html
    assert "The model gave no score for 1 cases" not in html
    assert "The model gave no score for 1 case." in html
    assert "No patients" not in html


def test_limits_are_worded_by_the_origins_that_judged(report: Any) -> None:
    from portal.reports.frozen import Frozen
    from portal.reports.limitations import judged_by

    frozen = open_report(report)
    assert "the platform’s default: no clinical claim" in judged_by(frozen)
    assert "literature" not in judged_by(frozen)  # nothing was judged by the limit on agreement
    limit = {
        "origin": "literature", "reference": "Krippendorff 2004", "measure": "alpha",
        "direction": "min", "check": "agreement",
    }  # fmt: skip
    # Two questions in two findings, one limit: it is counted once.
    findings = [{"limit": limit, "state": "caution"}, {"limit": limit, "state": "pass"}]
    audit = frozen.data["audit"] | {"checks": [{"id": "agreement", "findings": findings}]}
    assert judged_by(Frozen(frozen.data | {"audit": audit})) == (
        "The only limit that judged something is taken from the literature (Krippendorff 2004), "
        "not made for this use."
    )


def test_the_recipe_promises_the_measures_and_not_the_hash(
    as_owner: Client, address: Address
) -> None:
    recipe = page(as_owner, address("report")).split('id="reproduce"', 1)[1]
    assert "sha256sum" not in recipe
    assert "out/audit.json" in recipe
    assert "Compare the measures." in recipe


@pytest.mark.parametrize("readings", [True, False])
def test_agreement_is_a_section_either_way(
    team: Any, make_report: Callable[..., Any], as_owner: Client, readings: bool
) -> None:
    html = page(as_owner, make_report(team, readings=readings).get_absolute_url())
    section = html.split('<section id="check-agreement">', 1)[1].split("</section>", 1)[0]
    assert ("Krippendorff" in section) is readings
    assert ("no readings" in section) is not readings
