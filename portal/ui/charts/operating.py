"""What other thresholds would give: sensitivity and specificity along the threshold."""

import math
from typing import Any

from django.utils.safestring import SafeString

from portal.ui import numbers
from portal.ui.charts.axes import LEFT, RIGHT, WIDTH, x_axis, y_axis
from portal.ui.charts.scale import Linear
from portal.ui.charts.svg import Drawing
from portal.ui.charts.table import Table, build

_TOP, _BOTTOM = 28.0, 246.0
_SMALL = 0.005  # thresholds below it are invisible on a straight axis


def draw(series: dict[str, Any], palette: str = "page") -> SafeString:
    rows = sorted(series["rows"], key=lambda row: row["threshold"])
    drawing = Drawing(WIDTH, 282, palette=palette)
    y = Linear(0, 1, _BOTTOM, _TOP)
    y_axis(drawing, y, "Fraction")
    x, place = _threshold_axis(drawing, rows)
    threshold = series.get("threshold")
    if threshold is not None:
        at = x.clamped(place(threshold))
        drawing.path(f"M{at:.1f} {_TOP:g}V{_BOTTOM:g}", "ref")
        side = "end" if at > RIGHT - 60 else "mid"
        drawing.text(at, _TOP - 8, f"threshold {numbers.plain(threshold)}", "tb", side)
    for key, line in (("sensitivity", "pos"), ("specificity", "neg")):
        known = [row for row in rows if row[key] is not None]
        drawing.polyline(
            [(x.clamped(place(r["threshold"])), y(r[key])) for r in known], f"{line}-l"
        )
    _names(drawing, rows, x, y, place)
    return drawing.render(sentence(series), title=series.get("title", ""))


def _names(drawing: Drawing, rows: list[dict[str, Any]], x: Linear, y: Linear, place: Any) -> None:
    """Each curve's name on it, where the two are furthest apart and there is room."""
    inner = [
        row
        for row in rows
        if row["sensitivity"] is not None
        and row["specificity"] is not None
        and LEFT + 40 < x.clamped(place(row["threshold"])) < RIGHT - 40
    ]
    if not inner:
        return
    spot = max(inner, key=lambda row: abs(row["sensitivity"] - row["specificity"]))
    at = x.clamped(place(spot["threshold"]))
    for key, tone in (("sensitivity", "pos-t"), ("specificity", "neg-t")):
        upper = spot[key] == max(spot["sensitivity"], spot["specificity"])
        line = y(spot[key]) + (18 if upper else -10)
        drawing.text(at, min(max(line, _TOP + 16), _BOTTOM - 8), key, tone, "mid")


def _threshold_axis(drawing: Drawing, rows: list[dict[str, Any]]) -> tuple[Linear, Any]:
    """Straight, or by powers of ten where all that matters happens near zero."""
    positive = [row["threshold"] for row in rows if row["threshold"] > 0]
    if not positive or min(positive) >= _SMALL or max(positive) > 1:
        top = max([1.0, *(row["threshold"] for row in rows)])
        x = Linear(0, top, LEFT, RIGHT)
        x_axis(drawing, x, _BOTTOM, "Threshold")
        return x, float
    least = max(math.floor(math.log10(min(positive))), -8)
    x = Linear(least, 0, LEFT, RIGHT)
    for power in range(least, 1, 2 if least < -5 else 1):
        drawing.path(f"M{x(power):.1f} {_BOTTOM:g}v4", "ax")
        text = numbers.plain(10.0**power)
        drawing.text(x(power), _BOTTOM + 15, text, "end" if power == 0 else "mid")
    drawing.path(f"M{LEFT:g} {_BOTTOM:g}H{RIGHT:g}", "ax")
    drawing.text(RIGHT, _BOTTOM + 30, "Threshold (powers of ten)", "t2", "end")
    return x, lambda value: math.log10(max(value, 10.0**least))


def sentence(series: dict[str, Any]) -> str:
    words = f"Sensitivity and specificity at {len(series['rows'])} thresholds."
    threshold = series.get("threshold")
    if threshold is None or not series["rows"]:
        return words
    near = min(series["rows"], key=lambda row: abs(row["threshold"] - threshold))
    if near["sensitivity"] is None or near["specificity"] is None:
        return words
    return (
        f"{words} At {numbers.plain(near['threshold'])} sensitivity is "
        f"{numbers.percent(near['sensitivity'])} and specificity "
        f"{numbers.percent(near['specificity'])}."
    )


def table(series: dict[str, Any]) -> Table:
    rows = [(r["threshold"], r["sensitivity"], r["specificity"]) for r in series["rows"]]
    return build(("Threshold", "Sensitivity", "Specificity"), rows)
