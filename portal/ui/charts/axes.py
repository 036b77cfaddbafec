"""The frame of a chart: grid, ticks and the names of its axes."""

from portal.ui import numbers
from portal.ui.charts.scale import Linear, places, ticks
from portal.ui.charts.svg import Drawing

LEFT, RIGHT = 44.0, 426.0  # of a chart that is 440 wide
WIDTH = 440


def label(value: float, decimals: int) -> str:
    return numbers.decimal(value, decimals)


def y_axis(drawing: Drawing, y: Linear, name: str, *, left: float = LEFT, about: int = 5) -> None:
    """Hairlines across, numbers on the left, the name above."""
    steps = ticks(y.low, y.high, about)
    decimals = places(steps)
    right = drawing.width - (WIDTH - RIGHT)
    for step in steps:
        drawing.path(f"M{left:g} {y(step):.1f}H{right:g}", "gr")
        drawing.text(left - 6, y(step) + 3.5, label(step, decimals), "end")
    drawing.text(0, 17, name, "t2")


def x_axis(
    drawing: Drawing, x: Linear, baseline: float, name: str, *, labels_at: float | None = None
) -> None:
    """A line with ticks, numbers beneath, the name at the right."""
    steps = ticks(x.low, x.high)
    decimals = places(steps)
    at = baseline + 15 if labels_at is None else labels_at
    for step in steps:
        if labels_at is None:
            drawing.path(f"M{x(step):.1f} {baseline:g}v4", "ax")
        drawing.text(x(step), at, label(step, decimals), "mid")
    drawing.path(f"M{x.start:g} {baseline:g}H{x.end:g}", "ax")
    drawing.text(x.end, at + 15, name, "t2", "end")
