"""Everything that can go wrong, as `{"code", "message", "details"}` with codes that stay."""

import logging
from collections.abc import Mapping
from typing import Any

from django.conf import settings
from django.core.exceptions import PermissionDenied, RequestDataTooBig, SuspiciousOperation
from django.core.exceptions import ValidationError as Invalid
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.http.multipartparser import MultiPartParserError
from ninja import NinjaAPI, Schema
from ninja.errors import AuthenticationError, HttpError, ValidationError

from portal.lifecycle import IllegalMove

logger = logging.getLogger(__name__)

# code -> (HTTP status, when it is given). Programs rely on the codes: add, never rename.
CODES: dict[str, tuple[int, str]] = {
    "bad_request": (400, "The request could not be read."),
    "unauthenticated": (401, "There is no token, or it is unknown, expired or ended."),
    "forbidden": (403, "The role of the token's person does not allow this."),
    "not_found": (404, "There is no such thing in the token's team."),
    "method_not_allowed": (405, "The address does not take this method."),
    "not_acceptable": (406, "Nothing that the Accept header asks for can be given."),
    "conflict": (409, "The state of the thing does not allow this now."),
    "too_large": (413, "The request holds more bytes than this portal takes."),
    "unsupported_media_type": (415, "The address does not take a body of this type."),
    "range_not_satisfiable": (416, "The Range header asks for bytes that are not there."),
    "validation": (422, "The request was read, and something in it is wrong."),
    "idempotency_mismatch": (422, "The Idempotency-Key was used before with another body."),
    "internal": (500, "A fault in the portal; an operator finds it by details.reference."),
}


class ProblemOut(Schema):
    code: str
    message: str
    details: dict[str, Any]


class Problem(Exception):
    """Raised by endpoints; answered in the shape of every other error."""

    def __init__(self, code: str, message: str, **details: Any) -> None:
        super().__init__(message)
        self.code, self.message, self.details = code, message, details


def answer(code: str, message: str, details: Mapping[str, Any] | None = None) -> HttpResponse:
    body = {"code": code, "message": message, "details": dict(details or {})}
    return JsonResponse(body, status=CODES[code][0])


def unauthenticated() -> HttpResponse:
    response = answer(
        "unauthenticated",
        "Send the header “Authorization: Bearer <token>” with a live token. Tokens are made on "
        "your account's page.",
    )
    response["WWW-Authenticate"] = 'Bearer realm="plumbline"'
    return response


def not_allowed(method: str, allowed: str) -> HttpResponse:
    message = f"This address does not take {method}; it takes {allowed}."
    response = answer("method_not_allowed", message, {"allowed": allowed.split(", ")})
    response["Allow"] = allowed
    return response


def too_large(most: int) -> HttpResponse:
    return answer(
        "too_large", f"This portal takes at most {most:,} bytes here.", {"most_bytes": most}
    )


def _invalid(error: Invalid) -> HttpResponse:
    problems = list(error.messages)
    return answer("validation", " ".join(problems), {"problems": problems})


def _unfit(error: ValidationError) -> HttpResponse:
    problems = [
        {"field": ".".join(str(part) for part in item["loc"]), "problem": item["msg"]}
        for item in error.errors
    ]
    first = problems[0]
    message = f"{first['field']}: {first['problem']}"
    if len(problems) > 1:
        message += f" (and {len(problems) - 1} more)"
    return answer("validation", message, {"fields": problems})


def _http_error(error: HttpError) -> HttpResponse:
    by_status = {status: code for code, (status, _) in reversed(CODES.items())}
    return answer(by_status.get(error.status_code, "bad_request"), str(error))


def _internal(request: HttpRequest, error: Exception) -> HttpResponse:
    reference = str(request.META.get("REQUEST_ID") or getattr(request, "request_id", ""))
    logger.error("reference %s: %s %s", reference, request.method, request.path, exc_info=error)
    message = "A fault in the portal stopped this request. What was saved before is safe."
    return answer("internal", message, {"reference": reference})


def respond(request: HttpRequest, error: Exception | type[Exception]) -> HttpResponse:
    """The answer to anything an endpoint raised."""
    match error:
        case Problem():
            return answer(error.code, error.message, error.details)
        case AuthenticationError():
            return unauthenticated()
        case PermissionDenied():
            return answer("forbidden", str(error))
        case Http404():
            return answer("not_found", "There is no such thing in this team.")
        case IllegalMove():
            sentence = str(error)
            return answer("conflict", f"{sentence[:1].upper()}{sentence[1:]}.")
        case Invalid():
            return _invalid(error)
        case ValidationError():
            return _unfit(error)
        case RequestDataTooBig():
            return too_large(settings.DATA_UPLOAD_MAX_MEMORY_SIZE)
        case HttpError():
            return _http_error(error)
        case MultiPartParserError() | SuspiciousOperation():
            return answer("bad_request", f"The request could not be read: {error}")
        case _:
            return _internal(request, error if isinstance(error, Exception) else error())


def install(api: NinjaAPI) -> None:
    kinds: tuple[type[Exception], ...] = (Exception, Http404, HttpError, ValidationError)
    for kind in kinds:
        api.add_exception_handler(kind, respond)
