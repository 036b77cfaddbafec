"""The pixels of a cohort: a file a browser can show, and the file as it was handed in."""

from uuid import UUID

from django.contrib.auth.decorators import login_required
from django.http import FileResponse, HttpRequest
from django.http.response import HttpResponseBase
from django.views.decorators.http import require_GET

from portal.accounts.access import get_team_or_404, signed_in
from portal.blobs import store
from portal.cohorts import access

# A picture is opened alone in a tab at most: it may run nothing and load nothing.
PICTURE_POLICY = "sandbox; default-src 'none'"
KEPT = "private, max-age=31536000, immutable"  # the address names one unchanging image


@require_GET
@login_required
def image(request: HttpRequest, team: str, image_id: UUID) -> HttpResponseBase:
    found = access.get_image_or_404(get_team_or_404(signed_in(request), team), image_id)
    response = FileResponse(store.open_blob(found.display), content_type=found.display.media_type)
    response["Content-Security-Policy"] = PICTURE_POLICY
    response["X-Content-Type-Options"] = "nosniff"
    response["Cache-Control"] = KEPT
    return response


@require_GET
@login_required
def original(request: HttpRequest, team: str, image_id: UUID) -> HttpResponseBase:
    found = access.get_image_or_404(get_team_or_404(signed_in(request), team), image_id)
    return FileResponse(store.open_blob(found.blob), as_attachment=True)
