"""What is said when a portal cannot be asked, or is none; and that the token stays home."""

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import ClassVar

import pytest
from plumb import Client, PlumbError
from plumb.errors import NotReached
from plumb.transport import Form


class Odd(BaseHTTPRequestHandler):
    """Redirects, answers with a page, or drops the first request."""

    seen: ClassVar[list[str]] = []

    def do_GET(self) -> None:
        self.seen.append(self.path)
        if self.path.endswith("/me"):
            self.send_response(302)
            self.send_header("Location", f"http://127.0.0.1:{self.server.server_port}/elsewhere")
            self.end_headers()
            return
        if "/audits/flaky" in self.path and len(self.seen) < 2:
            return  # the connection ends without an answer
        is_page = "/reports/" in self.path
        self.send_response(502 if "/uploads/" in self.path else 200)
        self.end_headers()
        self.wfile.write(b"<html>" if is_page or "/uploads/" in self.path else b'{"id": "x"}')

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def odd() -> Iterator[Client]:
    Odd.seen = []
    server = ThreadingHTTPServer(("127.0.0.1", 0), Odd)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield Client(f"http://127.0.0.1:{server.server_port}/", "plb_secret")
    server.shutdown()
    server.server_close()
    thread.join()


def test_a_redirect_is_not_followed(odd: Client) -> None:
    with pytest.raises(PlumbError, match=r"redirect to .*elsewhere"):
        odd.me()
    assert Odd.seen == ["/api/v1/me"]


def test_an_answer_that_is_no_portal_s(odd: Client) -> None:
    with pytest.raises(PlumbError, match="no JSON"):
        odd.report("x")
    with pytest.raises(PlumbError, match="answered with 502"):
        odd.upload("x")


def test_a_broken_connection_is_tried_again(odd: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("plumb.client.time.sleep", lambda seconds: None)
    assert odd._patiently(lambda: odd.audit("flaky")) == {"id": "x"}
    assert len(Odd.seen) == 2


def test_nobody_there() -> None:
    with pytest.raises(NotReached, match="cannot be reached"):
        Client("http://127.0.0.1:9", "t").me()


@pytest.mark.parametrize("url", ["plumbline.example.org", "ftp://a.b", "file:///etc/passwd", ""])
def test_what_is_no_address(url: str) -> None:
    with pytest.raises(PlumbError, match="is not an address"):
        Client(url, "t")


def test_a_form_is_read_in_pieces_and_counts_its_bytes(tmp_path: Path) -> None:
    file = tmp_path / 'odd"name.zip'
    file.write_bytes(b"x" * 100_000)
    told: list[tuple[int, int]] = []
    with Form(file, {"seal": "false"}, lambda done, total: told.append((done, total)), "") as form:
        pieces = list(iter(lambda: form.read(8192), b""))
    body = b"".join(pieces)
    assert len(body) == form.size == told[-1][0] == told[-1][1]
    assert max(map(len, pieces)) <= 8192
    assert b'name="seal"\r\n\r\nfalse\r\n' in body
    assert b'filename="odd_name.zip"' in body
