"""Which instances a request sees: those of its team, or of one cohort version of it."""

from dataclasses import dataclass
from uuid import UUID

from django.db.models import Exists, OuterRef, QuerySet
from django.http import Http404, HttpRequest

from portal.accounts.access import get_team_or_404
from portal.accounts.actions import find_token
from portal.accounts.models import ApiToken, Team, User
from portal.api.problems import Problem
from portal.cohorts.access import get_version_or_404
from portal.cohorts.models import CohortVersion
from portal.dicomweb.models import Instance


@dataclass(frozen=True)
class Scope:
    """What the address and who asks come to."""

    user: User
    team: Team
    version: CohortVersion | None  # None: everything of the team
    root: str  # absolute, without the closing slash

    @property
    def is_fixed(self) -> bool:
        """Whether an instance here can never become another one."""
        return self.version is not None

    def instances(self) -> QuerySet[Instance]:
        """The rows in scope; of a UID that is in several versions the newest row."""
        rows = Instance.objects.filter(team=self.team)
        if self.version is not None:
            return rows.filter(version=self.version)
        newer = Instance.objects.filter(
            team=self.team, sop_uid=OuterRef("sop_uid"), pk__gt=OuterRef("pk")
        )
        return rows.filter(~Exists(newer))


def token_of(request: HttpRequest) -> ApiToken | None:
    """The live token in the header; none at all where nothing was sent.

    Raises:
        AuthenticationError, as the API's: a token that is sent must be good.
    """
    kind, _, secret = request.headers.get("Authorization", "").partition(" ")
    if not kind:
        return None
    token = find_token(secret.strip()) if kind.lower() == "bearer" else None
    if token is None:
        raise Problem("unauthenticated", "The token is unknown, expired or ended.")
    return token


def scope_of(request: HttpRequest, slug: str | None, version_id: UUID | None) -> Scope:
    """Who asks, for what. A stranger's team or version does not exist.

    A token is for its team alone; a browser's session serves the addresses that name a team.
    """
    token = token_of(request)
    if token is not None:
        user, team = token.user, token.team
        if slug not in (None, team.slug):
            raise Http404("no such team")
    elif slug is not None and isinstance(request.user, User):
        user = request.user
        team = get_team_or_404(user, slug)
    else:
        raise Problem("unauthenticated", "Send a token, or sign in and name the team.")
    version = get_version_or_404(team, version_id) if version_id is not None else None
    return Scope(user, team, version, request.build_absolute_uri(_root(slug, version)))


def _root(slug: str | None, version: CohortVersion | None) -> str:
    root = "/dicomweb"
    if slug is not None:
        root += f"/t/{slug}"
    return root if version is None else f"{root}/cohorts/{version.pk}"


def find(rows: QuerySet[Instance], study: str, series: str, instance: str) -> Instance:
    found = rows.filter(study_uid=study, series_uid=series, sop_uid=instance).first()
    if found is None:
        raise Http404("no such instance")
    return found
