"""Pairwise agreement as a matrix: readers purple, the model's row and column petrol."""

from typing import Any

from django.utils.safestring import SafeString

from portal.ui import numbers
from portal.ui.charts.svg import Drawing
from portal.ui.charts.table import Cell, Table, build
from portal.ui.charts.words import width, wrap
from portal.ui.measures import measure

_WIDTH, _TOP = 440.0, 30.0
_LEFT, _MOST_LEFT = 104.0, 168.0  # of the cells: at least, and where names are long
_LINE = 13.0
_TALL = 46.0
_LOW = 26.0  # of rows that hold a value alone
_ROOM_FOR_N = 50.0  # width of a cell that holds "n = 4,146"
_ROOM_FOR_VALUE = 28.0  # and "−0.04"; in narrower ones the tone says it, and the table the rest


def draw(series: dict[str, Any], palette: str = "page") -> SafeString:
    labels = [str(name) for name in series["labels"]]
    heads, names, start = _names(labels)
    wide = _wide(labels, start)
    least = _TALL if wide >= _ROOM_FOR_N else _LOW
    tall = [max(least, _LINE * len(lines) + 6) for lines in names]
    drawing = Drawing(_WIDTH, _TOP + sum(tall) + 6, palette=palette)
    top = _TOP
    for i, row in enumerate(series["values"]):
        drawing.text(start + (i + 0.5) * wide, _TOP - 10, heads[i], "t2", "mid")
        first = top + tall[i] / 2 + 4 - _LINE * (len(names[i]) - 1) / 2
        for k, line in enumerate(names[i]):
            drawing.text(start - 10, first + k * _LINE, line, "tk", "end")
        for j, value in enumerate(row):
            box = (start + j * wide, top, wide, tall[i])
            if i == j:
                drawing.rect(box[0] + 1, top + 1, wide - 2, tall[i] - 2, "sunk")
                continue
            of_model = is_model(labels[i]) or is_model(labels[j])
            _cell(drawing, box, value, series["n"][i][j], of_model, f"{labels[i]}, {labels[j]}")
        top += tall[i]
    return drawing.render(sentence(series), title=series.get("title", ""))


def _wide(labels: list[str], start: float) -> float:
    return min((_WIDTH - start) / max(len(labels), 1), 84.0)


def _names(labels: list[str]) -> tuple[list[str], list[list[str]], float]:
    """Over the columns, before the rows in lines, and where the cells begin.

    Names too long to stand over their columns are numbered in front of their rows.
    """
    heads, rows = labels, labels
    if any(width(name) > _wide(labels, _LEFT) - 4 for name in labels):
        heads = [str(k + 1) for k in range(len(labels))]
        rows = [f"{k + 1}  {name}" for k, name in enumerate(labels)]
    longest = max((width(name) for name in rows), default=0.0) + 12
    start = min(max(_LEFT, longest), _MOST_LEFT)
    return heads, [wrap(name, start - 12) for name in rows], start


def _cell(
    drawing: Drawing,
    box: tuple[float, float, float, float],
    value: float | None,
    n: int | None,
    of_model: bool,
    hint: str,
) -> None:
    """`box`: left, top, width and height."""
    left, top, wide, tall = box
    if wide < _ROOM_FOR_N:
        shown = "not estimated" if value is None else numbers.decimal(value, 2)
        hint += f": {shown}, {_cases(n)}"
    drawing.rect(left + 1, top + 1, wide - 2, tall - 2, _tone(value, of_model), hint=hint)
    if wide >= _ROOM_FOR_N:
        _write(drawing, left + wide / 2, top + tall / 2, value, n)
    elif wide >= _ROOM_FOR_VALUE and value is not None:
        text = numbers.decimal(value, 2)
        drawing.text(left + wide / 2, top + tall / 2 + 4, text, "in", "mid")


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
