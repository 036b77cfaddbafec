"""How often each value of a question was chosen, and how many readings the cases have."""

from typing import Any

from django.utils.safestring import SafeString

from portal.ui import numbers
from portal.ui.charts.axes import LEFT, RIGHT, WIDTH
from portal.ui.charts.scale import Linear, nice_ceiling, ticks
from portal.ui.charts.svg import Drawing
from portal.ui.charts.table import Cell, Table, build
from portal.ui.charts.words import fits, width, wrap

_TOP, _BOTTOM = 50.0, 200.0  # a full bar carries its number and share below the name of the axis
_LINE = 13.0
_AIR = 1.2  # letters are larger on a phone
_MOST_LINES = 2
_ROW, _ROW_BAR = 38.0, 14.0


def draw(series: dict[str, Any], palette: str = "page") -> SafeString:
    """Upright bars; lying ones, each under its own name, where a name needs more room."""
    wide = (RIGHT - LEFT) / max(len(series["counts"]), 1)
    if all(fits(str(value), wide / _AIR - 4, _MOST_LINES) for value in series["values"]):
        return _upright(series, palette, wide)
    return _lying(series, palette)


def _upright(series: dict[str, Any], palette: str, wide: float) -> SafeString:
    counts, total = series["counts"], sum(series["counts"])
    names = [wrap(str(value), wide / _AIR - 4) for value in series["values"]]
    more = _LINE * (max((len(lines) for lines in names), default=1) - 1)
    drawing = Drawing(WIDTH, 240 + more, palette=palette)
    y = Linear(0, nice_ceiling(max([*counts, 1])), _BOTTOM, _TOP)
    for step in ticks(0, y.high, 4):
        drawing.path(f"M{LEFT:g} {y(step):.1f}H{RIGHT:g}", "gr")
        drawing.text(LEFT - 6, y(step) + 3.5, numbers.count(round(step)), "end")
    drawing.text(0, 17, "Readings", "t2")
    bar = min(wide * 0.68, 64.0)
    for k, (lines, n) in enumerate(zip(names, counts, strict=True)):
        middle = LEFT + (k + 0.5) * wide
        drawing.rect(middle - bar / 2, y(n), bar, _BOTTOM - y(n), "sr-f")
        share = _share(n / total) if total else ""
        has_share = bool(share) and width(share) * _AIR <= wide
        drawing.text(middle, y(n) - (18 if has_share else 5), numbers.count(n), "tb", "mid")
        if has_share:
            drawing.text(middle, y(n) - 5, share, "t2", "mid")
        for row, line in enumerate(lines):
            drawing.text(middle, _BOTTOM + 16 + row * _LINE, line, "tk", "mid")
    drawing.path(f"M{LEFT:g} {_BOTTOM:g}H{RIGHT:g}", "ax")
    drawing.text(RIGHT, _BOTTOM + 33 + more, str(series["question"]), "t2", "end")
    return drawing.render(sentence(series), title=series.get("title", ""))


def _lying(series: dict[str, Any], palette: str) -> SafeString:
    counts, total = series["counts"], sum(series["counts"])
    numbers_of = [numbers.count(n) + (f" ({_share(n / total)})" if total else "") for n in counts]
    room = max((width(words) * _AIR for words in numbers_of), default=0.0) + 10
    names = [wrap(str(value), WIDTH / _AIR) for value in series["values"]]
    tall = [_ROW + _LINE * (len(lines) - 1) for lines in names]
    drawing = Drawing(WIDTH, 24 + sum(tall), palette=palette)
    x = Linear(0, max([*counts, 1]), 0, WIDTH - room)
    drawing.text(0, 12, f"Readings by {series['question']}", "t2")
    top = 24.0
    for lines, n, words, height in zip(names, counts, numbers_of, tall, strict=True):
        for row, line in enumerate(lines):
            drawing.text(0, top + 10 + row * _LINE, line, "tk")
        at = top + height - _ROW + 15
        drawing.rect(0, at, max(x(n), 0.5), _ROW_BAR, "sr-f")
        drawing.path(f"M0 {at - 1:g}v{_ROW_BAR + 2:g}", "ax")
        drawing.text(x(n) + 6, at + 11, words, "tb")
        top += height
    return drawing.render(sentence(series), title=series.get("title", ""))


def readings_per_case(series: dict[str, Any]) -> str:
    """
    >>> readings_per_case({"readers_per_case": {"3": 12, "4": 1}})
    '4 readings: 1 case · 3 readings: 12 cases'
    """
    per_case = sorted(
        ((int(k), n) for k, n in (series.get("readers_per_case") or {}).items()), reverse=True
    )
    return " · ".join(
        f"{k} {'reading' if k == 1 else 'readings'}: {numbers.count(n)} "
        f"{'case' if n == 1 else 'cases'}"
        for k, n in per_case
    )


def _share(fraction: float) -> str:
    """
    >>> _share(0.00017), _share(0.0), _share(0.25)
    ('< 0.1 %', '0 %', '25.0 %')
    """
    if 0 < fraction < 0.0005:
        return "< 0.1 %"
    return f"{numbers.percent_number(fraction)} %"


def sentence(series: dict[str, Any]) -> str:
    pairs = zip(series["values"], series["counts"], strict=True)
    words = ", ".join(f"{value} {numbers.count(n)} times" for value, n in pairs)
    return f"Answers to {series['question']}: {words}. {readings_per_case(series)}".strip()


def table(series: dict[str, Any]) -> Table:
    total = sum(series["counts"])
    rows: list[tuple[Cell, ...]] = [
        (str(value), n, n / total if total else None)
        for value, n in zip(series["values"], series["counts"], strict=True)
    ]
    return build((str(series["question"]), "Readings", "Share"), rows)
