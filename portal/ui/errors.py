"""What a person sees when a request cannot be answered: what happened, what is safe, what to do."""

import logging

from django.http import HttpRequest, HttpResponse
from django.template import loader

logger = logging.getLogger(__name__)

# In the root URL configuration: handler400 = "portal.ui.errors.bad_request", and so on.


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    return _page(request, 400)


def denied(request: HttpRequest, exception: Exception) -> HttpResponse:
    return _page(request, 403, str(exception))


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    return _page(request, 404)


def server_error(request: HttpRequest) -> HttpResponse:
    logger.error("reference %s: %s %s", reference(request), request.method, request.path)
    return _page(request, 500)


def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponse:
    """For ``CSRF_FAILURE_VIEW``: most often a form that was open longer than the session."""
    return _page(request, 403, "This form was opened in an earlier session. Load it again.")


def reference(request: HttpRequest) -> str:
    return str(getattr(request, "request_id", ""))


def _page(request: HttpRequest, status: int, reason: str = "") -> HttpResponse:
    """Rendered without the request: what broke may be what the navigation asks for."""
    template = loader.get_template(f"{status}.html")
    context = {"reference": reference(request), "reason": reason}
    return HttpResponse(template.render(context), status=status)
