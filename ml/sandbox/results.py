"""What a child leaves in its folder, looked at before anything of it is read."""

import os
import stat
from pathlib import Path

_PIECE = 1 << 20


class ResultError(Exception):
    """What the child left is not what was asked for; a sentence."""


def use_of(folder: Path, *, most_bytes: int | None, most_files: int | None) -> str:
    """What is wrong with the contents of a folder, as a sentence; empty if nothing is.

    Links are never followed. Files and folders are all that a job may leave: a link would have
    its reader read something else, a pipe would have it wait for ever.
    """
    total = count = 0
    waiting = [folder]
    while waiting:
        try:
            entries = os.scandir(waiting.pop())
        except (FileNotFoundError, NotADirectoryError):
            continue  # gone while we looked, the child is at work
        with entries:
            for entry in entries:
                try:
                    about = entry.stat(follow_symlinks=False)
                except FileNotFoundError:
                    continue
                count += 1
                if stat.S_ISDIR(about.st_mode):
                    waiting.append(Path(entry.path))
                elif not _plain(about):
                    return "It left something in its folder that is not a plain file."
                else:
                    total += about.st_size
                if most_files is not None and count > most_files:
                    return f"It made more than {most_files} files."
                if most_bytes is not None and total > most_bytes:
                    return f"It wrote more than {most_bytes / 1024**3:.3g} GiB in all."
    return ""


def _plain(about: os.stat_result) -> bool:
    special = stat.S_ISUID | stat.S_ISGID
    return stat.S_ISREG(about.st_mode) and about.st_nlink == 1 and not about.st_mode & special


def take(folder: Path, name: str, *, most_bytes: int) -> bytes:
    """The bytes of a file that a child left; a copy, which the child cannot change any more.

    Args:
        folder: the job's folder.
        name: what the child says the file is called. It is one name, no path.
        most_bytes: a larger file is not read.

    Raises:
        ResultError: if there is no such plain file, or it is too large.
    """
    if name in ("", ".", "..") or "/" in name or "\0" in name:
        raise ResultError("It names a result outside its folder.")
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC
    try:
        place = os.open(folder, flags | os.O_DIRECTORY)
        try:
            file = os.open(name, flags | os.O_NONBLOCK, dir_fd=place)
        finally:
            os.close(place)
    except OSError:
        raise ResultError("The result that it names is not there.") from None
    with os.fdopen(file, "rb") as opened:
        about = os.fstat(opened.fileno())
        if not _plain(about):
            raise ResultError("Its result is not a plain file.")
        data = opened.read(most_bytes + 1)
    if len(data) > most_bytes:
        raise ResultError(f"Its result is larger than the {most_bytes} bytes that it can have.")
    return data


def left(folder: Path, name: object) -> Path:
    """The plain file that a child says it left, at a path below its folder.

    Raises:
        ResultError: for a path that is absolute or leads upwards or through a link, and where
            there is no plain file.
    """
    parts = name.split("/") if isinstance(name, str) else [""]
    if any(part in ("", ".", "..") or "\0" in part for part in parts):
        raise ResultError("It names a result outside its folder.")
    place = folder
    for part in parts[:-1]:
        place /= part
        if place.is_symlink():
            raise ResultError("It names a result outside its folder.")
    path = place / parts[-1]
    try:
        about = path.lstat()
    except OSError:
        raise ResultError("The result that it names is not there.") from None
    if not _plain(about):
        raise ResultError("Its result is not a plain file.")
    return path
