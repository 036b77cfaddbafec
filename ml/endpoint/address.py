"""Which addresses may be called: decided before a name is looked up, and again for what it means.

A model's owner writes the address, so it is a stranger's word: it must not lead into the
network that the worker stands in. Standard library only; see docs/adr/0023.
"""

import ipaddress
import re
import socket
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from urllib.parse import urlsplit

from ml.endpoint.problem import EndpointError

LONGEST = 2000  # characters of an address
IPAddress = ipaddress.IPv4Address | ipaddress.IPv6Address
Lookup = Callable[[str, int], list[str]]

_LABEL = re.compile(r"(?!-)[a-z0-9_-]{1,63}(?<!-)")
_NUMBER = re.compile(r"(0x[0-9a-f]*|[0-9]+)")  # the last part of a host that is an IPv4 in disguise
_PATH = re.compile(r"(/[A-Za-z0-9._~-]+)*")

# Beyond what ipaddress calls global: shared and benchmark space, protocol assignments, relays.
_NEVER_PUBLIC = tuple(
    ipaddress.ip_network(text)
    for text in (
        "0.0.0.0/8", "100.64.0.0/10", "192.0.0.0/24", "192.88.99.0/24", "198.18.0.0/15",
        "240.0.0.0/4", "::/96", "64:ff9b:1::/48", "100::/64", "2001::/23", "fec0::/10",
    )
)  # fmt: skip
# Not even for a host that an operator lists: where clouds keep their credentials, and nobody's.
_NEVER = tuple(
    ipaddress.ip_network(text)
    for text in (
        "0.0.0.0/8", "169.254.0.0/16", "100.100.100.200/32", "224.0.0.0/4", "240.0.0.0/4",
        "::/128", "fe80::/10", "fd00:ec2::254/128", "ff00::/8",
    )
)  # fmt: skip
_RELAYS = (ipaddress.ip_network("64:ff9b::/96"), ipaddress.ip_network("::/96"))  # IPv4 at the end


@dataclass(frozen=True)
class Allowed:
    """Hosts that an operator lists, and what is let through for them.

    An entry is ``host``, ``host:port`` or ``http://host:port``. A listed host may lie in a private
    network or on this machine, and use the listed port; it is called without TLS only as ``http:``.
    """

    entries: frozenset[tuple[str, str, int]] = frozenset()  # scheme, host, port

    @classmethod
    def of(cls, words: Iterable[str]) -> "Allowed":
        """Read the entries of a setting.

        Raises:
            ValueError: for an entry of another form.

        Example:
            >>> sorted(Allowed.of(["triton.internal", "http://[::1]:8000"]).entries)
            [('http', '::1', 8000), ('https', 'triton.internal', 443)]
        """
        return cls(frozenset(_entry(word) for word in words))

    def lists(self, scheme: str, host: str, port: int) -> bool:
        return (scheme, host, port) in self.entries


def _entry(word: str) -> tuple[str, str, int]:
    text = word if "//" in word else f"https://{word}"
    parts = urlsplit(text)
    scheme = parts.scheme
    if scheme not in ("https", "http") or not parts.hostname or parts.path or "@" in text:
        raise ValueError(f"{word!r} is none of: host, host:port, http://host:port")
    return scheme, parts.hostname, parts.port or (443 if scheme == "https" else 80)


@dataclass(frozen=True)
class Address:
    """A place that may be called, as far as its text tells."""

    scheme: str
    host: str  # a name, or an IP address without brackets
    port: int
    path: str  # before /v2; no slash at its end
    listed: bool  # by the operator

    @property
    def host_header(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        usual = {"https": 443, "http": 80}[self.scheme]
        return host if self.port == usual else f"{host}:{self.port}"


def parse(url: str, allowed: Allowed | None = None) -> Address:
    """The address in a text, if it may be called at all. No name is looked up.

    Raises:
        EndpointError: endpoint_refused, with the rule that it breaks.

    Example:
        >>> parse("https://models.example.org/cxr").path
        '/cxr'
        >>> parse("https://user:secret@example.org")
        Traceback (most recent call last):
        ...
        ml.endpoint.problem.EndpointError: The address holds a name or password; leave them out.
    """
    address = _parts(url)
    listed = (allowed or Allowed()).lists(address.scheme, address.host, address.port)
    if address.scheme == "http" and not listed:
        raise _refused("Only https is called: without it anybody on the way reads the pictures.")
    if address.port != 443 and not listed:
        raise _refused(f"The port {address.port} is not 443, and is not on the operator's list.")
    literal = _literal(address.host)
    if literal is not None:
        check(literal, listed=listed)
    return Address(address.scheme, address.host, address.port, address.path, listed)


def _parts(url: str) -> Address:
    if len(url) > LONGEST or not url.isascii() or not url.isprintable() or set(url) & set(" \\"):
        raise _refused("The address holds characters that no address has, or is too long.")
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        raise _refused("The address cannot be read.") from None
    if parts.scheme not in ("https", "http"):
        raise _refused("The address does not begin with https://.")
    if "@" in parts.netloc:
        raise _refused("The address holds a name or password; leave them out.")
    if "?" in url or "#" in url:
        raise _refused("The address ends with its path: nothing after ? or #.")
    path = parts.path.rstrip("/")
    if not _PATH.fullmatch(path) or any(part in (".", "..") for part in path.split("/")):
        raise _refused("The path of the address may have letters, digits and . _ ~ - only.")
    if port == 0:
        raise _refused("The port 0 cannot be called.")
    host = host.removesuffix(".")
    if _literal(host) is None and not _is_name(host):
        raise _refused("The host is neither a name nor an IP address in its usual form.")
    usual = {"https": 443, "http": 80}[parts.scheme]
    return Address(parts.scheme, host, port or usual, path, listed=False)


def _literal(host: str) -> IPAddress | None:
    try:
        return None if "%" in host else ipaddress.ip_address(host)
    except ValueError:
        return None


def _is_name(host: str) -> bool:
    """A DNS name; not 2130706433, 127.1 or 0x7f.1, which libraries read as addresses."""
    labels = host.split(".")
    plain = len(host) <= 253 and all(_LABEL.fullmatch(label) for label in labels)
    return plain and not _NUMBER.fullmatch(labels[-1])


def check(ip: IPAddress, *, listed: bool) -> None:
    """Refuse an IP address that leads inwards.

    Args:
        ip: what is about to be called.
        listed: by the operator: it may be private or this machine, and still no metadata service.

    Raises:
        EndpointError: endpoint_refused.

    Example:
        >>> check(ipaddress.ip_address("::ffff:127.0.0.1"), listed=False)
        Traceback (most recent call last):
        ...
        ml.endpoint.problem.EndpointError: The address leads into a private or reserved network.
    """
    inner = _inner(ip)
    for one in (ip, *([inner] if inner else [])):
        if any(one in network for network in _NEVER) or one.is_multicast or one.is_unspecified:
            raise _refused("The address is a metadata service, multicast or nobody's.")
    if listed:
        return
    public = ip.is_global and not any(ip in network for network in _NEVER_PUBLIC)
    if inner is not None or not public:
        raise _refused("The address leads into a private or reserved network.")


def _inner(ip: IPAddress) -> ipaddress.IPv4Address | None:
    """The IPv4 address that an IPv6 one stands for, by any of the ways there are."""
    if isinstance(ip, ipaddress.IPv4Address):
        return None
    if any(ip in network for network in _RELAYS) and ip not in ipaddress.ip_network("::/127"):
        return ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF)
    return ip.ipv4_mapped or ip.sixtofour or (ip.teredo[1] if ip.teredo else None)


def look_up(host: str, port: int) -> list[str]:
    """Every IP address of a host, as the system's resolver gives them."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, proto=socket.IPPROTO_TCP)
    return [str(address[0]) for *_, address in found]


def resolve(address: Address, lookup: Lookup = look_up) -> str:
    """The one IP address that will be called from now on: the name is not looked up again.

    All that a name means are checked: one that leads inwards refuses it, whichever comes first.

    Raises:
        EndpointError: endpoint_refused, endpoint_unreachable.
    """
    try:
        texts = lookup(address.host, address.port)
        found = [ipaddress.ip_address(text) for text in texts]
    except (OSError, UnicodeError, ValueError):
        found = []
    if not found:
        raise EndpointError("endpoint_unreachable", f"The host {address.host} has no address.")
    for ip in found:
        check(ip, listed=address.listed)
    return str(found[0])


def _refused(message: str) -> EndpointError:
    return EndpointError("endpoint_refused", message)
