"""One number per case as dots on a line, group under group, each with its mean and interval."""

from typing import Any

from django.utils.safestring import SafeString

from portal.ui import numbers
from portal.ui.charts.axes import label
from portal.ui.charts.scale import Linear, places, ticks
from portal.ui.charts.svg import Drawing
from portal.ui.charts.table import Cell, Table, build
from portal.ui.charts.words import width, wrap
from portal.ui.estimates import show
from portal.ui.measures import measure

_WIDTH, _SLIM = 920.0, 360.0  # of a page, and of a phone, where numbers have their own line
_ROW, _FIRST, _EDGE, _LINE = 76, 30, 12.0, 14.0
_HALF = 17.0  # height of the cloud of dots on either side of its line
_LANES = 9  # dots of nearly the same value are spread over so many heights


def draw(series: dict[str, Any], palette: str = "page") -> SafeString:
    return _draw(series, palette, _WIDTH)


def draw_narrow(series: dict[str, Any], palette: str = "page") -> SafeString:
    return _draw(series, palette, _SLIM)


def _draw(series: dict[str, Any], palette: str, wide: float) -> SafeString:
    rows = series["rows"]
    names = [wrap(str(row["label"]), _name_room(row, wide)) for row in rows]
    tall = [_ROW + _LINE * (len(lines) - 1 + int(wide == _SLIM)) for lines in names]
    bottom = _FIRST + sum(tall)
    drawing = Drawing(wide, bottom + 42, palette=palette)
    x = Linear(*_range(series), _EDGE, wide - _EDGE)
    steps = ticks(x.low, x.high, 6)
    for step in steps:
        drawing.path(f"M{x(step):.1f} {_FIRST - 8:g}V{bottom:g}", "gr")
        drawing.text(x(step), bottom + 16, label(step, places(steps)), "mid")
    drawing.text(x.end, bottom + 34, measure(str(series["measure"])).name, "t2", "end")
    top: float = _FIRST
    for row, lines, height in zip(rows, names, tall, strict=True):
        _row(drawing, row, lines, x, top, top + height - _ROW)
        top += height
    return drawing.render(sentence(series), title=series.get("title", ""))


def _numbers(row: dict[str, Any]) -> str:
    estimate, shown = row["estimate"], show(row["estimate"])
    words = f"{shown.value} {shown.interval}".strip() if estimate["value"] is not None else ""
    return f"{words or 'not estimated'}, n = {numbers.count(estimate.get('n') or 0)}"


def _name_room(row: dict[str, Any], wide: float) -> float:
    return wide if wide == _SLIM else wide - width(_numbers(row)) - 2 * _EDGE


def _range(series: dict[str, Any]) -> tuple[float, float]:
    """What the measure can be, or everything drawn with a little air."""
    seen = [value for row in series["rows"] for _, value in row["points"]]
    bounds = measure(str(series["measure"])).axis
    if bounds:
        return min(bounds[0], *seen, bounds[0]), max(bounds[1], *seen, bounds[1])
    low, high = (min(seen), max(seen)) if seen else (0.0, 1.0)
    air = 0.04 * (high - low) or 0.05
    return low - air, high + air


def _row(
    drawing: Drawing, row: dict[str, Any], lines: list[str], x: Linear, top: float, last: float
) -> None:
    """`last`: what was the top of a row whose words take one line."""
    for k, line in enumerate(lines):
        drawing.text(0, top + 4 + k * _LINE, line, "tk")
    if drawing.width == _SLIM:
        drawing.text(0, last + 4, _numbers(row), "t2")
    else:
        drawing.text(drawing.width, top + 4, _numbers(row), "tk", "end")
    estimate, top = row["estimate"], last
    middle = top + 14 + _HALF
    for at, (case, value) in enumerate(row["points"]):
        # The dots come in rising order, so lanes keep neighbours apart without any chance.
        lane = (at * 5 % _LANES) / (_LANES - 1) * 2 - 1
        hint = f"{case}: {numbers.decimal(value)}"
        drawing.circle(x.clamped(value), middle + lane * _HALF, 2, "dot", hint=hint)
    if estimate["value"] is None:
        return
    low, high = estimate.get("low"), estimate.get("high")
    if low is not None and high is not None:
        drawing.path(f"M{x.clamped(low):.1f} {middle:g}H{x.clamped(high):.1f}", "iv", "k-model")
    left = x.clamped(estimate["value"]) - 7
    drawing.path(f"M{left:.1f} {middle:g}l7-8 7 8-7 8z", "k-model")


def sentence(series: dict[str, Any]) -> str:
    name = measure(str(series["measure"])).name
    parts = [
        f"{row['label']}: mean {show(row['estimate']).value}"
        for row in series["rows"]
        if row["estimate"]["value"] is not None
    ]
    if not parts:
        return f"Dot plot, {name} of each case; none could be measured."
    return f"Dot plot, {name} of each case. " + "; ".join(parts) + "."


def table(series: dict[str, Any]) -> Table:
    rows: list[tuple[Cell, ...]] = []
    for row in series["rows"]:
        found = row["estimate"]
        quarters = [*row["quantiles"], None, None, None, None, None][:5]
        rows.append(
            (
                *(str(row["label"]), found.get("n"), found["value"], found.get("low")),
                *(found.get("high"), *quarters),
            )
        )
    head = ("Row", "n", "Mean", "Low", "High", "Lowest", "First quartile", "Median")
    return build((*head, "Third quartile", "Highest"), rows)
