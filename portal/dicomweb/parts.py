"""A multipart/related body, taken apart as it arrives. Its parts are bytes and stay so."""

import re
from collections.abc import Iterator
from typing import IO, Protocol

from portal.api.problems import Problem

PIECE = 256 * 1024
MOST_HEAD = 8 * 1024  # of one part
_TYPE = re.compile(rb"^content-type:[ \t]*([^;\r\n]+)", re.IGNORECASE | re.MULTILINE)
_BOUNDARY = re.compile(r"[0-9A-Za-z'()+_,\-./:=? ]{1,70}")


class Source(Protocol):
    def read(self, size: int = ..., /) -> bytes: ...


class Parts:
    """The parts of a body, each to be written somewhere before the next is asked for.

    Raises:
        Problem: bad_request for what is no such body, too_large beyond ``most`` bytes.
    """

    def __init__(self, source: Source, boundary: str, most: int) -> None:
        if not _BOUNDARY.fullmatch(boundary):
            raise Problem("bad_request", "The Content-Type names no boundary.")
        self.source, self.room = source, most
        self.most = most
        self.mark = b"\r\n--" + boundary.encode()
        self.held = b"\r\n"  # so that a boundary at the very start is like any other

    def heads(self) -> Iterator[str]:
        """The media type of each part; ``write_to`` takes its bytes."""
        self._until(self.mark, None)
        while True:
            self._fill(2)
            if self.held.startswith(b"--"):
                return
            head = self._head()
            found = _TYPE.search(head)
            yield found[1].decode("latin-1").strip().lower() if found else ""

    def write_to(self, out: IO[bytes]) -> None:
        self._until(self.mark, out)

    def _head(self) -> bytes:
        while b"\r\n\r\n" not in self.held and len(self.held) <= MOST_HEAD:
            self._fill(len(self.held) + 1)
        head, _, rest = self.held.partition(b"\r\n\r\n")
        if len(head) > MOST_HEAD:
            raise Problem("bad_request", "The head of a part is too long.")
        self.held = rest
        return head

    def _until(self, mark: bytes, out: IO[bytes] | None) -> None:
        while (at := self.held.find(mark)) < 0:
            keep = len(mark) - 1
            if len(self.held) > keep:
                if out is not None:
                    out.write(self.held[:-keep])
                self.held = self.held[-keep:]
            self._fill(len(self.held) + 1)
        if out is not None:
            out.write(self.held[:at])
        self.held = self.held[at + len(mark) :]

    def _fill(self, wanted: int) -> None:
        while len(self.held) < wanted:
            data = self.source.read(PIECE)
            if not data:
                raise Problem("bad_request", "The body ends before its last boundary.")
            self.room -= len(data)
            if self.room < 0:
                raise Problem(
                    "too_large", f"This portal takes at most {self.most:,} bytes here.",
                    most_bytes=self.most,
                )  # fmt: skip
            self.held += data
