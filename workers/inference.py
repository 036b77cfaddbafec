"""Runs shards of a pass. The work is done in a child process; the worker holds lease and rows."""

import time
from contextlib import nullcontext
from typing import cast

from celery.utils.log import get_task_logger
from django.conf import settings
from django.db import close_old_connections

from ml.estimate import JsonObject
from ml.evidence import store as tables
from ml.evidence.store import EvidenceError
from ml.sandbox.messages import Answers, Event, Job, Outcome
from ml.sandbox.results import ResultError, take
from ml.sandbox.warm import Place, WarmChild
from portal.audits import actions
from portal.audits.models import Audit, Evidence, FurtherCohort, Shard
from portal.audits.planning import waits_for_masks
from portal.audits.states import ACTIVE
from portal.blobs import store
from portal.jobs import Job as Name
from portal.jobs import app
from portal.leases import LeaseLost, WorkState, claim, release, renew
from workers import passes, warm
from workers.limits import child_limits
from workers.passes import Wanted

logger = get_task_logger(__name__)

PROGRESS_SECONDS = 1.0
PARQUET = "application/vnd.apache.parquet"


@app.task(name=Name.RUN_SHARD)
def run_shard(shard_id: str) -> None:
    """Claim one shard, reuse or make its evidence, store it, look what comes next."""
    fence = claim(Shard, shard_id)
    if fence is None:
        logger.info("shard %s is taken or finished", shard_id)
        return
    shard = Shard.objects.select_related(
        "work__audit__team",
        "work__audit__model_version__model",
        "work__audit__model_version__weights",
        "work__audit__predictions__table",
        "work__audit__cohort_version",
        "work__further__cohort_version",
    ).get(pk=shard_id)
    audit = shard.work.audit
    if audit.state not in ACTIVE:
        release(Shard, shard.pk, fence, WorkState.STOPPED)
        return
    if waits_for_masks(Shard.objects.filter(pk=shard.pk)).exists():
        # Not an attempt. Whoever finishes what it waits for rings; perhaps that was just now.
        release(Shard, shard.pk, fence, WorkState.WAITING, attempts=shard.attempts - 1)
        if not waits_for_masks(Shard.objects.filter(pk=shard.pk)).exists():
            actions.ring_shard(shard.pk)
        return
    actions.begin(audit)
    try:
        _work(shard, fence)
    except LeaseLost:
        logger.warning("shard %s was taken over by another worker", shard)
    except Exception:
        logger.exception("shard %s", shard)
        close_old_connections()  # what broke may be the connection itself
        actions.fail_shard(shard, fence, "Something broke on our side.")
    actions.advance(audit.pk)
    open_states = (WorkState.WAITING, WorkState.RUNNING)
    left = Shard.objects.filter(work__audit=audit, state__in=open_states).select_related("work")
    if passes.subject_of(shard) not in {passes.subject_of(one) for one in left}:
        warm.drop()  # nothing more will be asked of it


def _work(shard: Shard, fence: int) -> None:
    started = time.monotonic()
    audit = shard.work.audit
    work = passes.of_shard(shard)
    known = actions.find_evidence(audit, work.key)
    if known is None:
        child = warm.child_of(passes.subject_of(shard), child_limits(settings.SHARD_WALL_SECONDS))
        with child.place() as place:
            with work.link() or nullcontext() as link:
                outcome = _run_child(shard, fence, child, work.job(place, child.shared), link)
            if outcome.state != "done":
                actions.fail_shard(shard, fence, outcome.reason)
                return
            left: list[tuple[Wanted, JsonObject]] = [(work, outcome.result)]
            if work.beside is not None:
                left.append((work.beside, cast(JsonObject, outcome.result.get("beside", {}))))
            try:
                made = [(one.key, _taken(place, one, result), result) for one, result in left]
            except (ResultError, EvidenceError) as problem:
                warm.drop()
                actions.fail_shard(shard, fence, f"Its result cannot be used: {problem}")
                return
        evidence, *_ = [_kept(shard, *one, outcome) for one in made]
    else:
        evidence = known
    actions.finish_shard(
        shard,
        fence,
        evidence=evidence,
        outputs=_numbers(evidence) if work.per_case else [],
        reused=known is not None,
        seconds=time.monotonic() - started,
    )


def _taken(place: Place, wanted: Wanted, result: JsonObject) -> bytes:
    """A table that the child left.

    Raises:
        ResultError, EvidenceError: if it is not what was asked for.
    """
    data = take(place.out, str(result.get("table", "")), most_bytes=wanted.most_bytes)
    wanted.check(data)
    return data


def _kept(shard: Shard, key: str, data: bytes, result: JsonObject, outcome: Outcome) -> Evidence:
    blob = store.put_bytes(data, PARQUET)
    if not result["reusable"]:  # a stored image was missing or had changed
        key = tables.sha256_of([key, str(shard.work.audit_id)])
    computed = {**cast(JsonObject, result["runtime"]), "isolation": outcome.isolation}
    runtime = {"runtime": computed, "seconds": outcome.seconds}
    return actions.keep_evidence(shard, key, blob, runtime)


def _numbers(evidence: Evidence) -> list[tuple[str, list[float], str]]:
    """A case that failed has no numbers; the column that keeps them must not be null."""
    rows = tables.rows(store.read_bytes(evidence.blob))
    return [(case_id, outputs or [], error) for case_id, outputs, error in rows]


def _run_child(
    shard: Shard, fence: int, child: WarmChild, job: Job, answers: Answers | None
) -> Outcome:
    progress = _Progress(shard, fence)
    return child.run(job, on_event=progress.hear, tick=progress.tick, answers=answers)


class _Progress:
    """Keeps the lease alive and the count of finished cases current while the child works."""

    def __init__(self, shard: Shard, fence: int) -> None:
        self.shard, self.fence = shard, fence
        self.done = self.shown = 0
        self.written = self.renewed = time.monotonic()

    def hear(self, event: Event) -> None:
        if event.kind == "progress":
            self.done = int(str(event.fields["done"]))

    def tick(self) -> None:
        now = time.monotonic()
        news = self.done != self.shown and now - self.written >= PROGRESS_SECONDS
        if news or now - self.renewed >= settings.LEASE_RENEW_SECONDS:
            renew(Shard, self.shard.pk, self.fence, n_done=min(self.done, self.shard.n_cases))
            self.shown = self.done
            self.written = self.renewed = now


def evidence_of(
    audit: Audit, name: str = actions.PREDICT, *, further: FurtherCohort | None = None
) -> list[Evidence]:
    """The evidence of a pass, in the order of the cases; of the model's, unless named.

    Args:
        further: the cohort that it was run over, instead of the audited one.
    """
    shards = Shard.objects.filter(work__audit=audit, work__name=name, work__further=further)
    ordered = shards.order_by("position").select_related("evidence__blob")
    return [shard.evidence for shard in ordered if shard.evidence is not None]
