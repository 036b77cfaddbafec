"""A store on loopback that takes, lists and gives objects as S3 does; it believes every key."""

from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import md5
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread


class Pretender(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    objects: dict[str, bytes]

    def do_PUT(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if "aws-chunked" in self.headers.get("Content-Encoding", ""):
            body = unchunked(body)
        self.objects[self.name] = body
        self.answer(200, b"", body)

    def do_HEAD(self) -> None:
        self.give(with_body=False)

    def do_GET(self) -> None:
        self.give(with_body=True)

    @property
    def name(self) -> str:
        return self.path.split("?")[0]

    def give(self, *, with_body: bool) -> None:
        found = self.objects.get(self.name)
        if found is None:
            self.answer(404, b"")
            return
        first, _, last = self.headers.get("Range", "bytes=0-").removeprefix("bytes=").partition("-")
        start, stop = int(first), int(last) + 1 if last else len(found)
        part = found[start:stop]
        self.answer(206 if "Range" in self.headers else 200, part, found, with_body=with_body)

    def answer(self, status: int, body: bytes, of: bytes = b"", *, with_body: bool = True) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("ETag", f'"{md5(of).hexdigest()}"')
        self.send_header("Last-Modified", "Mon, 23 Nov 2026 12:00:00 GMT")
        if status == 206:
            self.send_header("Content-Range", f"bytes 0-{len(body) - 1}/{len(of)}")
        self.end_headers()
        if with_body:
            self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        return None


def unchunked(body: bytes) -> bytes:
    """`size[;signature]CRLF data CRLF`, again and again, until a size of 0 and the trailers."""
    out = b""
    while True:
        line, _, body = body.partition(b"\r\n")
        size = int(line.split(b";")[0], 16)
        if size == 0:
            return out
        out, body = out + body[:size], body[size + 2 :]


@contextmanager
def pretending() -> Iterator[tuple[str, dict[str, bytes]]]:
    """Its address, and what it holds by path."""
    objects: dict[str, bytes] = {}
    handler = type("Handler", (Pretender,), {"objects": objects})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}", objects
        finally:
            server.shutdown()
            thread.join()
