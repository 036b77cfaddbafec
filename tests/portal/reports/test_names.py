"""People read "width (px)"; the files keep `width_px`."""

from collections.abc import Callable, Iterator
from copy import deepcopy
from typing import Any

import pytest
from django.test import Client

from portal.reports import explore
from portal.reports.frozen import open_report
from portal.ui.names import Names, readable

RAW, SAID = "width_px", "width (px)"


@pytest.fixture
def measured(
    team: Any, make_report: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> Iterator[Any]:
    """A report whose cohort has a column with the name of a file's column."""
    from portal.reports import content, frozen

    report = make_report(team)
    data = deepcopy(content.load(report))
    for row in data["cases"]:
        row["covariates"] = {RAW: "240" if row["present"] else "300"}
    check = next(c for c in data["audit"]["checks"] if c["findings"])
    check["findings"][0]["claim"] = f"AUROC is lowest where {RAW} < 227."
    check["series"].append(
        {
            "kind": "forest", "check": check["id"], "title": f"AUROC by {RAW}", "subtitle": "",
            "unit": "", "limit": None,
            "rows": [{"label": f"{RAW} < 227", "state": "info", "estimate": {
                "id": "auroc", "value": 0.8, "low": 0.7, "high": 0.9, "level": 0.95, "n": 12,
                "convention": "", "method": "", "reason": None, "extra": {}, "n_events": 6}}],
        }
    )  # fmt: skip
    monkeypatch.setattr(content, "load", lambda report: data)
    frozen._frozen.cache_clear()
    yield report
    frozen._frozen.cache_clear()


def test_a_report_reads_in_words(as_owner: Client, measured: Any) -> None:
    html = as_owner.get(measured.get_absolute_url()).content.decode()
    written = html.split('<main id="main"', 1)[1].split('id="reproduce"', 1)[0]
    assert RAW not in written
    assert written.count(SAID) >= 4  # what is known, claim, title, label


def test_its_files_keep_the_name_of_the_column(as_owner: Client, measured: Any) -> None:
    frozen = open_report(measured)
    base = measured.get_absolute_url()
    assert RAW in as_owner.get(f"{base}csv/cases.csv").content.decode().splitlines()[0]
    check = next(c for c in frozen.checks if c["series"] and RAW in c["series"][-1]["title"])
    name = f"{check['id']}.series-{len(check['series'])}"
    assert f"{RAW} < 227" in as_owner.get(f"{base}csv/{name}.csv").content.decode()
    assert RAW in as_owner.get(f"{base}csv/{check['id']}.findings.csv").content.decode()


def test_a_case_and_the_explore_page_read_in_words(as_owner: Client, measured: Any) -> None:
    html = as_owner.get(f"{measured.get_absolute_url()}case/c2/").content.decode()
    assert f"<dt>{SAID}</dt>" in html
    assert f"<dt>{RAW}</dt>" not in html
    fields = explore.points(open_report(measured))["fields"]
    assert SAID in fields
    assert RAW not in fields


def test_two_names_that_would_read_the_same_are_left_apart() -> None:
    names = Names(["size_mm", "size (mm)", "readerId", "reader_id", "sex"])
    assert [names.of(name) for name in ("size_mm", "readerId", "reader_id")] == [
        "size_mm", "readerId", "reader_id",
    ]  # fmt: skip
    assert readable("sex") == "sex"


def test_only_whole_names_are_replaced() -> None:
    said = Names(["width_px"]).text("width_px, my_width_px, width_px.csv-width_px")
    assert said.startswith("width (px), my_width_px")
