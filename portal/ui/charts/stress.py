"""Accuracy and AUROC, or Dice, by severity: a small panel for each corruption, all on one scale."""

from dataclasses import dataclass
from typing import Any

from django.utils.safestring import SafeString

from portal.ui import numbers
from portal.ui.charts.axes import label
from portal.ui.charts.scale import Linear, places, ticks
from portal.ui.charts.svg import Drawing
from portal.ui.charts.table import Cell, Table, build
from portal.ui.charts.words import wrap

_WIDE, _SLIM = 920.0, 360.0
_COLUMNS = 3
_GAP, _LEFT = 26.0, 34.0  # between panels; of the numbers of an axis
_LINE = 13.0
_HEIGHT = 110.0  # of what is plotted
_AIR = 0.03
_LEGEND = 34.0


@dataclass(frozen=True)
class _Curves:
    """What is drawn of some cases.

    Attributes:
        key: of the curve with its band and the lost part, as rows call it.
        name: in words.
        dashed: key of the second curve; "" for none.
    """

    key: str
    name: str
    dashed: str = ""


_OF_SCORES = _Curves("accuracy", "accuracy", "auroc")
_OF_MASKS = _Curves("dice", "Dice")


def _curves(series: dict[str, Any]) -> _Curves:
    return _OF_MASKS if series.get("measure") == "dice" else _OF_SCORES


def draw(series: dict[str, Any], palette: str = "page") -> SafeString:
    return _drawn(series, palette, _WIDE, _COLUMNS)


def draw_narrow(series: dict[str, Any], palette: str = "page") -> SafeString:
    """The same for a phone: one panel under the other."""
    return _drawn(series, palette, _SLIM, 1)


def _drawn(series: dict[str, Any], palette: str, width: float, columns: int) -> SafeString:
    panels = series["panels"]
    room = (width - _GAP * (columns - 1)) / columns
    heads = [_head(panel, room) for panel in panels]
    lines = max((len(head) for head in heads), default=1)
    tall = _LINE * lines + _HEIGHT + 46
    drawing = Drawing(width, _LEGEND + tall * -(-len(panels) // columns), palette=palette)
    _legend(drawing, series)
    low, high = series.get("range") or span(series)
    for at, (panel, head) in enumerate(zip(panels, heads, strict=True)):
        left = (room + _GAP) * (at % columns)
        top = _LEGEND + tall * (at // columns)
        for k, words in enumerate(head):
            drawing.text(left, top + _LINE * (k + 1), words, *(("tb",) if k == 0 else ("t2",)))
        y = Linear(low, high, top + _LINE * lines + 8 + _HEIGHT, top + _LINE * lines + 8)
        x = Linear(0, len(panel["rows"]), left + _LEFT, left + room - 8)
        _panel(drawing, series, panel, x, y)
    return drawing.render(sentence(series), title=series.get("title", ""))


def _head(panel: dict[str, Any], room: float) -> list[str]:
    values = f"{_value(panel['rows'][0])} to {_value(panel['rows'][-1])}"
    return [panel["title"], *wrap(f"{panel['parameter']}, {values}", room)]


def _value(row: dict[str, Any]) -> str:
    return f"{row['value']:g}".replace("-", "−")


def _legend(drawing: Drawing, series: dict[str, Any]) -> None:
    drawing.path("M0 12h22", "sm-l")
    curves = _curves(series)
    drawing.text(28, 16, curves.name, "sm-t")
    if curves.dashed:
        drawing.path("M96 12h22", "ref")
        drawing.text(124, 16, "AUROC", "t2")
    if series.get("line") is not None:
        left = 186 if curves.dashed else 96
        drawing.path(f"M{left} 12h22", "lim")
        drawing.text(left + 28, 16, "accepted", "t2")


def span(series: dict[str, Any]) -> tuple[float, float]:
    """Of everything drawn, with a little air, between 0 and 1; ``range`` of a series that is a
    part of another is the whole's, so that panels can be compared.
    """
    curves = _curves(series)
    keys = [curves.key, *([curves.dashed] if curves.dashed else [])]
    seen = [*(series[key] for key in keys), series["line"]]
    for panel in series["panels"]:
        seen += [row[key] for row in panel["rows"] for key in (*keys, "low", "high")]
    known = [value for value in seen if value is not None]
    return max(0.0, min(known) - _AIR), min(1.0 + _AIR, max(known) + _AIR)


def _panel(
    drawing: Drawing, series: dict[str, Any], panel: dict[str, Any], x: Linear, y: Linear
) -> None:
    rows = panel["rows"]
    steps = [step for step in ticks(y.low, y.high, 4) if step <= 1]
    for step in steps:
        drawing.path(f"M{x.start:.1f} {y(step):.1f}H{x.end:.1f}", "gr")
        drawing.text(x.start - 5, y(step) + 3.5, label(step, places(steps)), "end")
    if series.get("line") is not None:
        drawing.path(f"M{x.start:.1f} {y(series['line']):.1f}H{x.end:.1f}", "lim")
    for severity in range(len(rows) + 1):
        strong = ("tb",) if severity == panel["first_too_much"] else ()
        drawing.text(x(severity), y.start + 15, str(severity), "mid", *strong)
    drawing.path(f"M{x.start:.1f} {y.start:g}H{x.end:.1f}", "ax")
    drawing.text(x.end, y.start + 28, "severity", "t2", "end")
    banded = [row for row in rows if row["low"] is not None and row["high"] is not None]
    curves = _curves(series)
    start = (x(0), y(series[curves.key] or 0.0))
    drawing.area(
        [start, *((x(row["severity"]), y(row["low"])) for row in banded)],
        [start, *((x(row["severity"]), y(row["high"])) for row in banded)], "sm-b",
    )  # fmt: skip
    for key, look in ((curves.dashed, "ref"), (curves.key, "sm-l")):
        if not key:
            continue
        points = [(0, series[key]), *((row["severity"], row[key]) for row in rows)]
        drawing.polyline([(x(at), y(value)) for at, value in points if value is not None], look)
    for row in rows:
        if row["severity"] == panel["first_too_much"] and row[curves.key] is not None:
            left, top = x(row["severity"]) - 4, y(row[curves.key]) - 4
            drawing.rect(left, top, 8, 8, "k-fail")


def sentence(series: dict[str, Any]) -> str:
    curves, parts = _curves(series), list[str]()
    for panel in series["panels"]:
        last = panel["rows"][-1][curves.key]
        fall = "not known" if last is None else numbers.decimal(last)
        first = panel["first_too_much"]
        much = "" if first is None else f", too much from severity {first}"
        parts.append(f"{panel['title']} {fall} at severity {len(panel['rows'])}{much}")
    return (
        f"{curves.name[0].upper()}{curves.name[1:]} by severity of corruption, "
        f"{numbers.decimal(series[curves.key])} on images as they are. {'; '.join(parts)}."
    )


def table(series: dict[str, Any]) -> Table:
    if _curves(series) is _OF_MASKS:
        return _table_of_masks(series)
    head = (
        *("Corruption", "Parameter", "Severity", "Value", "n", "Accuracy"),
        *("Accuracy lost", "Low", "High", "AUROC", "AUROC lost", "AUROC lost, low"),
        *("AUROC lost, high", "Answers that change", "Change, low", "Change, high"),
        *("Claimed probability of being right", "Calibration error of the answer"),
        *("Brier score", "Entropy, bits", "Rise of entropy, bits", "Rise, low", "Rise, high"),
    )
    keys = (
        *("severity", "value", "n", "accuracy"),
        *("accuracy_lost", "accuracy_lost_low", "accuracy_lost_high"),
        *("auroc", "auroc_lost", "auroc_lost_low", "auroc_lost_high"),
        *("flip_rate", "flip_rate_low", "flip_rate_high"),
        *("claimed", "calibration_error", "brier", "entropy_bits"),
    )
    # Results that were sealed before it was measured have no such numbers.
    later = ("entropy_rise", "entropy_rise_low", "entropy_rise_high")
    every = [row for panel in series["panels"] for row in panel["rows"]]
    # Where copies were answered several times.
    more = _SAMPLED if any("epistemic_bits" in row for row in every) else {}
    rows: list[tuple[Cell, ...]] = [
        (
            panel["title"],
            panel["parameter"],
            *(row[key] for key in keys),
            *map(row.get, (*later, *more.values())),
        )
        for panel in series["panels"]
        for row in panel["rows"]
    ]
    return build((*head, *more), rows)


def _table_of_masks(series: dict[str, Any]) -> Table:
    head = (
        *("Corruption", "Parameter", "Severity", "Value", "n", "Dice"),
        *("Dice lost", "Low", "High", "Change of the area, over the reference’s"),
        *("Change, low", "Change, high", "Missed whole", "Missed, low", "Missed, high"),
        *("Invented", "Invented, low", "Invented, high"),
    )
    parts = ("dice_lost", "volume_change", "missed", "invented")
    keys = (
        *("severity", "value", "n", "dice"),
        *(f"{part}{end}" for part in parts for end in ("", "_low", "_high")),
    )
    rows: list[tuple[Cell, ...]] = [
        (panel["title"], panel["parameter"], *(row[key] for key in keys))
        for panel in series["panels"]
        for row in panel["rows"]
    ]
    return build(head, rows)


_SAMPLED = {
    f"{said}{more}": f"{kind}{key}"
    for kind, word in (("total", "Total"), ("epistemic", "Epistemic"))
    for said, more, key in (
        (f"{word} uncertainty, bits", "", "_bits"),
        (f"Rise of {kind} uncertainty, bits", "", "_rise"),
        (f"{word} rise", ", low", "_rise_low"),
        (f"{word} rise", ", high", "_rise_high"),
    )
}
