"""What the charts of masks that move along are drawn from."""

from typing import TYPE_CHECKING

from ml.checks import words
from ml.checks.shift_measures import ID
from ml.checks.shift_series import move_rows
from ml.checks.shifted_masks import ShiftedMasks
from ml.estimate import JsonObject, JsonValue, rounded

if TYPE_CHECKING:
    from ml.checks.shift_masks import MeasuredMoves

_MEASURES = ("mask_agreement", "interpolation_agreement")
_FIELDS = (
    *("Move", "Parameter", "Value", "n", "Dice with the moved mask", "Low", "High"),
    *("Dice there and back", "There and back, low", "There and back, high"),
)


def agreement_series(shifted: ShiftedMasks, measured: "MeasuredMoves") -> JsonObject:
    """How far masks move along, all small moves together and then step by step."""
    whole, limit = measured.estimates["mask_agreement"], measured.limit
    each = [(*place, measured.at("mask_agreement", *place)) for place in shifted.copies]
    rows = move_rows(
        whole, limit, [(shifted.said(move, step), found) for move, step, found in each]
    )
    title = f"How far masks of {shifted.structure} move along could not be measured"
    if whole.value is not None:
        title = (
            f"Masks of {shifted.structure} move along with a Dice of {words.decimal(whole.value)} "
            "or more"
        )
    return {
        "kind": "forest",
        "check": ID,
        "title": title,
        "subtitle": f"{shifted.size_words}; Dice of the copy’s mask with the moved mask of the "
        "image, by what was done to it. Diamond: the least under any small move of a "
        "case, which the limit is for.",
        "unit": "",
        "rows": rows,
        "limit": None,
    }


def every_move(shifted: ShiftedMasks, measured: "MeasuredMoves") -> JsonObject:
    """The same numbers, with what interpolation costs by itself."""
    rows: list[JsonValue] = []
    for move, step in shifted.copies:
        distortion = shifted.moves[move]
        cells: list[JsonValue] = [
            *(distortion.title, distortion.parameter, distortion.values[step - 1]),
            measured.at("mask_agreement", move, step).n,
        ]
        for name in _MEASURES:
            found = measured.at(name, move, step)
            cells += [rounded(found.value, 6), rounded(found.low, 6), rounded(found.high, 6)]
        rows.append(cells)
    fields: list[JsonValue] = [*_FIELDS]
    title = f"Every move, masks of {shifted.structure}"
    return {"kind": "points", "check": ID, "title": title, "fields": fields, "rows": rows}
