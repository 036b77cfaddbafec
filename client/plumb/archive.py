"""A folder as one zip file, made on the fly and gone afterwards."""

import os
import shutil
import tempfile
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from plumb.errors import PlumbError

PACKED = frozenset({".png", ".jpg", ".jpeg", ".gz", ".zip", ".npz", ".parquet"})
EARLIEST = (1980, 1, 1, 0, 0, 0)  # the same folder gives the same bytes, whenever it is zipped


@contextmanager
def sendable(path: Path, beside: Mapping[str, Path] = {}) -> Iterator[tuple[Path, str]]:
    """The file to send and its name: `path` itself, or a zip of the folder.

    `beside`: files that go into the zip with a single file, by their name in it.
    """
    if not path.exists():
        raise PlumbError(f"There is no {path}.")
    if path.is_file() and not beside:
        yield path, path.name
        return
    files = dict(beside) | (dict(_files(path)) if path.is_dir() else {path.name: path})
    if not files:
        raise PlumbError(f"{path} is empty.")
    with tempfile.TemporaryDirectory(prefix="plumb-") as folder:
        target = Path(folder) / "pushed.zip"
        _zip(files, target)
        yield target, f"{path.resolve().name}.zip"


def _files(folder: Path) -> Iterator[tuple[str, Path]]:
    """Every file below, by its name inside the folder; hidden ones are left out."""
    for place, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in folders:
            if (Path(place) / name).is_symlink():
                raise PlumbError(f"{Path(place) / name} is a link to a folder: copy what it holds.")
        for name in sorted(names):
            if not name.startswith("."):
                file = Path(place) / name
                yield file.relative_to(folder).as_posix(), file


def _zip(files: Mapping[str, Path], target: Path) -> None:
    with zipfile.ZipFile(target, "w") as archive:
        for name, file in sorted(files.items()):
            info = zipfile.ZipInfo(name, EARLIEST)
            is_packed = file.suffix.lower() in PACKED
            info.compress_type = zipfile.ZIP_STORED if is_packed else zipfile.ZIP_DEFLATED
            info.external_attr = 0o644 << 16
            large = file.stat().st_size > 2**31
            with file.open("rb") as source, archive.open(info, "w", force_zip64=large) as out:
                shutil.copyfileobj(source, out, 1024 * 1024)
