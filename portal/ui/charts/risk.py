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
    "disagreement": ("sm-l", "sm-t"),
    "volume": ("sc-l", "t2"),
    "entropy": ("sr-l", "sr-t"),
    "band": ("ref", "t2"),
    "confidence": ("sm-l", "sm-t"),
    "by-total": ("sc-l", "t2"),
    "by-epistemic": ("sr-l", "sr-t"),
}
_STROKES = {
    "aleatoric": " (orange)", "epistemic": " (purple)", "score": " (dashed)",
    "volume": " (orange)", "entropy": " (purple)", "band": " (dashed)",
    "by-total": " (orange)", "by-epistemic": " (purple)",
}  # fmt: skip


def draw(series: dict[str, Any], palette: str = "page") -> SafeString:
    drawing = Drawing(WIDTH, 282 + 15 * len(series["curves"]), palette=palette)
    band = series.get("band") or []
    seen = [risk for curve in series["curves"] for cover, risk in curve["points"] if cover >= _FROM]
    seen += [high for cover, _, high in band if cover >= 2 * _FROM]
    x = Linear(0, 1, LEFT, RIGHT)
    y = Linear(0, nice_ceiling(max([0.01, *seen])), _BOTTOM, _TOP)
    y_axis(drawing, y, f"{_risk(series)} among the cases kept")
    x_axis(drawing, x, _BOTTOM, "Share of cases kept")
    drawing.area(
        [(x(cover), y.clamped(low)) for cover, low, _ in band],
        [(x(cover), y.clamped(high)) for cover, _, high in band], "sm-b",
    )  # fmt: skip
    drawing.polyline([(x(cover), y(risk)) for cover, risk in series["best"]], "gr")
    _target(drawing, series.get("target"), y)
    for curve in series["curves"]:
        points = [(x(cover), y.clamped(risk)) for cover, risk in curve["points"]]
        drawing.polyline(points, _LOOKS[curve["kind"]][0])
    for at, curve in enumerate(series["curves"]):
        line = 290.0 + 15 * at
        drawing.path(f"M{LEFT:g} {line - 4:g}h22", _LOOKS[curve["kind"]][0])
        name = f"{curve['label']}{_STROKES.get(curve['kind'], '')}"
        words = f"{name}: area {numbers.decimal(curve['aurc'])}"
        drawing.text(LEFT + 30, line, words, _LOOKS[curve["kind"]][1])
    return drawing.render(sentence(series), title=series.get("title", ""))


def _target(drawing: Drawing, target: float | None, y: Linear) -> None:
    """The share of errors that is aimed at, where one is and the axis reaches it."""
    if target is None or target > y.high:
        return
    drawing.path(f"M{LEFT:g} {y(target):.1f}H{RIGHT:g}", "lim")
    drawing.text(RIGHT, y(target) - 5, f"target {numbers.decimal(target)}", "tb", "end")


def sentence(series: dict[str, Any]) -> str:
    areas = "; ".join(
        f"by {curve['label']} {numbers.decimal(curve['aurc'])}" for curve in series["curves"]
    )
    whole = numbers.decimal(series["error_rate"])
    of_all = f"of all cases {whole} are called wrongly"
    if "risk" in series:
        of_all = f"the mean {series['risk']} of all cases is {whole}"
    within = ", the first with an uncertainty band" if series.get("band") else ""
    return (
        f"Risk-coverage curves{within}; {of_all}. Area under the curve: {areas}. "
        "The thin line is the best order there could be."
    )


def table(series: dict[str, Any]) -> Table:
    rows: list[tuple[Cell, ...]] = [
        (curve["label"], cover, risk)
        for curve in series["curves"]
        for cover, risk in curve["points"]
    ]
    rows += [
        (end, row[0], row[at])
        for at, end in ((1, "band, low"), (2, "band, high"))
        for row in series.get("band") or []
    ]
    rows += [("best order", cover, risk) for cover, risk in series["best"]]
    return build(("Ordered by", "Share of cases kept", f"{_risk(series)} among them"), rows)


def _risk(series: dict[str, Any]) -> str:
    """What is averaged over the cases kept: wrong calls, unless the series names a loss."""
    return str(series.get("risk", "Called wrongly"))
