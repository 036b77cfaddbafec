"""The ROC curve with its band and the declared operating point."""

from bisect import bisect_left
from typing import Any

from django.utils.safestring import SafeString

from portal.ui import numbers
from portal.ui.charts.axes import LEFT, RIGHT, WIDTH, x_axis, y_axis
from portal.ui.charts.scale import Linear
from portal.ui.charts.svg import Drawing
from portal.ui.charts.table import Cell, Table, build
from portal.ui.estimates import show

_TOP, _BOTTOM = 28.0, 296.0
_LABEL_WIDTH = 150.0


def draw(series: dict[str, Any], palette: str = "page") -> SafeString:
    x, y = Linear(0, 1, LEFT, RIGHT), Linear(0, 1, _BOTTOM, _TOP)
    drawing = Drawing(WIDTH, 330, palette=palette)
    y_axis(drawing, y, "Sensitivity")
    x_axis(drawing, x, _BOTTOM, "1 − specificity")
    drawing.path(f"M{x(0):.1f} {y(0):.1f}L{x(1):.1f} {y(1):.1f}", "ref")
    drawing.text(378.5, 77.5, "chance")
    band = series.get("band") or []
    drawing.area(
        [(x(f), y(low)) for f, low, _ in band], [(x(f), y(high)) for f, _, high in band], "sm-b"
    )
    drawing.polyline([(x(f), y(t)) for f, t in series["points"]], "sm-l")
    taken = _operating_point(drawing, series, x, y)
    _area_label(drawing, series, x, y, taken)
    return drawing.render(sentence(series), title=series.get("title", ""))


def _operating_point(
    drawing: Drawing, series: dict[str, Any], x: Linear, y: Linear
) -> tuple[float, float] | None:
    """Mark the declared threshold; returns where its words end (right, bottom)."""
    at = series.get("operating")
    if not at:
        return None
    px, py = x(at["fpr"]), y(at["tpr"])
    drawing.circle(px, py, 5, f"k-{series.get('state') or 'model'}")
    line = min(py + (20 if at["tpr"] > 0.8 else -1), _BOTTOM - 20)
    words = (
        f"threshold {numbers.plain(at['threshold'])}",
        f"sens. {numbers.percent(at['tpr'])}, spec. {numbers.percent(1 - at['fpr'])}",
    )
    side: tuple[str, ...] = ("end",) if px > RIGHT - _LABEL_WIDTH - 12 else ()
    at_x = px - 12 if side else px + 12
    drawing.text(at_x, line, words[0], "tb", *side)
    drawing.text(at_x, line + 14, words[1], "t2", *side)
    return (at_x if side else at_x + _LABEL_WIDTH), line + 14


def _area_label(
    drawing: Drawing,
    series: dict[str, Any],
    x: Linear,
    y: Linear,
    taken: tuple[float, float] | None,
) -> None:
    """The area beside its curve, or in the empty lower right where the curve's side is taken."""
    if not series.get("auc"):
        return
    shown = show(series["auc"])
    px, py = x(0.44), y(_lowest_at(series, 0.44)) + 22
    side: tuple[str, ...] = ()
    if taken and taken[0] > px - 8 and abs(taken[1] - py) < 40:
        px, py, side = RIGHT, 236.0, ("end",)
    if not shown.value:
        drawing.text(px, py, f"{shown.name} not estimated", "t2", *side)
        return
    drawing.text(px, py, f"{shown.name} {shown.value} {shown.interval}".strip(), "sm-t", *side)
    drawing.text(px, py + 14, shown.n, *side)


def _lowest_at(series: dict[str, Any], fpr: float) -> float:
    """The lower edge of what is drawn at a false-positive rate."""
    rows = series.get("band") or series["points"]
    if not rows:
        return 0.0
    k = min(bisect_left([row[0] for row in rows], fpr), len(rows) - 1)
    return float(rows[k][1])


def sentence(series: dict[str, Any]) -> str:
    words = "ROC curve" + (" with an uncertainty band." if series.get("band") else ".")
    if series.get("auc"):
        shown = show(series["auc"])
        area = shown.value or f"not estimated, {shown.reason}"
        words += f" Area {area} {shown.interval}".rstrip() + "."
    at = series.get("operating")
    if at:
        words += (
            f" At the threshold {numbers.plain(at['threshold'])} sensitivity is "
            f"{numbers.percent(at['tpr'])} and specificity {numbers.percent(1 - at['fpr'])}."
        )
    return words


def table(series: dict[str, Any]) -> Table:
    """The curve; where there is a band, at the band's positions with its two edges."""
    if not series.get("band"):
        return build(("1 − specificity", "Sensitivity"), series["points"])
    points = series["points"]
    rows: list[tuple[Cell, ...]] = [
        (fpr, _interpolate(points, fpr), low, high) for fpr, low, high in series["band"]
    ]
    return build(("1 − specificity", "Sensitivity", "Low", "High"), rows)


def _interpolate(points: list[list[float]], fpr: float) -> float:
    """The curve's height; at a vertical step its upper end."""
    before = [p for p in points if p[0] <= fpr]
    after = [p for p in points if p[0] > fpr]
    if not before:
        return float(after[0][1])
    x0, y0 = before[-1]
    if not after or x0 == fpr:
        return float(y0)
    x1, y1 = after[0]
    return float(y0 + (y1 - y0) * (fpr - x0) / (x1 - x0))
