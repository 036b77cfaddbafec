"""Every case by the two kinds of its uncertainty, in four groups; a cross where it is wrong."""

from typing import Any

from django.utils.safestring import SafeString

from portal.ui import numbers
from portal.ui.charts.axes import LEFT, RIGHT, WIDTH, x_axis, y_axis
from portal.ui.charts.scale import Linear
from portal.ui.charts.svg import Drawing
from portal.ui.charts.table import Cell, Table, build

_TOP, _BOTTOM, _HEIGHT = 46.0, 290.0, 360.0
_MOST_DOTS = 800  # of cases that are right: more hide each other and weigh down the page
NAMES = {
    "trust": "trust",
    "expert-review": "expert review",
    "re-acquire": "re-acquire",
    "both": "both",
}


def draw(series: dict[str, Any], palette: str = "page") -> SafeString:
    rows = series["rows"]
    drawing = Drawing(WIDTH, _HEIGHT, palette=palette)
    x, y = _axis(rows, 1, LEFT, RIGHT), _axis(rows, 2, _BOTTOM, _TOP)
    y_axis(drawing, y, "Epistemic uncertainty, bits")
    x_axis(drawing, x, _BOTTOM, "Aleatoric uncertainty, bits")
    limits = series["limits"]
    at_x, at_y = x(limits["aleatoric"]), y(limits["epistemic"])
    drawing.path(f"M{at_x:.1f} {_TOP:g}V{_BOTTOM:g}", "ref")
    drawing.path(f"M{LEFT:g} {at_y:.1f}H{RIGHT:g}", "ref")
    plain = [row for row in rows if row[5] != 1]
    step = -(-len(plain) // _MOST_DOTS) or 1
    for row in plain[::step]:
        drawing.circle(x(row[1]), y(row[2]), 2.5, "dot" if row[5] is None else "sm-h", hint=row[0])
    for row in rows:
        if row[5] == 1:
            left, top = x(row[1]) - 3.5, y(row[2]) - 3.5
            drawing.path(f"M{left:.1f} {top:.1f}l7 7m0-7l-7 7", "sm-l", "k-fail")
    _names(drawing, series["groups"])
    drawing.text(LEFT, _HEIGHT - 6, _legend(rows, step), "t2")
    return drawing.render(sentence(series), title=series.get("title", ""))


def _axis(rows: list[list[Any]], column: int, start: float, end: float) -> Linear:
    """From 0 to a little above the highest value."""
    top = max((row[column] for row in rows), default=0.0)
    return Linear(0.0, 1.06 * top or 0.1, start, end)


def _names(drawing: Drawing, groups: list[dict[str, Any]]) -> None:
    """Each group's name and size beside its corner, where no dot can lie."""
    places = {
        "expert-review": (LEFT + 6, _TOP - 6, ()),
        "both": (RIGHT - 4, _TOP - 6, ("end",)),
        "trust": (LEFT + 6, _BOTTOM + 46, ()),
        "re-acquire": (RIGHT - 4, _BOTTOM + 46, ("end",)),
    }
    for group in groups:
        left, top, side = places[group["group"]]
        words = f"{NAMES[group['group']]}: {numbers.count(group['n'])}"
        drawing.text(left, top, words, "tb", *side)


def _legend(rows: list[list[Any]], step: int) -> str:
    parts = []
    if any(row[5] == 1 for row in rows):
        parts.append("cross: called wrongly")
    if any(row[5] == 0 for row in rows):
        parts.append("ring: called rightly")
    if any(row[5] is None for row in rows):
        parts.append("dot: no label")
    if step > 1:
        parts.append(f"of those not wrong one in {step}")
    return "; ".join(parts)


def sentence(series: dict[str, Any]) -> str:
    parts = []
    for group in series["groups"]:
        wrong = ""
        if group["n_labelled"]:
            wrong = f", {numbers.count(group['n_wrong'])} of them called wrongly"
        parts.append(f"{NAMES[group['group']]} {numbers.count(group['n'])}{wrong}")
    return "Scatter of aleatoric against epistemic uncertainty. " + "; ".join(parts) + "."


def table(series: dict[str, Any]) -> Table:
    head = ("Case", "Aleatoric, bits", "Epistemic, bits", "Total, bits", "Variance of samples")
    rows: list[tuple[Cell, ...]] = [
        (*row[:5], {1: "wrong", 0: "right"}.get(row[5], "no label"), NAMES[row[6]])
        for row in series["rows"]
    ]
    return build((*head, "Answer", "Group"), rows)
