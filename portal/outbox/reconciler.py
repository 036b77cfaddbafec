"""Brings rows and broker back together. Safe to run at any time, in any number of processes.

It rings what the outbox still holds, gives up or repeats work whose lease has run out, rings again
for work that waits although its queue stands still, and moves on audits whose last message got
lost.
"""

from collections.abc import Callable
from datetime import timedelta
from uuid import UUID

from django.conf import settings
from django.db import transaction
from django.db.models import Q
from django.db.models.functions import Now

from portal.audits import actions as audits
from portal.audits.models import Audit, CheckRun, Shard
from portal.audits.states import ACTIVE
from portal.intake import actions as intake
from portal.intake.models import Upload
from portal.jobs import Job, enqueue, ring
from portal.leases import Leased, WorkState, give_up_or_wait
from portal.outbox.models import OutboxMessage
from portal.seen import actions as seen
from portal.seen.models import Exploration, Seen, Worsened

BATCH = 500
STALE_SECONDS = 600  # a doorbell this old is rung again even where the queue moves


def reconcile() -> dict[str, int]:
    return {
        "rung": ring_outbox(),
        "expired": sum(
            expire(kind) for kind in (Upload, Seen, Worsened, Exploration, Shard, CheckRun)
        ),
        "repeated": sum(
            ring_waiting(kind, again)
            for kind, again in (
                (Upload, _ring_upload),
                (Seen, _ring_seen),
                (Worsened, _ring_worsened),
                (Exploration, _ring_exploration),
                (Shard, audits.ring_shard),
                (CheckRun, _ring_check),
            )
        ),
        "advanced": advance_all(),
    }


def ring_outbox() -> int:
    """Stops at the first that the broker does not take: the others would fail the same way."""
    old = OutboxMessage.objects.filter(created_at__lt=Now() - timedelta(seconds=2))
    rung = 0
    for message in old.order_by("pk")[:BATCH]:
        try:
            ring(message)
        except Exception:
            break
        rung += 1
    return rung


SENTENCE = "The worker stopped answering; nothing finished was lost."


def expire(kind: type[Leased]) -> int:
    """Work whose worker went silent waits again, or has failed when its attempts are used up."""
    expired = kind._default_manager.filter(state=WorkState.RUNNING, lease_until__lt=Now())
    count = 0
    for pk, fence, attempts in expired.values_list("pk", "fence", "attempts"):
        state = give_up_or_wait(attempts)
        count += kind._default_manager.filter(
            pk=pk, fence=fence, state=WorkState.RUNNING, lease_until__lt=Now()
        ).update(state=state, lease_until=None, error=SENTENCE, rung_at=None)
    return count


def ring_waiting(kind: type[Leased], again: Callable[[UUID], None]) -> int:
    """Ring for waiting rows that nobody was called for, or whose call seems to be lost.

    While a worker holds another row of the kind, the queue moves and the call may just be in it.
    """
    waiting = kind._default_manager.filter(_wanted(kind), state=WorkState.WAITING)
    moving = kind._default_manager.filter(state=WorkState.RUNNING, lease_until__gte=Now()).exists()
    patience = STALE_SECONDS if moving else settings.RECONCILE_SECONDS * 3
    unheard = waiting.filter(Q(rung_at=None) | Q(rung_at__lt=Now() - timedelta(seconds=patience)))
    pks = list(unheard.values_list("pk", flat=True)[:BATCH])
    for pk in pks:
        with transaction.atomic():
            again(pk)
    return len(pks)


def _wanted(kind: type[Leased]) -> Q:
    """Work of a stopped or failed audit waits for a person, and checks for their passes."""
    if kind is Shard:
        return Q(work__audit__state__in=ACTIVE)
    if kind is CheckRun:
        return Q(audit__state__in=ACTIVE, rung_at__isnull=False)
    return Q()


def _ring_upload(pk: UUID) -> None:
    intake.ring_upload(Upload.objects.get(pk=pk))


def _ring_seen(pk: UUID) -> None:
    seen.ring(Seen.objects.get(pk=pk))


def _ring_worsened(pk: UUID) -> None:
    seen.ring_worsened(Worsened.objects.get(pk=pk))


def _ring_exploration(pk: UUID) -> None:
    seen.ring_exploration(Exploration.objects.get(pk=pk))


def _ring_check(pk: UUID) -> None:
    CheckRun.objects.filter(pk=pk).update(rung_at=Now())
    enqueue(Job.RUN_CHECK, check_run_id=str(pk))


def advance_all() -> int:
    """Audits that wait for nobody: their last finisher was lost before it could look further."""
    count = 0
    for audit in Audit.objects.filter(state__in=ACTIVE):
        busy = Q(state=WorkState.RUNNING) | Q(state=WorkState.WAITING, rung_at__isnull=False)
        if Shard.objects.filter(busy, work__audit=audit).exists():
            continue
        if audit.check_runs.filter(busy).exists():
            continue
        audits.advance(audit.pk)
        count += 1
    return count
