"""Pictures of cases whose images count as one, in the order in which the check lists them."""

from portal.reports.doors import Door
from portal.reports.frozen import Frozen, Json
from portal.reports.gallery import GalleryRow, tile

_PER_ROW = 6
# finding -> what its row is called, and which cases it shows
_ROWS = {
    "duplicates.labels": ("One image, two labels", "group by group"),
    "duplicates.duplicates": ("The largest group", "of the group"),
    "duplicates.closest": ("The pairs closest to the limit", "pair by pair, those above it first"),
    "leakage.images": ("In the reference too", "exact copies first"),
}


def gallery(frozen: Frozen, door: Door, check: Json) -> list[GalleryRow]:
    """A row for each such finding that lists cases."""
    cases = {case.case_id: case for case in frozen.cases}
    found = []
    for finding in check["findings"]:
        listed = [cases[one] for one in finding.get("cases") or [] if one in cases]
        if finding["id"] not in _ROWS or not listed:
            continue
        title, which = _ROWS[finding["id"]]
        query = {"finding": finding["id"]}
        shown = listed[:_PER_ROW]
        found.append(
            GalleryRow(
                title=title,
                total=len(listed),
                url=door.cases(**query),
                tiles=[tile(frozen, door, case, query) for case in shown],
                which=f"{len(shown)} of {len(listed):,}, {which}",
            )
        )
    return found
