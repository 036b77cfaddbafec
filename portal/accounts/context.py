"""What the frame of every page shows: the team, its counts, the person."""

from dataclasses import dataclass

from django.conf import settings
from django.http import HttpRequest

from portal.accounts.access import role_of, visible_teams
from portal.accounts.models import Team, User
from portal.accounts.roles import MAY, Role
from portal.audits.models import Audit
from portal.audits.states import ACTIVE
from portal.cohorts.models import Cohort
from portal.registry.models import Model
from portal.reports.models import Report

SESSION_TEAM = "team"


@dataclass(frozen=True)
class Nav:
    """`may` holds the names of what the person may do: `{% if "RUN_AUDIT" in nav.may %}`."""

    user: User
    teams: list[Team]
    team: Team | None
    role: Role | None
    may: frozenset[str]
    counts: dict[str, int]
    is_demo: bool
    engine: str


def nav(request: HttpRequest) -> dict[str, object]:
    user = getattr(request, "user", None)
    if not isinstance(user, User):
        return {"nav": None}
    teams = list(visible_teams(user))
    team = current_team(request, teams)
    role = role_of(user, team) if team else None
    return {
        "nav": Nav(
            user=user,
            teams=teams,
            team=team,
            role=role,
            may=frozenset(act.name for act in MAY[role]) if role else frozenset(),
            counts=_counts(team) if team else {},
            is_demo=bool(team and team.is_demo),
            engine=settings.ENGINE,
        )
    }


def current_team(request: HttpRequest, teams: list[Team]) -> Team | None:
    """The team in the address, else the one last looked at, else the first."""
    match = request.resolver_match
    slug = match.kwargs.get("team") if match else None
    slug = slug or request.session.get(SESSION_TEAM)
    return next((team for team in teams if team.slug == slug), teams[0] if teams else None)


def _counts(team: Team) -> dict[str, int]:
    audits = Audit.objects.filter(team=team)
    return {
        "models": Model.objects.filter(team=team).count(),
        "cohorts": Cohort.objects.filter(team=team).count(),
        "audits": audits.count(),
        "audits_running": audits.filter(state__in=ACTIVE).count(),
        "reports": Report.objects.filter(team=team).count(),
    }
