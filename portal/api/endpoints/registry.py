"""Model versions and predictions that were read."""

from datetime import datetime
from typing import Any
from uuid import UUID

from django.http import HttpRequest
from ninja import File, Query, Router, Schema, Status
from ninja.files import UploadedFile
from pydantic import Field

from ml.verdict import verdict_of
from portal.api.auth import bearer
from portal.api.common import find, page_url
from portal.api.endpoints.uploads import RefusalOut, UploadOut, refusals_out, take
from portal.api.paging import Page, Window, page_of
from portal.intake.models import UploadKind
from portal.registry.access import predictions_of, versions_of
from portal.registry.models import ModelVersion, Predictions
from portal.registry.states import VersionState

router = Router(tags=["Models and predictions"])


class PointOut(Schema):
    id: str
    state: str = Field(description="pass, caution, fail, info or not assessed")
    title: str
    says: str
    action: str = Field(description="what to do, where something is to be done")


class VerdictOut(Schema):
    sentence: str
    points: list[PointOut] = Field(description="what intake found")
    capabilities: list[PointOut] = Field(description="info: available; not assessed: not available")
    checks: list[PointOut] = Field(description="which can follow, and what each still needs")


class ModelOut(Schema):
    id: UUID = Field(description="of this version; audits are started with it")
    name: str
    version: str
    state: VersionState
    format: str
    sha256: str
    manifest_sha256: str
    refusals: list[RefusalOut]
    created_at: datetime
    url: str


class ModelDetail(ModelOut):
    manifest: dict[str, Any]
    card: dict[str, Any] = Field(description="what intake read of the file")
    verdict: VerdictOut | None = Field(description="null where nothing was read")


class PredictionsOut(Schema):
    id: UUID
    claimed_model: str = Field(description="as its owner says; not verified")
    claimed_version: str
    kind: str = Field(description="probabilities, logits or masks")
    classes: list[str] = Field(description="of masks: the structures, in the order of their values")
    n_cases: int
    sha256: str
    created_at: datetime
    url: str


def _facts(request: HttpRequest, version: ModelVersion) -> dict[str, Any]:
    return {
        "id": version.pk,
        "name": version.model.name,
        "version": version.version,
        "state": version.state,
        "format": version.format,
        "sha256": version.sha256,
        "manifest_sha256": version.manifest_sha256,
        "refusals": refusals_out(version.refusals),
        "created_at": version.created_at,
        "url": page_url(request, version),
    }


def _predictions_out(request: HttpRequest, row: Predictions) -> PredictionsOut:
    return PredictionsOut(
        id=row.pk,
        claimed_model=row.claimed_model,
        claimed_version=row.claimed_version,
        kind=str(row.meta["kind"]),
        classes=[str(name) for name in row.meta.get("classes", [])],
        n_cases=row.n_cases,
        sha256=row.sha256,
        created_at=row.created_at,
        url=page_url(request, row),
    )


@router.get(
    "/models", response=Page[ModelOut], operation_id="list_models", summary="Model versions"
)
def list_models(
    request: HttpRequest, window: Query[Window], state: VersionState | None = None
) -> Page[ModelOut]:
    """Every version of every model of the team; refused ones stay listed with their reasons."""
    rows = versions_of(bearer(request).team)
    rows = rows.filter(state=state) if state else rows
    return page_of(rows, window, lambda row: ModelOut(**_facts(request, row)))


@router.post(
    "/models", response={202: UploadOut}, operation_id="push_model", summary="Hand in a model"
)
def push_model(request: HttpRequest, file: File[UploadedFile]) -> Status[UploadOut]:
    """A zip of a model folder (`model.yaml` and the weights). Follow it at `/uploads/{id}`."""
    return Status(202, take(request, UploadKind.MODEL, file, seal=True))


@router.get(
    "/models/{uuid:version_id}",
    response=ModelDetail,
    operation_id="get_model",
    summary="A model version with its manifest and card",
)
def get_model(request: HttpRequest, version_id: UUID) -> ModelDetail:
    version = find(versions_of(bearer(request).team), version_id, "model version")
    read = verdict_of(version.card, version.manifest) if version.manifest else None
    return ModelDetail(
        **_facts(request, version),
        manifest=version.manifest,
        card=version.card,
        verdict=None if read is None else VerdictOut.model_validate(read),
    )


@router.get(
    "/predictions",
    response=Page[PredictionsOut],
    operation_id="list_predictions",
    summary="Predictions that came without a model",
)
def list_predictions(request: HttpRequest, window: Query[Window]) -> Page[PredictionsOut]:
    rows = predictions_of(bearer(request).team)
    return page_of(rows, window, lambda row: _predictions_out(request, row))


@router.post(
    "/predictions",
    response={202: UploadOut},
    operation_id="push_predictions",
    summary="Hand in predictions",
)
def push_predictions(request: HttpRequest, file: File[UploadedFile]) -> Status[UploadOut]:
    """A zip of a predictions folder (`predictions.yaml` and `predictions.csv`)."""
    return Status(202, take(request, UploadKind.PREDICTIONS, file, seal=True))


@router.get(
    "/predictions/{uuid:predictions_id}",
    response=PredictionsOut,
    operation_id="get_predictions",
    summary="One table of predictions",
)
def get_predictions(request: HttpRequest, predictions_id: UUID) -> PredictionsOut:
    rows = predictions_of(bearer(request).team)
    return _predictions_out(request, find(rows, predictions_id, "table of predictions"))
