"""Which module draws which kind of series."""

from collections.abc import Callable
from typing import Any, NamedTuple

from django.utils.safestring import SafeString

from portal.ui.charts import (
    agreement,
    attack,
    ceiling,
    decision,
    forest,
    histogram,
    layers,
    map_scatter,
    operating,
    ratings,
    reader_roc,
    reliability,
    removal,
    risk,
    roc,
    stress,
    strip,
    uncertainty,
)
from portal.ui.charts.table import Table, build

Series = dict[str, Any]


class UnknownKind(ValueError):
    """A series of a kind that nobody here can draw."""


class Kind(NamedTuple):
    """The two faces of one kind of series."""

    draw: Callable[[Series, str], SafeString]
    table: Callable[[Series], Table]
    narrow: Callable[[Series, str], SafeString] | None = None  # where one width does not do


KINDS: dict[str, Kind] = {
    "roc": Kind(roc.draw, roc.table),
    "reliability": Kind(reliability.draw, reliability.table),
    "score-histogram": Kind(histogram.draw, histogram.table),
    "forest": Kind(forest.draw, forest.table, forest.draw_narrow),
    "operating-curve": Kind(operating.draw, operating.table),
    "decision-curve": Kind(decision.draw, decision.table),
    "risk-coverage": Kind(risk.draw, risk.table),
    "uncertainty-scatter": Kind(uncertainty.draw, uncertainty.table),
    "stress-curves": Kind(stress.draw, stress.table, stress.draw_narrow),
    "removal-curves": Kind(removal.draw, removal.table, removal.draw_narrow),
    "map-scatter": Kind(map_scatter.draw, map_scatter.table),
    "attack-curves": Kind(attack.draw, attack.table),
    "layer-profile": Kind(layers.draw, layers.table),
    "agreement-matrix": Kind(agreement.draw, agreement.table),
    "rating-distribution": Kind(ratings.draw, ratings.table),
    "reader-roc": Kind(reader_roc.draw, reader_roc.table),
    "reader-ceiling": Kind(ceiling.draw, ceiling.table),
    "case-values": Kind(strip.draw, strip.table, strip.draw_narrow),
}


# Series that are tables by what they are: one row for each case, or rows of words.
PLAIN = ("points", "table")


def is_drawn(series: Series) -> bool:
    """Whether there is a picture of it; per-case points have only their table."""
    return series.get("kind") in KINDS


def render(series: Series, palette: str = "page") -> SafeString:
    """The drawing: classes for the page, literal colours with ``palette="print"``."""
    return _kind(series).draw(series, palette)


def render_narrow(series: Series, palette: str = "page") -> SafeString:
    """The drawing for a phone, of kinds whose only one would be too wide; else empty."""
    narrow = _kind(series).narrow
    return narrow(series, palette) if narrow else SafeString("")


def table(series: Series) -> Table:
    """The same numbers as rows."""
    if series.get("kind") in PLAIN:
        return build(series["fields"], series["rows"])
    return _kind(series).table(series)


def _kind(series: Series) -> Kind:
    try:
        return KINDS[series["kind"]]
    except KeyError:
        known = ", ".join(KINDS)
        raise UnknownKind(f"no drawing for {series.get('kind')!r}; known are {known}") from None
