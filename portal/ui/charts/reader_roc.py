"""The mean ROC curve of readers, arm by arm, each reader's thin behind it, and a model's."""

from typing import Any

from django.utils.safestring import SafeString

from portal.ui import numbers
from portal.ui.charts.axes import LEFT, RIGHT, WIDTH, x_axis, y_axis
from portal.ui.charts.scale import Linear
from portal.ui.charts.svg import Drawing
from portal.ui.charts.table import Cell, Table, build
from portal.ui.estimates import show

_TOP, _BOTTOM = 28.0, 296.0
_LINE = 15.0
# readers' arms in turn; a model keeps its own colour
_ARMS = (("sr-l", "sr-t"), ("sc-l", "t2"), ("pos-l", "pos-t"), ("neg-l", "neg-t"))
_MODEL = ("sm-l", "sm-t")


def draw(series: dict[str, Any], palette: str = "page") -> SafeString:
    x, y = Linear(0, 1, LEFT, RIGHT), Linear(0, 1, _BOTTOM, _TOP)
    drawing = Drawing(WIDTH, 330, palette=palette)
    y_axis(drawing, y, "Sensitivity")
    x_axis(drawing, x, _BOTTOM, "1 − specificity")
    drawing.path(f"M{x(0):.1f} {y(0):.1f}L{x(1):.1f} {y(1):.1f}", "ref")
    curves = series["curves"]
    looks = _looks(curves)
    for curve in curves:
        for reader in curve["readers"]:
            drawing.polyline([(x(f), y(t)) for f, t in reader["points"]], "gr")
    for curve, (line, _) in zip(curves, looks, strict=True):
        drawing.polyline([(x(f), y(t)) for f, t in curve["points"]], line)
    # A key in the empty lower right, with a piece of the line before each name.
    for place, (curve, (line, text)) in enumerate(zip(curves, looks, strict=True)):
        at = _BOTTOM - 12 - _LINE * (len(curves) - 1 - place)
        words = f"{curve['label']} {_area(curve)}".strip()
        drawing.text(RIGHT - 24, at, words, text, "end")
        drawing.path(f"M{RIGHT - 18:g} {at - 4:g}H{RIGHT:g}", line)
    return drawing.render(sentence(series), title=series.get("title", ""))


def _looks(curves: list[dict[str, Any]]) -> list[tuple[str, str]]:
    looks, arm = [], 0
    for curve in curves:
        if curve["role"] == "model":
            looks.append(_MODEL)
        else:
            looks.append(_ARMS[arm % len(_ARMS)])
            arm += 1
    return looks


def _area(curve: dict[str, Any]) -> str:
    shown = show(curve["auc"])
    return f"{shown.value} {shown.interval}".strip() if shown.value else "not estimated"


def sentence(series: dict[str, Any]) -> str:
    curves = series["curves"]
    most = max((len(curve["readers"]) for curve in curves), default=0)
    areas = "; ".join(f"{curve['label']}, area {_area(curve)}" for curve in curves)
    return f"ROC curves, the mean of {numbers.count(most)} readers: {areas}."


def table(series: dict[str, Any]) -> Table:
    """Every point of every curve; a reader's under the name of the arm."""
    rows: list[tuple[Cell, ...]] = []
    for curve in series["curves"]:
        who = "mean of readers" if curve["role"] == "readers" else "model"
        rows += [(curve["label"], who, f, t) for f, t in curve["points"]]
        for reader in curve["readers"]:
            rows += [(curve["label"], reader["label"], f, t) for f, t in reader["points"]]
    return build(("Curve", "Of", "1 − specificity", "Sensitivity"), rows)
