"""Every kind of series is drawn for page and paper, and told as a table of the same numbers."""

import re
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from portal.ui.charts import KINDS, UnknownKind, csv_text, is_drawn, render, table
from portal.ui.charts.palette import COLOURS, PRINT
from portal.ui.charts.registry import render_narrow
from portal.ui.plumb import plumb

from . import samples

SVG = "{http://www.w3.org/2000/svg}"
SERIES = samples.every_kind()
IDS = [series["kind"] for series in SERIES]


def parse(drawing: str) -> ElementTree.Element:
    return ElementTree.fromstring(drawing)


def words(drawing: str) -> str:
    return " ".join(text.text or "" for text in parse(drawing).iter(f"{SVG}text"))


def test_there_is_a_sample_of_every_kind() -> None:
    assert set(IDS) == set(KINDS)


@pytest.mark.parametrize("series", SERIES, ids=IDS)
def test_a_drawing_says_what_it_shows(series: dict[str, Any]) -> None:
    svg = parse(render(series))
    assert svg.get("role") == "img"
    title, desc = svg.find(f"{SVG}title"), svg.find(f"{SVG}desc")
    assert title is not None
    assert desc is not None
    assert svg.get("aria-labelledby") == f"{title.get('id')} {desc.get('id')}"
    assert title.text == series["title"]
    assert len(desc.text or "") > 30


@pytest.mark.parametrize("palette", ["page", "print"])
@pytest.mark.parametrize("series", SERIES, ids=IDS)
def test_no_inline_style_and_no_undefined_number(series: dict[str, Any], palette: str) -> None:
    drawing = render(series, palette=palette)
    assert not re.search(r'style="|<style|\bnan\b|None|\binf\b', drawing)


@pytest.mark.parametrize("series", SERIES, ids=IDS)
def test_paper_needs_no_style_sheet(series: dict[str, Any]) -> None:
    drawing = render(series, palette="print")
    assert "class=" not in drawing
    assert "var(" not in drawing


@pytest.mark.parametrize("series", SERIES, ids=IDS)
def test_the_table_holds_raw_numbers_and_is_written_by_the_rules(series: dict[str, Any]) -> None:
    twin = table(series)
    assert twin.rows
    assert all(len(row) == len(twin.head) for row in twin.rows)
    for cell in (cell for row in twin.written for cell in row):
        assert cell not in ("nan", "None", "-", "–")
    assert csv_text(twin).count("\n") == len(twin.rows) + 1


def test_every_class_of_a_drawing_is_styled_for_page_and_paper(repo_root: Path) -> None:
    sheet = (repo_root / "frontend/src/styles/charts.css").read_text()
    drawn = "".join(render(series) for series in SERIES)
    drawn += plumb(samples.AUROC, samples.LIMIT, "fail")
    used = {name for group in re.findall(r'class="([^"]+)"', drawn) for name in group.split()}
    assert used <= set(PRINT)
    assert not {name for name in used if f".{name}" not in sheet}


def test_the_colours_of_paper_are_the_tokens(repo_root: Path) -> None:
    tokens = (repo_root / "frontend/src/styles/tokens.css").read_text()
    assert not {name for name in COLOURS.values() if name not in tokens and name != "#000000"}


def test_a_kind_nobody_draws() -> None:
    with pytest.raises(UnknownKind, match="points"):
        render({"kind": "points"})
    assert not is_drawn({"kind": "points"})
    assert table({"kind": "points", "fields": ["case_id"], "rows": [["a"]]}).rows == (("a",),)


@pytest.mark.parametrize("leave_out_empty", [True, False])
def test_reliability_draws_no_line_across_a_bin_that_is_left_out(*, leave_out_empty: bool) -> None:
    series = samples.reliability()  # the fifth bin holds 7 cases, the ninth none
    if leave_out_empty:
        series["bins"] = [b for b in series["bins"] if b["n"]]
    drawing = parse(render(series))
    lines = [e.get("d") or "" for e in drawing.iter() if e.get("class") == "sm-l"]
    assert [line.count("L") + 1 for line in lines] == [4, 3]
    bands = [e.tag for e in drawing.iter() if e.get("class") == "rn-b"]
    assert bands == [f"{SVG}path", f"{SVG}rect"]
    assert len(list(drawing.iter(f"{SVG}circle"))) == 9


def test_roc_without_band_threshold_and_area() -> None:
    series = samples.roc() | {"band": None, "operating": None}
    series["auc"] = samples.estimate("auroc", None, reason="one class only", level=None)
    assert "not estimated" in words(render(series))
    assert table(series).head == ("1 − specificity", "Sensitivity")


@pytest.mark.parametrize("area", [0.3, 0.5, 0.99])
def test_roc_of_any_height(area: float) -> None:
    assert f"{area:.3f}" in words(render(samples.roc(area)))


def test_roc_table_reads_the_curve_at_the_band() -> None:
    series = samples.roc()
    series |= {"points": [[0, 0], [0, 0.4], [0.5, 0.8], [1, 1]], "band": [[0, 0.3, 0.5]]}
    assert table(series).rows == ((0, 0.4, 0.3, 0.5),)
    series["band"] = [[0.25, 0.3, 0.7]]
    assert table(series).rows[0][1] == pytest.approx(0.6)


def test_reliability_shows_small_bins_hollow_and_says_so() -> None:
    drawing = render(samples.reliability())
    assert drawing.count('class="sm-h"') == 1
    assert "hollow: fewer than 10 cases" in words(drawing)


def test_reliability_does_not_remark_on_what_chance_explains() -> None:
    series = samples.reliability()
    series["bins"][0] |= {"observed": 0.05, "observed_low": 0.04, "observed_high": 0.06}
    assert "have the finding" not in words(render(series))


def test_forest_marks_states_by_shape() -> None:
    drawing = render(samples.forest())
    assert drawing.count('<rect class="k-fail"') == 1
    assert drawing.count('<circle class="k-pass"') == 1
    assert "not estimated" in words(drawing)


def test_forest_of_several_rates_draws_the_limit_of_each_row() -> None:
    rows = [
        {
            "label": "Sensitivity",
            "estimate": samples.SENSITIVITY,
            "state": "fail",
            "limit": samples.SENSITIVITY_LIMIT,
        },
        {"label": "PPV", "estimate": samples.estimate("ppv", 0.998), "state": "info"},
    ]
    drawing = render(samples.forest() | {"rows": rows, "limit": None, "unit": "%"})
    assert drawing.count('class="lim"') == 1
    assert "Rate" in words(drawing)
    assert "33.7 %" in words(drawing)


def test_a_forest_without_an_estimate() -> None:
    rows = [{"label": "All", "estimate": samples.UNDEFINED, "state": "not assessed"}]
    assert "none could be estimated" in render(samples.forest() | {"rows": rows})


def test_operating_curve_says_when_its_axis_is_not_straight() -> None:
    assert "powers of ten" in words(render(samples.operating_curve(0.0001)))
    assert "powers of ten" not in words(render(samples.operating_curve(0.05)))


def test_decision_curve_lets_treating_all_leave_the_picture() -> None:
    """Treating all falls without end; its line ends on the lower edge, before the threshold .5."""
    drawing = parse(render(samples.decision_curve()))
    (line,) = (e.get("d") or "" for e in drawing.iter() if e.get("class") == "sc-l")
    x, y = (float(number) for number in line.rpartition("L")[2].split())
    assert y == pytest.approx(246.0)
    threshold = (x - 44) / (426 - 44) * 0.8
    top = max(row["high"] for row in samples.decision_curve()["rows"])
    assert 0.3 - 0.7 * threshold / (1 - threshold) == pytest.approx(-0.25 * top, abs=0.002)
    assert "net benefit at 40 threshold probabilities" in render(samples.decision_curve())


def test_decision_curve_without_a_band() -> None:
    series = samples.decision_curve()
    series["rows"] = [row | {"low": None, "high": None} for row in series["rows"]]
    assert "uncertainty" not in render(series)
    assert table(series).written[0][2] == "not estimated"
    assert "threshold" in words(render(series | {"rows": series["rows"][:1]}))


def test_agreement_that_could_not_be_estimated_is_said() -> None:
    assert words(render(samples.agreement_matrix())).count("not estim.") == 2


@pytest.mark.parametrize(("readers", "has_n", "has_values"), [(6, True, True), (11, False, True),
                                                              (17, False, False)])  # fmt: skip
def test_many_readers_leave_no_room_for_text_over_text(
    readers: int, has_n: bool, has_values: bool
) -> None:
    values = [[None if i == j or 0 in (i, j) else -0.04 for j in range(readers)]
              for i in range(readers)]  # fmt: skip
    series = samples.agreement_matrix() | {
        "labels": [f"R{k + 1}" for k in range(readers)],
        "values": values,
        "n": [[4146] * readers] * readers,
    }
    drawing = parse(render(series))
    written = ["".join(text.itertext()) for text in drawing.iter(f"{SVG}text")]

    assert ("n = 4,146" in written) is has_n
    assert ("−0.04" in written) is has_values
    assert ("not estim." in written) is has_n
    assert ("R1, R2: not estimated, n = 4,146" in render(series)) is not has_n
    assert len(table(series).rows) == readers * (readers - 1) // 2


def test_names_from_outside_are_escaped() -> None:
    series = samples.agreement_matrix() | {"labels": ["<b>", "R2", "R3", "R4", "Model"]}
    assert "<b>" not in render(series)


def test_empty_distributions_are_drawn() -> None:
    empty = samples.histogram() | {"present": [0] * 20, "absent": [0] * 20}
    assert "n = 0" in words(render(empty))
    nobody = samples.ratings() | {"counts": [0] * 5, "readers_per_case": {}}
    assert table(nobody).written[0][2] == "not estimated"
    assert parse(render(nobody)) is not None


def test_the_ceiling_draws_a_bar_for_every_count_of_readers_and_model() -> None:
    drawing = parse(render(samples.ceiling()))
    bars = {name: [e for e in drawing.iter(f"{SVG}rect") if e.get("class") == name]
            for name in ("sr-f", "sm-f")}  # fmt: skip
    assert [len(found) for found in bars.values()] == [4, 4]
    heights = [float(bar.get("height") or 0) for bar in bars["sr-f"]]
    assert heights[3] / heights[1] == pytest.approx(233 / 61, rel=0.01)
    twin = table(samples.ceiling())
    assert twin.rows[-1] == (0.9, 1.0, 233, 221)


def test_reader_curves_have_a_key_and_every_reader_is_in_the_table() -> None:
    series = samples.reader_roc()
    drawing = render(series)
    lines = [e.get("class") for e in parse(drawing).iter() if e.tag == f"{SVG}path"]
    assert [lines.count(name) for name in ("sr-l", "sc-l", "sm-l")] == [2, 2, 2]
    assert "aided 0.880" in words(drawing)
    assert "unaided not estimated" in words(drawing)
    assert "mean of 2 readers" in drawing
    rows = table(series).rows
    assert {row[1] for row in rows if row[0] == "aided"} == {"mean of readers", "R1", "R2"}
    assert {row[1] for row in rows if row[0] == "model"} == {"model"}
    assert len(rows) == 3 * 21 + 4 * 6


def test_the_first_few_cases_set_no_axis_of_risk() -> None:
    """One wrong case among the surest makes a risk of 1, which would press all else flat."""
    series = samples.risk_coverage()
    before = render(series)
    series["curves"][0]["points"].insert(0, [0.01, 1.0])

    assert "1.0" not in words(before).split("Called")[0]
    assert [text for text in words(render(series)).split() if text == "0.10"] == ["0.10"]


def test_a_target_of_errors_and_a_band_are_drawn_and_tabled() -> None:
    series = samples.selective_risk()
    drawing = parse(render(series))
    assert [e.get("class") for e in drawing.iter(f"{SVG}path")].count("lim") == 1
    assert "target 0.050" in words(render(series))
    bands = [row for row in table(series).rows if str(row[0]).startswith("band")]
    assert [row[0] for row in bands] == ["band, low"] * 3 + ["band, high"] * 3
    assert "lim" not in render(series | {"target": 0.9})
    assert len(table(series | {"band": None}).rows) == len(table(series).rows) - 6


def test_stress_has_a_panel_for_each_corruption_and_marks_what_is_too_much() -> None:
    series = samples.stress_curves()
    for drawn in (render(series), render_narrow(series)):
        drawing = parse(drawn)
        assert [words(drawn).count(panel["title"]) for panel in series["panels"]] == [1] * 4
        marks = [e for e in drawing.iter(f"{SVG}rect") if "k-fail" in e.get("class", "")]
        assert len(marks) == 1
        limits = [e for e in drawing.iter(f"{SVG}path") if e.get("class") == "lim"]
        assert len(limits) == 4 + 1
        assert "0.02 to 0.1" in words(drawn)
    assert len(table(series).rows) == 4 * 5
    assert len(table(series).head) == len(table(series).rows[0])
    assert table(series).rows[1][-3:] == (0.1, 0.1, 0.1)
    series["panels"][0]["rows"][2] |= dict.fromkeys(("accuracy", "low", "high", "auroc"))
    assert "Gaussian noise" in words(render(series))


def test_stress_has_columns_of_uncertainty_where_copies_were_answered_several_times() -> None:
    plain, series = samples.stress_curves(), samples.stress_curves()
    kinds = [f"{kind}_{what}" for kind in ("total", "epistemic")
             for what in ("bits", "rise", "rise_low", "rise_high")]  # fmt: skip
    for panel in series["panels"]:
        for row in panel["rows"]:
            row |= {name: at + row["severity"] for at, name in enumerate(kinds)}

    found, before = table(series), table(plain)

    assert found.head[: len(before.head)] == before.head
    assert found.head[len(before.head) :] == (
        *("Total uncertainty, bits", "Rise of total uncertainty, bits"),
        *("Total rise, low", "Total rise, high"),
        *("Epistemic uncertainty, bits", "Rise of epistemic uncertainty, bits"),
        *("Epistemic rise, low", "Epistemic rise, high"),
    )
    assert found.rows[1][len(before.head) :] == (2, 3, 4, 5, 6, 7, 8, 9)
    assert all(len(row) == len(found.head) for row in found.rows)


def test_stress_that_was_sealed_before_doubt_was_measured_still_has_its_table() -> None:
    series = samples.stress_curves()
    for panel in series["panels"]:
        for row in panel["rows"]:
            for end in ("", "_low", "_high"):
                del row[f"entropy_rise{end}"]
    assert table(series).rows[1][-3:] == (None, None, None)


def test_small_changes_have_a_line_for_each_way_and_start_at_no_change() -> None:
    series = samples.attack_curves()
    drawing = parse(render(series))
    lines = {
        look: [e.get("d") for e in drawing.iter(f"{SVG}path") if e.get("class") == look]
        for look in ("ref", "sc-l", "sm-l", "sm-b", "sc-b")
    }
    assert [len(lines[look]) for look in ("ref", "sc-l", "sm-l")] == [2] * 3  # and in the legend
    assert len(lines["sm-b"]) == len(lines["sc-b"]) == 1, "what is random has no band"
    starts = {lines[look][0].partition("L")[0] for look in ("ref", "sc-l", "sm-l")}
    assert starts == {"M44.0 246.0"}
    ends = [float(lines[look][0].rpartition(" ")[2]) for look in ("ref", "sc-l", "sm-l")]
    assert ends == pytest.approx([246.0, 246 - 0.6 * 218, 246 - 0.9 * 218], abs=0.1)
    for size in ("0", "0.25", "4"):
        assert f" {size} " in f" {words(render(series))} "
    assert table(series).rows[5][:4] == ("one step (FGSM)", 0.25, 40, 4)
    series["lines"][2]["points"][4] |= dict.fromkeys(("flip_rate", "low", "high"))
    assert "several steps" in words(render(series))


def test_wrong_cases_are_crosses_and_groups_are_counted() -> None:
    series = samples.uncertainty_scatter()
    drawing = parse(render(series))
    crosses = [path for path in drawing.iter(f"{SVG}path") if "k-fail" in path.get("class", "")]
    assert len(crosses) == sum(row[5] == 1 for row in series["rows"])
    assert len(list(drawing.iter(f"{SVG}circle"))) == sum(row[5] != 1 for row in series["rows"])
    for group in series["groups"]:
        assert f": {group['n']}" in words(render(series))
    many = samples.uncertainty_scatter(4000)
    assert len(list(parse(render(many)).iter(f"{SVG}circle"))) <= 800
    assert "one in 4" in words(render(many))


def test_histogram_of_other_groups_names_them_on_their_own_axis() -> None:
    groups = {"present": "chest CT", "absent": "audited cohort", "axis": "kNN"}
    edges = [2 + k / 10 for k in range(21)]
    series = samples.histogram() | {"groups": groups, "edges": edges, "threshold": 2.5}

    drawn = render(series)
    assert "chest CT, n = 1,500" in drawn
    assert "audited cohort, n = 1,500" in drawn
    assert "kNN" in drawn
    assert "with the finding" not in drawn
    assert table(series).head == ("From", "To", "Chest CT", "Audited cohort")
    assert "with the finding" in render(samples.histogram())


def test_layers_have_a_line_for_each_group_and_the_table_holds_the_rest() -> None:
    series = samples.layer_profile()
    drawing = parse(render(series))
    assert [e.get("class") for e in drawing.iter(f"{SVG}path")].count("lim") == 1
    assert "site = A" in words(render(series))
    assert "site = B at most 1.1, at block7.norm" in render(series)
    assert "Log variance" not in words(render(series))
    lines = {"sm-l", "sc-l"}
    assert {e.get("class") for e in drawing.iter(f"{SVG}path")} >= lines
    assert table(series).head == (
        *("Layer", "Kind", "Channels", "Kept", "Shift, site = A", "Log variance ratio, site = A"),
        *("Shift, site = B", "Log variance ratio, site = B"),
    )
    assert table(series).rows[7] == ("block7.norm", "batch", 64, 64, 0.35000000000000003, 0.1,
                                     1.1, 0.9)  # fmt: skip
    logged = series | {"scale": "log", "limit": 1e-4}
    logged["rows"][0]["values"][0] = 0.0  # no power of ten
    assert "power of ten" in words(render(logged))
    many = series | {
        "columns": [{"title": f"g{at}", "drawn": f"g{at}"} for at in range(9)],
        "rows": [row | {"values": [float(at) for at in range(9)]} for row in series["rows"]],
    }
    assert "g8" in words(render(many))
    assert "g2" not in words(render(many)), "the smallest have a column and no line"
    one = series | {"rows": series["rows"][:1]}
    assert len(list(parse(render(one)).iter(f"{SVG}circle"))) == 2


def test_corruptions_of_masks_are_drawn_by_dice_and_by_nothing_of_scores() -> None:
    series = samples.stress_curves_of_masks()
    drawn, shown = render(series), table(series)

    assert "AUROC" not in drawn
    assert "accuracy" not in drawn.lower()
    assert "Dice" in words(drawn).split()
    assert "Dice by severity of corruption, 0.900 on images as they are" in drawn
    marks = [e for e in parse(drawn).iter(f"{SVG}rect") if "k-fail" in e.get("class", "")]
    assert len(marks) == 1
    assert shown.head[5:7] == ("Dice", "Dice lost")
    assert len(shown.rows) == 5


def test_the_four_groups_of_maps_stand_below_each_other() -> None:
    """Side by side the longest ran into the next."""
    texts = parse(render(samples.map_scatter())).iter(f"{SVG}text")
    groups = [
        one for one in texts if re.search(r"(plausible|faithful|neither).*: \d", one.text or "")
    ]

    assert len(groups) == 4
    assert len({one.get("y") for one in groups}) == 4
