"""One HTTP connection to one checked IP address, bounded in time and in size.

The standard library's client, with a socket of our own under it: no name is looked up twice, no
redirect followed, no proxy of the environment used, and a server that sends a byte a second meets
the same deadline as one that sends nothing.
"""

import http.client
import io
import socket
import ssl
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ml.endpoint.address import Address
from ml.endpoint.problem import EndpointError

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

_PIECE = 1 << 16
Clock = Callable[[], float]


@dataclass(frozen=True)
class Answer:
    status: int
    headers: Mapping[str, str]  # names in small letters
    body: bytes


class _Reading(io.RawIOBase):
    """What comes from a socket until a deadline."""

    def __init__(self, line: "_Line") -> None:
        self.line = line

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: "WriteableBuffer") -> int:
        self.line.sock.settimeout(self.line.left())
        return self.line.sock.recv_into(buffer)


class _Line:
    """As much of a socket as http.client uses, each step of it under one deadline."""

    def __init__(self, sock: socket.socket, left: Callable[[], float]) -> None:
        self.sock, self.left = sock, left

    def sendall(self, data: bytes) -> None:
        rest = memoryview(data)
        while rest:
            self.sock.settimeout(self.left())
            rest = rest[self.sock.send(rest[:_PIECE]) :]

    def makefile(self, mode: str) -> io.BufferedReader:
        assert mode == "rb"
        return io.BufferedReader(_Reading(self), _PIECE)

    def close(self) -> None:
        self.sock.close()


class Connection:
    """Requests to one address, one after the other; opened again when it broke.

    Args:
        address: what was asked for; its name is in the certificate and in ``Host``.
        ip: where it is; the only place that is called.
        tls: how its certificate is verified; None where the operator lets it do without.
    """

    def __init__(
        self, address: Address, ip: str, tls: ssl.SSLContext | None, clock: Clock = time.monotonic
    ) -> None:
        self.address, self.ip, self.tls, self.clock = address, ip, tls, clock
        self.until = 0.0
        self.http: http.client.HTTPConnection | None = None

    def request(
        self,
        method: str,
        path: str,
        *,
        body: bytes = b"",
        headers: Mapping[str, str],
        seconds: float,
        most_bytes: int,
    ) -> Answer:
        """One request and its whole answer.

        Args:
            path: behind the address's own.
            seconds: for everything: to connect, to send, and to receive the last byte.
            most_bytes: of the answer's body; a longer one is not read on.

        Raises:
            EndpointError: endpoint_unreachable, endpoint_timeout, endpoint_protocol.
        """
        self.until = self.clock() + seconds
        try:
            http_connection = self.http or self._open()
            http_connection.request(
                method,
                self.address.path + path,
                body=body or None,
                headers={
                    "Host": self.address.host_header,
                    "Accept-Encoding": "identity",
                    **headers,
                },
            )
            response = http_connection.getresponse()
            answer = Answer(
                response.status,
                {name.lower(): value for name, value in response.getheaders()},
                self._body(response, most_bytes),
            )
        except BaseException as error:
            self.close()
            raise _translated(error, self.address.host, seconds) from None
        response.close()  # it has been read: the connection may serve the next request
        if response.will_close:
            self.close()
        return answer

    def close(self) -> None:
        if self.http is not None:
            self.http.close()
            self.http = None

    def _left(self) -> float:
        left = self.until - self.clock()
        if left <= 0:
            raise TimeoutError
        return left

    def _open(self) -> http.client.HTTPConnection:
        sock = socket.create_connection((self.ip, self.address.port), timeout=self._left())
        try:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if self.tls is not None:
                sock.settimeout(self._left())
                sock = self.tls.wrap_socket(sock, server_hostname=self.address.host)
        except BaseException:
            sock.close()
            raise
        self.http = http.client.HTTPConnection(self.address.host, self.address.port)
        self.http.auto_open = 0  # never by itself: that would look the name up
        self.http.sock = _Line(sock, self._left)
        return self.http

    @staticmethod
    def _body(response: http.client.HTTPResponse, most_bytes: int) -> bytes:
        if (response.length or 0) > most_bytes:
            raise _too_long(most_bytes)
        pieces, total = [], 0
        while piece := response.read1(_PIECE):
            total += len(piece)
            if total > most_bytes:
                raise _too_long(most_bytes)
            pieces.append(piece)
        if response.length:  # it ended before the length that it named
            raise http.client.IncompleteRead(b"")
        return b"".join(pieces)


def _too_long(most_bytes: int) -> EndpointError:
    return EndpointError(
        "endpoint_protocol",
        f"It answered with more than the {most_bytes:,} bytes that can be right.",
    )


def _translated(error: BaseException, host: str, seconds: float) -> BaseException:
    """A failure as one of ours; nothing of what the server wrote is repeated."""
    match error:
        case EndpointError():
            return error
        case ssl.SSLCertVerificationError():
            return EndpointError(
                "endpoint_refused",
                f"The certificate of {host} cannot be verified: it is not called.",
            )
        case TimeoutError():
            return EndpointError(
                "endpoint_timeout", f"{host} gave no whole answer within {seconds:g} seconds."
            )
        case OSError() | http.client.RemoteDisconnected() | http.client.IncompleteRead():
            return EndpointError("endpoint_unreachable", f"The connection to {host} broke off.")
        case http.client.HTTPException() | ValueError():
            return EndpointError("endpoint_protocol", f"{host} does not answer in HTTP.")
    return error


def tls_context(ca_file: str = "") -> ssl.SSLContext:
    """Certificates and names are verified, TLS is 1.2 or newer.

    Args:
        ca_file: certificates of an authority of one's own, besides the system's.
    """
    context = ssl.create_default_context()
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if ca_file:
        context.load_verify_locations(cafile=ca_file)
    return context
