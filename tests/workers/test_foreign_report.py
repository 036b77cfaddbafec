"""A report with foreign cohorts: what its pages show, to whom, and what stays out of them."""

import csv
import io

import pytest
from django.test import Client

from portal.reports.actions import share
from portal.reports.doors import team_door
from portal.reports.foreign import cohorts
from portal.reports.frozen import open_report
from portal.reports.models import Report
from portal.reports.report_page import build, document_context
from tests.workers.test_foreign import (  # noqa: F401
    folders,
    in_this_process,
    protocol,
    started,
    things,
)
from tests.workers.test_run import read_in, run_all, team  # noqa: F401

CONFIDENT = "ood-detection.confident_findings:chest CT"


@pytest.fixture
def report(started):  # noqa: F811
    audit = started()
    run_all(audit)
    return Report.objects.get(audit=audit)


def signed_in(user):
    client = Client()
    client.force_login(user)
    return client


def found(client, address, status=200):
    answer = client.get(address)
    assert answer.status_code == status, address
    return answer.content.decode(errors="replace")


def test_the_report_shows_foreign_cases_and_keeps_them_apart(report, team, make_team):  # noqa: F811
    frozen, door, owner = open_report(report), team_door(report), signed_in(team.owner)
    assert [(row.name, row.used_as, row.n_cases) for row in cohorts(frozen)] == [
        ("chest CT", "foreign, far", 12), ("chest CT (2)", "foreign, near", 11),
        ("Development", "reference: what statistics are fitted on", 30),
    ]  # fmt: skip
    assert (len(frozen.cases), len(frozen.beside)) == (60, 23), "no reference case that none names"
    finding = frozen.finding(CONFIDENT)
    assert finding["cases"]
    section = next(one for one in build(frozen, door).sections if one.pictures)
    row = section.pictures[0]
    assert (row.title, row.total) == ("chest CT", len(finding["cases"]))
    assert {tile.case.word for tile in row.tiles} == {"Foreign"}

    page = found(owner, door.report)
    for said in ("Beside the audited cohort", "foreign, far", "Foreign images called a finding",
                 row.tiles[0].url, row.tiles[0].image_url):  # fmt: skip
        assert said in page
    assert all(tile.image_url for tile in row.tiles)
    listed = found(owner, row.url)
    assert listed.count('class="tile"') == row.total
    assert "No label" not in listed
    case = found(owner, row.tiles[0].url)
    assert "chest CT, version 1, beside the audited cohort" in case
    assert "What the model returned" in case, "the answer behind the finding"
    assert "What the model saw" in case
    every = found(owner, door.cases())
    assert "chest CT/" not in every
    assert "<h1>60 cases</h1>" in every

    assert owner.get(row.tiles[0].image_url)["Content-Type"] == "image/png"
    stranger = signed_in(make_team("Elsewhere").owner)
    for address in (row.url, row.tiles[0].url, row.tiles[0].image_url, door.csv("cases")):
        found(stranger, address, 404)
    reference = frozen.data["beside"][2]
    assert reference["cases"] == []
    of_reference = report.audit.further_cohorts.get(role="reference").cohort_version
    kept = of_reference.cases.first().images.get().display_id
    found(owner, door.image(kept), 404)


def test_a_link_and_a_table_of_foreign_cases_name_no_patient(report, team):  # noqa: F811
    frozen = open_report(report)
    case = frozen.by_id[frozen.finding(CONFIDENT)["cases"][0]]
    assert case.patient_id
    _, token = share(actor=team.owner, report=report, for_whom="Body", with_images=False)
    seen, anyone = f"/r/{token}/", Client()
    assert "Foreign images called a finding" in found(anyone, seen)
    found(anyone, f"{seen}image/{case.picture}", 404)
    assert case.patient_id not in found(anyone, f"{seen}case/{case.case_id}/")
    text = found(anyone, f"{seen}csv/cases.csv?finding={CONFIDENT}")
    rows = list(csv.DictReader(io.StringIO(text)))
    assert {row["case_id"] for row in rows} == set(frozen.finding(CONFIDENT)["cases"])
    assert "patient_id" not in rows[0]
    assert all(row["cluster"].startswith("patient ") for row in rows)
    assert case.cluster_name not in {row["cluster"] for row in rows}
    _, token = share(actor=team.owner, report=report, for_whom="Body", with_images=True)
    assert found(anyone, f"/r/{token}/image/{case.picture}")
    points = found(signed_in(team.owner), team_door(report).csv("ood-detection.series-6"), 200)
    assert points.count("chest CT") >= 23
    assert document_context(report, team_door(report))["beside_cohorts"]
