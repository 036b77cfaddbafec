"""Work that one worker holds at a time: a lease that expires and a fence that grows.

A row is claimed by one conditional UPDATE. Every later write of that worker carries the fence it
got; a worker that was frozen and lost its lease writes nothing, because the fence has moved on.
Times come from the database's clock.
"""

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import InterfaceError, OperationalError, connection, models, transaction
from django.db.models import F, Q
from django.db.models.functions import Now

from portal.lifecycle import Lifecycle

logger = logging.getLogger(__name__)


class WorkState(models.TextChoices):
    WAITING = "waiting"
    RUNNING = "running"
    DONE = "done"
    REUSED = "reused"
    STOPPED = "stopped"
    FAILED = "failed"


FINAL = frozenset({WorkState.DONE, WorkState.REUSED, WorkState.STOPPED, WorkState.FAILED})

WORK = Lifecycle(
    noun="a piece of work",
    first=WorkState.WAITING,
    next={
        WorkState.WAITING: frozenset({WorkState.RUNNING, WorkState.REUSED, WorkState.STOPPED}),
        # back to waiting when the worker died or the attempt failed and others are left
        WorkState.RUNNING: frozenset(
            {WorkState.DONE, WorkState.REUSED, WorkState.FAILED, WorkState.STOPPED}
            | {WorkState.WAITING}
        ),
        WorkState.DONE: frozenset(),
        WorkState.REUSED: frozenset(),
        WorkState.STOPPED: frozenset({WorkState.WAITING}),  # a person resumes
        WorkState.FAILED: frozenset({WorkState.WAITING}),  # a person retries
    },
)


class LeaseLost(Exception):
    """Another worker has this row now: stop quietly, write nothing."""


class Leased(models.Model):
    """What a row needs to be worked on by one worker at a time."""

    state = models.CharField(max_length=8, choices=WorkState.choices, default=WorkState.WAITING)
    attempts = models.PositiveSmallIntegerField(default=0)
    fence = models.PositiveIntegerField(default=0)
    lease_until = models.DateTimeField(null=True, blank=True)
    rung_at = models.DateTimeField(null=True, blank=True)  # last time the doorbell was rung
    started_at = models.DateTimeField(null=True, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)
    error = models.TextField(blank=True)  # a sentence, shown to the team as it is

    class Meta:
        abstract = True

    @property
    def is_final(self) -> bool:
        return self.state in FINAL


class Watched(Leased):
    """And how far it is, as the child that does it tells (`workers.intake.Watcher`)."""

    progress = models.CharField(max_length=200, blank=True)
    progress_done = models.PositiveIntegerField(default=0)
    progress_total = models.PositiveIntegerField(default=0)

    class Meta:
        abstract = True


def _until(seconds: float | None = None) -> Any:
    return Now() + timedelta(seconds=seconds or settings.LEASE_SECONDS)


def claimable() -> Q:
    return Q(state=WorkState.WAITING) | Q(state=WorkState.RUNNING, lease_until__lt=Now())


def claim(kind: type[Leased], pk: UUID | str) -> int | None:
    """The fence to write with, or None when somebody else has the row or it is finished."""
    with transaction.atomic():
        claimed = (
            kind._default_manager.filter(pk=pk)
            .filter(claimable())
            .update(
                state=WorkState.RUNNING,
                fence=F("fence") + 1,
                attempts=F("attempts") + 1,
                lease_until=_until(),
                started_at=Now(),
                error="",
            )
        )
        if not claimed:
            return None
        fence: int = kind._default_manager.values_list("fence", flat=True).get(pk=pk)
        return fence


def renew(kind: type[Leased], pk: UUID | str, fence: int, **changes: Any) -> None:
    """Hold on to the row. A database that is away for a moment costs this renewal, not the work:
    the next one finds out whether somebody else has the row now.
    """
    held = kind._default_manager.filter(pk=pk, fence=fence, state=WorkState.RUNNING)
    try:
        renewed = held.update(lease_until=_until(), **changes)
    except (OperationalError, InterfaceError) as error:
        if connection.in_atomic_block:
            raise
        connection.close()  # the next question opens another
        logger.warning("could not renew %s %s: %s", kind.__name__, pk, error)
        return
    if not renewed:
        raise LeaseLost(f"{kind.__name__} {pk}")


def release(
    kind: type[Leased], pk: UUID | str, fence: int, state: WorkState, **changes: Any
) -> bool:
    """Leave RUNNING for `state`; False when the lease was lost, and then nothing was written."""
    WORK.check_move(WorkState.RUNNING, state)
    finished = {"finished_at": Now()} if state in FINAL else {}
    held = kind._default_manager.filter(pk=pk, fence=fence, state=WorkState.RUNNING)
    return bool(held.update(state=state, lease_until=None, **finished, **changes))


def give_up_or_wait(attempts: int) -> WorkState:
    """After a failed attempt: again, until the attempts are used up."""
    return WorkState.FAILED if attempts >= settings.MAX_ATTEMPTS else WorkState.WAITING


@contextmanager
def kept(kind: type[Leased], pk: UUID | str, fence: int) -> Iterator[None]:
    """Renew the lease from a thread while the body computes in this process."""
    over = threading.Event()

    def renew_until_over() -> None:
        try:
            while not over.wait(settings.LEASE_RENEW_SECONDS):
                renew(kind, pk, fence)
        except LeaseLost:
            pass  # the body's own fenced write will find out
        finally:
            connection.close()

    keeper = threading.Thread(target=renew_until_over, daemon=True)
    keeper.start()
    try:
        yield
    finally:
        over.set()
        keeper.join(timeout=settings.LEASE_RENEW_SECONDS)
