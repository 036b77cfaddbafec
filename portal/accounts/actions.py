"""Everything that changes people, teams and tokens; each change writes the trail."""

import hashlib
import secrets
from datetime import timedelta

from django.core.exceptions import ValidationError
from django.db import transaction
from django.utils import timezone
from django.utils.text import slugify

from portal.accounts.access import check_may
from portal.accounts.models import ApiToken, Membership, Team, User
from portal.accounts.roles import Act, Role
from portal.trail.actions import record

TOKEN_PREFIX = "plb_"  # noqa: S105 - how a token begins, not a secret
USE_SHOWN_WITHIN = timedelta(minutes=1)  # a viewer asks hundreds of times; one write tells as much


@transaction.atomic
def create_team(*, owner: User, name: str, is_demo: bool = False) -> Team:
    base = slug = slugify(name)[:50] or "team"
    number = 2
    while Team.objects.filter(slug=slug).exists():
        slug, number = f"{base}-{number}", number + 1
    team = Team.objects.create(name=name, slug=slug, is_demo=is_demo)
    Membership.objects.create(team=team, user=owner, role=Role.OWNER)
    record(team=team, actor=owner, action="team created", obj=team)
    return team


@transaction.atomic
def set_role(*, actor: User, team: Team, user: User, role: Role) -> Membership:
    """Add a person or change the role; the last owner stays one."""
    check_may(actor, team, Act.MANAGE_TEAM)
    if role != Role.OWNER:
        _check_not_last_owner(team, user)
    membership, created = Membership.objects.update_or_create(
        team=team, user=user, defaults={"role": role}
    )
    action = "member added" if created else "role changed"
    record(team=team, actor=actor, action=action, obj=user, role=str(role))
    return membership


@transaction.atomic
def remove_member(*, actor: User, team: Team, user: User) -> None:
    check_may(actor, team, Act.MANAGE_TEAM)
    _check_not_last_owner(team, user)
    Membership.objects.filter(team=team, user=user).delete()
    ApiToken.objects.filter(team=team, user=user, ended_at=None).update(ended_at=timezone.now())
    record(team=team, actor=actor, action="member removed", obj=user)


@transaction.atomic
def allow_models(*, actor: User, team: Team, torchscript: bool, endpoints: bool) -> None:
    """Which models that are not plain networks the team takes; only what changes is recorded."""
    check_may(actor, team, Act.MANAGE_TEAM)
    held = Team.objects.select_for_update().get(pk=team.pk)
    for name, allowed in (("torchscript", torchscript), ("endpoints", endpoints)):
        if getattr(held, f"allows_{name}") != allowed:
            action = f"{name} {'allowed' if allowed else 'no longer allowed'}"
            record(team=team, actor=actor, action=action, obj=team)
    Team.objects.filter(pk=team.pk).update(
        allows_torchscript=torchscript, allows_endpoints=endpoints
    )


def _check_not_last_owner(team: Team, user: User) -> None:
    owners = Membership.objects.select_for_update().filter(team=team, role=Role.OWNER)
    if [owner.user_id for owner in owners] == [user.pk]:
        raise ValidationError(
            f"{user} is the only owner of {team}: make somebody else owner first."
        )


@transaction.atomic
def invite(
    *, actor: User, team: Team, email: str, name: str, role: Role
) -> tuple[User, str | None]:
    """Add a person by e-mail; who has no account gets one, and its password is shown once."""
    check_may(actor, team, Act.MANAGE_TEAM)
    user, password = User.objects.filter(email__iexact=email).first(), None
    if user is None:
        password = secrets.token_urlsafe(12)
        user = User.objects.create_user(email, password, name=name or email.partition("@")[0])
        record(team=team, actor=actor, action="account made", obj=user)
    elif Membership.objects.filter(team=team, user=user).exists():
        raise ValidationError(f"{user} is in {team} already: change the role in the list.")
    set_role(actor=actor, team=team, user=user, role=role)
    return user, password


@transaction.atomic
def change_profile(*, user: User, name: str, theme: str) -> None:
    User.objects.filter(pk=user.pk).update(name=name, theme=theme)
    record(team=None, actor=user, action="profile changed", obj=user)


@transaction.atomic
def change_password(*, user: User, password: str) -> None:
    user.set_password(password)
    user.save(update_fields=["password"])
    record(team=None, actor=user, action="password changed", obj=user)


@transaction.atomic
def create_token(*, actor: User, team: Team, name: str, days: int = 90) -> tuple[ApiToken, str]:
    """The token and its secret; the secret is shown once and never stored."""
    check_may(actor, team, Act.VIEW)
    secret = TOKEN_PREFIX + secrets.token_urlsafe(32)
    token = ApiToken.objects.create(
        team=team,
        user=actor,
        name=name or "token",
        prefix=secret[:12],
        secret_sha256=hash_secret(secret),
        expires_at=timezone.now() + timedelta(days=days),
    )
    record(team=team, actor=actor, action="token created", obj=token, name=token.name)
    return token, secret


@transaction.atomic
def end_token(*, actor: User, token: ApiToken) -> None:
    if token.user_id != actor.pk:
        check_may(actor, token.team, Act.MANAGE_TEAM)
    ApiToken.objects.filter(pk=token.pk, ended_at=None).update(ended_at=timezone.now())
    record(team=token.team, actor=actor, action="token ended", obj=token, name=token.name)


def hash_secret(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()


def find_token(secret: str) -> ApiToken | None:
    """The live token with this secret, of a person who still belongs to its team."""
    now = timezone.now()
    token = (
        ApiToken.objects.filter(
            secret_sha256=hash_secret(secret),
            ended_at=None,
            expires_at__gt=now,
            user__is_active=True,
        )
        .select_related("team", "user")
        .first()
    )
    if token and Membership.objects.filter(team=token.team, user=token.user).exists():
        if token.last_used_at is None or now - token.last_used_at > USE_SHOWN_WITHIN:
            ApiToken.objects.filter(pk=token.pk).update(last_used_at=now)
        return token
    return None
