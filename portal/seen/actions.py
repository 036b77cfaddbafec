"""Asking for what a model saw, and keeping what a worker made of it.

Nothing of it is on the trail: it changes no model, cohort or audit, and shows no one more than
the pages of the case do.
"""

from collections.abc import Mapping, Sequence
from datetime import timedelta
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
from portal.seen.models import Exploration, Seen, Worsened

MOST_OPEN = 3  # regions of a person that still wait for an answer
MOST_AN_HOUR = 60  # of a person
MOST_OF_AN_AUDIT = 500  # of all: whoever tries many finds one by chance

Row = Seen | Worsened | Exploration


class TooMany(Exception):
    """A sentence for the person who asked."""


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


@transaction.atomic
def explore(
    *, actor: User, audit: Audit, case: Case, name: str, box: tuple[float, float, float, float]
) -> Exploration:
    """What the model says of a case without a region: the same question is asked once.

    Raises:
        TooMany: where a person asked for more than they may, or the audit holds too many.
    """
    check_may(actor, audit.team, Act.VIEW)
    if case.version_id != audit.cohort_version_id:
        raise PermissionDenied("The case is none of the audit's.")
    User.objects.select_for_update().get(pk=actor.pk)  # one after the other, so that limits hold
    top, left, height, width = box
    known = Exploration.objects.filter(
        audit=audit, case=case, engine=ENGINE_VERSION, top=top, left=left, height=height,
        width=width,
    )  # fmt: skip
    row = known.exclude(state=WorkState.FAILED).first()
    if row is not None:
        return row
    _check_room(actor, audit)
    row = Exploration.objects.create(
        audit=audit, case=case, engine=ENGINE_VERSION, name=name, created_by=actor,
        top=top, left=left, height=height, width=width,
    )  # fmt: skip
    ring_exploration(row)
    return row


def _check_room(actor: User, audit: Audit) -> None:
    mine = Exploration.objects.filter(created_by=actor)
    if mine.filter(state__in=(WorkState.WAITING, WorkState.RUNNING)).count() >= MOST_OPEN:
        raise TooMany(f"{MOST_OPEN} of your regions still wait for an answer: look at them first.")
    if mine.filter(created_at__gt=Now() - timedelta(hours=1)).count() >= MOST_AN_HOUR:
        raise TooMany(f"You asked about {MOST_AN_HOUR} regions within an hour: wait a little.")
    if Exploration.objects.filter(audit=audit).count() >= MOST_OF_AN_AUDIT:
        raise TooMany(
            f"{MOST_OF_AN_AUDIT} regions of this audit were tried by hand. Write those that you "
            "suspect into a protocol: there they are tried on many cases, with an interval."
        )


def ring_exploration(row: Exploration) -> None:
    Exploration.objects.filter(pk=row.pk).update(rung_at=Now())
    enqueue(Job.EXPLORE_REGION, exploration_id=str(row.pk))


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


def keep_answers(row: Exploration, fence: int, answers: Mapping[str, Any]) -> None:
    _done(row, fence, answers=dict(answers))


def _stored(
    rows: Sequence[tuple[Mapping[str, Any], Sequence[bytes]]],
) -> list[dict[str, Any]]:
    return [
        {**row, "pictures": [store.put_bytes(data, "image/png").pk for data in pictures]}
        for row, pictures in rows
    ]


def refuse(seen: Seen | Exploration, fence: int, code: str, message: str) -> None:
    """It cannot be prepared; another try would say the same."""
    _done(seen, fence, refusal={"code": code, "message": message})


def _done(row: Row, fence: int, **changes: Any) -> None:
    if not release(type(row), row.pk, fence, WorkState.DONE, **changes):
        raise LeaseLost(str(row))


def fail(row: Row, fence: int, sentence: str) -> None:
    """The attempt failed on our side: again, until the attempts are used up."""
    row.refresh_from_db()
    release(type(row), row.pk, fence, give_up_or_wait(row.attempts), error=sentence)
