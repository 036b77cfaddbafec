"""The pixels of a cohort: a file a browser can show, and the file as it was handed in."""

from pathlib import PurePosixPath
from uuid import UUID

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.utils.http import content_disposition_header
from django.views.decorators.http import require_GET

from portal.accounts.access import get_team_or_404, signed_in
from portal.blobs import store
from portal.blobs.models import Blob
from portal.cohorts import access

# A picture is opened alone in a tab at most: it may run nothing and load nothing.
PICTURE_POLICY = "sandbox; default-src 'none'"
KEPT = "private, max-age=31536000, immutable"  # the address names one unchanging image
SHOWABLE = frozenset({"image/png", "image/jpeg"})


@require_GET
@login_required
def image(request: HttpRequest, team: str, image_id: UUID) -> HttpResponse:
    found = access.get_image_or_404(get_team_or_404(signed_in(request), team), image_id)
    # what intake read, not what the blob was first stored as; a made display file is a PNG
    media_type = found.media_type if found.display_id == found.blob_id else "image/png"
    return answer(found.display, media_type if media_type in SHOWABLE else "")


@require_GET
@login_required
def original(request: HttpRequest, team: str, image_id: UUID) -> HttpResponse:
    """The file as it was handed in: always saved, never shown."""
    found = access.get_image_or_404(get_team_or_404(signed_in(request), team), image_id)
    response = answer(found.blob, "")
    name = PurePosixPath(found.path).name
    response["Content-Disposition"] = content_disposition_header(True, name) or "attachment"
    return response


def answer(blob: Blob, media_type: str) -> HttpResponse:
    """The bytes under one of the types that are shown, or to be saved."""
    response = HttpResponse(
        store.read_bytes(blob), content_type=media_type or "application/octet-stream"
    )
    response["Content-Security-Policy"] = PICTURE_POLICY
    response["X-Content-Type-Options"] = "nosniff"
    response["Cache-Control"] = KEPT
    return response
