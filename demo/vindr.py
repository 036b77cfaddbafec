"""Identified readers: chest radiographs marked by three of seventeen radiologists (VinDr-CXR).

The table of marks is the one that torchxrayvision carries. Its images are not there.
"""

import csv
import gzip
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from demo import folders
from demo.facts import MarkCohort
from demo.notes import mark_notes
from demo.packages import TORCHXRAYVISION, Say, unpack

TITLE = "VinDr-CXR chest radiographs, each read by three radiologists"
TABLE = Path("torchxrayvision") / "data" / "vinbigdata-train.csv.gz"
NOTHING = "No finding"
REST = "Other lesion"  # what has no name of its own: two readers who give it mean no one thing
FEWEST_IMAGES = 1000  # on which some reader marked a finding, for it to become a question
ANSWERS = ("absent", "present")
_COLUMNS = ["image_id", "class_name", "class_id", "rad_id", "x_min", "y_min", "x_max", "y_max"]


class TableError(ValueError):
    """The table is not what this was written for; the message says where."""


@dataclass(frozen=True)
class Image:
    """What each of its readers marked; a reader who marked nothing has the empty set."""

    id: str
    marked: Mapping[str, frozenset[str]]  # reader -> findings

    @property
    def has_marks(self) -> bool:
        return any(self.marked.values())


def build(cache: Path, out: Path, *, say: Say = print) -> MarkCohort:
    """Write the cohort folder from the table in the package."""
    return build_from(unpack(TORCHXRAYVISION, cache, say) / TABLE, out, say=say)


def build_from(
    table: Path, out: Path, *, fewest: int = FEWEST_IMAGES, say: Say = print
) -> MarkCohort:
    images = read(table)
    taken = [image for image in images if image.has_marks]
    asked, panel = questions(taken, fewest), main_panel(taken)
    facts = MarkCohort(
        folder=out,
        n_images=len(images),
        n_readers_in_package=len({reader for image in images for reader in image.marked}),
        n_without_marks=len(images) - len(taken),
        n_cases=len(taken),
        n_readers=len({reader for image in taken for reader in image.marked}),
        n_answers=len(asked) * sum(len(image.marked) for image in taken),
        main_panel=panel,
        n_main_panel=sum(set(image.marked) == set(panel) for image in taken),
        questions=asked,
        fewest_images=fewest,
    )
    with folders.replaced(out) as folder:
        folders.write_yaml(folder / "cohort.yaml", describe(facts))
        folders.write_csv(folder / "cases.csv", ("case_id",), ([image.id] for image in taken))
        header = ("reader_id", "case_id", "question", "label")
        folders.write_csv(folder / "readings.csv", header, _rows(taken, asked))
    say(f"VinDr-CXR: {facts.n_cases:,} images of {facts.n_readers} readers written to {out}.")
    return facts


def read(table: Path) -> list[Image]:
    """All images, by id; every box is a row, and so is every reader's "No finding".

    Raises:
        TableError: for other columns, or a reader who marks something and nothing at once.
    """
    marked: dict[str, dict[str, set[str]]] = {}
    with gzip.open(table, "rt", encoding="utf-8", newline="") as file:
        rows = csv.DictReader(file)
        if rows.fieldnames != _COLUMNS:
            raise TableError(f"{table.name} has the columns {rows.fieldnames}.")
        for row in rows:
            own = marked.setdefault(row["image_id"], {}).setdefault(row["rad_id"], set())
            own.add(row["class_name"])
    images = []
    for image_id, readers in sorted(marked.items()):
        for reader, found in readers.items():
            if NOTHING in found and len(found) > 1:
                raise TableError(f"{reader} marks {image_id} and calls it without a finding.")
        kept = {reader: frozenset(found - {NOTHING}) for reader, found in readers.items()}
        images.append(Image(image_id, kept))
    return images


def questions(images: Sequence[Image], fewest: int) -> tuple[str, ...]:
    """Findings with a name that some reader marked on so many images, the most frequent first."""
    count: dict[str, int] = {}
    for image in images:
        for finding in frozenset().union(*image.marked.values()):
            count[finding] = count.get(finding, 0) + 1
    named = [finding for finding, n in count.items() if n >= fewest and finding != REST]
    return tuple(sorted(named, key=lambda finding: (-count[finding], finding)))


def main_panel(images: Sequence[Image]) -> tuple[str, ...]:
    """The readers who read the most images together."""
    panels: dict[tuple[str, ...], int] = {}
    for image in images:
        panel = tuple(sorted(image.marked, key=_number))
        panels[panel] = panels.get(panel, 0) + 1
    return max(sorted(panels), key=lambda panel: panels[panel], default=())


def _rows(images: Sequence[Image], asked: Sequence[str]) -> Iterator[Sequence[folders.Cell]]:
    for image in images:
        for reader in sorted(image.marked, key=_number):
            for finding in asked:
                yield reader, image.id, finding, ANSWERS[finding in image.marked[reader]]


def _number(reader: str) -> tuple[int, str]:
    """R9 before R10."""
    return len(reader), reader


def describe(facts: MarkCohort) -> dict[str, object]:
    """The content of cohort.yaml; the most frequent finding stands first."""
    return {
        "title": TITLE,
        "task": "classification",
        "classes": [],
        "positive": [],
        "modality": "DX",
        "readers": "identified",
        "questions": {
            finding: {"scale": "nominal", "values": list(ANSWERS)} for finding in facts.questions
        },
        "notes": mark_notes(facts),
    }
