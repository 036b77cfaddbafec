"""What a browser sent becomes one blob: a zip as it is, several files as one zip of them."""

import zipfile
from collections import Counter
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

from django.core.exceptions import ValidationError

from portal.blobs import store
from portal.blobs.models import Blob
from portal.intake.spool import Received

MOST_NAMED = 5  # of what is wrong, in one sentence


def pack(files: Sequence[Received], folder: Path) -> tuple[str, Blob]:
    """The name to show and the stored bytes; ValidationError says what to choose instead."""
    if not files:
        raise ValidationError("Choose a zip, a folder or the files of one.")
    if len(files) == 1:
        only = files[0]
        return PurePosixPath(only.relative).name, store.put_path(only.path)
    _check_names(files)
    tops = {PurePosixPath(file.relative).parts[0] for file in files}
    # a chosen folder names itself; loose files have nothing in common
    name = tops.pop() if len(tops) == 1 else f"{len(files)} files"
    archive = folder / "packed.zip"
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_STORED, strict_timestamps=False) as packed:
        for file in sorted(files, key=lambda file: file.relative):
            # a fixed date: the same files give the same bytes, and so the same blob
            info = zipfile.ZipInfo(file.relative)
            with file.path.open("rb") as source, packed.open(info, "w", force_zip64=True) as target:
                while piece := source.read(store.CHUNK):
                    target.write(piece)
    return f"{name}.zip", store.put_path(archive, "application/zip")


def _check_names(files: Sequence[Received]) -> None:
    counts = Counter(file.relative for file in files)
    twice = [name for name, n in counts.items() if n > 1]
    if twice:
        shown = ", ".join(twice[:MOST_NAMED])
        raise ValidationError(
            f"Several files have the same name ({shown}). Choose the folder they are in, or a zip "
            "of it, so that each keeps its place."
        )
