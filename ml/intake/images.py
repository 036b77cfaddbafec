"""The images of a cohort: found by name or pattern, decoded to the end, stored once."""

import hashlib
import io
import re
import shutil
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from fnmatch import translate
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, cast

from PIL import Image

from ml.estimate import JsonObject, JsonValue
from ml.imaging.decode import TIFF, decode
from ml.imaging.picture import ImageError, Picture
from ml.imaging.volume import NIFTI
from ml.intake.deidentified import Kept
from ml.intake.dicom_rows import DicomRows
from ml.intake.folder import Folder
from ml.intake.refusal import Refused

if TYPE_CHECKING:
    from ml.imaging.planes import Place

MOST_BYTES = 1024**3  # of one file
MOST_PER_CASE = 5000
FEWEST_SLICES = 3
_WILD = re.compile(r"[*?\[]")
NOT_FOR_BROWSERS = ("application/dicom", NIFTI, TIFF)  # shown as a PNG made of them


def find_images(folder: Folder, text: str) -> list[str]:
    """The listed files that a cell of the column `image` names; [] when there is none.

    Only names from the folder's own list can be found, so no path leads out of it.
    """
    name = text.replace("\\", "/").removeprefix("./")
    if name in folder:
        return [name]
    if not _WILD.search(name):
        return []
    parent = str(PurePosixPath(name).parent)
    candidates = (
        [name for names in folder.folders.values() for name in names]
        if _WILD.search(parent)
        else folder.folders.get(parent, [])
    )
    matches = re.compile(translate(name)).match
    return [
        candidate
        for candidate in candidates
        # '*' stays within one folder
        if candidate.count("/") == name.count("/") and matches(candidate)
    ]


@dataclass
class ImageStore:
    """Verifies files and keeps each once under its SHA-256."""

    folder: Folder
    files: Path  # where accepted bytes go
    deidentified: Kept = field(default_factory=Kept)
    known: dict[str, JsonObject] = field(default_factory=dict)  # path -> catalogue entry
    # Of DICOM files: identifier -> hash of its pixels, and back.
    instances: dict[str, str] = field(default_factory=dict)
    pixels: dict[str, str] = field(default_factory=dict)
    places: "dict[str, tuple[Place, ...]]" = field(default_factory=dict)  # path -> its frames
    noted: Counter[str] = field(default_factory=Counter)  # code of a note -> files
    dicom: DicomRows = field(init=False)

    def __post_init__(self) -> None:
        self.dicom = DicomRows(self.files)

    def add(self, name: str) -> JsonObject:
        """The catalogue entry of one image file, decoded completely to be sure of it.

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
            raise ImageError("image_unreadable", f"The file cannot be read: {error}.") from None
        picture = decode(data)
        notes = [*picture.notes, *self._beside(picture)]
        self.noted.update(notes)
        self.places[name] = picture.places
        display = None
        # Left out where there is none: catalogues of other files keep their hash.
        said: JsonObject = {"header": dict(picture.header)} if picture.header else {}
        said |= {"notes": list(notes)} if notes else {}
        if picture.media_type == "application/dicom":
            data = self.deidentified.take(data, picture.eight_bits, said)
        if picture.media_type in NOT_FOR_BROWSERS:
            display = self._keep(_png(picture))
        sha256 = self._keep(data)
        if picture.media_type == "application/dicom":
            self.dicom.add(data, sha256)
        entry: JsonObject = {
            "sha256": sha256,
            "path": name,
            "media_type": picture.media_type,
            "size_bytes": len(data),
            "width": picture.width,
            "height": picture.height,
            "frames": picture.frames,
            "bits": picture.bits,
            "mode": picture.mode,
            "display_sha256": display or sha256,
        }
        return entry | said

    def _beside(self, picture: Picture) -> list[str]:
        """What is odd about a DICOM file beside those before it.

        Raises:
            ImageError: uid_conflict.
        """
        if picture.instance is None:
            return []
        uid, pixels = picture.instance
        if uid and self.instances.setdefault(uid, pixels) != pixels:
            raise ImageError(
                "uid_conflict",
                "Another file has the same SOPInstanceUID and other pixels: one of both is not "
                "what it says. Give each image an identifier of its own.",
            )
        return ["duplicate_pixels"] if self.pixels.setdefault(pixels, uid) != uid else []

    def add_case(self, names: Sequence[str]) -> list[JsonObject]:
        """The entries of the images of one case; what its slices are as a series is noted first.

        Args:
            names: of files that were added before.
        """
        entries = [self.known[name] for name in names]
        each = [self.places.get(name, ()) for name in names]
        notes = _of_series([place for places in each for place in places]) if all(each) else []
        if not notes:
            return entries
        self.noted.update(notes)
        first = entries[0]
        known = cast(list[JsonValue], first.get("notes", []))
        return [{**first, "notes": [*known, *notes]}, *entries[1:]]

    def _keep(self, data: bytes) -> str:
        sha256 = hashlib.sha256(data).hexdigest()
        path = self.files / sha256
        if not path.exists():
            path.write_bytes(data)
        return sha256

    def discard(self) -> None:
        """Take back everything stored: a refused cohort leaves nothing."""
        shutil.rmtree(self.files, ignore_errors=True)


def _of_series(places: "Sequence[Place]") -> list[str]:
    """What is odd about slices as one volume; of fewer than three nobody meant one."""
    if len(places) < FEWEST_SLICES:
        return []
    from ml.imaging.planes import stacked  # the readers of DICOM, where there is some

    try:
        return list(stacked(places).notes)
    except ImageError as error:
        return [error.code]


def _png(picture: Picture) -> bytes:
    """The picture as a browser can show it."""
    image = picture.eight_bits
    if image.mode not in ("L", "RGB"):
        image = image.convert("RGB")
    file = io.BytesIO()
    Image.Image.save(image, file, format="PNG")
    return file.getvalue()
