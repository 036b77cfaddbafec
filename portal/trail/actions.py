"""The one door to the trail: called by the actions of every other app, in their transaction."""

from typing import Any

from django.db import models

from portal.accounts.models import Team, User
from portal.trail.models import TrailEvent


def record(
    *, team: Team | None, actor: User | None, action: str, obj: models.Model, **detail: Any
) -> None:
    """`actor` is None when a worker acted by itself. Details carry ids and numbers, no pixels."""
    TrailEvent.objects.create(
        team=team,
        actor=actor,
        action=action,
        object_type=obj._meta.model_name or "",
        object_id=str(obj.pk),
        object_name=str(obj)[:200],
        detail=detail,
    )
