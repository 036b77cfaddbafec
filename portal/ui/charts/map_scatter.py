"""Every case by how faithful its map is and how much of it lies in the mask, in four groups."""

from typing import Any

from django.utils.safestring import SafeString

from portal.ui import numbers
from portal.ui.charts.axes import LEFT, RIGHT, WIDTH, x_axis, y_axis
from portal.ui.charts.scale import Linear
from portal.ui.charts.svg import Drawing
from portal.ui.charts.table import Table, build

_TOP, _BOTTOM, _HEIGHT = 46.0, 290.0, 408.0
_ROOM = 0.08  # beyond the outermost dots, of what they span
_NAMES = (
    ("both", "faithful and plausible"),
    ("faithful only", "faithful only: look for a shortcut"),
    ("plausible only", "plausible only: do not trust the picture"),
    ("neither", "neither"),
)


def draw(series: dict[str, Any], palette: str = "page") -> SafeString:
    drawing = Drawing(WIDTH, _HEIGHT, palette=palette)
    low, high = _span(series)
    x, y = Linear(low, high, LEFT, RIGHT), Linear(0.0, 1.0, _BOTTOM, _TOP)
    y_axis(drawing, y, "Positive evidence in the mask")
    x_axis(drawing, x, _BOTTOM, "Gain over a random map, log-odds")
    drawing.path(f"M{x(series['line']):.1f} {_TOP:g}V{_BOTTOM:g}", "ref")
    for case, gain, mass, plausible in series["rows"]:
        drawing.circle(x(gain), y(mass), 3.0, "sm-h" if plausible else "dot", hint=case)
    for at, (key, words) in enumerate(_NAMES):
        said = f"{words}: {numbers.count(series['counts'][key])}"
        drawing.text(LEFT - 40, _BOTTOM + 50 + at * 16, said, "t2")
    return drawing.render(sentence(series), title=series.get("title", ""))


def _span(series: dict[str, Any]) -> tuple[float, float]:
    """Of the gains; the line and 0 are always in sight."""
    seen = [series["line"], 0.0, *(row[1] for row in series["rows"])]
    room = _ROOM * (max(seen) - min(seen))
    return min(seen) - room, max(seen) + room


def sentence(series: dict[str, Any]) -> str:
    parts = [f"{words} {numbers.count(series['counts'][key])}" for key, words in _NAMES]
    return f"Of {numbers.counted(len(series['rows']), 'case')}: {', '.join(parts)}."


def table(series: dict[str, Any]) -> Table:
    head = (
        "Case",
        "Gain over a random map",
        "Positive evidence in the mask",
        "Largest in the mask",
    )
    rows = [[case, gain, mass, "yes" if hit else "no"] for case, gain, mass, hit in series["rows"]]
    return build(head, rows)
