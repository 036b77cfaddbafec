"""What the chart of small moves and its table are drawn from."""

from ml.checks import words
from ml.checks.shift_measures import ID, Measured
from ml.checks.shifted import Shifted
from ml.estimate import JsonObject, JsonValue, rounded
from ml.limits import Limit

_FIELDS = (
    *("Move", "Parameter", "Value", "n", "Answers that change", "Low", "High"),
    *("Change of P(finding)", "Change, low", "Change, high"),
    *("Agreement of maps", "Agreement, low", "Agreement, high"),
)
_MEASURES = ("flip_rate", "score_change", "map_agreement")


def forest_series(shifted: Shifted, measured: Measured, limit: Limit | None) -> JsonObject:
    """Answers that change, all small moves together and then step by step."""
    whole = measured.estimates["flip_rate"]
    rows: list[JsonValue] = [
        {
            "label": "any small move", "estimate": whole.to_json(), "state": "info", "all": True,
            **({} if limit is None else {"limit": limit.to_json()}),
        }
    ]  # fmt: skip
    rows += [
        {
            "label": shifted.said(move, step),
            "estimate": measured.at("flip_rate", move, step).to_json(),
            "state": "info",
        }
        for move, step in shifted.copies
    ]
    share = "no answer" if whole.value is None else f"{words.per_cent(whole.value)} of answers"
    return {
        "kind": "forest",
        "check": ID,
        "title": f"{share[0].upper()}{share[1:]} changed under small moves",
        "subtitle": f"{shifted.size_words}; answers that change, by what was done to the "
        f"{shifted.image}. "
        "Diamond: under any small move, which the limit is for.",
        "unit": "%",
        "rows": rows,
        "limit": None,
    }


def points_series(shifted: Shifted, measured: Measured) -> JsonObject:
    """The same numbers, with how far scores go and maps agree."""
    rows: list[JsonValue] = []
    for move, step in shifted.copies:
        distortion = shifted.moves[move]
        cells: list[JsonValue] = [
            *(distortion.title, distortion.parameter, distortion.values[step - 1]),
            measured.at("flip_rate", move, step).n,
        ]
        for name in _MEASURES:
            if name == "map_agreement" and not measured.has_maps:
                cells += [None, None, None]
                continue
            found = measured.at(name, move, step)
            cells += [rounded(found.value, 6), rounded(found.low, 6), rounded(found.high, 6)]
        rows.append(cells)
    fields: list[JsonValue] = [*_FIELDS]
    return {"kind": "points", "check": ID, "title": "Every move", "fields": fields, "rows": rows}
