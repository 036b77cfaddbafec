"""The curves of many corruptions as figures: what is too much first, the rest in a fold.

Twenty panels in one drawing are taller than a sheet of paper and bury the ones that matter.
"""

from collections.abc import Collection
from typing import Any

from portal.ui.charts import stress
from portal.ui.numbers import counted

Json = dict[str, Any]

CURVES = "stress-curves"
_ALIKE = "stress.severity_borne:"  # findings of one kind, of which there may be twenty
_MOST_ALIKE = 3
_STATES = ("fail", "caution", "pass", "info", "not assessed")
_FEW = 6  # panels that need no fold
_PER_SHEET = 9  # three rows of three: two such figures fill a page of A4


def ordered(panels: list[Json]) -> list[Json]:
    """Those that are too much first, from the mildest severity on; else in their own order."""
    return sorted(panels, key=lambda panel: panel["first_too_much"] or len(panel["rows"]) + 1)


def further(findings: list[Json], on_top: Collection[str]) -> list[str]:
    """Ids of those that are opened on request: of many alike all but the worst, by state.

    Args:
        on_top: ids of those that stand in full above, and so count among the worst.
    """
    alike = [one for one in findings if one["id"].startswith(_ALIKE)]
    by_state = sorted(alike, key=lambda one: _STATES.index(one["state"]))
    rest = [one["id"] for one in by_state if one["id"] not in on_top]
    return rest[max(0, _MOST_ALIKE - (len(alike) - len(rest))) :]


def figures(series: Json, *, is_paper: bool) -> list[tuple[Json, str]]:
    """Series to be drawn one after the other, all on one scale.

    Returns:
        Each with the words of the fold that it lies in; "" where it is in none.
    """
    panels = ordered(series["panels"])
    whole = series | {"panels": panels, "range": stress.span(series)}
    if is_paper:
        return [(_sheet(whole, at), "") for at in range(0, len(panels), _PER_SHEET)]
    first = [panel for panel in panels if panel["first_too_much"] is not None]
    rest = panels[len(first) :]
    if len(panels) <= _FEW or not rest:
        return [(whole, "")]
    if not first:
        return [(whole, f"All {len(rest)} corruptions, severity by severity")]
    words = f"{counted(len(rest), 'corruption')} not shown to be too much"
    others = whole | {"panels": rest, "title": words}
    return [(whole | {"panels": first}, ""), (others, words)]


def _sheet(whole: Json, at: int) -> Json:
    part = whole | {"panels": whole["panels"][at : at + _PER_SHEET]}
    return part if at == 0 else part | {"title": "Further corruptions", "subtitle": ""}
