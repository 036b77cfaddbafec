"""The zip around a torch.export archive, opened under limits; no file of it is ever unpacked."""

import json
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from ml.intake.refusal import refuse

MOST_FILES = 100_000
MOST_BYTES = 8 * 1024**3  # of everything, unpacked
MOST_JSON = 256 * 1024**2
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
_RATIO = 200  # weights hardly shrink, and JSON by less than this


@dataclass(frozen=True)
class Archive:
    """The open zip, and the folder that everything in it lies in."""

    zip: zipfile.ZipFile
    root: str
    name: str

    def has(self, path: str) -> bool:
        return f"{self.root}/{path}" in self.zip.NameToInfo

    def size(self, path: str) -> int:
        return self._info(path).file_size

    def read(self, path: str, most: int) -> bytes:
        """The bytes of one file, at most as many as it declares.

        Raises:
            Refused: archive_corrupt, model_limit or model_corrupt (no such file).
        """
        info = self._info(path)
        if info.file_size > most:
            raise refuse(
                "model_limit", f"{path} has {info.file_size:,} bytes; {most:,} are read.",
                file=self.name,
            )  # fmt: skip
        try:
            with self.zip.open(info) as opened:
                data = opened.read(info.file_size + 1)
        except Exception:  # zip, zlib and the file system have an error class each
            raise _corrupt(self.name) from None
        if len(data) != info.file_size:
            raise _corrupt(self.name)
        return data

    def json(self, path: str) -> Any:
        """A JSON document.

        Raises:
            Refused: as ``read``, and model_corrupt where it is no JSON.
        """
        data = self.read(path, MOST_JSON)
        try:
            return json.loads(data)
        except (ValueError, RecursionError):
            raise refuse("model_corrupt", f"{path} is no JSON.", file=self.name) from None

    def _info(self, path: str) -> zipfile.ZipInfo:
        found = self.zip.NameToInfo.get(f"{self.root}/{path}")
        if found is None:
            raise refuse("model_corrupt", f"The archive lacks {path}.", file=self.name)
        return found


@contextmanager
def open_archive(path: Path | BinaryIO, name: str) -> Iterator[Archive]:
    """Open and check the directory of the zip before anything in it is read.

    Raises:
        Refused: archive_corrupt, archive_encrypted, archive_limit, archive_path.
    """
    try:
        opened = zipfile.ZipFile(path)
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError, EOFError):
        raise _corrupt(name) from None
    with opened:
        infos = opened.infolist()
        total = sum(info.file_size for info in infos)
        if len(infos) > MOST_FILES or total > MOST_BYTES:
            raise refuse(
                "archive_limit", f"The archive holds {len(infos):,} files of {total:,} bytes.",
                file=name,
            )  # fmt: skip
        if len({info.filename for info in infos}) < len(infos):
            raise refuse("archive_path", "A name is in the archive twice.", file=name)
        for info in infos:
            if info.flag_bits & 0x1:
                raise refuse("archive_encrypted", "Send it without a password.", file=name)
            if info.compress_type not in _METHODS:
                raise _corrupt(name)
            if info.file_size > _RATIO * max(info.compress_size, 1) + 1024:
                raise refuse(
                    "archive_limit", "A file in the archive unpacks to too much.", file=name
                )
        roots = {info.filename.partition("/")[0] for info in infos if "/" in info.filename}
        if len(roots) != 1:
            raise refuse(
                "model_corrupt", "The files of the archive do not lie in one folder.",
                file=name,
            )  # fmt: skip
        yield Archive(opened, roots.pop(), name)


def _corrupt(name: str) -> Exception:
    return refuse("archive_corrupt", "The archive is damaged. Export the model again.", file=name)
