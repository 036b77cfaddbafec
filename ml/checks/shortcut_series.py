"""What the charts of shortcuts and their tables are drawn from."""

from collections.abc import Sequence

from ml.checks.shortcut_metadata import Metadata
from ml.checks.shortcut_places import ID, Tested
from ml.estimate import Estimate, JsonObject, JsonValue, rounded
from ml.limits import Limit

_FIELDS = (
    *("Place", "Top", "Left", "Height", "Width", "Cases with it", "Cases without it"),
    *("Attention", "Likeness", "Taken away", "Low", "High", "At the mean"),
    *("Put in", "Put in, low", "Put in, high", "Reliance"),
    *("Could turn when taken away", "Turn", "Turn elsewhere"),
    *("Could turn when put in", "Turn when put in", "Turn without it"),
)


def places_forest(tested: Sequence[Tested], limit: Limit | None, size: str) -> JsonObject | None:
    """Reliance on each place where it could be measured."""
    known = [one for one in tested if one.reliance.value is not None]
    if not known:
        return None
    rows: list[JsonValue] = []
    for at, one in enumerate(known):
        row: JsonObject = {"label": one.said, "estimate": one.reliance.to_json(), "state": "info"}
        rows.append(row | ({} if limit is None or at else {"limit": limit.to_json()}))
    shown = sum(one.shown for one in known)
    title = f"Reliance is shown at {shown} of {len(known)} places"
    return {
        "kind": "forest", "check": ID, "title": title,
        "subtitle": f"{size}; the smaller of two changes of P(finding): what is there taken away, "
        "and put into images without it. Intervals hold for all places at once.",
        "unit": "", "rows": rows, "limit": None,
    }  # fmt: skip


def places_points(tested: Sequence[Tested]) -> JsonObject:
    """Everything that was measured of each place; boxes are shares of the picture."""
    rows: list[JsonValue] = []
    for one in tested:
        cells: list[JsonValue] = [
            one.said, *(rounded(side, 4) for side in one.place.box), one.has, one.has_not,
            rounded(one.place.attention, 3), rounded(one.place.alike, 3),
            *_cells(one.removed), rounded(one.blotted.value, 6), *_cells(one.put_in),
            rounded(one.reliance.value, 6),
            one.taken.n, int(one.taken.changed.size), one.taken.elsewhere,
            one.given.n, int(one.given.changed.size), one.given.elsewhere,
        ]  # fmt: skip
        rows.append(cells)
    fields: list[JsonValue] = [*_FIELDS]
    return {
        "kind": "points", "check": ID, "title": "Every place that was changed",
        "subtitle": "Boxes as shares of what the model takes of an image; changes of P(finding) "
        "beyond those by the same change without it",
        "fields": fields, "rows": rows,
    }  # fmt: skip


def _cells(estimate: Estimate) -> list[JsonValue]:
    return [rounded(one, 6) for one in (estimate.value, estimate.low, estimate.high)]


def metadata_forest(found: Metadata) -> JsonObject | None:
    """How far answers hang on each fact, given the label."""
    known = [one for one in found.depends if one.estimate.value is not None]
    if not known:
        return None
    rows: list[JsonValue] = [
        {
            "label": one.told.name + ("" if one.told.judged else " (may be part of a patient)"),
            "estimate": one.signed.to_json(), "state": "info",
        }
        for one in known[:20]
    ]  # fmt: skip
    shown = sum(one.shown for one in known)
    return {
        "kind": "forest", "check": ID,
        "title": f"Given the label, answers are shown to hang on {shown} of {len(known)} facts",
        "subtitle": "Difference of the mean P(finding) between images with and without it, of the "
        "same label. Intervals hold for all facts at once.",
        "unit": "", "rows": rows, "limit": None,
    }  # fmt: skip
