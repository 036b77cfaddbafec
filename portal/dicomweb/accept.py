"""Which of the possible answers an Accept header wants. Source: RFC 9110 12.5.1, PS3.18 8.7."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from django.http import HttpRequest

from portal.api.problems import Problem

MULTIPART = "multipart/related"
_PARTS = re.compile(r'((?:[^,"]|"[^"]*")+)')
_PARAMS = re.compile(r';\s*([a-zA-Z-]+)\s*=\s*("[^"]*"|[^;"\s]+)')
_TYPE = re.compile(r"\s*([\w.+-]+|\*)/([\w.+*-]+)\s*(?=;|$)")
_MOST = 4096  # characters of a header that are looked at


@dataclass(frozen=True)
class Offer:
    """One way to answer. `explicit`: only a transfer syntax that is asked for gets it."""

    media_type: str
    multipart: bool = False
    syntax: str = ""
    explicit: bool = False


@dataclass(frozen=True)
class Wanted:
    media_type: str  # "*/*" and "image/*" are ranges
    multipart: bool
    syntax: str  # "" where none is named
    quality: float


def wanted_of(header: str) -> list[Wanted]:
    """What a header names, in its order.

    Raises:
        Problem: bad_request, for a header that cannot be read.
    """
    if len(header) > _MOST:
        raise Problem("bad_request", "The Accept header is too long.")
    return [_wanted(part) for part in _PARTS.findall(header) if part.strip()]


def _wanted(part: str) -> Wanted:
    found = _TYPE.match(part)
    if found is None:
        raise Problem("bad_request", f"The Accept header cannot be read at “{part.strip()[:60]}”.")
    media_type = f"{found[1]}/{found[2]}".lower()
    params = {name.lower(): value.strip('"') for name, value in _PARAMS.findall(part)}
    try:
        quality = float(params.get("q", "1"))
    except ValueError:
        quality = -1.0
    if not 0 <= quality <= 1:
        raise Problem("bad_request", "A q value of the Accept header is no number from 0 to 1.")
    syntax = params.get("transfer-syntax", "")
    if media_type == MULTIPART:
        return Wanted(params.get("type", "*/*").lower(), True, syntax, quality)
    return Wanted(media_type, False, syntax, quality)


def choose(request: HttpRequest, offers: Sequence[Offer]) -> Offer:
    """The offer that is wanted most; of equals the first.

    Raises:
        Problem: not_acceptable, where none is wanted.
    """
    given = request.GET.get("accept") or request.headers.get("Accept") or "*/*"
    wanted = wanted_of(given)
    rated = [(_quality(offer, wanted), -at) for at, offer in enumerate(offers)]
    quality, at = max(rated, default=(0.0, 0))
    if quality <= 0:
        names = sorted({_name(offer) for offer in offers})
        raise Problem(
            "not_acceptable",
            f"Nothing that is asked for can be given. There is: {'; '.join(names)}.",
            offers=names,
        )
    return offers[-at]


def _name(offer: Offer) -> str:
    syntax = f", transfer-syntax {offer.syntax}" if offer.syntax else ""
    return f"{MULTIPART} of {offer.media_type}{syntax}" if offer.multipart else (
        f"{offer.media_type}{syntax}"
    )  # fmt: skip


def _quality(offer: Offer, wanted: Sequence[Wanted]) -> float:
    """That of the most specific range that fits."""
    fitting = [(_specific(one), one.quality) for one in wanted if _fits(one, offer)]
    return max(fitting, default=(0, 0.0))[1]


def _specific(wanted: Wanted) -> tuple[int, int]:
    kind = 0 if wanted.media_type == "*/*" else 1 if wanted.media_type.endswith("/*") else 2
    return kind + wanted.multipart, bool(wanted.syntax)


def _fits(wanted: Wanted, offer: Offer) -> bool:
    anything = wanted.media_type == "*/*"
    if wanted.multipart != offer.multipart and not (anything and not wanted.multipart):
        return False
    kind, _, rest = wanted.media_type.partition("/")
    same_type = anything or wanted.media_type == offer.media_type or (
        rest == "*" and offer.media_type.startswith(f"{kind}/")
    )  # fmt: skip
    if wanted.syntax in ("", "*"):
        return same_type and (not offer.explicit or bool(wanted.syntax))
    return same_type and wanted.syntax == offer.syntax
