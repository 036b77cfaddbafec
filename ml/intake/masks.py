"""The masks of a cohort or of predictions: found, decoded to the end, kept once in one form."""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from ml.estimate import JsonObject, JsonValue
from ml.imaging.mask import decode_mask, pack
from ml.imaging.picture import ImageError
from ml.intake.folder import Folder
from ml.intake.refusal import Problems, Refused
from ml.intake.tables import bad_id

FOLDER = "masks"
MOST_BYTES = 1024**3  # of one file
_ENDINGS = (".nii.gz", ".nii", ".png")


@dataclass
class MaskStore:
    """Verifies mask files and keeps each, repacked, under the SHA-256 of what is kept."""

    folder: Folder
    files: Path  # where accepted masks go
    structures: int
    known: dict[str, JsonObject] = field(default_factory=dict)  # path -> catalogue entry

    def add(self, name: str) -> JsonObject:
        """The catalogue entry of one mask file.

        Raises:
            ImageError: with a stable code.
        """
        if name not in self.known:
            self.known[name] = self._add(name)
        return self.known[name]

    def _add(self, name: str) -> JsonObject:
        try:
            data = self.folder.read(name, most=MOST_BYTES)
        except (Refused, OSError) as error:
            raise ImageError("mask_unreadable", f"The file cannot be read: {error}.") from None
        mask = decode_mask(data, self.structures)
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
            "A mask is a .png, .nii or .nii.gz file named by its case.",
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
        return case_id, store.add(name)
    except ImageError as error:
        problems.add(error.code, error.message, file=name)
        return None
