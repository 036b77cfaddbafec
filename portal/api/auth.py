"""Who asks: a token acts for one person in one team."""

from django.http import HttpRequest
from ninja.security import HttpBearer

from portal.accounts.actions import find_token
from portal.accounts.models import ApiToken


class TokenAuth(HttpBearer):
    """`Authorization: Bearer <token>`; tokens are made on a person's account page."""

    def authenticate(self, request: HttpRequest, token: str) -> ApiToken | None:
        return find_token(token.strip())


def bearer(request: HttpRequest) -> ApiToken:
    """The token of a request that has passed authentication."""
    token: object = getattr(request, "auth", None)
    assert isinstance(token, ApiToken)
    return token
