"""What a hostile child can get out of its parent's link, and what the caller cannot do."""

import base64
import os
import signal
import socket
import struct
import time
from dataclasses import replace

import pytest

from ml.endpoint.link import _LIMITS, Link, _readable, _walls
from ml.endpoint.policy import Policy, token_of, variable_of
from ml.sandbox.launch import Child
from ml.sandbox.levels import Isolation
from tests.ml.endpoint.folders import policy_for
from tests.ml.endpoint.server import serving
from tests.ml.endpoint.test_client import CASES, SCORES, target_of

QUESTION = {"what": "infer", "n": 2, "file": "cases"}


@pytest.fixture
def server():
    with serving() as (model, url):
        yield model, url


@pytest.fixture
def link(server):
    _, url = server
    with Link(lambda question: target_of(url), policy_for(url), most_cases=5) as link:
        yield link


def asked(link, question, folder):
    link.ask(question, folder)
    assert link.busy
    began = time.monotonic()
    while (answer := link.wait(0.2)) is None:
        assert time.monotonic() - began < 20
    assert not link.busy
    return answer


def test_so_many_cases_and_no_more(link, server, tmp_path):
    assert asked(link, {"what": "open"}, tmp_path)["described"]["tensor"] == "image"
    for left in (3, 1):
        (tmp_path / "cases").write_bytes(CASES)
        answer = asked(link, QUESTION, tmp_path)
        assert struct.unpack("<4d", base64.b64decode(answer["values"])) == SCORES
        assert link.left == left
    assert asked(link, QUESTION, tmp_path)["code"] == "endpoint_refused"
    assert server[0].cases == [2, 2]


def _plain(folder):
    (folder / "cases").write_bytes(CASES)


HOSTILE = {
    "no such file": (lambda folder: None, {}),
    "too short": (lambda folder: (folder / "cases").write_bytes(CASES[:-1]), {}),
    "too long": (lambda folder: (folder / "cases").write_bytes(CASES + b"0"), {}),
    "not a number": (
        lambda folder: (folder / "cases").write_bytes(CASES[:-4] + struct.pack("<f", float("nan"))),
        {},
    ),
    "a link": (lambda folder: (folder / "cases").symlink_to("/etc/passwd"), {}),
    "a pipe": (lambda folder: os.mkfifo(folder / "cases"), {}),
    "a path": (_plain, {"file": "../cases"}),
    "an absolute path": (_plain, {"file": "/etc/passwd"}),
    "no name": (_plain, {"file": None}),
    "no cases": (_plain, {"n": 0}),
    "fewer than none": (_plain, {"n": -2}),
    "true": (_plain, {"n": True}),
    "a fraction": (_plain, {"n": 2.0}),
    "a million": (_plain, {"n": 10**6}),
    "another question": (_plain, {"what": "open"}),
}


@pytest.mark.parametrize("trick", HOSTILE)
def test_questions_that_nobody_answers(link, server, tmp_path, trick):
    prepare, change = HOSTILE[trick]
    asked(link, {"what": "open", "url": "http://elsewhere"}, tmp_path)
    prepare(tmp_path)
    assert asked(link, QUESTION | change, tmp_path)["code"] == "endpoint_refused"
    assert server[0].cases == []


def test_nothing_before_it_is_open(link, server, tmp_path):
    _plain(tmp_path)
    for question in (QUESTION, {}, {"what": ["open"]}):
        assert asked(link, question, tmp_path)["code"] == "endpoint_refused"
    assert server[0].requests == []


def test_a_manifest_that_is_none(server, tmp_path):
    def broken(question):
        return target_of(question["url"])

    with Link(broken, policy_for(server[1]), most_cases=1) as link:
        assert asked(link, {"what": "open"}, tmp_path)["code"] == "endpoint_refused"


def test_a_caller_that_hangs_or_dies_is_an_answer(link, server, tmp_path):
    asked(link, {"what": "open"}, tmp_path)
    _plain(tmp_path)
    process = link.caller.process.pid
    os.kill(process, signal.SIGSTOP)
    link.ask(QUESTION, tmp_path)
    link.until = time.monotonic() + 0.2
    assert link.wait(0.1) is None
    time.sleep(0.15)
    assert link.wait(0.1)["code"] == "endpoint_timeout"
    assert link.caller is None
    with pytest.raises(ProcessLookupError):
        os.kill(process, 0)


def test_a_caller_that_is_killed(link, tmp_path):
    asked(link, {"what": "open"}, tmp_path)
    _plain(tmp_path)
    link.caller.process.kill()
    assert asked(link, QUESTION, tmp_path)["code"] == "endpoint_unreachable"


def test_the_folder_of_the_caller_goes_with_it(link, tmp_path):
    asked(link, {"what": "open"}, tmp_path)
    folder = link.folder
    assert folder.exists()
    link.close()
    assert not folder.exists()


PROBE = "tests.ml.endpoint.probe"


def test_what_a_caller_can_do(server, tmp_path):
    """It connects, and does nothing else: no files, no listening, no other kinds of sockets."""
    secret = tmp_path / "secret"
    secret.write_text("of another team")
    port = int(server[1].rsplit(":", 1)[1])
    own = tmp_path / "own"
    own.mkdir()
    limits = replace(_LIMITS, file_bytes=0)
    child = Child(Isolation("landlock", _walls()), limits, PROBE, read=_readable(""), write=[own])
    with child:
        child.send(f"{port} {secret}\n".encode(), last=True)
        heard = b""
        began = time.monotonic()
        while child.runs() and time.monotonic() - began < 20:
            heard += b"".join(piece for source, piece in child.read(0.2) if source == "events")
        heard += b"".join(piece for source, piece in child.rest() if source == "events")
    said = dict(line.split("=", 1) for line in heard.decode().splitlines())
    assert said["connect"] == "done"
    assert said["listen"] == "PermissionError"
    assert said["unix"] == "PermissionError"
    assert said["raw"] == "PermissionError"
    assert said["packet"] == "PermissionError"
    assert said["write"] != "done"
    assert said["start"] == "PermissionError"
    if "landlock" in _walls():
        assert said["read"] == "PermissionError"


def test_sockets_here_would_do_what_the_caller_may_not():
    """So that the test above can fail."""
    for family in (socket.AF_UNIX, socket.AF_INET):
        with socket.socket(family, socket.SOCK_STREAM) as opened:
            assert opened.fileno() > 0


def test_tokens_belong_to_a_host_and_to_teams():
    known = {
        "ENDPOINT_TOKEN_GPU__1_EXAMPLE_ORG": " secret ",
        "ENDPOINT_TEAMS_GPU__1_EXAMPLE_ORG": "neuro",
        "ENDPOINT_TOKEN_OPEN_ORG": "all",
        "ENDPOINT_TEAMS_OPEN_ORG": "*",
        "ENDPOINT_TOKEN_CLOSED_ORG": "none",
    }
    assert token_of("gpu-1.example.org", known, "neuro") == "secret"
    assert token_of("gpu-1.example.org", known, "chest") == ""
    assert token_of("gpu.1.example.org", known, "neuro") == ""
    assert token_of("open.org", known, "chest") == "all"
    assert token_of("closed.org", known, "chest") == ""
    assert token_of("closed.org", known, None) == "none"
    assert variable_of("open_org") == variable_of("open.org")
    assert token_of("open_org", known, "chest") == ""


def test_a_policy_from_the_environment():
    found = Policy.of({"ENDPOINT_ALLOWED_HOSTS": "a.internal, http://b:80"}, None)
    assert found.allowed == ("a.internal", "http://b:80")
    with pytest.raises(ValueError):
        Policy.of({"ENDPOINT_ALLOWED_HOSTS": "a.internal/path"}, None)
