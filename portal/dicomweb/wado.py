"""WADO-RS: instances, their attributes, their frames, as they are stored."""

import hashlib
import re
from collections.abc import Iterable

from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.utils.cache import get_conditional_response

from portal.api.problems import Problem
from portal.dicomweb.accept import Offer, choose
from portal.dicomweb.access import Scope, find
from portal.dicomweb.bodies import Part, Piece, answered, multipart, piece_of, whole_file
from portal.dicomweb.door import door
from portal.dicomweb.models import Instance
from portal.dicomweb.qido import OFFERS

DICOM = "application/dicom"
OCTETS = "application/octet-stream"
EXPLICIT = "1.2.840.10008.1.2.1"
MOST_FRAMES = 1000  # of one request
# Of a compressed syntax the type its frames have by themselves: PS3.18 table 8.7.3-5.
TYPES = {
    "1.2.840.10008.1.2.5": "image/dicom-rle",
    "1.2.840.10008.1.2.4.50": "image/jpeg",
    "1.2.840.10008.1.2.4.57": "image/jpeg",
    "1.2.840.10008.1.2.4.70": "image/jpeg",
    "1.2.840.10008.1.2.4.80": "image/jls",
    "1.2.840.10008.1.2.4.81": "image/jls",
    "1.2.840.10008.1.2.4.90": "image/jp2",
    "1.2.840.10008.1.2.4.91": "image/jp2",
}


@door("GET")
def study(request: HttpRequest, scope: Scope, study: str) -> HttpResponseBase:
    return _files(request, scope, _some(scope, study))


@door("GET")
def series(request: HttpRequest, scope: Scope, study: str, series: str) -> HttpResponseBase:
    return _files(request, scope, _some(scope, study, series))


@door("GET")
def instance(
    request: HttpRequest, scope: Scope, study: str, series: str, instance: str
) -> HttpResponseBase:
    """The file; alone where `application/dicom` is asked for and not several parts."""
    row = find(scope.instances().select_related("blob"), study, series, instance)
    offers = (Offer(DICOM, True, row.syntax), Offer(DICOM, False, row.syntax))
    if choose(request, offers).multipart:
        return _files(request, scope, [row])
    return whole_file(request, row.blob, DICOM, fixed=scope.is_fixed)


@door("GET")
def study_metadata(request: HttpRequest, scope: Scope, study: str) -> HttpResponseBase:
    return _metadata(request, scope, _some(scope, study))


@door("GET")
def series_metadata(
    request: HttpRequest, scope: Scope, study: str, series: str
) -> HttpResponseBase:
    return _metadata(request, scope, _some(scope, study, series))


@door("GET")
def instance_metadata(
    request: HttpRequest, scope: Scope, study: str, series: str, instance: str
) -> HttpResponseBase:
    return _metadata(request, scope, [find(scope.instances(), study, series, instance)])


@door("GET")
def frames(
    request: HttpRequest, scope: Scope, study: str, series: str, instance: str, frames: str
) -> HttpResponseBase:
    """Frames in the order asked for, from 1, in the syntax that they are stored in."""
    row = find(
        scope.instances().select_related("blob").defer("attributes"), study, series, instance
    )
    numbers = frame_numbers(frames, row)
    offers = _frame_offers(row, single=len(numbers) == 1)
    chosen = choose(request, offers)
    shown = f"{chosen.media_type}; transfer-syntax={row.syntax}"
    tag = f"{row.blob_id}-{frames}"
    if not chosen.multipart:
        pieces = pieces_of(row, numbers[0])
        return answered(request, pieces, shown, tag, fixed=scope.is_fixed)
    at = f"{scope.root}/studies/{study}/series/{series}/instances/{instance}/frames"
    parts = [Part(shown, pieces_of(row, number), f"{at}/{number}") for number in numbers]
    body, content_type = multipart(parts, chosen.media_type)
    return answered(request, body, content_type, f"{tag}-m", fixed=scope.is_fixed)


@door("GET")
def bulk(
    request: HttpRequest, scope: Scope, study: str, series: str, instance: str, place: str
) -> HttpResponseBase:
    """A value that the attributes name by its address."""
    row = find(scope.instances().select_related("blob"), study, series, instance)
    if place == "pixels" and not row.is_native:
        return _all_frames(request, scope, row)
    pieces = (_bulk_piece(row, place),)
    chosen = choose(request, (Offer(OCTETS, True, EXPLICIT), Offer(OCTETS, False, EXPLICIT)))
    tag = f"{row.blob_id}-{place}"
    if not chosen.multipart:
        return answered(request, pieces, OCTETS, tag, fixed=scope.is_fixed)
    body, content_type = multipart([Part(OCTETS, pieces)], OCTETS)
    return answered(request, body, content_type, f"{tag}-m", fixed=scope.is_fixed)


def _all_frames(request: HttpRequest, scope: Scope, row: Instance) -> HttpResponseBase:
    """Compressed pixels have a part to every frame: PS3.18 8.7.3.3."""
    chosen = choose(request, [one for one in _frame_offers(row, single=False) if one.multipart])
    shown = f"{chosen.media_type}; transfer-syntax={row.syntax}"
    parts = [Part(shown, pieces_of(row, number)) for number in range(1, row.frames + 1)]
    body, content_type = multipart(parts, chosen.media_type)
    return answered(request, body, content_type, f"{row.blob_id}-pixels-m", fixed=scope.is_fixed)


def _bulk_piece(row: Instance, place: str) -> Piece:
    if place == "pixels":
        assert row.pixel_offset is not None
        assert row.pixel_bytes is not None
        return piece_of(row.blob, row.pixel_offset, row.pixel_bytes)
    if not place.isascii() or not place.isdigit() or int(place) >= len(row.bulk):
        raise Http404("no such value")
    at, size = row.bulk[int(place)]
    return piece_of(row.blob, at, size)


def _some(scope: Scope, study: str, series: str = "") -> QuerySet[Instance]:
    rows = scope.instances().filter(study_uid=study)
    if series:
        rows = rows.filter(series_uid=series)
    if not rows.exists():
        raise Http404("no such DICOM study or series")
    return rows.select_related("blob").order_by("series_uid", "instance_number", "pk")


def _files(request: HttpRequest, scope: Scope, rows: Iterable[Instance]) -> HttpResponseBase:
    rows = list(rows)
    # Each file says its own syntax, so nobody is given one that was not named and cannot tell.
    syntaxes = {row.syntax for row in rows}
    chosen = choose(request, [Offer(DICOM, True, one) for one in sorted(syntaxes)])
    if len(syntaxes) > 1 and not _takes_all(request, syntaxes):
        raise Problem("not_acceptable", "The instances are of several transfer syntaxes; ask "
                      "with transfer-syntax=*.", offers=sorted(syntaxes))  # fmt: skip
    parts = [_whole(scope, row) for row in rows]
    body, content_type = multipart(parts, chosen.media_type)
    tag = _tag_of(f"{row.blob_id}" for row in rows)
    return answered(request, body, content_type, tag, fixed=False)


def _whole(scope: Scope, row: Instance) -> Part:
    piece = piece_of(row.blob, 0, row.blob.size_bytes)
    return Part(f"{DICOM}; transfer-syntax={row.syntax}", (piece,), address_of(scope, row))


def _takes_all(request: HttpRequest, syntaxes: Iterable[str]) -> bool:
    for one in syntaxes:
        try:
            choose(request, [Offer(DICOM, True, one)])
        except Problem:
            return False
    return True


def _metadata(request: HttpRequest, scope: Scope, rows: Iterable[Instance]) -> HttpResponseBase:
    chosen = choose(request, OFFERS)
    rows = list(rows)
    tag = f'"{_tag_of([scope.root, *(str(row.pk) for row in rows)])}"'
    response = get_conditional_response(request, etag=tag)
    if response is None:
        texts = [
            row.attributes.replace(
                '"BulkDataURI":"bulkdata/', f'"BulkDataURI":"{address_of(scope, row)}/bulkdata/'
            )
            for row in rows
        ]
        response = HttpResponse(f"[{','.join(texts)}]", content_type=chosen.media_type)
    response["ETag"] = tag
    return response


def _tag_of(names: Iterable[str]) -> str:
    return hashlib.sha256("\n".join(names).encode()).hexdigest()


def address_of(scope: Scope, row: Instance) -> str:
    return f"{scope.root}/studies/{row.study_uid}/series/{row.series_uid}/instances/{row.sop_uid}"


def frame_numbers(text: str, row: Instance) -> list[int]:
    """
    Raises:
        Problem: bad_request for what is no list of numbers; 404 for a frame that is not there.
    """
    words = re.split(r"[,\s]+|%2C", text)
    if not all(re.fullmatch(r"[0-9]{1,9}", word) for word in words) or len(words) > MOST_FRAMES:
        raise Problem("bad_request", f"Frames are at most {MOST_FRAMES} numbers with commas.")
    numbers = [int(word) for word in words]
    if 0 in numbers:
        raise Problem("bad_request", "Frames are counted from 1.")
    if max(numbers) > row.frames:
        raise Http404("no such frame")
    return numbers


def pieces_of(row: Instance, number: int) -> tuple[Piece, ...]:
    return tuple(piece_of(row.blob, at, size) for at, size in row.places(number))


def _frame_offers(row: Instance, *, single: bool) -> list[Offer]:
    """Octets of a compressed frame are for those alone who ask for its transfer syntax or any."""
    own = TYPES.get(row.syntax)
    if row.is_native or own is None:
        offers = [Offer(OCTETS, True, row.syntax)]
    else:
        offers = [Offer(own, True, row.syntax), Offer(OCTETS, True, row.syntax, explicit=True)]
    alone = [Offer(one.media_type, False, one.syntax, one.explicit) for one in offers]
    return offers + (alone if single else [])
