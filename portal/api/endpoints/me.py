"""Whose token this is."""

from datetime import datetime
from uuid import UUID

from django.conf import settings
from django.http import HttpRequest
from ninja import Router, Schema

from portal.accounts.access import role_of
from portal.accounts.roles import MAY
from portal.api.auth import bearer

router = Router(tags=["Me"])


class PersonOut(Schema):
    id: UUID
    name: str
    email: str


class TeamOut(Schema):
    id: UUID
    name: str
    slug: str


class TokenOut(Schema):
    name: str
    prefix: str
    expires_at: datetime


class MeOut(Schema):
    user: PersonOut
    team: TeamOut
    role: str
    may: list[str]
    token: TokenOut
    engine: str
    upload_max_bytes: int


@router.get("/me", response=MeOut, operation_id="me", summary="Whose token this is")
def me(request: HttpRequest) -> MeOut:
    """The person and the team that the token acts for, and what it may do."""
    token = bearer(request)
    role = role_of(token.user, token.team)
    assert role is not None  # a token of somebody who left the team is not found
    return MeOut(
        user=PersonOut(id=token.user.pk, name=token.user.name, email=token.user.email),
        team=TeamOut(id=token.team.pk, name=token.team.name, slug=token.team.slug),
        role=role.value,
        may=sorted(act.name.lower() for act in MAY[role]),
        token=TokenOut(name=token.name, prefix=token.prefix, expires_at=token.expires_at),
        engine=settings.ENGINE,
        upload_max_bytes=settings.UPLOAD_MAX_BYTES,
    )
