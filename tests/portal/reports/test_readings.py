"""Behind a finding about a reader stand the answers, each under its reader's name."""

import csv
import io
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.test import Client

from portal.reports.frozen import open_report
from portal.reports.readings import About, about

FINDING = "agreement.reader_bias:r1"


@pytest.fixture
def read(
    team: Any, make_report: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> Iterator[Any]:
    """A report with three readers, one finding of which is about the second."""
    from copy import deepcopy

    from portal.reports import content, frozen

    report = make_report(team, readings=True)
    data = deepcopy(content.load(report))
    check = next(c for c in data["audit"]["checks"] if c["id"] == "agreement")
    check["findings"].append(
        {"id": FINDING, "state": "info", "claim": "r1 answers tumour higher.", "why": "",
         "measure": "reader_bias:r1", "limit": None, "cases": ["c2", "c5"], "action": ""}
    )  # fmt: skip
    monkeypatch.setattr(content, "load", lambda report: data)
    frozen._frozen.cache_clear()
    yield report
    frozen._frozen.cache_clear()


def words(html: str) -> str:
    import re

    return " ".join(re.sub(r"<[^>]+>", " ", html.split("<main", 1)[1]).split())


def test_the_list_names_every_reader_and_marks_the_one_it_is_about(
    as_owner: Client, read: Any
) -> None:
    html = as_owner.get(f"{read.get_absolute_url()}cases/", {"finding": FINDING}).content.decode()
    said = words(html)
    assert "The finding is about r1" in said
    assert "“r1 answers tumour higher”." in said  # one full stop
    assert "r0 3 r1 1 r2 2" in said  # of c2
    assert html.count('<span class="answer about"><b>r1</b> ') == 2


def test_a_case_shows_who_it_is_about(as_owner: Client, read: Any) -> None:
    url = f"{read.get_absolute_url()}case/c2/"
    html = as_owner.get(url, {"finding": FINDING}).content.decode()
    assert "about r1 on tumour" in words(html)
    assert html.count('<td data-label="r1" class="about">1</td>') == 1
    assert 'class="about"' not in as_owner.get(url).content.decode()


def test_the_readings_are_a_file(as_owner: Client, read: Any) -> None:
    base = read.get_absolute_url()
    page = as_owner.get(base).content.decode()
    assert f"{base}csv/readings.csv" in page
    rows = list(csv.reader(io.StringIO(as_owner.get(f"{base}csv/readings.csv").content.decode())))
    assert rows[0] == ["case_id", "reader_id", "question", "score", "label"]
    assert len(rows) == 1 + 3 * 24
    assert rows[1] == ["c0", "r0", "tumour", "1.0", ""]


def test_the_file_of_readings_follows_the_list(as_owner: Client, read: Any) -> None:
    base = read.get_absolute_url()
    listed = as_owner.get(f"{base}cases/", {"finding": FINDING}).content.decode()
    address = f"{base}csv/readings.csv?finding=agreement.reader_bias%3Ar1"
    assert address in listed
    rows = list(csv.reader(io.StringIO(as_owner.get(address).content.decode())))[1:]
    assert {row[0] for row in rows} == {"c2", "c5"}
    assert len(rows) == 6


def test_no_readings_no_file(as_owner: Client, report: Any) -> None:
    base = report.get_absolute_url()
    assert "readings.csv" not in as_owner.get(f"{base}cases/").content.decode()
    assert as_owner.get(f"{base}csv/readings.csv").status_code == 404


@pytest.mark.parametrize(
    ("measure", "expected"),
    [
        ("reader_bias:r1", About("r1", "tumour")),
        ("reader_bias:r1=present", About("r1", "tumour")),
        ("reader_bias:r1=present:tumour", About("r1", "tumour")),
        ("reader_bias:r11", About("", "tumour")),
        ("alpha", About("", "tumour")),
        ("alpha:tumour", About("", "tumour")),
        (None, About("", "tumour")),
    ],
)
def test_whom_a_finding_is_about(read: Any, measure: str | None, expected: About) -> None:
    assert about(open_report(read), {"measure": measure}) == expected


def test_the_files_of_a_report_are_documented(repo_root: Any, read: Any) -> None:
    from portal.reports.tables import all_tables

    page = (repo_root / "docs/report-files.md").read_text()
    tables = {table.name: table.table for table in all_tables(open_report(read))}
    for name in ("endpoints", "limits", "cases", "readings"):
        assert f"`{name}.csv`" in page
        for column in tables[name].head:
            if column not in ("sex", "output tumour", "output none"):
                assert f"`{column}`" in page, f"{name}: {column}"
