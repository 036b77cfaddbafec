"""Which models and predictions a person sees."""

from uuid import UUID

from django.db.models import QuerySet
from django.shortcuts import get_object_or_404

from portal.accounts.models import Team
from portal.registry.models import Model, ModelVersion, Predictions
from portal.registry.states import VersionState


def models_of(team: Team) -> QuerySet[Model]:
    return Model.objects.filter(team=team).order_by("name")


def versions_of(team: Team) -> QuerySet[ModelVersion]:
    return (
        ModelVersion.objects.filter(model__team=team)
        .select_related("model", "model__team", "created_by", "weights")
        .order_by("model__name", "-created_at")
    )


def usable_versions(team: Team) -> QuerySet[ModelVersion]:
    return versions_of(team).filter(state=VersionState.ACCEPTED)


def predictions_of(team: Team) -> QuerySet[Predictions]:
    return (
        Predictions.objects.filter(team=team)
        .select_related("team", "created_by")
        .order_by("-created_at")
    )


def get_model_or_404(team: Team, model_id: UUID) -> Model:
    return get_object_or_404(models_of(team).select_related("team"), pk=model_id)


def get_version_or_404(team: Team, version_id: UUID) -> ModelVersion:
    return get_object_or_404(versions_of(team), pk=version_id)


def get_predictions_or_404(team: Team, predictions_id: UUID) -> Predictions:
    return get_object_or_404(predictions_of(team), pk=predictions_id)
