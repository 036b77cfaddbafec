"""Which cohorts a person sees."""

from uuid import UUID

from django.db.models import QuerySet
from django.shortcuts import get_object_or_404

from portal.accounts.models import Team
from portal.cohorts.models import Case, Cohort, CohortVersion, Image
from portal.cohorts.states import CohortState


def cohorts_of(team: Team) -> QuerySet[Cohort]:
    return Cohort.objects.filter(team=team).order_by("name")


def versions_of(team: Team) -> QuerySet[CohortVersion]:
    return (
        CohortVersion.objects.filter(cohort__team=team)
        .select_related("cohort", "cohort__team", "created_by", "catalogue")
        .order_by("cohort__name", "-number")
    )


def sealed_versions(team: Team) -> QuerySet[CohortVersion]:
    return versions_of(team).filter(state=CohortState.SEALED)


def get_cohort_or_404(team: Team, cohort_id: UUID) -> Cohort:
    return get_object_or_404(cohorts_of(team).select_related("team"), pk=cohort_id)


def get_version_or_404(team: Team, version_id: UUID) -> CohortVersion:
    return get_object_or_404(versions_of(team), pk=version_id)


def cases_of(version: CohortVersion) -> QuerySet[Case]:
    return version.cases.order_by("position")


def get_case_or_404(team: Team, case_pk: UUID) -> Case:
    return get_object_or_404(
        Case.objects.filter(version__cohort__team=team).select_related(
            "version", "version__cohort", "version__cohort__team"
        ),
        pk=case_pk,
    )


def get_image_or_404(team: Team, image_pk: UUID) -> Image:
    return get_object_or_404(
        Image.objects.filter(case__version__cohort__team=team).select_related("display", "blob"),
        pk=image_pk,
    )
