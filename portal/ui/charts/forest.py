"""Many estimates of one measure under each other, against one limit."""

from typing import Any

from django.utils.safestring import SafeString

from portal.ui import numbers
from portal.ui.charts.axes import label
from portal.ui.charts.scale import Linear, places, ticks
from portal.ui.charts.svg import Drawing
from portal.ui.charts.table import Cell, Table, build
from portal.ui.estimates import limit_value, show
from portal.ui.measures import measure
from portal.ui.states import look

_WIDTH, _ROW, _FIRST = 920, 24, 44
_N = 330  # where the counts end
_LEFT, _RIGHT = 370.0, 730.0
_LONGEST = 44  # characters of a label that fit


def draw(series: dict[str, Any], palette: str = "page") -> SafeString:
    rows = series["rows"]
    bottom = _FIRST + len(rows) * _ROW - 16
    drawing = Drawing(_WIDTH, bottom + 34, palette=palette)
    x = Linear(*_range(series), _LEFT, _RIGHT)
    _frame(drawing, series, x, bottom)
    for k, row in enumerate(rows):
        _row(drawing, row, x, _FIRST + k * _ROW)
    return drawing.render(sentence(series), title=series.get("title", ""))


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


def _frame(drawing: Drawing, series: dict[str, Any], x: Linear, bottom: float) -> None:
    drawing.text(_N, 16, "n", "t2", "end")
    drawing.text(_LEFT, 16, _name(series), "t2")
    drawing.text(_WIDTH, 16, "Estimate [low, high]", "t2", "end")
    rule = series.get("limit")
    if rule:
        at = x.clamped(rule["value"])
        left, right = (at, x.end) if rule["direction"] == "min" else (x.start, at)
        drawing.rect(left, 26, right - left, bottom - 26, "ok")
    steps = ticks(x.low, x.high, 5)
    for step in steps:
        drawing.path(f"M{x(step):.1f} 26V{bottom:g}", "gr")
        rate = measure(_measure_id(series)).unit == "rate"
        text = limit_value(step, _measure_id(series)) if rate else None
        if not rule or abs(x(step) - x.clamped(rule["value"])) > 34:
            drawing.text(x(step), bottom + 16, text or label(step, places(steps)), "mid")
    if rule:
        at = x.clamped(rule["value"])
        drawing.plumb_line(at, 24, bottom)
        words = f"limit {limit_value(rule['value'], _measure_id(series))}"
        drawing.text(at, bottom + 24, words, "mid", "tb")


def _row(drawing: Drawing, row: dict[str, Any], x: Linear, baseline: float) -> None:
    estimate, shown = row["estimate"], show(row["estimate"])
    words = str(row["label"])
    short = words if len(words) <= _LONGEST else words[: _LONGEST - 1] + numbers.ELLIPSIS
    drawing.text(0, baseline, short, "tb" if row.get("all") else "tk")
    drawing.text(_N, baseline, numbers.count(estimate.get("n") or 0), "t2", "end")
    if not shown.value or estimate["value"] is None:
        drawing.text(_WIDTH, baseline, "not estimated", "end")
        return
    drawing.text(_WIDTH, baseline, f"{shown.value} {shown.interval}".strip(), "tk", "end")
    tone = f"k-{look(row.get('state') or 'info').tone}"
    y = baseline - 4
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
    return (
        f"{words}. Lowest: {lowest['label']}, {show(lowest['estimate']).value}; "
        f"highest: {highest['label']}, {show(highest['estimate']).value}."
    )


def table(series: dict[str, Any]) -> Table:
    rows: list[tuple[Cell, ...]] = []
    for row in series["rows"]:
        found = row["estimate"]
        rows.append(
            (
                *(str(row["label"]), found.get("n"), found["value"]),
                *(found.get("low"), found.get("high"), look(row.get("state") or "info").word),
                found.get("reason") or "",
            )
        )
    return build(("Row", "n", "Estimate", "Low", "High", "State", "Reason"), rows)
