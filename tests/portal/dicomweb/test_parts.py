"""Bodies of several parts, as they are and as they should not be."""

import io
import re

import pytest

from portal.api.problems import Problem
from portal.dicomweb import parts as module
from portal.dicomweb.parts import Parts


def taken(body: bytes, boundary: str = "b", most: int = 10_000_000) -> list[tuple[str, bytes]]:
    parts = Parts(io.BytesIO(body), boundary, most)
    found = []
    for media_type in parts.heads():
        out = io.BytesIO()
        parts.write_to(out)
        found.append((media_type, out.getvalue()))
    return found


def body(*contents: bytes, head: bytes = b"Content-Type: application/dicom; x=y") -> bytes:
    return b"".join(b"--b\r\n" + head + b"\r\n\r\n" + one + b"\r\n" for one in contents) + b"--b--"


@pytest.mark.parametrize("piece", [1, 2, 3, 7, 1000])
def test_parts_come_as_they_were_however_they_are_cut(
    monkeypatch: pytest.MonkeyPatch, piece: int
) -> None:
    monkeypatch.setattr(module, "PIECE", piece)
    contents = (b"", b"\r\n", b"\r\n--", b"--b", b"\r\n--c\r\n" * 3, b"-" * 50, b"\r\r\n-" * 9)

    assert taken(b"before\r\n" + body(*contents)) == [("application/dicom", c) for c in contents]


def test_a_part_without_a_type_says_none() -> None:
    assert taken(b"--b\r\n\r\nx\r\n--b--") == [("", b"x")]


@pytest.mark.parametrize(
    ("given", "boundary", "code"),
    [
        (b"", "b", "bad_request"),
        (body(b"x")[:-2], "b", "bad_request"),
        (b"no boundary at all", "b", "bad_request"),
        (body(b"x"), "", "bad_request"),
        (body(b"x"), "b\r\n", "bad_request"),
        (b"--b\r\n" + b"h" * 10_000 + b"\r\n\r\nx\r\n--b--", "b", "bad_request"),
        (body(b"x" * 2000), "b", "too_large"),
    ],
)
def test_what_is_no_such_body_is_refused(given: bytes, boundary: str, code: str) -> None:
    with pytest.raises(Problem, match=re.compile(".")) as problem:
        taken(given, boundary, most=1000 if code == "too_large" else 100_000)

    assert problem.value.code == code
