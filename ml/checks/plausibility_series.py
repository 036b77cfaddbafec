"""The charts and tables of how maps lie on masks of the finding."""

from collections.abc import Sequence

import numpy as np

from ml.checks import words
from ml.checks.faithfulness_measures import NOTHING
from ml.checks.plausibility_measures import (
    ID,
    OTHERS,
    QUADRANTS,
    Held,
    Quadrants,
    values_of,
)
from ml.estimate import Estimate, JsonObject, JsonValue, rounded
from ml.evidence.localised import AREA, IOU_BEST, MASS, POINTING, TIMES, Localised
from ml.evidence.orders import CENTRE, EDGES, MAP, RANDOM
from ml.evidence.tables import Evidence

_ROWS = {
    "": "map",
    RANDOM: "random map",
    EDGES: "edges of the picture",
    CENTRE: "centre",
    "against readers": "map, against readers’ masks",
    "two readers": "one reader against another",
    "missed findings": "map, of findings that were missed",
}


def series_of(
    evidence: Evidence,
    found: Localised,
    held: Held,
    quadrants: Quadrants | None,
    estimates: Sequence[Estimate],
    method: str,
) -> list[JsonObject]:
    """A forest of each of two measures, the scatter where there is one, and every case."""
    scatter = [] if quadrants is None else [_scatter(evidence, found, held, quadrants)]
    return [
        _forest(
            MASS, "How much of a map’s positive evidence lies where the finding is marked", held,
            estimates, method,
        ),
        _forest(POINTING, "How often a map is largest where the finding is marked", held,
                estimates, method),
        *scatter,
        _cases(evidence, found, held, quadrants),
    ]  # fmt: skip


def _forest(
    name: str, title: str, held: Held, estimates: Sequence[Estimate], method: str
) -> JsonObject:
    rows: list[JsonValue] = []
    for one in estimates:
        base, _, part = one.id.partition(":")
        if base == name and part in _ROWS and one.value is not None:
            label = _ROWS[part] if part else f"map ({method})"
            row: JsonObject = {"label": label, "estimate": one.to_json(), "state": "info"}
            rows.append(row | ({"all": True} if not part else {}))
    return {
        "kind": "forest",
        "check": ID,
        "title": title,
        "subtitle": f"{words.cases(held.found.size)} with the finding that were called so. "
        "Diamond: the map; beneath it what knows nothing of the network, in the same cases.",
        "unit": "",
        "rows": rows,
        "limit": None,
    }


def _scatter(evidence: Evidence, found: Localised, held: Held, quadrants: Quadrants) -> JsonObject:
    mass = values_of(found, MASS, MAP, held.masks)[quadrants.rows]
    rows: list[JsonValue] = [
        [evidence.case_ids[row], rounded(float(gain), 6), rounded(float(own), 6), bool(plausible)]
        for row, gain, own, plausible in zip(
            quadrants.rows, quadrants.gain, mass, quadrants.plausible, strict=True
        )
    ]
    counts: JsonObject = {name: int(quadrants.of(name).size) for name in QUADRANTS}
    return {
        "kind": "map-scatter",
        "check": ID,
        "title": "Faithful and plausible, case by case",
        "subtitle": f"{words.cases(quadrants.rows.size)} of which both were measured. Faithful: "
        f"right of the line at {NOTHING:g} log-odds. Plausible: a ring, the map is largest in the "
        "mask.",
        "line": NOTHING,
        "rows": rows,
        "counts": counts,
    }


def _cases(
    evidence: Evidence, found: Localised, held: Held, quadrants: Quadrants | None
) -> JsonObject:
    measured = np.concatenate([held.found, held.missed])
    answer = {int(row): "found" for row in held.found} | {int(row): "missed" for row in held.missed}
    quadrant = {
        int(row): name for name in QUADRANTS if quadrants is not None for row in quadrants.of(name)
    }
    columns = [
        values_of(found, name, shown, held.masks)
        for name, shown in (
            (AREA, MAP), (MASS, MAP), *((MASS, other) for other in OTHERS), (TIMES, MAP),
            (POINTING, MAP), (IOU_BEST, MAP),
        )
    ]  # fmt: skip
    rows: list[JsonValue] = [
        [
            evidence.case_ids[row], answer[row],
            *(rounded(float(of[row]), 6) for of in columns),
            quadrant.get(row, "not measured"),
        ]
        for row in measured.tolist()
    ]  # fmt: skip
    fields: list[JsonValue] = [
        "Case", "Finding", "Mask, share of the picture", "Of the map in it", "Of a random map",
        "Of edges", "Of the centre", "Times chance", "Points at it", "Best IoU",
        "Faithful, plausible",
    ]  # fmt: skip
    return {
        "kind": "points", "check": ID, "title": "Every map and its mask", "fields": fields,
        "rows": rows,
    }  # fmt: skip
