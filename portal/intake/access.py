"""Which uploads a person sees."""

from uuid import UUID

from django.db.models import QuerySet
from django.shortcuts import get_object_or_404

from portal.accounts.models import Team
from portal.intake.models import Upload


def uploads_of(team: Team) -> QuerySet[Upload]:
    return (
        Upload.objects.filter(team=team)
        .select_related(
            "team", "created_by", "model_version__model", "cohort_version__cohort", "predictions"
        )
        .order_by("-created_at")
    )


def get_upload_or_404(team: Team, upload_id: UUID) -> Upload:
    return get_object_or_404(uploads_of(team), pk=upload_id)
