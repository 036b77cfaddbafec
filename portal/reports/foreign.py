"""Foreign images in a report: cohorts beside the audited one, and the cases behind a finding."""

from dataclasses import dataclass

from ml.beside import CHECK, FOREIGN
from portal.reports.cases import Query, find
from portal.reports.doors import Door
from portal.reports.frozen import Frozen, Json
from portal.reports.gallery import GalleryRow, tile

_PER_ROW = 6
_KINDS = {"near": "near", "far": "far", "shifted": "covariate-shifted"}


@dataclass(frozen=True)
class Beside:
    """One cohort as the section on data lists it."""

    name: str
    used_as: str
    modality: str
    n_cases: int
    n_patients: int | None
    sha256: str


def cohorts(frozen: Frozen) -> list[Beside]:
    """In the order in which they were chosen; [] where there are none."""
    return [
        Beside(
            row["name"],
            _used_as(row),
            row["modality"],
            row["n_cases"],
            row["n_patients"],
            row["sha256"],
        )
        for row in frozen.audit["cohort"].get("beside") or []
    ]


def _used_as(row: Json) -> str:
    if row["role"] != FOREIGN:
        return "reference: what statistics are fitted on"
    kind = _KINDS.get(row.get("kind") or "")
    return f"foreign, {kind}" if kind else "foreign"


def gallery(frozen: Frozen, door: Door, check: Json) -> list[GalleryRow]:
    """Of each foreign cohort, cases that are called a finding with confidence."""
    if check["id"] != CHECK:
        return []
    found = []
    for finding in check["findings"]:
        measure, _, name = str(finding.get("measure") or "").partition(":")
        if measure == "confident_findings" and name:
            cases = find(frozen, Query(finding=finding["id"]))
            query = {"finding": finding["id"]}
            shown = cases[:_PER_ROW]
            if shown:
                found.append(
                    GalleryRow(
                        title=name,
                        total=len(cases),
                        url=door.cases(**query),
                        tiles=[tile(frozen, door, case, query) for case in shown],
                        which=f"{len(shown)} of {len(cases):,} called a finding with confidence",
                    )
                )
    return found
