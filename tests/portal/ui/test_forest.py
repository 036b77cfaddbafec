"""Forest and dot plots on a phone and with long names; who deviates is marked."""

from itertools import pairwise
from typing import Any
from xml.etree import ElementTree

import pytest

from portal.ui.charts import KINDS, render, render_narrow, table
from portal.ui.charts.words import width

from . import samples

SVG = "{http://www.w3.org/2000/svg}"
LONG = "radiologist of the second panel = somebody with a very long name, and a second one, Ålesund"


def parse(drawing: str) -> ElementTree.Element:
    return ElementTree.fromstring(drawing)


def texts(drawing: str) -> list[ElementTree.Element]:
    return list(parse(drawing).iter(f"{SVG}text"))


def said(drawing: str) -> str:
    return " ".join(text.text or "" for text in texts(drawing))


def deviations() -> dict[str, Any]:
    """Of three readers the second deviates."""
    rows = []
    for name, value, deviates in (("R1", 0.01, False), ("R2", 0.09, True), ("R3", -0.02, False)):
        p = 0.0004 if deviates else 1.0
        found = samples.estimate(
            f"reader_bias:{name}", value, low=value - 0.03, high=value + 0.03, n=400,
            extra={"p_adjusted": p},
        )  # fmt: skip
        rows.append({"label": name, "estimate": found, "state": "info", "deviates": deviates})
    return {
        "kind": "forest", "check": "agreement", "title": "R2 differs", "subtitle": "",
        "unit": "", "rows": rows, "limit": None,
    }  # fmt: skip


WIDE = [samples.forest(), samples.case_values(), deviations()]


@pytest.mark.parametrize("series", WIDE, ids=["forest", "case-values", "deviations"])
def test_what_is_wide_has_a_second_drawing_for_a_phone(series: dict[str, Any]) -> None:
    wide, slim = parse(render(series)), parse(render_narrow(series))
    box = [float(number) for number in (slim.get("viewBox") or "").split()]
    assert box[2] <= 360
    assert wide.get("aria-labelledby") != slim.get("aria-labelledby")  # both stand on one page
    for row in series["rows"]:
        assert row["label"] in said(render_narrow(series))


def test_only_wide_kinds_have_one() -> None:
    assert {kind for kind, look in KINDS.items() if look.narrow} == {
        "forest", "case-values", "stress-curves", "removal-curves",
    }  # fmt: skip
    assert render_narrow(samples.roc()) == ""


@pytest.mark.parametrize("draw", [render, render_narrow])
@pytest.mark.parametrize("series", WIDE, ids=["forest", "case-values", "deviations"])
def test_no_text_leaves_its_drawing(series: dict[str, Any], draw: Any) -> None:
    series = series | {"rows": [row | {"label": LONG} for row in series["rows"]]}
    drawing = draw(series)
    room = float((parse(drawing).get("viewBox") or "").split()[2])
    for text in texts(drawing):
        names, x, words = (text.get("class") or "").split(), float(text.get("x") or 0), text.text
        taken = width(words or "") * (0 if "mid" in names else 1)
        left, right = (x - taken, x) if "end" in names else (x, x + taken)
        assert left >= -1, words
        assert right <= room + 1, words


@pytest.mark.parametrize("draw", [render, render_narrow])
def test_a_long_name_is_broken_and_not_cut(draw: Any) -> None:
    rows = [row | {"label": LONG} for row in samples.forest()["rows"]]
    drawing = draw(samples.forest() | {"rows": rows})
    assert "…" not in said(drawing)
    assert said(drawing).count("Ålesund") == len(rows)


@pytest.mark.parametrize("draw", [render, render_narrow])
def test_estimates_and_n_stand_in_the_narrow_one_too(draw: Any) -> None:
    words = said(draw(deviations()))
    assert "0.090 [0.060, 0.120]" in words
    assert words.count("400") == 3


@pytest.mark.parametrize("draw", [render, render_narrow])
def test_who_deviates_is_marked(draw: Any) -> None:
    drawing = draw(deviations())
    assert drawing.count('class="k-dev"') == 1
    assert drawing.count('class="k-even"') == 2
    assert next(t for t in texts(drawing) if t.text == "R2").get("class") == "tb"


@pytest.mark.parametrize("draw", [render, render_narrow])
def test_no_deviation_is_a_line_one_sees(draw: Any) -> None:
    assert draw(deviations()).count('class="nil"') >= 1
    assert draw(samples.forest()).count('class="nil"') == 0


def test_the_table_says_who_deviates_and_with_which_p() -> None:
    twin = table(deviations())
    assert twin.head[-2:] == ("Deviates", "p, Holm-corrected")
    assert [row[-2:] for row in twin.rows] == [("no", 1.0), ("yes", 0.0004), ("no", 1.0)]
    assert "Deviates" not in table(samples.forest()).head


def test_on_a_phone_no_line_runs_through_the_words() -> None:
    for series in (samples.forest(), deviations()):
        drawing = parse(render_narrow(series))
        baselines = [float(t.get("y") or 0) for t in drawing.iter(f"{SVG}text")]
        for path in drawing.iter(f"{SVG}path"):
            if path.get("class") not in ("gr", "nil", "lim"):
                continue
            top, bottom = (float(n) for n in (path.get("d") or "").split(" ")[1].split("V"))
            assert not [y for y in baselines if top < y - 4 < bottom], path.get("d")


@pytest.mark.parametrize("draw", [render, render_narrow])
def test_ticks_do_not_stand_on_each_other(draw: Any) -> None:
    rows = [
        {"label": name, "estimate": samples.estimate("ppv", value, low=low, high=1.0, n=150)}
        for name, value, low in (("Sensitivity", 0.387, 0.309), ("Specificity", 1.0, 0.966))
    ]
    drawing = parse(draw(samples.forest() | {"rows": rows, "limit": None, "unit": "%"}))
    ticks = [t for t in drawing.iter(f"{SVG}text") if (t.text or "").endswith("0 %")
             and t.get("class") in ("mid", "end")]  # fmt: skip
    spans = []
    for tick in ticks:
        x, wide = float(tick.get("x") or 0), width(tick.text or "")
        left = x - (wide if tick.get("class") == "end" else wide / 2)
        spans.append((left, left + wide))
    spans.sort()
    assert all(a[1] < b[0] for a, b in pairwise(spans)), spans


@pytest.mark.parametrize("limit", [0.7, 0.82, 0.85, 0.9, 0.99])
@pytest.mark.parametrize("draw", [render, render_narrow])
def test_the_words_of_the_limit_stand_clear_of_the_ticks(draw: Any, limit: float) -> None:
    drawing = draw(samples.forest() | {"limit": samples.LIMIT | {"value": limit}})
    below = [t for t in texts(drawing) if "mid" in (t.get("class") or "").split()]
    spans = sorted(
        (float(t.get("x") or 0) - width(t.text or "") / 2, float(t.get("x") or 0)
         + width(t.text or "") / 2)
        for t in below
    )  # fmt: skip
    assert all(a[1] < b[0] for a, b in pairwise(spans)), spans
