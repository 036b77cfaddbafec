"""Pairwise agreement as a matrix: readers purple, the model's row and column petrol."""

from typing import Any

from django.utils.safestring import SafeString

from portal.ui import numbers
from portal.ui.charts.svg import Drawing
from portal.ui.charts.table import Cell, Table, build
from portal.ui.measures import measure

_WIDTH, _LEFT, _TOP = 440.0, 104.0, 30.0
_LONGEST = 15
_TALL = 46.0
_LOW = 26.0  # of rows that hold a value alone
_ROOM_FOR_N = 50.0  # width of a cell that holds "n = 4,146"
_ROOM_FOR_VALUE = 28.0  # and "−0.04"; in narrower ones the tone says it, and the table the rest


def draw(series: dict[str, Any], palette: str = "page") -> SafeString:
    labels = [str(name) for name in series["labels"]]
    wide = min((_WIDTH - _LEFT) / max(len(labels), 1), 84.0)
    tall = _TALL if wide >= _ROOM_FOR_N else _LOW
    drawing = Drawing(_WIDTH, _TOP + tall * len(labels) + 6, palette=palette)
    for k, name in enumerate(labels):
        drawing.text(_LEFT + (k + 0.5) * wide, _TOP - 10, _short(name, wide), "t2", "mid")
        drawing.text(_LEFT - 10, _TOP + (k + 0.5) * tall + 4, _short(name, 96), "tk", "end")
    for i, row in enumerate(series["values"]):
        for j, value in enumerate(row):
            left, top = _LEFT + j * wide, _TOP + i * tall
            if i == j:
                drawing.rect(left + 1, top + 1, wide - 2, tall - 2, "sunk")
                continue
            n = series["n"][i][j]
            cell = _tone(value, is_model(labels[i]) or is_model(labels[j]))
            hint = f"{labels[i]}, {labels[j]}"
            if wide < _ROOM_FOR_N:
                shown = "not estimated" if value is None else numbers.decimal(value, 2)
                hint += f": {shown}, {_cases(n)}"
            drawing.rect(left + 1, top + 1, wide - 2, tall - 2, cell, hint=hint)
            if wide >= _ROOM_FOR_N:
                _write(drawing, left + wide / 2, top + tall / 2, value, n)
            elif wide >= _ROOM_FOR_VALUE and value is not None:
                text = numbers.decimal(value, 2)
                drawing.text(left + wide / 2, top + tall / 2 + 4, text, "in", "mid")
    return drawing.render(sentence(series), title=series.get("title", ""))


def is_model(label: str) -> bool:
    return label.strip().lower() == "model"


def _tone(value: float | None, of_model: bool) -> str:
    if value is None or value < 0:
        return "sunk"
    if of_model:
        return "hm"
    return "h1" if value < 0.4 else "h2" if value < 0.6 else "h3"


def _write(drawing: Drawing, x: float, y: float, value: float | None, n: int | None) -> None:
    if value is None:
        drawing.text(x, y - 2, "not estim.", "in", "mid")
    else:
        drawing.text(x, y - 1, numbers.decimal(value, 2), "in", "tb", "big", "mid")
    drawing.text(x, y + 14, _cases(n), "in", "t2", "mid")


def _cases(n: int | None) -> str:
    return f"n = {numbers.count(n or 0)}"


def _short(name: str, room: float) -> str:
    longest = min(_LONGEST, int(room / 6))
    return name if len(name) <= longest else name[: longest - 1] + numbers.ELLIPSIS


def sentence(series: dict[str, Any]) -> str:
    pairs = [
        value
        for i, row in enumerate(series["values"])
        for j, value in enumerate(row)
        if i < j and value is not None
    ]
    name = measure(series["measure"]).name
    words = f"{name} between each two of {', '.join(str(label) for label in series['labels'])}"
    if not pairs:
        return f"{words}: none could be estimated."
    low, high = numbers.decimal(min(pairs), 2), numbers.decimal(max(pairs), 2)
    return f"{words}: {low} to {high} over {len(pairs)} pairs."


def table(series: dict[str, Any]) -> Table:
    labels = series["labels"]
    rows: list[tuple[Cell, ...]] = [
        (str(labels[i]), str(labels[j]), series["values"][i][j], series["n"][i][j])
        for i in range(len(labels))
        for j in range(i + 1, len(labels))
    ]
    return build(("First", "Second", measure(series["measure"]).name, "n"), rows)
