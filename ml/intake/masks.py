"""The masks of a cohort or of predictions: found, decoded to the end, kept once in one form."""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, cast

from ml.estimate import JsonObject, JsonValue
from ml.imaging.decode import media_type
from ml.imaging.mask import Mask, decode_mask, pack
from ml.imaging.picture import ImageError
from ml.imaging.volume import NIFTI
from ml.intake.folder import Folder
from ml.intake.refusal import Problems, Refused
from ml.intake.tables import bad_id

if TYPE_CHECKING:
    from ml.imaging.segments import Grid

FOLDER = "masks"
MOST_BYTES = 1024**3  # of one file
_ENDINGS = (".nii.gz", ".nii", ".png", ".dcm")


@dataclass
class MaskStore:
    """Verifies mask files and keeps each, repacked, under the SHA-256 of what is kept."""

    folder: Folder
    files: Path  # where accepted masks go
    structures: int
    # Case id -> catalogue entries of its images, which lie in ``files``; {}: they are not here.
    images: Mapping[str, Sequence[JsonValue]] = field(default_factory=dict)
    known: dict[tuple[str, str], JsonObject] = field(default_factory=dict)  # path, case -> entry
    grids: "dict[str, Grid]" = field(default_factory=dict)  # of cases with segmentations

    def add(self, name: str, case_id: str) -> JsonObject:
        """The catalogue entry of one mask file of a case.

        Raises:
            ImageError: with a stable code.
        """
        if (name, case_id) not in self.known:
            self.known[name, case_id] = self._add(name, case_id)
        return self.known[name, case_id]

    def _add(self, name: str, case_id: str) -> JsonObject:
        try:
            data = self.folder.read(name, most=MOST_BYTES)
        except (Refused, OSError) as error:
            raise ImageError("mask_unreadable", f"The file cannot be read: {error}.") from None
        mask = self._decoded(data, case_id)
        kept = pack(mask)
        sha256 = hashlib.sha256(kept).hexdigest()
        path = self.files / sha256
        if not path.exists():
            path.write_bytes(kept)
        voxels: list[JsonValue] = [int(mask.of(at).sum()) for at in range(self.structures)]
        return {
            "sha256": sha256,
            "path": name,
            "shape": list(mask.shape),
            "spacing_mm": None if mask.spacing_mm is None else list(mask.spacing_mm),
            "voxels": voxels,
        }

    def _decoded(self, data: bytes, case_id: str) -> Mask:
        """A segmentation leaves out the slices that it marks nothing in: it needs the image."""
        images = [cast(JsonObject, one) for one in self.images.get(case_id, ())]
        if not images or media_type(data) != "application/dicom":
            return decode_mask(data, self.structures)
        if len(images) == 1 and images[0]["frames"] == 1 and images[0]["media_type"] != NIFTI:
            return decode_mask(data, self.structures, flat=True)
        if case_id not in self.grids:
            from ml.imaging.segments import grid_of  # the readers of DICOM, where there is some

            self.grids[case_id] = grid_of(
                [(self.files / str(one["sha256"])).read_bytes() for one in images]
            )
        return decode_mask(data, self.structures, self.grids[case_id])


def case_of(name: str) -> str | None:
    """The case id that a mask file's name says; None where its ending is not that of a mask."""
    base = PurePosixPath(name).name
    ending = next((end for end in _ENDINGS if base.lower().endswith(end)), None)
    return base[: -len(ending)] if ending else None


def reader_masks(
    store: MaskStore, case_ids: Iterable[str], problems: Problems
) -> dict[str, dict[str, JsonObject]]:
    """Case id -> reader id -> entry, of all files masks/<reader_id>/<case_id>.<ending>."""
    known = set(case_ids)
    found: dict[str, dict[str, JsonObject]] = {}
    for folder, names in sorted(store.folder.folders.items()):
        parts = PurePosixPath(folder).parts
        if len(parts) != 2 or parts[0] != FOLDER:
            continue
        reader = parts[1]
        wrong = bad_id(reader)
        if wrong:
            problems.add("case_id", wrong, file=folder)
            continue
        for name in names:
            entry = _of_case(store, name, known, problems)
            if entry is None:
                continue
            case_id, mask = entry
            if reader in found.setdefault(case_id, {}):
                problems.add(
                    "reading_duplicate",
                    f"The reader {reader} has two masks for the case {case_id}.",
                    file=name,
                )
            found[case_id][reader] = mask
    return found


def check_on_pictures(
    masks: Mapping[str, Mapping[str, JsonValue]],
    images: Mapping[str, Sequence[JsonValue]],
    row_of: Mapping[str, int],
    problems: Problems,
) -> None:
    """See that masks of a finding lie on the picture of their case, pixel by pixel.

    Args:
        masks: case id -> mask and reader_masks, entries of the catalogue.
        images: case id -> entries of its images.
        row_of: case id -> row of the table of cases.
        problems: told of task_unsupported, mask_unsupported and mask_grid.
    """
    for case_id, whose in masks.items():
        of_readers = cast(dict[str, JsonObject], whose["reader_masks"])
        reference = cast(JsonObject | None, whose["mask"])
        for mask in (*([reference] if reference is not None else []), *of_readers.values()):
            wrong = _off_picture(mask, images[case_id])
            if wrong is not None:
                problems.add(
                    wrong[0], f"{wrong[1]} ({str(mask['path'])[:200]})", file="cases.csv",
                    row=row_of[case_id],
                )  # fmt: skip


def _off_picture(mask: JsonObject, images: Sequence[JsonValue]) -> tuple[str, str] | None:
    """Code and sentence of what is wrong with a mask of a finding."""
    found = [cast(JsonObject, one) for one in images]
    if len(found) != 1 or found[0]["frames"] != 1 or found[0]["media_type"] == NIFTI:
        says = (
            "A mask shows where the finding is in the one picture of its case; of volumes and "
            "several pictures masks belong to 'task: segmentation'."
        )
        return "task_unsupported", says
    # Whether rows come first is said by a PNG and not by a flat NIfTI file: a square picture's
    # mask would be turned over its diagonal, and nobody would see it.
    if mask["spacing_mm"] is not None or len(cast(list[int], mask["shape"])) != 2:
        return "mask_unsupported", "The mask of a finding in a picture is a PNG of its size."
    height, width = cast(list[int], mask["shape"])
    if (height, width) != (found[0]["height"], found[0]["width"]):
        theirs = f"{found[0]['height']} x {found[0]['width']}"
        says = f"The mask has {height} x {width} pixels (rows x columns), the picture {theirs}."
        return "mask_grid", says
    return None


def predicted_masks(store: MaskStore, problems: Problems) -> dict[str, JsonObject]:
    """Case id -> entry, of all files masks/<case_id>.<ending> of a predictions folder."""
    found: dict[str, JsonObject] = {}
    for name in store.folder.folders.get(FOLDER, []):
        entry = _of_case(store, name, None, problems)
        if entry is None:
            continue
        case_id, mask = entry
        if case_id in found:
            problems.add("label_duplicate_case", f"The case {case_id} has two masks.", file=name)
        found[case_id] = mask
    return found


def _of_case(
    store: MaskStore, name: str, known: set[str] | None, problems: Problems
) -> tuple[str, JsonObject] | None:
    case_id = case_of(name)
    if case_id is None:
        problems.add(
            "mask_unsupported",
            "A mask is a .png, .nii, .nii.gz or .dcm file named by its case.",
            file=name,
        )
        return None
    wrong = bad_id(case_id)
    if wrong:
        problems.add("case_id", wrong, file=name)
        return None
    if known is not None and case_id not in known:
        problems.add("label_unknown_case", f"The case {case_id} is not in cases.csv.", file=name)
        return None
    if problems.full:
        return None
    try:
        return case_id, store.add(name, case_id)
    except ImageError as error:
        problems.add(error.code, error.message, file=name)
        return None
