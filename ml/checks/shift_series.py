"""What the chart of small moves and its table are drawn from."""

from collections.abc import Iterable

from ml.checks import words
from ml.checks.shift_measures import ID, Measured
from ml.checks.shifted import Shifted
from ml.estimate import Estimate, JsonObject, JsonValue, rounded
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
    each = [(*place, measured.at("flip_rate", *place)) for place in shifted.copies]
    rows = move_rows(
        whole, limit, [(shifted.said(move, step), found) for move, step, found in each]
    )
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


def move_rows(
    whole: Estimate, limit: Limit | None, each: Iterable[tuple[str, Estimate]]
) -> list[JsonValue]:
    """Rows of a forest: any small move, which the limit is for, and then step by step.

    Args:
        each: what a picture is at a step, and what is found there.
    """
    of_limit: JsonObject = {} if limit is None else {"limit": limit.to_json()}
    first: JsonObject = {
        "label": "any small move", "estimate": whole.to_json(), "state": "info", "all": True,
    }  # fmt: skip
    steps: list[JsonValue] = [
        {"label": said, "estimate": found.to_json(), "state": "info"} for said, found in each
    ]
    return [first | of_limit, *steps]


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
