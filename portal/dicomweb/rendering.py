"""Frames as pictures, by WADO-RS `rendered` and by WADO-URI."""

import json
import math
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.utils.cache import get_conditional_response

from ml.imaging.rendered import Form, rendered
from portal.api.problems import Problem
from portal.dicomweb.accept import Offer, choose
from portal.dicomweb.access import Scope, find
from portal.dicomweb.actions import text_of
from portal.dicomweb.bodies import FIXED, read, whole_file
from portal.dicomweb.door import door
from portal.dicomweb.models import Instance
from portal.dicomweb.wado import DICOM, EXPLICIT, frame_numbers, pieces_of

KINDS = {"image/jpeg": "JPEG", "image/png": "PNG"}
_PLAIN = ("MONOCHROME1", "MONOCHROME2", "RGB")


@door("GET")
def frame(
    request: HttpRequest, scope: Scope, study: str, series: str, instance: str, frames: str = "1"
) -> HttpResponseBase:
    """One frame; of `window=centre,width,linear` and `quality`, `viewport` is not taken."""
    row = find(scope.instances().select_related("blob"), study, series, instance)
    [number, *more] = frame_numbers(frames, row)
    if more:
        raise Problem("bad_request", "One frame is rendered at a time.")
    kind = choose(request, [Offer(one) for one in KINDS]).media_type
    if "viewport" in request.GET:
        raise Problem("bad_request", "viewport is not supported.", parameter="viewport")
    return picture(request, scope, row, number, kind, _window_of(request.GET.get("window")))


def _window_of(text: str | None) -> tuple[float, float] | None:
    if not text:
        return None
    centre, _, rest = text.partition(",")
    width, _, function = rest.partition(",")
    if function.lower() not in ("", "linear"):
        raise Problem("bad_request", "The function of a window is linear.", parameter="window")
    return _window(centre, width)


def _window(centre: str, width: str) -> tuple[float, float]:
    try:
        found = float(centre), float(width)
    except ValueError:
        found = (math.nan, 0.0)
    if not all(map(math.isfinite, found)) or found[1] < 1:
        raise Problem("bad_request", "A window is a centre and a width of at least 1.")
    return found


def picture(
    request: HttpRequest,
    scope: Scope,
    row: Instance,
    number: int,
    media_type: str,
    window: tuple[float, float] | None,
) -> HttpResponseBase:
    quality = request.GET.get("quality") or request.GET.get("imageQuality") or "90"
    if not quality.isascii() or not quality.isdigit() or not 1 <= int(quality) <= 100:
        raise Problem("bad_request", "quality is 1 to 100.", parameter="quality")
    etag = f'"{row.blob_id}-{number}-{media_type}-{window}-{quality}"'
    response = get_conditional_response(request, etag=etag)
    if response is None:
        form = _form(row, window)
        data = b"".join(read(pieces_of(row, number)))
        try:
            body = rendered(data, form, KINDS[media_type], int(quality))
        except (TypeError, ValueError):  # its attributes and its pixels do not go together
            raise Problem("not_acceptable", "The frame cannot be made a picture.") from None
        response = HttpResponse(body, content_type=media_type)
    response["ETag"] = etag
    response["Cache-Control"] = FIXED if scope.is_fixed else "private, no-cache"
    return response


def _form(row: Instance, window: tuple[float, float] | None) -> Form:
    """
    Raises:
        Problem: not_acceptable, for pixels that only a decoder could make a picture of.
    """
    said: dict[str, Any] = json.loads(row.attributes)
    photometric = text_of(said, "00280004")
    if not row.is_native or photometric not in _PLAIN:
        raise Problem("not_acceptable", "Compressed frames and palettes are not rendered here.")
    return Form(
        rows=row.rows,
        columns=row.columns,
        samples=int(_float(said, "00280002", 1)),
        bits=int(_float(said, "00280100", 16)),
        signed=_float(said, "00280103", 0) == 1,
        by_plane=_float(said, "00280006", 0) == 1,
        inverted=photometric == "MONOCHROME1",
        slope=_float(said, "00281053", 1),
        intercept=_float(said, "00281052", 0),
        window=window or _own_window(said),
    )


def _own_window(said: dict[str, Any]) -> tuple[float, float] | None:
    centre, width = _float(said, "00281050", math.nan), _float(said, "00281051", math.nan)
    return (centre, width) if math.isfinite(centre) and width >= 1 else None


def _float(said: dict[str, Any], tag: str, otherwise: float) -> float:
    try:
        found = float(text_of(said, tag))
    except ValueError:
        return otherwise
    return found if math.isfinite(found) else otherwise


@door("GET")
def by_uri(request: HttpRequest, scope: Scope) -> HttpResponseBase:
    """WADO-URI: the file, or a frame of it as a picture. Source: DICOM PS3.18 9."""
    given = request.GET
    if given.get("requestType") != "WADO":
        raise Problem("bad_request", "requestType is WADO.", parameter="requestType")
    names = [given.get(name, "") for name in ("studyUID", "seriesUID", "objectUID")]
    if not all(names):
        raise Problem("bad_request", "studyUID, seriesUID and objectUID say which object.")
    row = find(scope.instances().select_related("blob"), *names)
    kind = (given.get("contentType") or "image/jpeg").split(",")[0].split(";")[0].strip()
    if kind == DICOM:
        syntax = given.get("transferSyntax") or row.syntax
        if syntax != row.syntax:
            raise Problem("not_acceptable", f"The object is in {row.syntax}.", offers=[row.syntax],
                          native=row.syntax == EXPLICIT)  # fmt: skip
        return whole_file(request, row.blob, DICOM, fixed=scope.is_fixed)
    if kind not in KINDS:
        raise Problem("not_acceptable", f"There is {DICOM}, image/jpeg and image/png.")
    [number, *_] = frame_numbers(given.get("frameNumber") or "1", row)
    centre, width = given.get("windowCenter"), given.get("windowWidth")
    if bool(centre) != bool(width):
        raise Problem("bad_request", "windowCenter and windowWidth go together.")
    window = _window(centre, width) if centre and width else None
    return picture(request, scope, row, number, kind, window)
