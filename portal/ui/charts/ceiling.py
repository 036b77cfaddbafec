"""How well two readers agree on each case, and the model with a reader: the ceiling it meets."""

from typing import Any

from django.utils.safestring import SafeString

from portal.ui import numbers
from portal.ui.charts.axes import LEFT, RIGHT, WIDTH, x_axis
from portal.ui.charts.scale import Linear, nice_ceiling, ticks
from portal.ui.charts.svg import Drawing
from portal.ui.charts.table import Table, build

_TOP, _BOTTOM = 44.0, 200.0


def draw(series: dict[str, Any], palette: str = "page") -> SafeString:
    edges = series["edges"]
    drawing = Drawing(WIDTH, 240, palette=palette)
    x = Linear(edges[0], edges[-1], LEFT, RIGHT)
    y = Linear(0, nice_ceiling(max([*series["readers"], *series["model"], 1])), _BOTTOM, _TOP)
    for step in ticks(0, y.high, 4):
        drawing.path(f"M{LEFT:g} {y(step):.1f}H{RIGHT:g}", "gr")
        drawing.text(LEFT - 6, y(step) + 3.5, numbers.count(round(step)), "end")
    drawing.text(0, 17, "Cases", "t2")
    drawing.text(LEFT + 40, 17, f"two readers {_mean(series, 'readers')}", "sr-t")
    drawing.text(RIGHT, 17, f"model and reader {_mean(series, 'model')}", "sm-t", "end")
    for k, pair in enumerate(zip(series["readers"], series["model"], strict=True)):
        left, wide = x(edges[k]), (x(edges[k + 1]) - x(edges[k])) / 2
        span = f"{numbers.plain(edges[k])} to {numbers.plain(edges[k + 1])}"
        for place, (n, name) in enumerate(zip(pair, ("sr-f", "sm-f"), strict=True)):
            if n:
                drawing.rect(
                    left + place * wide + 1, y(n), wide - 2, _BOTTOM - y(n), name,
                    hint=f"{span}: {numbers.count(n)}",
                )  # fmt: skip
    x_axis(drawing, x, _BOTTOM, "Share of pairs with the same answer")
    return drawing.render(sentence(series), title=series.get("title", ""))


def _mean(series: dict[str, Any], who: str) -> str:
    return numbers.decimal(series[f"{who}_mean"])


def sentence(series: dict[str, Any]) -> str:
    return (
        f"Agreement on {numbers.counted(sum(series['readers']), 'case')}: two readers give the "
        f"same answer in {_mean(series, 'readers')} of pairs on average, the model and a reader in "
        f"{_mean(series, 'model')}."
    )


def table(series: dict[str, Any]) -> Table:
    edges = series["edges"]
    rows = zip(edges[:-1], edges[1:], series["readers"], series["model"], strict=True)
    return build(("From", "To", "Two readers", "Model and reader"), list(rows))
