"""Places that answers hang on, drawn on the cases whose answers turned."""

from dataclasses import replace

from ml.checks.shortcut_places import ID, RELIANCE
from portal.reports.cases import Query, find
from portal.reports.doors import Door
from portal.reports.frozen import Frozen, Json
from portal.reports.gallery import GalleryRow, tile

_PER_ROW = 6
_SHOWN = ("fail", "caution")
_SIDES = ("Top", "Left", "Height", "Width")


def gallery(frozen: Frozen, door: Door, check: Json) -> list[GalleryRow]:
    """For each place of a finding, cases with the place outlined, the most moved first."""
    if check["id"] != ID:
        return []
    boxes, found = _boxes(check), []
    for finding in check["findings"]:
        measure, _, place = str(finding.get("measure") or "").partition(":")
        query = {"finding": finding["id"]}
        if measure != RELIANCE or not place or finding["state"] not in _SHOWN:
            continue
        cases = find(frozen, Query(finding=finding["id"]))
        if not cases:
            continue
        shown = cases[:_PER_ROW]
        found.append(
            GalleryRow(
                title=place[:1].upper() + place[1:],
                total=len(cases),
                url=door.cases(**query),
                tiles=[
                    replace(tile(frozen, door, case, query), box=boxes.get(place)) for case in shown
                ],
                which=f"{len(shown)} of {len(cases):,} whose answer turns",
            )
        )
    return found


def _boxes(check: Json) -> dict[str, tuple[float, float, float, float]]:
    """By place, as hundredths of the picture that the model takes, and so of the image."""
    for series in check.get("series") or []:
        fields = series.get("fields") or []
        if series["kind"] == "points" and {"Place", *_SIDES} <= set(fields):
            at = [fields.index(name) for name in _SIDES]
            name = fields.index("Place")
            return {
                row[name]: (row[at[0]] * 100, row[at[1]] * 100, row[at[2]] * 100, row[at[3]] * 100)
                for row in series["rows"]
            }
    return {}
