"""Gives every request an id that its log lines and error pages carry."""

import uuid
from collections.abc import Callable

from django.http import HttpRequest, HttpResponse


class RequestIdMiddleware:
    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        request.META["REQUEST_ID"] = uuid.uuid4().hex[:12]
        response = self.get_response(request)
        response.headers["X-Request-Id"] = request.META["REQUEST_ID"]
        return response
