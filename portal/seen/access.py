"""Which model versions have an input to be shown, and what was made of it already."""

from uuid import UUID

from django.db.models import QuerySet
from django.shortcuts import get_object_or_404

from ml.version import ENGINE_VERSION
from portal.accounts.models import Team
from portal.audits.models import Audit
from portal.cohorts.models import Case
from portal.registry.access import versions_of
from portal.registry.models import ModelVersion
from portal.registry.states import VersionState
from portal.seen.models import Exploration, Seen, Worsened

READ = (VersionState.ACCEPTED, VersionState.WITHDRAWN)  # these have a manifest


def read_versions(team: Team) -> QuerySet[ModelVersion]:
    return versions_of(team).filter(state__in=READ)


def get_version_or_404(team: Team, version_id: UUID) -> ModelVersion:
    return get_object_or_404(read_versions(team), pk=version_id)


def seen_of(team: Team) -> QuerySet[Seen]:
    return Seen.objects.filter(
        version__model__team=team, case__version__cohort__team=team
    ).select_related("version__model__team", "case__version__cohort")


def find(version: ModelVersion, case: Case) -> Seen | None:
    return seen_of(version.model.team).filter(
        version=version, case=case, engine=ENGINE_VERSION
    ).first()  # fmt: skip


def get_seen_or_404(team: Team, seen_id: UUID) -> Seen:
    return get_object_or_404(seen_of(team), pk=seen_id)


def worsened_of(audit: Audit) -> Worsened | None:
    """What was made of the corruptions of an audit; whoever asks has been let in to its report."""
    return Worsened.objects.filter(audit=audit, engine=ENGINE_VERSION).first()


def explorations_of(audit: Audit, case_id: str) -> QuerySet[Exploration]:
    """What was tried by hand on a case, the newest first; whoever asks was let in to the report."""
    return (
        Exploration.objects.filter(
            audit=audit, case__case_id=case_id, case__version=audit.cohort_version_id
        )
        .select_related("created_by")
        .order_by("-created_at")
    )
