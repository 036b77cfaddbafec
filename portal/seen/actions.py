"""Asking for what a model saw, and keeping what a worker made of it.

Nothing of it is on the trail: it changes no model, cohort or audit, and shows no one more than
the pages of the case do.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.db.models import Q
from django.db.models.functions import Now

from ml.engine.plan import takes_pictures
from ml.version import ENGINE_VERSION
from portal.accounts.access import check_may
from portal.accounts.models import User
from portal.accounts.roles import Act
from portal.audits.models import Audit
from portal.blobs import store
from portal.cohorts.models import Case
from portal.jobs import Job, enqueue
from portal.leases import LeaseLost, WorkState, give_up_or_wait, release
from portal.registry.models import ModelVersion
from portal.seen.models import Seen, Worsened


@transaction.atomic
def ask(*, actor: User, version: ModelVersion, case: Case) -> Seen:
    """What is there already, or a row that waits for a worker; a failed one waits again."""
    team = version.model.team
    check_may(actor, team, Act.VIEW)
    if case.version.cohort.team_id != team.pk:
        raise PermissionDenied("The model and the case belong to different teams.")
    seen, is_new = Seen.objects.get_or_create(
        version=version, case=case, engine=ENGINE_VERSION, defaults={"created_by": actor}
    )
    again = Q(state=WorkState.FAILED)
    if not takes_pictures(version.manifest):  # prepared before there was a viewer
        again |= Q(state=WorkState.DONE, volume={}, refusal={})
    failed = Seen.objects.filter(again, pk=seen.pk)
    if failed.update(state=WorkState.WAITING, attempts=0, error="", finished_at=None) or is_new:
        ring(seen)
    return seen


@transaction.atomic
def ask_worsened(*, actor: User, audit: Audit, wanted: Sequence[Sequence[str]]) -> Worsened:
    """The same of an audit's corruptions: of each one case, by its id."""
    check_may(actor, audit.team, Act.VIEW)
    row, is_new = Worsened.objects.get_or_create(
        audit=audit,
        engine=ENGINE_VERSION,
        defaults={"created_by": actor, "wanted": [list(pair) for pair in wanted]},
    )
    failed = Worsened.objects.filter(pk=row.pk, state=WorkState.FAILED)
    if failed.update(state=WorkState.WAITING, attempts=0, error="", finished_at=None) or is_new:
        ring_worsened(row)
    return row


def ring_worsened(row: Worsened) -> None:
    Worsened.objects.filter(pk=row.pk).update(rung_at=Now())
    enqueue(Job.PREPARE_WORSENED, worsened_id=str(row.pk))


def ring(seen: Seen) -> None:
    Seen.objects.filter(pk=seen.pk).update(rung_at=Now())
    enqueue(Job.PREPARE_SEEN, seen_id=str(seen.pk))


def keep(
    seen: Seen,
    fence: int,
    steps: Sequence[tuple[Mapping[str, Any], Sequence[bytes]]],
    volume: tuple[Mapping[str, Any], bytes] | None = None,
) -> None:
    """Store the pictures of every step and the voxels of a volume, then the row that names them."""
    kept: dict[str, Any] = {}
    if volume is not None:
        about, voxels = volume
        kept = {**about, "blob": store.put_bytes(voxels).pk if voxels else ""}
    _done(seen, fence, steps=_stored(steps), volume=kept)


def keep_worsened(
    row: Worsened, fence: int, strips: Sequence[tuple[Mapping[str, Any], Sequence[bytes]]]
) -> None:
    _done(row, fence, strips=_stored(strips))


def _stored(
    rows: Sequence[tuple[Mapping[str, Any], Sequence[bytes]]],
) -> list[dict[str, Any]]:
    return [
        {**row, "pictures": [store.put_bytes(data, "image/png").pk for data in pictures]}
        for row, pictures in rows
    ]


def refuse(seen: Seen, fence: int, code: str, message: str) -> None:
    """It cannot be prepared; another try would say the same."""
    _done(seen, fence, refusal={"code": code, "message": message})


def _done(row: Seen | Worsened, fence: int, **changes: Any) -> None:
    if not release(type(row), row.pk, fence, WorkState.DONE, **changes):
        raise LeaseLost(str(row))


def fail(row: Seen | Worsened, fence: int, sentence: str) -> None:
    """The attempt failed on our side: again, until the attempts are used up."""
    row.refresh_from_db()
    release(type(row), row.pk, fence, give_up_or_wait(row.attempts), error=sentence)
