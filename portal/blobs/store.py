"""Putting bytes away and getting them back, on a local folder or an object store alike."""

import contextlib
import hashlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from django.conf import settings
from django.core.files.base import File
from django.core.files.storage import FileSystemStorage, default_storage

from portal.blobs.models import Blob

CHUNK = 1024 * 1024


class Damaged(Exception):
    """The stored bytes no longer have the hash they are filed under."""


def put_bytes(data: bytes, media_type: str = "application/octet-stream") -> Blob:
    with tempfile.SpooledTemporaryFile(max_size=8 * CHUNK) as file:
        file.write(data)
        file.seek(0)
        return put(file, media_type)


def put_path(path: Path, media_type: str = "application/octet-stream") -> Blob:
    with path.open("rb") as file:
        return put(file, media_type)


def put(file: IO[bytes], media_type: str = "application/octet-stream") -> Blob:
    """Hash, then write what is not there yet.

    The row comes last, so it never lacks its bytes, but where they were forgotten.
    """
    digest, size = hashlib.sha256(), 0
    while chunk := file.read(CHUNK):
        digest.update(chunk)
        size += len(chunk)
    file.seek(0)
    blob = Blob(sha256=digest.hexdigest(), size_bytes=size, media_type=media_type)
    known = Blob.objects.filter(pk=blob.pk).first()
    if known is not None:
        if not default_storage.exists(blob.storage_name):  # put away before, and forgotten since
            _write(blob, file)
        return known
    _write(blob, file)
    return Blob.objects.get_or_create(
        pk=blob.pk, defaults={"size_bytes": size, "media_type": media_type}
    )[0]


def _write(blob: Blob, file: IO[bytes]) -> None:
    storage = default_storage
    if not isinstance(storage, FileSystemStorage):
        storage.save(blob.storage_name, File(file))
        return
    target = Path(storage.path(blob.storage_name))
    target.parent.mkdir(parents=True, exist_ok=True)
    handle, partial = tempfile.mkstemp(dir=target.parent)
    with os.fdopen(handle, "wb") as out:
        shutil.copyfileobj(file, out, CHUNK)
    Path(partial).chmod(0o440)
    Path(partial).replace(target)  # appears whole or not at all


def forget(blob: Blob) -> None:
    """Delete the bytes. The row stays: what once was here has a hash and a size."""
    default_storage.delete(blob.storage_name)


def open_blob(blob: Blob) -> IO[bytes]:
    return default_storage.open(blob.storage_name, "rb")


def read_bytes(blob: Blob) -> bytes:
    """The whole blob, checked against its hash."""
    with open_blob(blob) as file:
        data = file.read()
    if hashlib.sha256(data).hexdigest() != blob.sha256:
        raise Damaged(f"the stored file {blob.sha256[:8]}… has changed since it was handed in")
    return data


@contextmanager
def local_folder() -> Iterator[Path]:
    """An empty folder for one job, gone afterwards."""
    settings.SCRATCH_DIR.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=settings.SCRATCH_DIR) as name:
        yield Path(name)


def local_path(blob: Blob, folder: Path, suffix: str = "") -> Path:
    """A path a child process can read: the stored file itself, or a copy in `folder`."""
    if isinstance(default_storage, FileSystemStorage) and not suffix:
        return Path(default_storage.path(blob.storage_name))
    path = folder / (blob.sha256 + suffix)
    if not path.exists():
        with open_blob(blob) as source, path.open("wb") as target:
            shutil.copyfileobj(source, target, CHUNK)
    return path


def placed(blob: Blob, folder: Path) -> Path:
    """The blob's bytes in `folder`, under its hash: the stored file by a second name, or a copy.

    A child process is shown the folder, and so nothing of the store but what it was given.
    """
    path = folder / blob.sha256
    if path.exists():
        return path
    if isinstance(default_storage, FileSystemStorage):
        with contextlib.suppress(OSError):  # on another file system, or one without links
            os.link(default_storage.path(blob.storage_name), path)
            return path
    try:
        source = open_blob(blob)
    except OSError:  # the child will miss it, and say which case it costs
        return path
    with source, path.open("wb") as target:
        shutil.copyfileobj(source, target, CHUNK)
    return path
