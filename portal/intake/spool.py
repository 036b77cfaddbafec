"""Receives the files of a form straight to disk, with the paths they have in their folder.

The framework's own handlers keep one open file for each upload and drop everything of a name but
its last part; a cohort has thousands of files, in folders.
"""

from pathlib import Path, PurePosixPath
from typing import IO, TYPE_CHECKING, Any

from django.conf import settings
from django.core.files.uploadedfile import UploadedFile
from django.core.files.uploadhandler import FileUploadHandler, StopUpload
from django.http import HttpRequest, QueryDict
from django.http.multipartparser import MultiPartParser
from django.utils.datastructures import MultiValueDict

if TYPE_CHECKING:
    Uploaded = UploadedFile[bytes]
else:
    Uploaded = UploadedFile


class Received(Uploaded):
    """One file as it lies in the spool; `relative` is its path in the folder it came from."""

    def __init__(self, path: Path, relative: str, size: int) -> None:
        super().__init__(None, PurePosixPath(relative).name, size=size)
        self.path = path
        self.relative = relative

    def close(self) -> None:
        """Nothing is held open; the spool is removed as a whole."""


class FolderParser(MultiPartParser):
    """Keeps the folders in a file's name: browsers send them when a folder is chosen."""

    def sanitize_file_name(self, file_name: str) -> str | None:
        clean = super().sanitize_file_name  # drops "", "." and "..", and what cannot be printed
        parts = [clean(part) for part in file_name.replace("\\", "/").split("/")]
        return "/".join(part for part in parts if part and not part.endswith(":")) or None


class Spool(FileUploadHandler):
    """Writes each file to a folder of its own, and stops when there is too much.

    `sanitize_file_name` of the parser above decides which names arrive here.
    """

    def __init__(self, request: HttpRequest, folder: Path) -> None:
        super().__init__(request)
        self.folder = folder
        self.too_large = False
        self._room = settings.UPLOAD_MAX_BYTES
        self._parsing = False
        self._n = 0
        self._out: IO[bytes] | None = None
        self._path = folder

    def handle_raw_input(  # type: ignore[override]
        self,
        input_data: Any,
        META: dict[str, Any],  # noqa: N803 - the framework's name
        content_length: int,
        boundary: bytes,
        encoding: str | None = None,
    ) -> tuple[QueryDict, MultiValueDict[str, Uploaded]] | None:
        if self._parsing:  # asked again by the parser below
            return None
        self._parsing = True
        return FolderParser(META, input_data, [self], encoding).parse()

    def new_file(self, *args: Any, **kwargs: Any) -> None:
        super().new_file(*args, **kwargs)
        self._path = self.folder / str(self._n)
        self._n += 1
        self._out = self._path.open("xb")

    def receive_data_chunk(self, raw_data: bytes, start: int) -> None:
        self._room -= len(raw_data)
        if self._room < 0:
            self.too_large = True
            self.upload_interrupted()
            raise StopUpload(connection_reset=False)
        if self._out is not None:
            self._out.write(raw_data)

    def file_complete(self, file_size: int) -> Received:
        self.upload_interrupted()
        return Received(self._path, self.file_name or "file", file_size)

    def upload_interrupted(self) -> None:
        if self._out is not None:
            self._out.close()
            self._out = None
