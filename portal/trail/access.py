"""Whose trail a person may read."""

from django.db.models import QuerySet

from portal.accounts.access import AnyUser, visible_teams
from portal.accounts.models import Team
from portal.trail.models import TrailEvent


def visible_events(user: AnyUser) -> QuerySet[TrailEvent]:
    return TrailEvent.objects.filter(team__in=visible_teams(user)).order_by("-id")


def events_of(team: Team) -> QuerySet[TrailEvent]:
    """The newest first; for a team that was looked up for the person who asks."""
    return TrailEvent.objects.filter(team=team).select_related("team", "actor").order_by("-id")
