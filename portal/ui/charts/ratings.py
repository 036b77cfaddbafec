"""How often each value of a question was chosen, and how many readings the cases have."""

from typing import Any

from django.utils.safestring import SafeString

from portal.ui import numbers
from portal.ui.charts.axes import LEFT, RIGHT, WIDTH
from portal.ui.charts.scale import Linear, nice_ceiling, ticks
from portal.ui.charts.svg import Drawing
from portal.ui.charts.table import Cell, Table, build

_TOP, _BOTTOM = 38.0, 200.0  # a full bar carries its number below the name of the axis


def draw(series: dict[str, Any], palette: str = "page") -> SafeString:
    counts = series["counts"]
    total = sum(counts)
    drawing = Drawing(WIDTH, 240, palette=palette)
    y = Linear(0, nice_ceiling(max([*counts, 1])), _BOTTOM, _TOP)
    for step in ticks(0, y.high, 4):
        drawing.path(f"M{LEFT:g} {y(step):.1f}H{RIGHT:g}", "gr")
        drawing.text(LEFT - 6, y(step) + 3.5, numbers.count(round(step)), "end")
    drawing.text(0, 17, "Readings", "t2")
    wide = (RIGHT - LEFT) / max(len(counts), 1)
    bar = min(wide * 0.68, 64.0)
    for k, (value, n) in enumerate(zip(series["values"], counts, strict=True)):
        middle = LEFT + (k + 0.5) * wide
        drawing.rect(middle - bar / 2, y(n), bar, _BOTTOM - y(n), "sr-f")
        share = f" ({_share(n / total)})" if total and wide > 70 else ""
        drawing.text(middle, y(n) - 5, f"{numbers.count(n)}{share}", "tb", "mid")
        drawing.text(middle, _BOTTOM + 16, _short(str(value), wide), "tk", "mid")
    drawing.path(f"M{LEFT:g} {_BOTTOM:g}H{RIGHT:g}", "ax")
    drawing.text(RIGHT, _BOTTOM + 33, str(series["question"]), "t2", "end")
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


def _short(text: str, room: float) -> str:
    longest = max(int(room / 6), 3)
    return text if len(text) <= longest else text[: longest - 1] + numbers.ELLIPSIS


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
