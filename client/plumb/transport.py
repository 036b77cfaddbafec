"""Requests and answers: JSON in and out, files streamed, nothing sent to another host."""

import json
import secrets
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass
from http.client import HTTPException, HTTPResponse
from pathlib import Path
from typing import IO, Any
from urllib.error import HTTPError, URLError
from urllib.parse import urlsplit
from urllib.request import HTTPRedirectHandler, OpenerDirector, Request, build_opener

from plumb.errors import NotReached, PlumbError

SECONDS = 60.0
UPLOAD_SECONDS = 900.0  # the portal hashes and stores the file before it answers
Progress = Callable[[int, int], None]  # bytes sent, bytes in all


class _NoRedirects(HTTPRedirectHandler):
    """A redirect would carry the token to an address the person did not name."""

    def redirect_request(
        self, req: Request, fp: IO[bytes], code: int, msg: str, headers: Any, newurl: str
    ) -> None:
        return None


@dataclass(frozen=True)
class Answer:
    status: int
    body: bytes
    headers: Mapping[str, str]

    def json(self) -> Any:
        try:
            return json.loads(self.body)
        except ValueError as error:
            raise PlumbError(
                "The answer is no JSON: is this the address of a Plumbline portal?"
            ) from error


class Transport:
    def __init__(self, url: str, token: str, seconds: float = SECONDS) -> None:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.netloc:
            raise PlumbError(f"{url!r} is not an address such as https://plumbline.example.org.")
        self.base = f"{parts.scheme}://{parts.netloc}{parts.path.rstrip('/')}/api/v1"
        self.token, self.seconds = token, seconds
        self.opener: OpenerDirector = build_opener(_NoRedirects())

    def ask(
        self,
        method: str,
        path: str,
        *,
        json_body: Any = None,
        headers: Mapping[str, str] = {},
    ) -> Answer:
        data = None if json_body is None else json.dumps(json_body).encode()
        sent = dict(headers) | ({} if data is None else {"Content-Type": "application/json"})
        return self._send(Request(self.base + path, data, sent, method=method), self.seconds)

    def upload(
        self,
        path: str,
        file: Path,
        fields: Mapping[str, str],
        on_progress: Progress | None = None,
        name: str = "",
    ) -> Answer:
        """One multipart form; the file is read as it is sent."""
        with Form(file, fields, on_progress, name) as form:
            headers = {"Content-Type": form.content_type, "Content-Length": str(form.size)}
            request = Request(self.base + path, form, headers, method="POST")
            return self._send(request, UPLOAD_SECONDS)

    def _send(self, request: Request, seconds: float) -> Answer:
        request.add_header("Authorization", f"Bearer {self.token}")
        request.add_header("Accept", "application/json")
        request.add_header("User-Agent", "plumb/0.1")
        try:
            with closing(self.opener.open(request, timeout=seconds)) as response:
                return _answer(response)
        except HTTPError as error:
            with closing(error):
                raise _problem(error) from None
        except (URLError, HTTPException, OSError) as error:
            reason = getattr(error, "reason", error)
            raise NotReached(f"{self.base} cannot be reached: {reason}.") from error


def _answer(response: HTTPResponse) -> Answer:
    return Answer(response.status, response.read(), dict(response.headers))


def _problem(error: HTTPError) -> PlumbError:
    if 300 <= error.code < 400:
        where = error.headers.get("Location", "elsewhere")
        return PlumbError(
            f"The portal answered with a redirect to {where}. Sign in with that address.",
            status=error.code,
        )
    try:
        body = json.loads(error.read())
        return PlumbError(
            body["message"], code=body["code"], status=error.code, details=body["details"]
        )
    except (ValueError, KeyError, TypeError):
        return PlumbError(f"The portal answered with {error.code}.", status=error.code)


class Form:
    """The bytes of a multipart form around one file, readable once, never whole in memory."""

    def __init__(
        self, file: Path, fields: Mapping[str, str], on_progress: Progress | None, name: str
    ) -> None:
        boundary = secrets.token_hex(16)
        self.content_type = f"multipart/form-data; boundary={boundary}"
        clean = "".join("_" if c in '"\\\r\n' else c for c in name or file.name)
        head = "".join(
            f'--{boundary}\r\nContent-Disposition: form-data; name="{key}"\r\n\r\n{value}\r\n'
            for key, value in fields.items()
        )
        head += (
            f'--{boundary}\r\nContent-Disposition: form-data; name="file"; filename="{clean}"\r\n'
            "Content-Type: application/octet-stream\r\n\r\n"
        )
        self._head, self._tail = head.encode(), f"\r\n--{boundary}--\r\n".encode()
        self._file = file.open("rb")
        self.size = len(self._head) + file.stat().st_size + len(self._tail)
        self._sent = 0
        self._on_progress = on_progress

    def __enter__(self) -> "Form":
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def read(self, size: int = -1) -> bytes:
        chunk = self._next(size)
        self._sent += len(chunk)
        if chunk and self._on_progress:
            self._on_progress(self._sent, self.size)
        return chunk

    def _next(self, size: int) -> bytes:
        if self._head:
            chunk, self._head = self._head, b""
            return chunk
        chunk = self._file.read(size)
        if not chunk:
            chunk, self._tail = self._tail, b""
        return chunk
