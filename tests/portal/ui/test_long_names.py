"""Names and answers of any length are written whole, in every chart that writes them."""

from typing import Any
from xml.etree import ElementTree

import pytest

from portal.reports.case_charts import readings_line
from portal.ui.charts import render
from portal.ui.charts.words import width

from . import samples

SVG = "{http://www.w3.org/2000/svg}"
ANSWERS = ["popcorn", "laminated", "solid", "non-central", "5 (undocumented value of the form)"]


def texts(drawing: str) -> list[ElementTree.Element]:
    return list(ElementTree.fromstring(drawing).iter(f"{SVG}text"))


def said(drawing: str) -> str:
    return " ".join(text.text or "" for text in texts(drawing))


def overlaps(drawing: str, grown: float = 1.0) -> list[tuple[str, str]]:
    """Texts of one line that lie on each other, of letters so many times their size."""
    spans = []
    for text in texts(drawing):
        x, names = float(text.get("x") or 0), (text.get("class") or "").split()
        wide = width(text.text or "") * grown
        left = x - (wide if "end" in names else wide / 2 if "mid" in names else 0)
        spans.append((float(text.get("y") or 0), left, left + wide, text.text or ""))
    return [
        (a[3], b[3])
        for k, a in enumerate(spans)
        for b in spans[k + 1 :]
        if abs(a[0] - b[0]) < 8 and a[1] < b[2] and b[1] < a[2]
    ]


@pytest.mark.parametrize("values", [ANSWERS, ["present", "absent"], ["1", "2", "3", "4", "5"]])
def test_every_answer_is_written_whole(values: list[str]) -> None:
    counts = [5976, 4, 1854, 2038, 1621][: len(values)]
    drawing = render(samples.ratings() | {"values": values, "counts": counts})
    words = said(drawing)
    assert "…" not in words
    for value in values:
        assert value in words
    assert overlaps(drawing, grown=12.5 / 11) == []  # letters of a phone


@pytest.mark.parametrize("readers", [3, 5, 11, 17])
def test_every_reader_of_a_matrix_is_named_whole(readers: int) -> None:
    names = [f"Radiologist {k + 1} of the second panel" for k in range(readers)]
    values = [[None if i == j else 0.5 for j in range(readers)] for i in range(readers)]
    series: dict[str, Any] = samples.agreement_matrix() | {
        "labels": names, "values": values, "n": [[40] * readers] * readers,
    }  # fmt: skip
    drawing = render(series)
    words = said(drawing)
    assert "…" not in words
    for name in names:
        assert name in words.replace("- ", "-")
    assert overlaps(drawing) == []


def test_short_names_stand_over_their_columns() -> None:
    columns = [t for t in texts(render(samples.agreement_matrix())) if t.get("class") == "t2 mid"]
    assert [t.text for t in columns][:2] == samples.agreement_matrix()["labels"][:2]


def test_the_answers_under_a_line_of_readings_are_whole() -> None:
    drawing = readings_line("calcification", ANSWERS, [("R1", 0.0), ("R2", 4.0), ("R3", 3.0)])
    assert "…" not in said(drawing)
    for value in ANSWERS:
        assert value in said(drawing)
    assert overlaps(drawing) == []


def test_the_axis_of_lying_bars_leaves_their_names_alone() -> None:
    drawing = render(samples.ratings() | {"values": ANSWERS, "counts": [1, 2, 3, 4, 5]})
    names = [float(t.get("y") or 0) for t in texts(drawing) if t.get("class") == "tk"]
    axes = [p.get("d") or "" for p in ElementTree.fromstring(drawing).iter(f"{SVG}path")
            if p.get("class") == "ax"]  # fmt: skip
    assert len(axes) == len(ANSWERS)
    for start, deep in (axis.split(" ")[1].split("v") for axis in axes):
        assert not [y for y in names if float(start) < y - 3 < float(start) + float(deep)]
