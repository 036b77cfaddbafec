"""What is left to err on when the most uncertain cases are handed to a person."""

from typing import Any

from django.utils.safestring import SafeString

from portal.ui import numbers
from portal.ui.charts.axes import LEFT, RIGHT, WIDTH, x_axis, y_axis
from portal.ui.charts.scale import Linear, nice_ceiling
from portal.ui.charts.svg import Drawing
from portal.ui.charts.table import Cell, Table, build

_TOP, _BOTTOM = 28.0, 246.0
_FROM = 0.1  # of fewer cases the share wrong is 0 or 1 by one of them: it sets no axis
_LOOKS = {
    "total": ("sm-l", "sm-t"),
    "aleatoric": ("sc-l", "t2"),
    "epistemic": ("sr-l", "sr-t"),
    "score": ("ref", "t2"),
}
_STROKES = {"total": "", "aleatoric": " (orange)", "epistemic": " (purple)", "score": " (dashed)"}


def draw(series: dict[str, Any], palette: str = "page") -> SafeString:
    drawing = Drawing(WIDTH, 282 + 15 * len(series["curves"]), palette=palette)
    seen = [risk for curve in series["curves"] for cover, risk in curve["points"] if cover >= _FROM]
    x = Linear(0, 1, LEFT, RIGHT)
    y = Linear(0, nice_ceiling(max([0.01, *seen])), _BOTTOM, _TOP)
    y_axis(drawing, y, "Called wrongly among the cases kept")
    x_axis(drawing, x, _BOTTOM, "Share of cases kept")
    drawing.polyline([(x(cover), y(risk)) for cover, risk in series["best"]], "gr")
    for curve in series["curves"]:
        points = [(x(cover), y.clamped(risk)) for cover, risk in curve["points"]]
        drawing.polyline(points, _LOOKS[curve["kind"]][0])
    for at, curve in enumerate(series["curves"]):
        line = 290.0 + 15 * at
        drawing.path(f"M{LEFT:g} {line - 4:g}h22", _LOOKS[curve["kind"]][0])
        words = f"{curve['label']}{_STROKES[curve['kind']]}: area {numbers.decimal(curve['aurc'])}"
        drawing.text(LEFT + 30, line, words, _LOOKS[curve["kind"]][1])
    return drawing.render(sentence(series), title=series.get("title", ""))


def sentence(series: dict[str, Any]) -> str:
    areas = "; ".join(
        f"by {curve['label']} {numbers.decimal(curve['aurc'])}" for curve in series["curves"]
    )
    return (
        f"Risk-coverage curves; of all cases {numbers.decimal(series['error_rate'])} are called "
        f"wrongly. Area under the curve: {areas}. The thin line is the best order there could be."
    )


def table(series: dict[str, Any]) -> Table:
    rows: list[tuple[Cell, ...]] = [
        (curve["label"], cover, risk)
        for curve in series["curves"]
        for cover, risk in curve["points"]
    ]
    rows += [("best order", cover, risk) for cover, risk in series["best"]]
    return build(("Uncertainty", "Share of cases kept", "Called wrongly among them"), rows)
