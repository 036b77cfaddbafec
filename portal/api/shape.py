"""What is answered before or around an endpoint, in the shape of every other error."""

from collections.abc import Callable
from functools import wraps
from typing import Any

from django.conf import settings
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.views.decorators.csrf import csrf_exempt

from portal.api.problems import answer, not_allowed, too_large

View = Callable[..., HttpResponseBase]


def in_shape(view: View) -> View:
    @wraps(view)
    def shaped(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        is_form = request.content_type == "multipart/form-data"
        most = settings.UPLOAD_MAX_BYTES if is_form else settings.DATA_UPLOAD_MAX_MEMORY_SIZE
        if int(request.headers.get("Content-Length") or 0) > most:
            return too_large(most)
        response = view(request, *args, **kwargs)
        if response.status_code == 405:
            return not_allowed(request.method or "", response.headers["Allow"])
        return response

    return shaped


@csrf_exempt
def nothing_here(request: HttpRequest, rest: str = "") -> HttpResponseBase:
    return answer("not_found", "The API has no such address; /api/v1/docs lists what there is.")
