"""Whose trail a person may read."""

from django.db.models import QuerySet

from portal.accounts.access import AnyUser, visible_teams
from portal.trail.models import TrailEvent


def visible_events(user: AnyUser) -> QuerySet[TrailEvent]:
    return TrailEvent.objects.filter(team__in=visible_teams(user)).order_by("-id")
