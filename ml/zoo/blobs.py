"""A simulated cohort of round structures with the masks of readers and of a model; nothing real."""

import gzip
from collections.abc import Sequence
from pathlib import Path

import nibabel
import numpy as np
import yaml
from numpy.typing import NDArray

SHAPE = (28, 24, 10)
SPACING_MM = (1.0, 1.0, 2.5)
READERS = ("r1", "r2", "r3")


def cohort_folder(
    folder: Path,
    n: int = 6,
    *,
    readers: Sequence[str] = READERS,
    reference: bool = True,
    seed: int = 5,
) -> Path:
    """n cases of two patients' worth each: reference masks, and those of readers who differ.

    The last case has no structure at all: its reference is empty, and so are its readers.
    """
    (folder / "masks").mkdir(parents=True, exist_ok=True)
    rows = ["case_id,patient_id" + (",mask" if reference else "")]
    for number in range(n):
        case_id = f"b{number:03d}"
        rng = np.random.default_rng([seed, number])
        radius = 0.0 if number == n - 1 else float(rng.uniform(5, 9))
        if reference:
            write_mask(folder / "masks" / f"{case_id}.nii.gz", ball(radius))
        for reader in readers:
            (folder / "masks" / reader).mkdir(exist_ok=True)
            own = 0.0 if radius == 0 else radius + float(rng.normal(0, 0.6))
            at = rng.normal(0, 0.4, 3)
            write_mask(folder / "masks" / reader / f"{case_id}.nii.gz", ball(own, at))
        rows.append(f"{case_id},p{number // 2}" + (f",masks/{case_id}.nii.gz" if reference else ""))
    (folder / "cases.csv").write_text("\n".join(rows) + "\n")
    manifest = {
        "title": "Simulated balls",
        "task": "segmentation",
        "classes": ["ball"],
        "modality": "none",
        "simulated": True,
        "notes": "Balls drawn by a program. No patient, no scanner, no reader.",
    }
    (folder / "cohort.yaml").write_text(yaml.safe_dump(manifest))
    return folder


def predictions_folder(folder: Path, n: int = 6, *, shift_mm: float = 1.0, seed: int = 5) -> Path:
    """Masks of a model that sees every ball a little too far to one side; it misses case 1."""
    (folder / "masks").mkdir(parents=True, exist_ok=True)
    for number in range(n):
        rng = np.random.default_rng([seed, number])
        radius = 0.0 if number in (1, n - 1) else float(rng.uniform(5, 9))
        write_mask(
            folder / "masks" / f"b{number:03d}.nii.gz", ball(radius, np.array([shift_mm, 0, 0]))
        )
    manifest = {
        "kind": "masks",
        "classes": ["ball"],
        "model": {"name": "Ball finder (simulated)", "version": "1"},
    }
    (folder / "predictions.yaml").write_text(yaml.safe_dump(manifest))
    return folder


def ball(radius_mm: float, at_mm: NDArray[np.float64] | None = None) -> NDArray[np.uint8]:
    """A ball around the middle of the volume, moved by ``at_mm``; empty when the radius is 0."""
    middle = (np.array(SHAPE) - 1) / 2 * SPACING_MM + (0 if at_mm is None else at_mm)
    axes = [np.arange(size) * step for size, step in zip(SHAPE, SPACING_MM, strict=True)]
    grid = np.meshgrid(*axes, indexing="ij")
    square = sum((axis - centre) ** 2 for axis, centre in zip(grid, middle, strict=True))
    inside: NDArray[np.uint8] = np.asarray(square < radius_mm**2, dtype=np.uint8)
    return inside


def write_mask(path: Path, labels: NDArray[np.uint8]) -> None:
    """A NIfTI file whose bytes depend on the labels alone (gzip's clock is left out)."""
    image = nibabel.nifti1.Nifti1Image(labels, np.diag([*SPACING_MM, 1.0]))  # type: ignore[no-untyped-call]
    path.write_bytes(gzip.compress(image.to_bytes(), mtime=0))
