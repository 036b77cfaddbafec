"""Who sees which team, and who may do what in it."""

from typing import TYPE_CHECKING

from django.contrib.auth.models import AnonymousUser
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest
from django.shortcuts import get_object_or_404

from portal.accounts.models import Membership, Team, User
from portal.accounts.roles import MAY, Act, Role

if TYPE_CHECKING:
    AnyUser = User | AnonymousUser
else:
    AnyUser = object


def signed_in(request: HttpRequest) -> User:
    """The person behind a request of a page that only signed-in people reach."""
    if not isinstance(request.user, User):
        raise PermissionDenied("Sign in first.")
    return request.user


def visible_teams(user: AnyUser) -> QuerySet[Team]:
    if not isinstance(user, User):
        return Team.objects.none()
    return Team.objects.filter(memberships__user=user).order_by("name")


def get_team_or_404(user: AnyUser, slug: str) -> Team:
    """404, not 403: a stranger must not learn that the team exists."""
    return get_object_or_404(visible_teams(user), slug=slug)


def role_of(user: AnyUser, team: Team) -> Role | None:
    if not isinstance(user, User):
        return None
    role = Membership.objects.filter(user=user, team=team).values_list("role", flat=True).first()
    return Role(role) if role else None


def can(user: AnyUser, team: Team, act: Act) -> bool:
    role = role_of(user, team)
    return role is not None and act in MAY[role]


def check_may(user: AnyUser, team: Team, act: Act) -> None:
    if not can(user, team, act):
        role = role_of(user, team) or "stranger"
        raise PermissionDenied(
            f"Your role in {team} is {role}, which may not {act}. "
            "An owner of the team can change that."
        )
