"""A number of every layer of a network, from the first to the last: a line for each group."""

import math
from typing import Any

from django.utils.safestring import SafeString

from portal.ui import numbers
from portal.ui.charts.axes import LEFT, RIGHT, WIDTH, y_axis
from portal.ui.charts.scale import Linear, nice_ceiling
from portal.ui.charts.svg import Drawing
from portal.ui.charts.table import Cell, Table, build

_TOP, _BOTTOM = 28.0, 246.0
_LOOKS = (
    ("sm-l", "sm-t", ""), ("sc-l", "t2", " (orange)"), ("sr-l", "sr-t", " (purple)"),
    ("neg-l", "neg-t", " (grey)"), ("pos-l", "pos-t", " (red)"), ("ref", "t2", " (dashed)"),
)  # fmt: skip
_LEGEND, _LINE = 290.0, 15.0
_LETTERS = 52  # of a name in the legend


def draw(series: dict[str, Any], palette: str = "page") -> SafeString:
    shown = drawn_columns(series)
    drawing = Drawing(WIDTH, _LEGEND - 8 + _LINE * len(shown), palette=palette)
    x = Linear(1, max(2, len(series["rows"])), LEFT + 6, RIGHT - 6)
    y = _height(series, [at for at, _ in shown])
    name = series["y"]
    y_axis(drawing, y, f"{name}, power of ten" if _is_log(series) else name)
    drawing.path(f"M{LEFT:g} {_BOTTOM:g}H{RIGHT:g}", "ax")
    drawing.text(LEFT, _BOTTOM + 15, "first layer")
    drawing.text(RIGHT, _BOTTOM + 15, f"last of {numbers.count(len(series['rows']))}", "end")
    limit = series.get("limit")
    if limit is not None:
        at = y.clamped(_on(series, limit))
        drawing.path(f"M{LEFT:g} {at:.1f}H{RIGHT:g}", "lim")
    for (column, label), (line, ink, stroke) in zip(shown, _LOOKS, strict=False):
        points = _points(series, column, x, y)
        drawing.polyline(points, line)
        if len(points) == 1:
            drawing.circle(*points[0], 3, "sm-f")
        row = _LEGEND + _LINE * [at for at, _ in shown].index(column)
        drawing.path(f"M{LEFT:g} {row - 4:g}h22", line)
        drawing.text(LEFT + 30, row, _short(f"{label}{stroke}"), ink)
    return drawing.render(sentence(series), title=series.get("title", ""))


def drawn_columns(series: dict[str, Any]) -> list[tuple[int, str]]:
    """Place and label of the columns that have a line: of many, those with the largest values."""
    named = [(at, one["drawn"]) for at, one in enumerate(series["columns"]) if one["drawn"]]

    def largest(at: int) -> float:
        return max((row["values"][at] or 0.0 for row in series["rows"]), default=0.0)

    kept = sorted(named, key=lambda one: -largest(one[0]))[: len(_LOOKS)]
    return [one for one in named if one in kept]


def _is_log(series: dict[str, Any]) -> bool:
    return bool(series["scale"] == "log")


def _on(series: dict[str, Any], value: float) -> float:
    return math.log10(value) if _is_log(series) else value


def _known(series: dict[str, Any], column: int) -> list[tuple[int, float]]:
    """Number of the layer and height; of nothing at all there is no power of ten."""
    found = []
    for at, row in enumerate(series["rows"], 1):
        value = row["values"][column]
        if value is not None and not (_is_log(series) and value <= 0):
            found.append((at, _on(series, value)))
    return found


def _height(series: dict[str, Any], columns: list[int]) -> Linear:
    seen = [value for column in columns for _, value in _known(series, column)]
    if series.get("limit") is not None:
        seen.append(_on(series, series["limit"]))
    if not _is_log(series):
        return Linear(0, nice_ceiling(max([0.01, *seen])), _BOTTOM, _TOP)
    low, high = math.floor(min(seen, default=-1)), math.ceil(max(seen, default=0))
    return Linear(low, max(high, low + 1), _BOTTOM, _TOP)


def _points(series: dict[str, Any], column: int, x: Linear, y: Linear) -> list[tuple[float, float]]:
    return [(x(at), y.clamped(value)) for at, value in _known(series, column)]


def _short(text: str) -> str:
    return text if len(text) <= _LETTERS else f"{text[: _LETTERS - 1]}…"


def sentence(series: dict[str, Any]) -> str:
    parts = []
    for column, label in drawn_columns(series):
        values = [(row["values"][column], row["layer"]) for row in series["rows"]]
        known = [(value, name) for value, name in values if value is not None]
        if known:
            most, name = max(known)
            parts.append(f"{label} at most {numbers.plain(most)}, at {name}")
    n = numbers.counted(len(series["rows"]), "layer")
    return f"{series['y']} of {n}, from the first to the last. {'; '.join(parts)}."


def table(series: dict[str, Any]) -> Table:
    head = ("Layer", *series["facts"], *(one["title"] for one in series["columns"]))
    rows: list[tuple[Cell, ...]] = [
        (row["layer"], *row["facts"], *row["values"]) for row in series["rows"]
    ]
    return build(head, rows)
