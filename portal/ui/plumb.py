"""The plumb figure: an estimate and its interval beside the limit, on one line."""

from dataclasses import dataclass
from typing import Any

from django.utils.safestring import SafeString

from portal.ui import numbers
from portal.ui.charts.scale import Linear, nice_ceiling
from portal.ui.charts.svg import Drawing
from portal.ui.estimates import as_json, limit_text, limit_value, show, unit_of, write
from portal.ui.measures import measure
from portal.ui.states import look

_LINE_Y = 11.0
_DOT = 4.2


@dataclass(frozen=True)
class Shape:
    """The size of a plumb figure: in a table's row or beside a finding."""

    width: int
    height: int
    ends: bool  # whether the ends of the axis are written beneath


ROW = Shape(190, 30, ends=False)
CARD = Shape(230, 40, ends=True)


def axis_range(estimate: dict[str, Any], limit: dict[str, Any] | None) -> tuple[float, float]:
    """The range drawn: the one a reader expects of the measure, widened where it must be."""
    drawn = [estimate[key] for key in ("value", "low", "high") if estimate.get(key) is not None]
    if limit is not None:
        drawn.append(limit["value"])
    expected = measure(estimate["id"]).axis
    low, high = min(drawn), max(drawn)
    if expected is None:
        top = nice_ceiling(max(abs(low), abs(high), 1e-9) * 1.15)
        return (-top if low < 0 else 0.0), top
    start, end = expected
    if estimate["id"] == "auroc" and low >= 0.72:
        start = 0.7
    return (-1.0 if low < min(start, 0.0) else start if low >= start else 0.0), max(end, high)


def sentence(estimate: Any, limit: Any, state: str) -> str:
    """All numbers of the figure in words, for those who do not see it."""
    data, shown = as_json(estimate), show(estimate)
    if data["value"] is None:
        return f"{shown.name}: not estimated, {shown.reason}"
    text = f"{shown.name} {write(data['value'], data['id'])}{unit_of(data)}"
    if data.get("low") is not None and data.get("high") is not None:
        low, high = write(data["low"], data["id"]), write(data["high"], data["id"])
        text += f" with interval {low} to {high}{unit_of(data)}"
    if limit:
        text += f"; limit {limit_text(limit, data)}"
    return f"{text}; {look(state).word.lower()}"


def plumb(
    estimate: Any, limit: Any, state: str, *, shape: Shape = ROW, palette: str = "page"
) -> SafeString:
    """Draw it. An estimate without a value is not a figure: ask `show` for its reason."""
    data = as_json(estimate)
    rule = as_json(limit) if limit else None
    low, high = axis_range(data, rule)
    x = Linear(low, high, 10, shape.width - 10)
    drawing = Drawing(shape.width, shape.height, palette=palette)
    if rule is not None:
        at = x.clamped(rule["value"])
        left, right = (at, x.end) if rule["direction"] == "min" else (x.start, at)
        drawing.rect(left, 3, max(right - left, 0.0), 16, "ok")
    drawing.path(f"M{x.start:.1f} {_LINE_Y:g}H{x.end:.1f}", "gr")
    if rule is not None:
        drawing.plumb_line(x.clamped(rule["value"]), 1, 22, bob=3)
    tone = f"k-{look(state).tone}"
    if data.get("low") is not None or data.get("high") is not None:
        left = x.clamped(low if data.get("low") is None else data["low"])
        right = x.clamped(high if data.get("high") is None else data["high"])
        drawing.path(f"M{left:.1f} {_LINE_Y:g}H{max(right, left + 2):.1f}", "iv", tone)
    drawing.circle(x.clamped(data["value"]), _LINE_Y, _DOT, tone)
    if shape.ends:
        drawing.text(8, 40, _end_label(low, data))
        drawing.text(shape.width - 8, 40, _end_label(high, data), "end")
    return drawing.render(sentence(data, rule, state))


def _end_label(value: float, estimate: dict[str, Any]) -> str:
    if measure(estimate["id"]).unit in {"rate", "step"}:
        return limit_value(value, estimate["id"])
    return numbers.decimal(value, 2) + unit_of(estimate)
