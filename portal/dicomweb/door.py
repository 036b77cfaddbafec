"""What is before every DICOMweb address: who asks, which methods it takes, the shape of errors."""

from collections.abc import Callable
from functools import wraps
from typing import Any
from uuid import UUID

from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.views.decorators.csrf import csrf_exempt

from portal.api.problems import Problem, not_allowed, respond, unauthenticated
from portal.dicomweb.access import scope_of

# Nothing that is handed out runs or loads anything, wherever it is opened.
POLICY = "sandbox; default-src 'none'"

View = Callable[..., HttpResponseBase]


def door(*methods: str) -> Callable[[View], View]:
    """A view of (request, scope, ...) behind the door. GET takes HEAD too."""
    taken = (*methods, "HEAD") if "GET" in methods else methods

    def of(view: View) -> View:
        @csrf_exempt  # what changes something takes a token, never a session
        @wraps(view)
        def opened(
            request: HttpRequest,
            *,
            team: str | None = None,
            version_id: UUID | None = None,
            **named: Any,
        ) -> HttpResponseBase:
            try:
                scope = scope_of(request, team, version_id)
                if request.method not in taken:
                    return not_allowed(request.method or "", ", ".join(taken))
                response = view(request, scope, **named)
            except Problem as problem:
                known = problem.code != "unauthenticated"
                response = respond(request, problem) if known else unauthenticated()
            except Exception as error:
                response = respond(request, error)
            return sealed(response)

        return opened

    return of


def by_method(**views: View) -> View:
    """One address, a view for each method; the door of each says who may use it."""

    @csrf_exempt
    def chosen(request: HttpRequest, **named: Any) -> HttpResponseBase:
        method = "GET" if request.method == "HEAD" else request.method or ""
        # Of another method the first view's door says what it always says.
        view = views.get(method) or next(iter(views.values()))
        response = view(request, **named)
        if response.status_code == 405:
            response["Allow"] = ", ".join([*views, "HEAD"])
        return response

    return chosen


def sealed(response: HttpResponseBase) -> HttpResponseBase:
    response["Content-Security-Policy"] = POLICY
    response["X-Content-Type-Options"] = "nosniff"
    response.setdefault("Cache-Control", "private, no-cache")
    response.setdefault("Vary", "Accept, Authorization, Cookie")
    return response
