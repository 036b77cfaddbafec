"""Many estimates of one measure under each other, against one limit."""

from dataclasses import dataclass
from typing import Any

from django.utils.safestring import SafeString

from portal.ui import numbers
from portal.ui.charts.axes import label
from portal.ui.charts.scale import Linear, places, ticks
from portal.ui.charts.svg import Drawing
from portal.ui.charts.table import Cell, Table, build
from portal.ui.charts.words import width, wrap
from portal.ui.estimates import limit_value, show
from portal.ui.measures import measure
from portal.ui.states import look

_WIDTH, _ROW, _FIRST = 920.0, 24.0, 44.0
_LINE = 13.0  # of a name that takes several
_N = 330.0  # where the counts end
_NAME_ROOM = 285.0
_LEFT, _RIGHT = 370.0, 730.0
_SLIM, _SLIM_LEFT, _SLIM_RIGHT = 360.0, 10.0, 350.0  # a phone: each name above its own mark
_TICK_GAP = 6.0
_GAP = 14.0  # between two texts on one line


@dataclass(frozen=True)
class _Place:
    """Where one row stands: the baseline of its name and the height of its mark."""

    row: dict[str, Any]
    lines: list[str]
    baseline: float
    mark: float


@dataclass(frozen=True)
class _Page:
    """One of the two layouts: names beside the marks, or above them."""

    width: float
    x: Linear
    bottom: float
    places: list[_Place]
    stretches: list[tuple[float, float]]  # heights over which lines run, the last to the bottom


def draw(series: dict[str, Any], palette: str = "page") -> SafeString:
    """Names at the left, marks in the middle, numbers at the right."""
    places, at = [], _FIRST
    for row in series["rows"]:
        lines = wrap(str(row["label"]), _NAME_ROOM)
        places.append(_Place(row, lines, at, at - 4))
        at += _ROW + _LINE * (len(lines) - 1)
    x = Linear(*_range(series), _LEFT, _RIGHT)
    page = _Page(_WIDTH, x, at - 16, places, [(26.0, at - 16)])
    drawing = Drawing(_WIDTH, page.bottom + 34, palette=palette)
    drawing.text(_N, 16, "n", "t2", "end")
    drawing.text(_LEFT, 16, _name(series), "t2")
    drawing.text(_WIDTH, 16, "Estimate [low, high]", "t2", "end")
    _frame(drawing, series, page)
    for place in places:
        _name_of(drawing, place)
        drawing.text(_N, place.baseline, _n(place.row), "t2", "end")
        drawing.text(_WIDTH, place.baseline, *_numbers(place.row), "end")
        _marks(drawing, place.row, page.x, place.mark)
    return drawing.render(sentence(series), title=series.get("title", ""))


def draw_narrow(series: dict[str, Any], palette: str = "page") -> SafeString:
    """The same for a phone: name and numbers above a mark that has the whole width."""
    rows = series["rows"]
    apart = any(_inline_width(row) > _SLIM for row in rows)  # numbers on a line of their own
    places, at = [], 40.0
    for row in rows:
        lines = wrap(str(row["label"]), _SLIM)
        below = at + _LINE * (len(lines) - 1 + int(apart))
        places.append(_Place(row, lines, at, below + 12))
        at = below + 36
    bottom = at - 16
    x = Linear(*_range(series), _SLIM_LEFT, _SLIM_RIGHT)
    tracks = [(place.mark - 8, place.mark + 8) for place in places] or [(26.0, bottom)]
    page = _Page(_SLIM, x, bottom, places, tracks)
    drawing = Drawing(_SLIM, bottom + 34, palette=palette)
    drawing.text(0, 14, _name(series), "t2")
    drawing.text(_SLIM, 14, "Estimate [low, high], n", "t2", "end")
    _frame(drawing, series, page)
    for place in places:
        _name_of(drawing, place)
        words, tone = _numbers(place.row)
        n = f"n = {_n(place.row)}"
        if apart:
            line = place.mark - 12
            drawing.text(0, line, words, tone)
            drawing.text(_SLIM, line, n, "t2", "end")
        else:
            drawing.text(_SLIM, place.baseline, n, "t2", "end")
            drawing.text(_SLIM - _n_width(rows) - _GAP, place.baseline, words, tone, "end")
        _marks(drawing, place.row, page.x, place.mark)
    return drawing.render(sentence(series), title=series.get("title", ""))


def _n(row: dict[str, Any]) -> str:
    return numbers.count(row["estimate"].get("n") or 0)


def _n_width(rows: list[dict[str, Any]]) -> float:
    return max((width(f"n = {_n(row)}") for row in rows), default=0.0)


def _inline_width(row: dict[str, Any]) -> float:
    """Of name, numbers and n on one line."""
    return width(str(row["label"])) + width(_numbers(row)[0]) + _n_width([row]) + 2.5 * _GAP


def _numbers(row: dict[str, Any]) -> tuple[str, str]:
    """Estimate and interval, and the class they are written in."""
    shown = show(row["estimate"])
    if not shown.value or row["estimate"]["value"] is None:
        return "not estimated", "t2"
    return f"{shown.value} {shown.interval}".strip(), "tk"


def _name_of(drawing: Drawing, place: _Place) -> None:
    strong = place.row.get("all") or place.row.get("deviates")
    for k, line in enumerate(place.lines):
        drawing.text(0, place.baseline + k * _LINE, line, "tb" if strong else "tk")


def _range(series: dict[str, Any]) -> tuple[float, float]:
    """Everything drawn, with a little air, inside what the measure can be."""
    seen = [
        row["estimate"][key]
        for row in series["rows"]
        for key in ("value", "low", "high")
        if row["estimate"].get(key) is not None
    ]
    seen += _limits(series)
    if not seen:
        return 0.0, 1.0
    low, high = min(seen), max(seen)
    air = 0.06 * (high - low) or 0.05
    bounds = measure(_measure_id(series)).axis
    low, high = low - air, high + air
    if bounds:
        low, high = (low if min(seen) < bounds[0] else max(low, bounds[0])), min(high, bounds[1])
    return low, high


def _measure_id(series: dict[str, Any]) -> str:
    return str(series["rows"][0]["estimate"]["id"]) if series["rows"] else ""


def _name(series: dict[str, Any]) -> str:
    """The one measure of the rows, or what several have in common."""
    bases = {str(row["estimate"]["id"]).partition(":")[0] for row in series["rows"]}
    if len(bases) == 1:
        return measure(bases.pop()).name
    return "Rate" if bases and all(measure(b).unit == "rate" for b in bases) else "Value"


def _limits(series: dict[str, Any]) -> list[float]:
    own = [row["limit"]["value"] for row in series["rows"] if row.get("limit")]
    return [series["limit"]["value"], *own] if series.get("limit") else own


def _frame(drawing: Drawing, series: dict[str, Any], page: _Page) -> None:
    """The side that is allowed, ticks, no difference where the axis holds it, the limit."""
    x, bottom = page.x, page.bottom
    measured = _measure_id(series)
    rule = series.get("limit")
    at = x.clamped(rule["value"]) if rule else None
    steps = ticks(x.low, x.high, 5)
    for top, end in page.stretches:
        if rule and at is not None:
            left, right = (at, x.end) if rule["direction"] == "min" else (x.start, at)
            drawing.rect(left, top, right - left, end - top, "ok")
        for step in steps:
            name = "nil" if _is_nil(step, x) else "gr"
            drawing.path(f"M{x(step):.1f} {top:g}V{end:g}", name)
        if at is not None and end != bottom:
            drawing.path(f"M{at:.1f} {top:g}V{end:g}", "lim")
    taken = None
    if rule and at is not None:
        drawing.plumb_line(at, page.stretches[-1][0] - 2, bottom)
        words = f"limit {limit_value(rule['value'], measured)}"
        half = width(words) / 2
        middle = min(max(at, half), page.width - half)
        drawing.text(middle, bottom + 24, words, "mid", "tb")
        taken = (middle - half - _TICK_GAP, middle + half + _TICK_GAP)
    _tick_labels(drawing, x, bottom, measured, taken)


def _is_nil(step: float, x: Linear) -> bool:
    """No difference, no agreement beyond chance: where an axis goes beyond it to both sides."""
    return step == 0 and x.low < 0 < x.high


def _tick_labels(
    drawing: Drawing,
    x: Linear,
    bottom: float,
    measured: str,
    taken: tuple[float, float] | None,
) -> None:
    """As many as stand beside each other, and none where the words of the limit stand."""
    steps = ticks(x.low, x.high, 5)
    rate = measure(measured).unit == "rate"
    free = 0.0
    for step in steps:
        text = limit_value(step, measured) if rate else label(step, places(steps))
        half = width(text) / 2
        middle = min(x(step), drawing.width - half)
        if middle - half < free or (
            taken and middle + half > taken[0] and middle - half < taken[1]
        ):
            continue
        free = middle + half + _TICK_GAP
        strong = ("tb",) if _is_nil(step, x) else ()
        drawing.text(middle, bottom + 16, text, *strong, "mid")


def _marks(drawing: Drawing, row: dict[str, Any], x: Linear, y: float) -> None:
    estimate = row["estimate"]
    if estimate["value"] is None:
        return
    tone = f"k-{look(row.get('state') or 'info').tone}"
    if "deviates" in row:
        tone = "k-dev" if row["deviates"] else "k-even"
    if row.get("limit"):
        _own_limit(drawing, row["limit"], x, y)
    left, right = (estimate.get(key) for key in ("low", "high"))
    if left is not None or right is not None:
        start = x.start if left is None else x.clamped(left)
        end = x.end if right is None else x.clamped(right)
        drawing.path(f"M{start:.1f} {y:g}H{max(end, start + 1):.1f}", "iv", tone)
    _mark(drawing, x.clamped(estimate["value"]), y, tone, everything=bool(row.get("all")))


def _own_limit(drawing: Drawing, rule: dict[str, Any], x: Linear, y: float) -> None:
    """The limit of one row, where rows differ in theirs."""
    at = x.clamped(rule["value"])
    left, right = (at, x.end) if rule["direction"] == "min" else (x.start, at)
    drawing.rect(left, y - 9, right - left, 18, "ok")
    drawing.plumb_line(at, y - 10, y + 5, bob=2.5)


def _mark(drawing: Drawing, x: float, y: float, tone: str, *, everything: bool) -> None:
    """The mark itself says the state, so that it is readable in grey."""
    if everything:
        drawing.path(f"M{x - 7:.1f} {y:g}l7-6 7 6-7 6z", tone)
    elif tone == "k-caution":
        drawing.path(f"M{x:.1f} {y - 6:g}l5 9h-10z", tone)
    elif tone == "k-fail":
        drawing.rect(x - 4, y - 4, 8, 8, tone)
    elif tone == "k-dev":
        drawing.circle(x, y, 5.5, tone)
    else:
        drawing.circle(x, y, 4, tone)


def sentence(series: dict[str, Any]) -> str:
    rows = [row for row in series["rows"] if row["estimate"]["value"] is not None]
    words = f"Forest plot, {_name(series)}, in {len(series['rows'])} rows"
    rule = series.get("limit")
    if rule:
        words += f" against the limit {limit_value(rule['value'], _measure_id(series))}"
    if not rows:
        return words + "; none could be estimated."
    lowest = min(rows, key=lambda row: row["estimate"]["value"])
    highest = max(rows, key=lambda row: row["estimate"]["value"])
    them = [str(row["label"]) for row in series["rows"] if row.get("deviates")]
    said = f" Marked as deviating: {', '.join(them)}." if them else ""
    return (
        f"{words}. Lowest: {lowest['label']}, {show(lowest['estimate']).value}; "
        f"highest: {highest['label']}, {show(highest['estimate']).value}.{said}"
    )


def table(series: dict[str, Any]) -> Table:
    """The rows; where readers are held against each other, also who deviates and with which p."""
    head = ["Row", "n", "Estimate", "Low", "High", "State", "Reason"]
    compares = any("deviates" in row for row in series["rows"])
    rows: list[tuple[Cell, ...]] = []
    for row in series["rows"]:
        found = row["estimate"]
        cells: list[Cell] = [
            *(str(row["label"]), found.get("n"), found["value"]),
            *(found.get("low"), found.get("high"), look(row.get("state") or "info").word),
            found.get("reason") or "",
        ]
        if compares:
            p = (found.get("extra") or {}).get("p_adjusted")
            cells += ["yes" if row.get("deviates") else "no", p]
        rows.append(tuple(cells))
    return build([*head, "Deviates", "p, Holm-corrected"] if compares else head, rows)
