"""Everything that changes models and predictions; each change writes the trail."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.db import transaction

from portal.accounts.access import check_may
from portal.accounts.models import Team, User
from portal.accounts.roles import Act
from portal.blobs.models import Blob
from portal.registry.models import Model, ModelVersion, Predictions
from portal.registry.states import VERSION, VersionState
from portal.trail.actions import record


class VersionExists(Exception):
    """The team already has this version with other content."""


@dataclass(frozen=True)
class ReadModel:
    """What intake read of a model folder."""

    manifest: Mapping[str, Any]
    card: Mapping[str, Any]
    sha256: str
    manifest_sha256: str
    weights: Blob


@transaction.atomic
def accept_version(*, team: Team, actor: User, read: ReadModel) -> ModelVersion:
    """The accepted version; the same content handed in again is the same version."""
    name, label = str(read.manifest["name"]), str(read.manifest["version"])
    model, _ = Model.objects.get_or_create(team=team, name=name)
    known = model.versions.filter(
        version=label, state__in=[VersionState.ACCEPTED, VersionState.WITHDRAWN]
    ).first()
    if known is not None:
        if (known.sha256, known.manifest_sha256) == (read.sha256, read.manifest_sha256):
            return known
        raise VersionExists(
            f"{name} {label} exists with other content (sha256 {known.sha256[:8]}…). "
            "Versions never change: give the new one another version in model.yaml."
        )
    version = ModelVersion.objects.create(
        model=model,
        version=label,
        state=VersionState.ACCEPTED,
        format=read.manifest["format"],
        weights=read.weights,
        sha256=read.sha256,
        manifest_sha256=read.manifest_sha256,
        manifest=dict(read.manifest),
        card=dict(read.card),
        created_by=actor,
    )
    record(team=team, actor=actor, action="model accepted", obj=version, sha256=read.sha256)
    return version


@transaction.atomic
def refuse_version(
    *,
    team: Team,
    actor: User,
    name: str,
    version: str,
    refusals: Sequence[Mapping[str, Any]],
    scan: Mapping[str, Any] | None = None,
) -> ModelVersion:
    """Kept on the list with its reasons and what lay in the upload; none of its bytes are."""
    model, _ = Model.objects.get_or_create(team=team, name=name[:120])
    refused = ModelVersion.objects.create(
        model=model,
        version=version[:60],
        state=VersionState.REFUSED,
        refusals=[dict(refusal) for refusal in refusals],
        card={"scan": dict(scan)} if scan else {},
        created_by=actor,
    )
    codes = sorted({refusal["code"] for refusal in refusals})
    record(team=team, actor=actor, action="model refused", obj=refused, codes=codes)
    return refused


@transaction.atomic
def withdraw_version(*, actor: User, version: ModelVersion, because: str) -> None:
    check_may(actor, version.model.team, Act.HAND_IN_MODEL)
    VERSION.check_move(version.state, VersionState.WITHDRAWN)
    ModelVersion.objects.filter(pk=version.pk, state=version.state).update(
        state=VersionState.WITHDRAWN, withdrawn_because=because
    )
    record(
        team=version.model.team, actor=actor, action="model withdrawn", obj=version, because=because
    )


@transaction.atomic
def accept_predictions(
    *, team: Team, actor: User, meta: Mapping[str, Any], table: Blob, sha256: str, n_cases: int
) -> Predictions:
    predictions, created = Predictions.objects.get_or_create(
        team=team,
        sha256=sha256,
        defaults={
            "claimed_model": meta["model"]["name"],
            "claimed_version": meta["model"]["version"],
            "meta": dict(meta),
            "table": table,
            "n_cases": n_cases,
            "created_by": actor,
        },
    )
    if created:
        record(
            team=team, actor=actor, action="predictions accepted", obj=predictions, sha256=sha256
        )
    return predictions
