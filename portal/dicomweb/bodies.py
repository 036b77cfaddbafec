"""Bodies made of pieces of stored files: sent as they are read, whole files by the front server."""

import asyncio
import re
import secrets
from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from dataclasses import dataclass
from urllib.parse import quote

from django.conf import settings
from django.core.files.storage import FileSystemStorage, default_storage
from django.core.handlers.asgi import ASGIRequest
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.utils.cache import get_conditional_response

from portal.api.problems import Problem
from portal.blobs.models import Blob

PIECE = 1024 * 1024
SMALL = 4 * 1024 * 1024  # a body of at most so many bytes is sent at once
FIXED = "private, max-age=31536000, immutable"
_RANGE = re.compile(r"bytes=(\d*)-(\d*)")


@dataclass(frozen=True)
class Piece:
    """Bytes `at` to `at + size` of a stored file."""

    name: str  # in the storage
    at: int
    size: int


Pieces = Sequence[bytes | Piece]


@dataclass(frozen=True)
class Part:
    """One part of a multipart answer, or the only one."""

    media_type: str
    pieces: tuple[Piece, ...]
    location: str = ""


def piece_of(blob: Blob, at: int, size: int) -> Piece:
    return Piece(blob.storage_name, at, size)


def size_of(pieces: Pieces) -> int:
    return sum(len(one) if isinstance(one, bytes) else one.size for one in pieces)


def multipart(parts: Iterable[Part], media_type: str) -> tuple[list[bytes | Piece], str]:
    """The pieces of a multipart/related body and its content type (RFC 2387)."""
    boundary = secrets.token_hex(16)
    pieces: list[bytes | Piece] = []
    for part in parts:
        head = f"--{boundary}\r\nContent-Type: {part.media_type}\r\n"
        head += f"Content-Length: {size_of(part.pieces)}\r\n"
        if part.location:
            head += f"Content-Location: {part.location}\r\n"
        pieces += [(head + "\r\n").encode(), *part.pieces, b"\r\n"]
    pieces.append(f"--{boundary}--\r\n".encode())
    return pieces, f'multipart/related; type="{media_type}"; boundary={boundary}'


def answered(
    request: HttpRequest, pieces: Pieces, content_type: str, tag: str, *, fixed: bool
) -> HttpResponseBase:
    """The body, part of it, or 304 for who has it.

    Args:
        tag: changes whenever the body would; the boundary of a multipart body does not count.
        fixed: whether the address will always name this body.
    """
    etag = f'"{tag}"'
    kept = get_conditional_response(request, etag=etag)
    response = kept or _ranged(request, pieces, content_type, etag)
    response["ETag"] = etag
    response["Cache-Control"] = FIXED if fixed else "private, no-cache"
    return response


def _ranged(request: HttpRequest, pieces: Pieces, content_type: str, etag: str) -> HttpResponseBase:
    single = len(pieces) == 1 and isinstance(pieces[0], Piece)
    asked = request.headers.get("Range", "") if single else ""
    if asked and request.headers.get("If-Range", etag) == etag:
        found = _range(asked, size_of(pieces))
        if found is not None:
            first, last = found
            only = pieces[0]
            assert isinstance(only, Piece)
            part = Piece(only.name, only.at + first, last - first + 1)
            response = _sent(request, [part], content_type)
            response.status_code = 206
            response["Content-Range"] = f"bytes {first}-{last}/{only.size}"
            return response
    response = _sent(request, pieces, content_type)
    if single:
        response["Accept-Ranges"] = "bytes"
    return response


def _range(asked: str, size: int) -> tuple[int, int] | None:
    """First and last byte; None for what is better answered whole (RFC 9110 14.2).

    Raises:
        Problem: range_not_satisfiable.
    """
    found = _RANGE.fullmatch(asked.strip())
    if found is None or not (found[1] or found[2]):
        return None
    if found[1]:
        first, last = int(found[1]), int(found[2] or max(size - 1, int(found[1])))
        if last < first:
            return None
    else:
        first, last = max(0, size - int(found[2])), size - 1
    if first >= size or (not found[1] and int(found[2]) == 0):
        raise Problem("range_not_satisfiable", f"There are {size:,} bytes.", bytes=size)
    return first, min(last, size - 1)


def whole_file(
    request: HttpRequest, blob: Blob, content_type: str, *, fixed: bool
) -> HttpResponseBase:
    """A stored file from its first to its last byte; in production the front server sends it."""
    if not settings.ACCEL_PREFIX or not isinstance(default_storage, FileSystemStorage):
        pieces = [piece_of(blob, 0, blob.size_bytes)]
        return answered(request, pieces, content_type, blob.sha256, fixed=fixed)
    response = HttpResponse(content_type=content_type)
    response["X-Accel-Redirect"] = settings.ACCEL_PREFIX + quote(blob.storage_name)
    response["ETag"] = f'"{blob.sha256}"'
    response["Cache-Control"] = FIXED if fixed else "private, no-cache"
    return response


def _sent(request: HttpRequest, pieces: Pieces, content_type: str) -> HttpResponseBase:
    size = size_of(pieces)
    response: HttpResponseBase
    if request.method == "HEAD":
        response = HttpResponse(content_type=content_type)
    elif size <= SMALL:
        response = HttpResponse(b"".join(read(pieces)), content_type=content_type)
    else:
        later = _read_later(pieces) if isinstance(request, ASGIRequest) else read(pieces)
        response = StreamingHttpResponse(later, content_type=content_type)
    response["Content-Length"] = str(size)
    return response


def read(pieces: Pieces) -> Iterator[bytes]:
    for one in pieces:
        if isinstance(one, bytes):
            yield one
            continue
        with default_storage.open(one.name, "rb") as file:
            file.seek(one.at)
            left = one.size
            while left:
                data = file.read(min(PIECE, left))
                if not data:
                    raise OSError(f"the stored file {one.name} is shorter than it was")
                left -= len(data)
                yield data


async def _read_later(pieces: Pieces) -> AsyncIterator[bytes]:
    """A server that speaks ASGI would collect the whole of a plain iterator before it sends."""
    source = read(pieces)
    while (data := await asyncio.to_thread(next, source, None)) is not None:
        yield data
