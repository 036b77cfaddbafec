"""How many answers turn by how small a change: a line for each way of changing an image."""

from typing import Any

from django.utils.safestring import SafeString

from portal.ui import numbers
from portal.ui.charts.axes import LEFT, RIGHT, WIDTH, y_axis
from portal.ui.charts.scale import Linear
from portal.ui.charts.svg import Drawing
from portal.ui.charts.table import Cell, Table, build

_TOP, _BOTTOM = 28.0, 246.0
_LEGEND, _LINE = 296.0, 15.0
_LOOKS = {"pgd": ("sm-l", "sm-t", "sm-b", ""), "fgsm": ("sc-l", "t2", "sc-b", " (orange)")}
_OTHER = ("ref", "t2", "", " (dashed)")


def draw(series: dict[str, Any], palette: str = "page") -> SafeString:
    lines = series["lines"]
    drawing = Drawing(WIDTH, _LEGEND - 8 + _LINE * len(lines), palette=palette)
    sizes = sorted({point["eps"] for line in lines for point in line["points"]})
    places = {eps: at for at, eps in enumerate([0.0, *sizes])}  # each step of the axis is as wide
    x = Linear(0, max(1, len(sizes)), LEFT, RIGHT)
    y = Linear(0, 1, _BOTTOM, _TOP)
    y_axis(drawing, y, "Share of answers that change")
    drawing.path(f"M{LEFT:g} {_BOTTOM:g}H{RIGHT:g}", "ax")
    for eps, at in places.items():
        drawing.path(f"M{x(at):.1f} {_BOTTOM:g}v4", "ax")
        drawing.text(x(at), _BOTTOM + 15, numbers.plain(eps), "mid")
    drawing.text(RIGHT, _BOTTOM + 30, "change of each grey level at most, of 255", "t2", "end")
    start = (x(0), y(0))
    for line in lines:
        stroke, _, shade, _ = _LOOKS.get(line["method"], _OTHER)
        known = [one for one in line["points"] if one["flip_rate"] is not None]
        banded = [one for one in known if None not in (one["low"], one["high"])]
        if line["on_purpose"]:
            lower, upper = (
                [(x(places[one["eps"]]), y(one[end])) for one in banded] for end in ("low", "high")
            )
            drawing.area(lower, upper, shade)
        points = [(x(places[one["eps"]]), y(one["flip_rate"])) for one in known]
        drawing.polyline([start, *points] if points else [], stroke)
    for at, line in enumerate(lines):
        stroke, ink, _, words = _LOOKS.get(line["method"], _OTHER)
        row = _LEGEND + _LINE * at
        drawing.path(f"M{LEFT:g} {row - 4:g}h22", stroke)
        drawing.text(LEFT + 30, row, f"{line['label']}{words}", ink)
    return drawing.render(sentence(series), title=series.get("title", ""))


def sentence(series: dict[str, Any]) -> str:
    parts = []
    for line in series["lines"]:
        said = [
            f"{numbers.count(one['turned'])} of {numbers.count(one['n'])} at "
            f"{numbers.plain(one['eps'])}"
            for one in line["points"]
        ]
        parts.append(f"{line['label']}: {', '.join(said)}")
    return f"Answers that change, by the change of each grey level, of 255. {'; '.join(parts)}."


def table(series: dict[str, Any]) -> Table:
    head = (
        *("Change", "Of 255, at most", "Cases", "Answers turned", "Share", "Low", "High"),
        "Accuracy of labelled cases",
    )
    keys = ("eps", "n", "turned", "flip_rate", "low", "high", "accuracy")
    rows: list[tuple[Cell, ...]] = [
        (line["label"], *(point[key] for key in keys))
        for line in series["lines"]
        for point in line["points"]
    ]
    return build(head, rows)
