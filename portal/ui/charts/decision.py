"""Net benefit along the threshold probability, beside treating everyone and no one."""

from typing import Any

from django.utils.safestring import SafeString

from portal.ui import numbers
from portal.ui.charts.axes import LEFT, RIGHT, WIDTH, x_axis, y_axis
from portal.ui.charts.scale import Linear
from portal.ui.charts.svg import Drawing
from portal.ui.charts.table import Table, build

_TOP, _BOTTOM = 28.0, 246.0
_BELOW = 0.25  # of the height above zero that is kept below it; treating all falls without end


def draw(series: dict[str, Any], palette: str = "page") -> SafeString:
    rows = sorted(series["rows"], key=lambda row: row["threshold"])
    drawing = Drawing(WIDTH, 282, palette=palette)
    y = _height(rows)
    x = Linear(0, max((row["threshold"] for row in rows), default=1.0), LEFT, RIGHT)
    y_axis(drawing, y, "Net benefit per case")
    x_axis(drawing, x, _BOTTOM, "Threshold probability")
    drawing.path(f"M{LEFT:g} {y(0):.1f}H{RIGHT:g}", "ref")
    _treat_all(drawing, rows, x, y)
    banded = [row for row in rows if row["low"] is not None and row["high"] is not None]
    drawing.area(
        [(x(r["threshold"]), y.clamped(r["low"])) for r in banded],
        [(x(r["threshold"]), y.clamped(r["high"])) for r in banded],
        "sm-b",
    )
    drawing.polyline([(x(r["threshold"]), y.clamped(r["net_benefit"])) for r in rows], "sm-l")
    _names(drawing, rows, x, y)
    threshold = series.get("threshold")
    if threshold is not None:
        at = x.clamped(threshold)
        drawing.path(f"M{at:.1f} {_TOP:g}V{_BOTTOM:g}", "ref")
        side = "end" if at > RIGHT - 60 else "mid"
        drawing.text(at, _TOP - 8, f"threshold {numbers.plain(threshold)}", "tb", side)
    return drawing.render(sentence(series), title=series.get("title", ""))


def _height(rows: list[dict[str, Any]]) -> Linear:
    seen = [row[key] for row in rows for key in ("net_benefit", "high") if row[key] is not None]
    seen += [max(row["treat_all"], 0.0) for row in rows]
    top = max([0.01, *seen])
    return Linear(-_BELOW * top, 1.05 * top, _BOTTOM, _TOP)


def _treat_all(drawing: Drawing, rows: list[dict[str, Any]], x: Linear, y: Linear) -> None:
    """As far as it stays in the picture, and the step with which it leaves it."""
    points: list[tuple[float, float]] = []
    for before, row in zip([None, *rows], rows, strict=False):
        here = row["treat_all"]
        if here >= y.low:
            points.append((x(row["threshold"]), y(here)))
            continue
        if before is not None and before["treat_all"] > y.low:
            share = (before["treat_all"] - y.low) / (before["treat_all"] - here)
            gone = before["threshold"] + share * (row["threshold"] - before["threshold"])
            points.append((x(gone), y(y.low)))
        break
    drawing.polyline(points, "sc-l")
    if points:
        at_x, at_y = points[-1]
        side = ("end",) if at_x > RIGHT - 90 else ()
        drawing.text(at_x + (-22 if side else 8), at_y - 8, "treat all", "t2", *side)


def _names(drawing: Drawing, rows: list[dict[str, Any]], x: Linear, y: Linear) -> None:
    drawing.text(RIGHT, y(0) + 14, "treat none", "t2", "end")
    if rows:
        spot = rows[len(rows) // 2]
        line = max(y.clamped(spot["high"] or spot["net_benefit"]) - 8, _TOP + 12)
        drawing.text(x(spot["threshold"]), line, "model", "sm-t")


def sentence(series: dict[str, Any]) -> str:
    rows = series["rows"]
    words = f"Decision curve: net benefit at {len(rows)} threshold probabilities"
    words += ", with an uncertainty band." if any(r["low"] is not None for r in rows) else "."
    threshold = series.get("threshold")
    if threshold is None or not rows:
        return words
    near = min(rows, key=lambda row: abs(row["threshold"] - threshold))
    return (
        f"{words} At {numbers.plain(near['threshold'])} the model's is "
        f"{numbers.decimal(near['net_benefit'])}, that of treating all "
        f"{numbers.decimal(near['treat_all'])}, that of treating none 0."
    )


def table(series: dict[str, Any]) -> Table:
    head = ("Threshold", "Net benefit", "Low", "High", "Treat all", "Interventions avoided")
    keys = ("threshold", "net_benefit", "low", "high", "treat_all", "avoided")
    return build(head, [tuple(row[key] for key in keys) for row in series["rows"]])
