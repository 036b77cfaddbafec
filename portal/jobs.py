"""The jobs the portal may ask for, by name. The code that does them lives in workers/."""

import logging
import time
from enum import StrEnum
from typing import Any

from celery import Celery
from django.db import transaction

from portal.outbox.models import OutboxMessage

logger = logging.getLogger(__name__)

ANSWER_SECONDS = 0.75  # that a command may take; it is tried twice, and a request waits for it
PAUSE_SECONDS = 3.0  # after that, bells are only written down: an audit rings once per shard


class Bell(Celery):
    """Consumers may wait for ever on a silent connection; whoever publishes may not."""

    def connection_for_write(self, url: str | None = None, **kwargs: Any) -> Any:
        options = {"socket_timeout": ANSWER_SECONDS} | (kwargs.pop("transport_options", None) or {})
        return super().connection_for_write(url, transport_options=options, **kwargs)


app = Bell("portal")
app.config_from_object("django.conf:settings", namespace="CELERY")


class Queue(StrEnum):
    INTAKE = "intake"
    INFERENCE = "inference"
    STATISTICS = "statistics"
    HOUSEKEEPING = "housekeeping"


class Job(StrEnum):
    READ_UPLOAD = "workers.intake.read_upload"
    PREPARE_SEEN = "workers.seen.prepare_seen"
    PREPARE_WORSENED = "workers.seen.prepare_worsened"
    EXPLORE_REGION = "workers.explored.explore_region"
    RUN_SHARD = "workers.inference.run_shard"
    RUN_CHECK = "workers.statistics.run_check"
    SEAL_AUDIT = "workers.statistics.seal_audit"
    RECONCILE = "workers.housekeeping.reconcile"


QUEUE_OF = {
    Job.READ_UPLOAD: Queue.INTAKE,
    Job.PREPARE_SEEN: Queue.INTAKE,
    Job.PREPARE_WORSENED: Queue.INTAKE,
    Job.EXPLORE_REGION: Queue.INTAKE,
    Job.RUN_SHARD: Queue.INFERENCE,
    Job.RUN_CHECK: Queue.STATISTICS,
    Job.SEAL_AUDIT: Queue.STATISTICS,
    Job.RECONCILE: Queue.HOUSEKEEPING,
}


def enqueue(job: Job, **kwargs: str) -> None:
    """Ring once the current transaction commits; the outbox remembers when the broker is away."""
    message = OutboxMessage.objects.create(job=job, queue=QUEUE_OF[job], kwargs=kwargs)
    transaction.on_commit(lambda: _ring_quietly(message))


_away_until = 0.0  # on the monotonic clock of this process


def _ring_quietly(message: OutboxMessage) -> None:
    global _away_until
    if time.monotonic() < _away_until:
        return
    try:
        ring(message)
    except Exception as error:  # the reconciler rings again; the request must not fail
        _away_until = time.monotonic() + PAUSE_SECONDS
        logger.warning("doorbell kept for later, the broker did not take it: %s", error)


def ring(message: OutboxMessage) -> None:
    app.send_task(message.job, kwargs=message.kwargs, queue=message.queue)
    OutboxMessage.objects.filter(pk=message.pk).delete()
