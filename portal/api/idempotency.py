"""A request that is repeated, because its answer was lost, starts nothing twice."""

import hashlib
from collections.abc import Callable

from django.db import transaction

from portal.accounts.models import ApiToken, Team, User
from portal.api.models import IdempotencyKey
from portal.api.problems import Problem
from portal.audits.models import Audit


@transaction.atomic
def once(
    token: ApiToken, key: str | None, body: str, begin: Callable[[], Audit]
) -> tuple[Audit, bool]:
    """The audit of this key and whether it is new. Two at the same time wait for each other."""
    if key is None:
        return begin(), True
    digest = hashlib.sha256(body.encode()).hexdigest()
    Team.objects.select_for_update().get(pk=token.team_id)
    mine = {"team": token.team, "user": token.user, "key": key}
    known = IdempotencyKey.objects.filter(**mine).select_related("audit").first()
    if known is None:
        audit = begin()
        IdempotencyKey.objects.create(**mine, body_sha256=digest, audit=audit)
        return audit, True
    if known.body_sha256 != digest:
        raise Problem(
            "idempotency_mismatch",
            f"This Idempotency-Key started {known.audit.reference} with another body. Use a new "
            "key for a new audit.",
            audit=str(known.audit_id),
        )
    return known.audit, False


@transaction.atomic
def once_from_form(
    user: User, team: Team, key: str, choice: str, begin: Callable[[], Audit]
) -> Audit:
    """The audit that this form has started with this choice: a second click starts no other."""
    Team.objects.select_for_update().get(pk=team.pk)
    digest = hashlib.sha256(choice.encode()).hexdigest()
    mine = {"team": team, "user": user, "key": f"form:{key[:64]}:{digest}"}
    known = IdempotencyKey.objects.filter(**mine).select_related("audit").first()
    if known is not None:
        return known.audit
    audit = begin()
    IdempotencyKey.objects.create(**mine, body_sha256=digest, audit=audit)
    return audit
