"""Scores of two groups of cases, with and without the finding if no others, back to back."""

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
    low, high = edges[0], edges[-1]
    if "groups" not in series:  # a probability is shown on all of its range
        low, high = min(0.0, low), max(1.0, high)
    x = Linear(low, high, LEFT, RIGHT)
    upper, lower, axis = _names(series)
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
    x_axis(drawing, x, _MIDDLE, axis, labels_at=_MIDDLE + _HALF + 26)
    scale = " (bar height: square root of count)" if root else ""
    drawing.text(0, 12, f"Cases{scale}", "t2")
    at = 0.0 if threshold is None else (threshold - low) / (high - low)
    left = x(low + (high - low) * (0.14 if 0.54 < at < 0.9 else 0.54))
    drawing.text(left, _MIDDLE - _HALF * 0.6, f"{upper}, n = {numbers.count(present)}", "pos-t")
    drawing.text(left, _MIDDLE + _HALF * 0.6, f"{lower}, n = {numbers.count(absent)}", "neg-t")
    return drawing.render(sentence(series), title=series.get("title", ""))


def _names(series: dict[str, Any]) -> tuple[str, str, str]:
    """The group drawn upwards, the one downwards, and what lies along the axis."""
    groups = series.get("groups") or {}
    return (
        str(groups.get("present", "present")),
        str(groups.get("absent", "absent")),
        str(groups.get("axis", "Score")),
    )


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
    present = numbers.counted(sum(series["present"]), "case")
    absent = numbers.count(sum(series["absent"]))
    upper, lower, axis = _names(series)
    words = (
        f"{axis} of {present} of {upper}, drawn upwards, and of {absent} of the {lower}, drawn "
        "downwards."
        if "groups" in series
        else f"Scores of {present} with the finding, drawn upwards, and of {absent} without, drawn "
        "downwards."
    )
    threshold = series.get("threshold")
    return words + (f" Threshold {numbers.plain(threshold)}." if threshold is not None else "")


def table(series: dict[str, Any]) -> Table:
    edges = series["edges"]
    rows = zip(edges[:-1], edges[1:], series["present"], series["absent"], strict=True)
    upper, lower, _ = _names(series)
    return build(("From", "To", _title(upper), _title(lower)), list(rows))


def _title(name: str) -> str:
    return name[:1].upper() + name[1:]
