"""Scores of cases with and without the finding, back to back on one axis."""

import math
from typing import Any

from django.utils.safestring import SafeString

from portal.ui import numbers
from portal.ui.charts.axes import LEFT, RIGHT, WIDTH, x_axis
from portal.ui.charts.scale import Linear
from portal.ui.charts.svg import Drawing
from portal.ui.charts.table import Table, build

_MIDDLE, _HALF = 138.0, 96.0
_SKEWED = 8  # a fullest bin so many times the average hides the others on a straight scale


def draw(series: dict[str, Any], palette: str = "page") -> SafeString:
    edges = series["edges"]
    x = Linear(min(0.0, edges[0]), max(1.0, edges[-1]), LEFT, RIGHT)
    drawing = Drawing(WIDTH, 300, palette=palette)
    root = is_skewed(series)
    present, absent = sum(series["present"]), sum(series["absent"])
    split_bars(drawing, series, x, _MIDDLE, height=_HALF, root=root)
    _counts(drawing, series)
    threshold = series.get("threshold")
    if threshold is not None:
        at = x.clamped(threshold)
        drawing.path(f"M{at:.1f} {_MIDDLE - _HALF - 8:g}V{_MIDDLE + _HALF + 8:g}", "ref")
        drawing.text(at, 26, f"threshold {numbers.plain(threshold)}", "mid", "tb")
    x_axis(drawing, x, _MIDDLE, "Score", labels_at=_MIDDLE + _HALF + 26)
    scale = " (bar height: square root of count)" if root else ""
    drawing.text(0, 12, f"Cases{scale}", "t2")
    left = x(0.54) if threshold is None or not 0.54 < threshold < 0.9 else x(0.14)
    drawing.text(left, _MIDDLE - _HALF * 0.6, f"present, n = {numbers.count(present)}", "pos-t")
    drawing.text(left, _MIDDLE + _HALF * 0.6, f"absent, n = {numbers.count(absent)}", "neg-t")
    return drawing.render(sentence(series), title=series.get("title", ""))


def is_skewed(series: dict[str, Any]) -> bool:
    filled = [n for n in (*series["present"], *series["absent"]) if n]
    return bool(filled) and max(filled) > _SKEWED * sum(filled) / len(filled)


def split_bars(
    drawing: Drawing,
    series: dict[str, Any],
    x: Linear,
    middle: float,
    *,
    height: float,
    root: bool,
) -> None:
    """Bars of the one group up and of the other down, on one scale for both."""
    top = max((*series["present"], *series["absent"]), default=0)
    if not top:
        return
    for k, (present, absent) in enumerate(zip(series["present"], series["absent"], strict=True)):
        left, right = x(series["edges"][k]), x(series["edges"][k + 1])
        span = f"{numbers.plain(series['edges'][k])} to {numbers.plain(series['edges'][k + 1])}"
        for n, name in ((present, "pos"), (absent, "neg")):
            if not n:
                continue
            tall = height * (math.sqrt(n / top) if root else n / top)
            y = middle - tall if name == "pos" else middle + 1
            hint = f"{span}: {numbers.count(n)}"
            drawing.rect(left + 0.6, y, max(right - left - 1.2, 0.6), tall, name, hint=hint)


def _counts(drawing: Drawing, series: dict[str, Any]) -> None:
    """The height of the tallest possible bar, on both sides."""
    top = max((*series["present"], *series["absent"]), default=0)
    for y in (_MIDDLE - _HALF, _MIDDLE + _HALF):
        drawing.path(f"M{LEFT:g} {y:g}H{RIGHT:g}", "gr")
        drawing.text(LEFT - 6, y + 3.5, numbers.count(top), "end")
    drawing.text(LEFT - 6, _MIDDLE + 3.5, "0", "end")


def sentence(series: dict[str, Any]) -> str:
    words = (
        f"Scores of {numbers.counted(sum(series['present']), 'case')} with the finding, drawn "
        f"upwards, and of {numbers.count(sum(series['absent']))} without, drawn downwards."
    )
    threshold = series.get("threshold")
    return words + (f" Threshold {numbers.plain(threshold)}." if threshold is not None else "")


def table(series: dict[str, Any]) -> Table:
    edges = series["edges"]
    rows = zip(edges[:-1], edges[1:], series["present"], series["absent"], strict=True)
    return build(("From", "To", "Present", "Absent"), list(rows))
