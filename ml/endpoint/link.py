"""Between a child without a network and an endpoint: the parent passes numbers, nothing else."""

import base64
import json
import shutil
import ssl
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np

from ml.endpoint.address import Allowed, parse
from ml.endpoint.client import METADATA_BYTES, Target
from ml.endpoint.policy import Policy
from ml.endpoint.problem import CODES, EndpointError
from ml.estimate import JsonObject, JsonValue
from ml.sandbox import landlock, seccomp
from ml.sandbox.launch import CannotStart, Child
from ml.sandbox.levels import Isolation
from ml.sandbox.messages import Limits
from ml.sandbox.results import ResultError, take

CALLER = "ml.endpoint.caller"
GRACE_SECONDS = 20.0  # beyond what a question may take: looking up a name has no limit of its own
_LIMITS = Limits(memory_bytes=2 << 30, file_bytes=0, open_files=32, tasks=16, network=True)
# What a resolver and TLS read; links are followed to what they mean.
_SETTINGS = (
    "/etc/resolv.conf", "/etc/hosts", "/etc/nsswitch.conf", "/etc/host.conf", "/etc/gai.conf",
    "/etc/ssl", "/etc/pki", "/etc/ca-certificates", "/usr/share/ca-certificates",
    "/usr/local/share/ca-certificates",
)  # fmt: skip

TargetOf = Callable[[JsonObject], Target]  # from the question that opens


class Link:
    """Answers the questions of one job, by a caller process that is started with the first.

    A child may ask: ``{"what": "open", ...}``, once and first; then ``{"what": "infer", "n": cases,
    "file": name}`` with float32 numbers in a file of its folder. It names no address, no model and
    no tensor: what it can send is so many numbers to the one place that the job is about.

    Args:
        target_of: whom to ask; is given the opening question.
        policy: what the operator allows.
        most_cases: that may be sent in all.
    """

    def __init__(self, target_of: TargetOf, policy: Policy, *, most_cases: int) -> None:
        self.target_of, self.policy, self.left = target_of, policy, most_cases
        self.target: Target | None = None
        self.caller: Child | None = None
        self.folder: Path | None = None
        self.ready = False
        self.n = 0  # cases of the open question
        self.until = 0.0
        self.pending = b""
        self.answered: JsonObject | None = None
        self.busy = False

    def __enter__(self) -> "Link":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def ask(self, question: JsonObject, out_dir: Path) -> None:
        """Pass a question on, or answer it at once where it cannot be."""
        self.busy, self.answered = True, None
        try:
            if question.get("what") == "open":
                self._open(question)
            else:
                self._infer(question, out_dir)
        except EndpointError as error:
            self.answered = _problem(error)

    def wait(self, seconds: float) -> JsonObject | None:
        """The answer, if there is one within that time."""
        if self.answered is None and self.caller is not None:
            self._listen(self.caller, min(seconds, max(self.until - time.monotonic(), 0.0)))
            if self.answered is None and time.monotonic() >= self.until:
                self.close()
                late = EndpointError("endpoint_timeout", "The endpoint gave no answer in time.")
                self.answered = _problem(late)
        if self.answered is None:
            return None
        self.busy = False
        return self.answered

    def close(self) -> None:
        """End the caller; the token goes with it."""
        if self.caller is not None:
            self.caller.close()
            self.caller = None
        if self.folder is not None:
            shutil.rmtree(self.folder, ignore_errors=True)
            self.folder = None

    def _open(self, question: JsonObject) -> None:
        if self.target is not None:
            raise EndpointError("endpoint_refused", "The endpoint was opened before.")
        policy = self.policy
        if policy.refusal:
            raise EndpointError("endpoint_refused", policy.refusal)
        try:
            target = self.target_of(question)
        except (LookupError, TypeError, ValueError):
            raise EndpointError("endpoint_refused", "The manifest cannot be read.") from None
        self.target = replace(
            target,
            allowed=policy.allowed,
            ca_file=policy.ca_file,
            tries=policy.tries,
            pause=policy.pause,
            total_seconds=policy.total_seconds,
        )
        address = parse(self.target.url, Allowed.of(policy.allowed))
        self.folder = Path(tempfile.mkdtemp(prefix="caller-")).resolve()
        walls = _walls()
        try:
            self.caller = Child(
                Isolation("landlock", walls),
                _LIMITS,
                CALLER,
                read=_readable(policy.ca_file),
                write=[self.folder],
            )
        except (CannotStart, OSError) as error:
            raise EndpointError(
                "endpoint_unreachable", f"No caller can be started: {error}"
            ) from None
        token = policy.token(address.host)
        self._send({"what": "open", "target": asdict(self.target), "token": token}, questions=2)

    def _infer(self, question: JsonObject, out_dir: Path) -> None:
        target, n = self.target, question.get("n")
        if target is None or self.caller is None:
            raise EndpointError("endpoint_refused", "The endpoint is not open.")
        if type(n) is not int or not 0 < n <= self.left:
            raise EndpointError("endpoint_refused", "More cases are sent than there are.")
        size = n * 4 * int(np.prod(target.case_shape))
        try:
            cases = take(out_dir, str(question.get("file")), most_bytes=size)
        except ResultError as error:
            raise EndpointError("endpoint_refused", f"The cases cannot be sent: {error}") from None
        if len(cases) != size or not np.isfinite(np.frombuffer(cases, dtype="<f4")).all():
            raise EndpointError(
                "endpoint_refused", "The prepared cases are not finite numbers of their shape."
            )
        self.left -= n
        self.n = n
        self._send({"what": "infer", "n": n, "cases": base64.b64encode(cases).decode()})

    def _send(self, question: Mapping[str, object], *, questions: int = 1) -> None:
        assert self.caller is not None
        assert self.target is not None
        self.until = time.monotonic() + questions * self.target.total_seconds + GRACE_SECONDS
        self.caller.send(json.dumps(question).encode() + b"\n")

    def _listen(self, caller: Child, seconds: float) -> None:
        for source, piece in caller.read(seconds):
            if source == "events":  # what it prints is not looked at: it could hold the token
                self.pending += piece
        *lines, self.pending = self.pending.split(b"\n")
        for line in lines:
            self._line(line)
        if len(self.pending) > 4 * METADATA_BYTES or not caller.runs():
            self._broke()

    def _line(self, line: bytes) -> None:
        try:
            message = json.loads(line)
        except (ValueError, RecursionError):
            message = {}
        if message.get("event") == "ready" and tuple(message.get("walls", ())) == _walls():
            self.ready = True
        elif message.get("event") == "answer" and self.ready and self.answered is None:
            self.answered = self._checked(message)
        else:
            self._broke()

    def _broke(self) -> None:
        self.close()
        if self.answered is None:
            broke = EndpointError("endpoint_unreachable", "The process that speaks to it broke.")
            self.answered = _problem(broke)

    def _checked(self, message: Mapping[str, Any]) -> JsonObject:
        """What the caller said, as far as it is what was asked for."""
        code = message.get("code")
        if code in CODES:
            return {"code": code, "message": str(message.get("message"))[:500]}
        if isinstance(message.get("described"), dict):
            return {"described": message["described"]}
        assert self.target is not None
        values, version = message.get("values"), message.get("version")
        if isinstance(values, str) and isinstance(version, str):
            raw = base64.b64decode(values)
            if len(raw) == 8 * self.n * self.target.n_classes:
                requests: JsonValue = message.get("requests")
                return {"values": values, "version": version, "requests": requests}
        return _problem(EndpointError("endpoint_protocol", "The caller's answer cannot be used."))


def _problem(error: EndpointError) -> JsonObject:
    return {"code": error.code, "message": error.message}


def _walls() -> tuple[str, ...]:
    """All that this machine has, but for namespaces: those would leave it without a network."""
    filtered = ["seccomp"] if seccomp.available() else []
    return ("limits", *(["landlock"] if landlock.abi() >= 1 else []), *filtered)


def _readable(ca_file: str) -> list[Path]:
    system = ssl.get_default_verify_paths()
    named = (*_SETTINGS, ca_file, system.cafile, system.capath)
    paths = [Path(name) for name in named if name]
    return [path for path in (*paths, *(path.resolve() for path in paths)) if path.exists()]
