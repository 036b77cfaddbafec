"""What becomes of an answer while its picture goes away: one panel for each order, on one scale."""

from typing import Any

from django.utils.safestring import SafeString

from portal.ui import numbers
from portal.ui.charts.axes import label
from portal.ui.charts.scale import Linear, places, ticks
from portal.ui.charts.svg import Drawing
from portal.ui.charts.table import Cell, Table, build
from portal.ui.charts.words import wrap

_WIDE, _SLIM = 920.0, 360.0
_COLUMNS = 4
_GAP, _LEFT = 22.0, 38.0  # between panels; of the numbers of an axis
_LINE = 13.0
_HEIGHT = 120.0  # of what is plotted
_LEGEND = 34.0
_LEAST = 0.02  # of the axis, where nothing moves
# Key of a line, in words, its stroke and its band.
_LINES = (
    ("lerf", "least important first", "ref", "rn-b"),
    ("morf", "most important first", "sm-l", "sm-b"),
)

Json = dict[str, Any]


def draw(series: Json, palette: str = "page") -> SafeString:
    return _drawn(series, palette, _WIDE, min(_COLUMNS, max(2, len(series["panels"]))))


def draw_narrow(series: Json, palette: str = "page") -> SafeString:
    """The same for a phone: one panel under the other."""
    return _drawn(series, palette, _SLIM, 1)


def _drawn(series: Json, palette: str, width: float, columns: int) -> SafeString:
    panels = series["panels"]
    room = (width - _GAP * (columns - 1)) / columns
    heads = [wrap(panel["title"], room) for panel in panels]
    lines = max((len(head) for head in heads), default=1)
    tall = _LINE * lines + _HEIGHT + 52
    drawing = Drawing(width, _LEGEND + tall * -(-len(panels) // columns), palette=palette)
    _legend(drawing, series, width)
    low, high = _span(series)
    for at, (panel, head) in enumerate(zip(panels, heads, strict=True)):
        left = (room + _GAP) * (at % columns)
        top = _LEGEND + tall * (at // columns)
        for k, words in enumerate(head):
            drawing.text(left, top + _LINE * (k + 1), words, "tb")
        y = Linear(low, high, top + _LINE * lines + 10 + _HEIGHT, top + _LINE * lines + 10)
        _panel(drawing, panel, Linear(0, 1, left + _LEFT, left + room - 10), y)
    return drawing.render(sentence(series), title=series.get("title", ""))


def _legend(drawing: Drawing, series: Json, width: float) -> None:
    drawing.path("M0 12h22", "sm-l")
    drawing.text(28, 16, _LINES[1][1], "sm-t")
    drawing.path("M160 12h22", "ref")
    drawing.text(188, 16, _LINES[0][1], "t2")
    if width == _WIDE:
        drawing.text(width - 10, 16, f"{series['unit']}, by the share taken away", "t2", "end")


def _points(panel: Json) -> list[Json]:
    return [point for key, *_ in _LINES for point in panel["lines"].get(key) or []]


def _span(series: Json) -> tuple[float, float]:
    """Of all that is drawn, with a little air."""
    ends = ("value", "low", "high")
    known = [
        point[end]
        for panel in series["panels"]
        for point in _points(panel)
        for end in ends
        if point.get(end) is not None
    ]
    low, high = (min(known), max(known)) if known else (0.0, 1.0)
    air = max(0.05 * (high - low), _LEAST)
    return low - air, high + air


def _panel(drawing: Drawing, panel: Json, x: Linear, y: Linear) -> None:
    steps = ticks(y.low, y.high, 4)
    for step in steps:
        drawing.path(f"M{x.start:.1f} {y(step):.1f}H{x.end:.1f}", "gr")
        drawing.text(x.start - 5, y(step) + 3.5, label(step, places(steps)), "end")
    for share in (0, 0.5, 1):
        drawing.text(x(share), y.start + 15, f"{100 * share:g}", "mid")
    drawing.path(f"M{x.start:.1f} {y.start:g}H{x.end:.1f}", "ax")
    drawing.text(x.end, y.start + 28, "% taken away", "t2", "end")
    for key, _, look, band in _LINES:
        points = [one for one in panel["lines"].get(key) or [] if one["value"] is not None]
        banded = [one for one in points if one.get("low") is not None]
        drawing.area(
            [(x(one["share"]), y(one["low"])) for one in banded],
            [(x(one["share"]), y(one["high"])) for one in banded], band,
        )  # fmt: skip
        drawing.polyline([(x(one["share"]), y(one["value"])) for one in points], look)


def sentence(series: Json) -> str:
    """Where each order stands when half of the picture is gone."""
    parts = []
    for panel in series["panels"]:
        halves = {key: _half(panel["lines"].get(key) or []) for key, *_ in _LINES}
        said = " and ".join(
            f"{halves[key]} with the {words}" for key, words, *_ in reversed(_LINES)
        )
        parts.append(f"{panel['title']}: {said}")
    return f"{series['unit']} when half of a picture is taken away. {'; '.join(parts)}."


def _half(points: list[Json]) -> str:
    near = min(points, key=lambda one: abs(one["share"] - 0.5), default=None)
    known = near is not None and near["value"] is not None
    return numbers.decimal(near["value"]) if near is not None and known else "not known"


def table(series: Json) -> Table:
    rows: list[tuple[Cell, ...]] = [
        (panel["title"], words, one["share"], one["value"], one.get("low"), one.get("high"))
        for panel in series["panels"]
        for key, words, *_ in reversed(_LINES)
        for one in panel["lines"].get(key) or []
    ]
    head = ("Order", "Taken first", "Share taken away", series["unit"], "Low", "High")
    if all(row[4] is None and row[5] is None for row in rows):  # of one case: no interval
        return build(head[:4], [row[:4] for row in rows])
    return build(head, rows)
