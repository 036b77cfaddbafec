"""A handed-in folder or zip as one list of plain files that cannot lead anywhere else."""

import os
import re
import stat
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory
from typing import BinaryIO

from ml.intake.refusal import Refused, refuse

MOST_FILES = 200_000
MOST_FOLDERS = 100_000  # of a zip, which may list them too
MOST_BYTES = 20 * 1024**3  # unpacked
MOST_TIMES = 200  # unpacked over packed, once it is more than a small file
SMALL = 64 * 1024**2
MOST_LIST_BYTES = 64 * 1024**2  # of the list of files at a zip's end
LONGEST_NAME = 1024
_LITTER = {"__MACOSX", ".DS_Store", "Thumbs.db"}
_NESTED = (".zip", ".tar", ".tgz", ".7z", ".rar", ".gz", ".bz2", ".xz", ".zst")
_PIECE = 1 << 20
_ENTRY, _END_64 = b"PK\x01\x02", b"PK\x06\x06"
_END_64_BYTES = 76  # a record and its locator


@dataclass(frozen=True)
class Folder:
    """Plain files below one root. Only names listed here can be opened."""

    root: Path
    sizes: dict[str, int]  # path with forward slashes, relative to root -> bytes
    temporary: bool  # files may be moved away, nobody else needs them

    def __contains__(self, name: str) -> bool:
        return name in self.sizes

    def path(self, name: str) -> Path:
        """Where a listed file is.

        Raises:
            KeyError: for a name that is not in the list.
        """
        if name not in self.sizes:
            raise KeyError(name)
        return self.root / name

    def read(self, name: str, *, most: int) -> bytes:
        """The bytes of a listed file.

        Raises:
            Refused: ``too_large`` when there are more than ``most``.
        """
        if self.sizes[name] > most:
            raise refuse(
                "too_large",
                f"This file has {self.sizes[name]:,} bytes; at most {most:,} are read.",
                file=name,
            )
        with open_plain(self.path(name)) as file:
            return file.read(most)

    @cached_property
    def folders(self) -> dict[str, list[str]]:
        """The file names by the folder they are in, sorted."""
        by_folder: dict[str, list[str]] = {}
        for name in sorted(self.sizes, key=natural_order):
            by_folder.setdefault(str(PurePosixPath(name).parent), []).append(name)
        return by_folder

    def below(self, folder: str) -> "Folder":
        """The same files seen from a folder inside."""
        start = f"{folder}/"
        sizes = {
            name.removeprefix(start): size
            for name, size in self.sizes.items()
            if name.startswith(start)
        }
        return Folder(self.root / folder, sizes, self.temporary)


def natural_order(name: str) -> list[tuple[int, int, str]]:
    """Sort key that puts slice 2 before slice 10."""
    return [
        (0, int(part), "") if part.isascii() and part.isdigit() else (1, 0, part)
        for part in re.split(r"(\d+)", name)
        if part
    ]


@contextmanager
def open_folder(path: Path, work_dir: Path, marker: str | None = None) -> Iterator[Folder]:
    """The files of a folder, or of a zip that is unpacked below ``work_dir`` meanwhile.

    Args:
        path: a folder, a zip, or a single file (then it is the only one in the list).
        work_dir: where a zip may be unpacked; nothing of it stays.
        marker: a file name that shows where the content starts. When it is not at the top but
            in the only folder at the top, that folder is the root (most zip tools add one).

    Raises:
        Refused: with one of the archive codes, or ``not_found``.
    """
    if path.is_dir():
        yield at_marker(_walk(path), marker)
    elif not path.is_file():
        raise refuse("not_found", "There is no such file or folder.", file=path.name)
    elif is_zip(path) and not _listed_checkpoint(path):
        with TemporaryDirectory(prefix=".unpacked-", dir=work_dir) as unpacked:
            yield at_marker(_unpack(path, Path(unpacked)), marker)
    elif path.suffix.lower() == ".zip" and not is_zip(path):
        raise refuse("archive_corrupt", "The file is called .zip and is none. Make it again.")
    else:
        yield Folder(path.parent, {path.name: path.stat().st_size}, temporary=False)


def _listed_checkpoint(path: Path) -> bool:
    check_list(path)
    return is_checkpoint(path)


def open_plain(path: Path) -> BinaryIO:
    """Open for reading, and never through a link that appeared after the listing."""
    return os.fdopen(os.open(path, os.O_RDONLY | os.O_NOFOLLOW), "rb")


def is_zip(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(4) in (b"PK\x03\x04", b"PK\x05\x06")


def check_list(path: Path) -> None:
    """See that the list of a zip's files is short, before a library keeps an object for each.

    Raises:
        Refused: archive_limit.
    """
    with path.open("rb") as file:
        # The very function that zipfile asks, so that both see the same list.
        found = zipfile._EndRecData(file)  # type: ignore[attr-defined]
        if found is None:
            return  # no zip: its reader says so
        listed, ends = int(found[5]), int(found[9])
        if found[0] == _END_64:
            ends -= _END_64_BYTES
        entries = 0
        if listed <= MOST_LIST_BYTES:
            file.seek(max(ends - listed, 0))
            entries = file.read(listed).count(_ENTRY)
    if listed > MOST_LIST_BYTES or entries > MOST_FILES + MOST_FOLDERS:
        raise refuse(
            "archive_limit", f"The zip lists more than {MOST_FILES:,} files. Send them in parts."
        )


def is_checkpoint(path: Path) -> bool:
    """Is the zip really one file of a framework that packs its weights so?"""
    try:
        with zipfile.ZipFile(path) as archive:
            names = {PurePosixPath(name).name for name in archive.namelist()[:MOST_FILES]}
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError):
        return False
    return bool(names & {"data.pkl", "constants.pkl", "archive_format"})


def at_marker(folder: Folder, marker: str | None) -> Folder:
    """The folder, or the only one in it where the marker is there and not at the top."""
    if marker is None or marker in folder:
        return folder
    tops = {PurePosixPath(name).parts[0] for name in folder.sizes}
    only = next(iter(tops)) if len(tops) == 1 else ""
    return folder.below(only) if f"{only}/{marker}" in folder else folder


def _walk(root: Path) -> Folder:
    sizes: dict[str, int] = {}
    for base, folders, names in os.walk(root):
        folders[:] = sorted(name for name in folders if name not in _LITTER)
        for name in sorted([*folders, *names]):
            path = Path(base) / name
            relative = path.relative_to(root).as_posix()
            mode = path.lstat().st_mode
            if stat.S_ISLNK(mode):
                raise refuse(
                    "archive_link",
                    "Links are not followed: put the file itself in its place.",
                    file=relative,
                )
            if stat.S_ISREG(mode) and name not in _LITTER:
                sizes[relative] = path.stat().st_size
        if len(sizes) > MOST_FILES:
            raise refuse("archive_limit", f"The folder holds more than {MOST_FILES:,} files.")
    return Folder(root, sizes, temporary=False)


def _unpack(path: Path, target: Path) -> Folder:
    """Check what the zip declares, then write it; zipfile never writes more than declared."""
    try:
        with zipfile.ZipFile(path) as archive:
            entries = [entry for entry in archive.infolist() if not entry.is_dir()]
            _check_totals(entries, path.stat().st_size)
            names = [_checked_name(entry) for entry in archive.infolist()]
            if len(set(names)) < len(names):
                raise refuse("archive_path", "The zip holds two files of the same name.")
            kept = [e for e in entries if not _LITTER & set(PurePosixPath(e.filename).parts)]
            return Folder(
                target,
                {entry.filename: _write(archive, entry, target) for entry in kept},
                temporary=True,
            )
    except Refused:
        raise
    except (zipfile.BadZipFile, EOFError, ValueError, NotImplementedError, RuntimeError) as error:
        raise refuse(
            "archive_corrupt", f"The zip is damaged ({error}). Make it again and send it once more."
        ) from None
    except (zlib.error, OSError) as error:
        raise refuse("archive_corrupt", f"The zip cannot be unpacked ({error}).") from None


def _check_totals(entries: list[zipfile.ZipInfo], packed: int) -> None:
    if len(entries) > MOST_FILES:
        raise refuse("archive_limit", f"The zip holds more than {MOST_FILES:,} files.")
    total = sum(entry.file_size for entry in entries)
    if total > MOST_BYTES:
        raise refuse(
            "archive_limit",
            f"The zip unpacks to {total:,} bytes; at most {MOST_BYTES:,} are accepted.",
        )
    if total > SMALL and total > MOST_TIMES * packed:
        raise refuse(
            "archive_limit",
            f"The zip unpacks to {total // max(packed, 1):,} times its size; "
            f"at most {MOST_TIMES} times are accepted.",
        )


def _checked_name(entry: zipfile.ZipInfo) -> str:
    """The entry's name if it is a plain relative path of a plain file.

    Raises:
        Refused: archive_path, archive_link, archive_encrypted, archive_corrupt, archive_limit.
    """
    name = entry.filename
    parts = name.removesuffix("/").split("/")
    if (
        name.startswith("/")
        or "\\" in name
        or ".." in parts
        or "" in parts
        or "." in parts
        or re.match(r"[A-Za-z]:", name)
        or not name.removesuffix("/").isprintable()
        or len(name.encode()) > LONGEST_NAME
    ):
        raise refuse(
            "archive_path",
            "Names in a zip must be plain relative paths, without '..', backslash or drive.",
            file=name[:200],
        )
    mode = entry.external_attr >> 16
    if mode and not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)) and stat.S_IFMT(mode):
        raise refuse("archive_link", "Links and devices in a zip are not accepted.", file=name)
    if entry.flag_bits & 0x1:
        raise refuse("archive_encrypted", "Send the zip without a password.", file=name)
    if entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise refuse("archive_corrupt", "Pack the zip with the usual method, deflate.", file=name)
    if name.lower().endswith(_NESTED) and not name.lower().endswith(".nii.gz"):
        raise refuse("archive_limit", "Archives inside the zip are not opened.", file=name)
    return name.removesuffix("/")


def _write(archive: zipfile.ZipFile, entry: zipfile.ZipInfo, target: Path) -> int:
    path = target / entry.filename
    path.parent.mkdir(parents=True, exist_ok=True)
    written = 0
    with archive.open(entry) as packed, path.open("xb") as file:
        while piece := packed.read(_PIECE):
            written += len(piece)
            file.write(piece)
    if written != entry.file_size:
        raise zipfile.BadZipFile(f"{entry.filename} has another size than declared")
    return written
