"""What the last job of a child opened: one that is kept for the next shard opens it once."""

from collections.abc import Callable
from pathlib import Path
from typing import Generic, TypeVar

T = TypeVar("T")


class Kept(Generic[T]):
    """Holds one opened thing at a time: two may not fit into memory."""

    def __init__(self) -> None:
        self._last: tuple[tuple[object, ...], T] | None = None

    def opened(self, path: Path, settings: tuple[object, ...], opening: Callable[[], T]) -> T:
        """What was opened last if it was of the same file and settings, else what opens now.

        Args:
            path: of the file; a changed one is another.
            settings: whatever else decides what is opened.
            opening: makes it.
        """
        file = path.stat() if path.exists() else None
        identity = None if file is None else (file.st_ino, file.st_size, file.st_mtime_ns)
        key = (path, identity, *settings)
        if self._last is None or self._last[0] != key:
            self._last = None  # first away with the old one
            self._last = key, opening()
        return self._last[1]
