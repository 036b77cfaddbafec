"""Asking one model behind an address: is it ready, what is it, what does it say of these cases?"""

import json
import random
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ml.endpoint import protocol
from ml.endpoint.address import Allowed, Lookup, look_up, parse, resolve
from ml.endpoint.connection import Answer, Clock, Connection, tls_context
from ml.endpoint.problem import AGAIN, EndpointError

READY_BYTES, METADATA_BYTES = 1 << 16, 1 << 20
MOST_WAIT = 30.0  # seconds between two tries, whatever a server asks for
Sleep = Callable[[float], None]


@dataclass(frozen=True)
class Target:
    """Which model, how it is asked, and within which bounds."""

    url: str
    model: str
    version: str  # empty: the server's own choice
    tensor: str  # of the input; empty: the one that the metadata names
    output: str  # empty: the first that the metadata names
    datatype: str  # of the input
    binary: bool
    case_shape: tuple[int, ...]  # of one prepared case, float32
    n_classes: int
    seconds: float = 30.0  # for one request
    tries: int = 4  # of one request
    pause: float = 0.5  # seconds before the second try; doubled each time, half of it by chance
    total_seconds: float = 120.0  # for all tries of one request
    allowed: tuple[str, ...] = ()  # see ml.endpoint.address.Allowed
    ca_file: str = ""

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> "Target":
        return cls(
            **{
                **value,
                "case_shape": tuple(value["case_shape"]),
                "allowed": tuple(value["allowed"]),
            }
        )

    @property
    def path(self) -> str:
        version = f"/versions/{self.version}" if self.version else ""
        return f"/v2/models/{self.model}{version}"


class Client:
    """The one user of the network; the address is resolved once, when it is made.

    Args:
        target: whom to ask.
        token: sent as a bearer token; empty for none. It is in no message and in no result.

    Raises:
        EndpointError: endpoint_refused, endpoint_unreachable.
    """

    def __init__(
        self,
        target: Target,
        token: str = "",
        *,
        lookup: Lookup = look_up,
        clock: Clock = time.monotonic,
        sleep: Sleep = time.sleep,
    ) -> None:
        self.target, self.token = target, token
        self.clock, self.sleep = clock, sleep
        address = parse(target.url, Allowed.of(target.allowed))
        ip = resolve(address, lookup)
        tls = tls_context(target.ca_file) if address.scheme == "https" else None
        self.connection = Connection(address, ip, tls, clock)
        self.requests = 0
        self.tensor, self.output = target.tensor, target.output

    def describe(self) -> dict[str, Any]:
        """Is the model ready, and what does the server say of it? Settles the tensors' names.

        Returns:
            platform, versions, inputs and outputs [{name, datatype, shape}]; tensor and output, the
            names of those that are used.

        Raises:
            EndpointError
        """
        self._ask("GET", f"{self.target.path}/ready", most_bytes=READY_BYTES)
        answer = self._ask("GET", self.target.path, most_bytes=METADATA_BYTES)
        described = protocol.read_metadata(answer, model=self.target.model)
        self._keep_secret(json.dumps(described))
        self.tensor = _name(described["inputs"], self.target.tensor, "input", only=True)
        self.output = _name(described["outputs"], self.target.output, "output", only=False)
        return {**described, "tensor": self.tensor, "output": self.output}

    def infer(self, cases: bytes, n: int) -> protocol.Outputs:
        """What the model gives for n cases.

        Args:
            cases: float32, little-endian, n times the case's shape.

        Raises:
            EndpointError
        """
        target = self.target
        body, headers = protocol.request_body(
            cases,
            (n, *target.case_shape),
            tensor=self.tensor,
            output=self.output,
            datatype=target.datatype,
            binary=target.binary,
        )
        most = protocol.most_bytes(n * target.n_classes)
        answer = self._ask("POST", f"{target.path}/infer", body, headers, most_bytes=most)
        shape = (n, target.n_classes)
        found = protocol.read_outputs(answer, model=target.model, output=self.output, shape=shape)
        self._keep_secret(found.version)
        if target.version and found.version not in ("", target.version):
            raise EndpointError("endpoint_changed", "Another version answered than was asked.")
        return found

    def close(self) -> None:
        self.connection.close()

    def _ask(
        self,
        method: str,
        path: str,
        body: bytes = b"",
        headers: Mapping[str, str] | None = None,
        *,
        most_bytes: int,
    ) -> Answer:
        """One answer with status 200, after as many tries as are allowed."""
        until = self.clock() + self.target.total_seconds
        for number in range(1, self.target.tries + 1):
            try:
                return self._once(method, path, body, headers or {}, until, most_bytes)
            except EndpointError as error:
                left = until - self.clock()
                wait = max(self._pause(number), min(error.wait, MOST_WAIT))
                if error.code not in AGAIN or number == self.target.tries or wait >= left:
                    raise
            self.sleep(wait)
        raise AssertionError("unreachable")

    def _pause(self, number: int) -> float:
        longest: float = min(MOST_WAIT, self.target.pause * 2.0 ** (number - 1))
        return longest * (0.5 + 0.5 * random.random())  # so that workers do not come at once

    def _once(
        self,
        method: str,
        path: str,
        body: bytes,
        headers: Mapping[str, str],
        until: float,
        most_bytes: int,
    ) -> Answer:
        secret = {"Authorization": f"Bearer {self.token}"} if self.token else {}
        seconds = min(self.target.seconds, until - self.clock())
        self.requests += 1
        answer = self.connection.request(
            method,
            path,
            body=body,
            headers={**headers, **secret},
            seconds=seconds,
            most_bytes=most_bytes,
        )
        if answer.status != 200:
            raise _of_status(answer)
        return answer

    def _keep_secret(self, text: str) -> None:
        if self.token and self.token in text:
            raise EndpointError("endpoint_protocol", "It repeats the token that it was sent.")


def _name(tensors: Sequence[Mapping[str, Any]], wanted: str, what: str, *, only: bool) -> str:
    """Which tensor is meant: the one that is named, else the one that there is."""
    names = [str(tensor["name"]) for tensor in tensors]
    if wanted:
        if names and wanted not in names:
            raise _unfit(f"The model has no {what} '{wanted}'; it has {', '.join(names)}.")
        return wanted
    if not names:
        raise _unfit(f"Its metadata names no {what}: name it in model.yaml.")
    if only and len(names) > 1:
        raise _unfit(f"The model has {len(names)} {what}s; models with one image are run.")
    return names[0]


def _unfit(message: str) -> EndpointError:
    return EndpointError("endpoint_protocol", message)


def _of_status(answer: Answer) -> EndpointError:
    """What a status other than 200 means here; its body is not looked at."""
    status = answer.status
    if status in (429, 502, 503, 504):
        wait = answer.headers.get("retry-after", "")
        seconds = float(wait) if wait.isascii() and wait.isdigit() and len(wait) < 6 else 0.0
        sentence = f"It has no room (HTTP {status}): try again later."
        return EndpointError("endpoint_busy", sentence, wait=seconds)
    if 300 <= status < 400:
        return EndpointError(
            "endpoint_protocol",
            f"It sends one to another address (HTTP {status}); that is not followed.",
        )
    if status in (401, 403):
        return EndpointError("endpoint_denied", f"It wants other credentials (HTTP {status}).")
    if status in (404, 405, 501):
        return EndpointError(
            "endpoint_protocol",
            f"It knows no such model, or not this protocol (HTTP {status}): see docs/endpoints.md.",
        )
    if status in (400, 413, 415, 422, 500):
        return EndpointError("endpoint_failed", f"It answered with an error (HTTP {status}).")
    return EndpointError("endpoint_protocol", f"It answered with HTTP {status}.")
