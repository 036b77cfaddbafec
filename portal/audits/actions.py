"""What workers write while an audit runs. Every write carries the fence of its claim."""

from collections.abc import Iterable, Mapping
from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models import Count
from django.db.models.functions import Now

from ml.engine import plan
from portal.audits.models import Audit, CaseResult, CheckRun, Evidence, Finding, Pass, Shard
from portal.audits.planning import log, move, ring_checks
from portal.audits.states import ACTIVE, AuditState
from portal.blobs.models import Blob
from portal.cohorts.models import Case
from portal.jobs import Job, enqueue
from portal.leases import FINAL, LeaseLost, WorkState, give_up_or_wait, release

PREDICT = plan.PREDICT


def begin(audit: Audit) -> None:
    """The first worker that takes up an audit starts its clock."""
    if move(audit, AuditState.WAITING, AuditState.RUNNING, started_at=Now()):
        log(audit, "audit", "Running.")


@transaction.atomic
def finish_shard(
    shard: Shard,
    fence: int,
    *,
    evidence: Evidence,
    outputs: Iterable[tuple[str, list[float], str]],
    reused: bool,
    seconds: float,
) -> None:
    """Evidence, the result of every case, and the shard's state: all of it or nothing."""
    state = WorkState.REUSED if reused else WorkState.DONE
    changes = {"evidence": evidence, "n_done": shard.n_cases, "seconds": seconds}
    if not release(Shard, shard.pk, fence, state, **changes):
        raise LeaseLost(str(shard))
    audit = shard.work.audit
    keys = dict(
        Case.objects.filter(version=shard.cohort_version, case_id__in=shard.case_ids).values_list(
            "case_id", "pk"
        )
    )
    CaseResult.objects.bulk_create(
        [
            CaseResult(
                audit=audit,
                case_id=keys[case_id],
                pass_name=shard.work.name,
                outputs=values,
                error=error,
            )
            for case_id, values, error in outputs
        ],
        update_conflicts=True,
        unique_fields=["audit", "case", "pass_name"],
        update_fields=["outputs", "error"],
    )
    if shard.work.name == PREDICT:  # what it marked can be compared now
        compared = Shard.objects.filter(
            work__audit=audit, work__name=plan.COMPARE, position=shard.position
        )
        for shard_id in compared.filter(state=WorkState.WAITING).values_list("pk", flat=True):
            ring_shard(shard_id)
    what = "reused" if reused else f"finished in {seconds:.1f} s"
    log(audit, str(shard), f"Shard {shard} {what}: {shard.n_cases} cases.")


def keep_evidence(shard: Shard, key: str, blob: Blob, runtime: Mapping[str, Any]) -> Evidence:
    """The team's evidence under this key; the first to write it wins, all read the same."""
    audit = shard.work.audit
    evidence, _ = Evidence.objects.get_or_create(
        team=audit.team,
        key=key,
        defaults={"blob": blob, "runtime": dict(runtime), "made_by": audit},
    )
    return evidence


def find_evidence(audit: Audit, key: str) -> Evidence | None:
    return Evidence.objects.filter(team=audit.team, key=key).select_related("blob").first()


@transaction.atomic
def fail_shard(shard: Shard, fence: int, sentence: str) -> None:
    """One attempt less; the shard waits again until its attempts are used up."""
    shard.refresh_from_db()
    state = give_up_or_wait(shard.attempts)
    if not release(Shard, shard.pk, fence, state, error=sentence):
        return
    log(shard.work.audit, str(shard), f"Attempt {shard.attempts} failed. {sentence}")
    if state == WorkState.WAITING:
        ring_shard(shard.pk)


def ring_shard(shard_id: UUID) -> None:
    Shard.objects.filter(pk=shard_id).update(rung_at=Now())
    enqueue(Job.RUN_SHARD, shard_id=str(shard_id))


@transaction.atomic
def finish_check(
    check_run: CheckRun, fence: int, result: Mapping[str, Any], seconds: float
) -> None:
    """Store what a check said. Running it again replaces what it said before."""
    stored = {key: result[key] for key in result if key != "findings"}
    changes = {"outcome": result["state"], "result": stored, "seconds": seconds}
    if not release(CheckRun, check_run.pk, fence, WorkState.DONE, **changes):
        raise LeaseLost(str(check_run))
    check_run.findings.all().delete()
    Finding.objects.bulk_create(
        Finding(
            audit=check_run.audit,
            check_run=check_run,
            finding_id=finding["id"],
            position=position,
            state=finding["state"],
            claim=finding["claim"],
            body=finding,
        )
        for position, finding in enumerate(result["findings"])
    )
    log(check_run.audit, check_run.check_id, f"{check_run.title}: {result['state']}.")


@transaction.atomic
def fail_check(check_run: CheckRun, fence: int, sentence: str) -> None:
    """A broken check costs its own finding, nothing else."""
    changes = {"outcome": "not assessed", "error": sentence}
    if release(CheckRun, check_run.pk, fence, WorkState.FAILED, **changes):
        log(check_run.audit, check_run.check_id, f"{check_run.title} could not finish. {sentence}")


@transaction.atomic
def advance(audit_id: UUID | str) -> None:
    """Find the next stage from the rows. Safe to call at any time, any number of times."""
    audit = Audit.objects.select_for_update().get(pk=audit_id)
    if audit.state not in ACTIVE:
        return
    passes = [_refresh_pass(row) for row in audit.passes.order_by("position")]
    failed = next((row for row in passes if row.state == WorkState.FAILED), None)
    if failed is not None:
        fail_audit(audit, failed)
        return
    if any(row.state not in FINAL for row in passes):
        return
    states = set(audit.check_runs.values_list("state", flat=True))
    if states <= FINAL:
        if audit.state == AuditState.WAITING:
            begin(audit)
        enqueue(Job.SEAL_AUDIT, audit_id=str(audit.pk))
    elif audit.check_runs.filter(state=WorkState.WAITING, rung_at=None).exists():
        ring_checks(audit)


def _refresh_pass(row: Pass) -> Pass:
    counts = dict(row.shards.values_list("state").annotate(n=Count("pk")))
    if counts.get(WorkState.FAILED):
        state = WorkState.FAILED
    elif set(counts) <= {WorkState.REUSED} and counts:
        state = WorkState.REUSED
    elif set(counts) <= {WorkState.DONE, WorkState.REUSED}:
        state = WorkState.DONE
    elif set(counts) <= {WorkState.WAITING}:
        state = WorkState.WAITING
    else:
        state = WorkState.RUNNING
    if state != row.state:
        Pass.objects.filter(pk=row.pk).update(state=state)
        row.state = state
    return row


@transaction.atomic
def fail_seal(audit_id: UUID | str, sentence: str) -> None:
    """Every result is kept; a retry only seals again."""
    audit = Audit.objects.get(pk=audit_id)
    failure = f"{sentence} Every result is kept; a retry continues from there."
    if move(audit, AuditState.RUNNING, AuditState.FAILED, failure=failure):
        log(audit, "audit", failure)


def fail_audit(audit: Audit, failed: Pass) -> None:
    shard = failed.shards.filter(state=WorkState.FAILED).order_by("position").first()
    error = shard.error if shard else ""
    failure = (
        f"The pass “{failed.name}” failed at shard {shard.position if shard else 0} after "
        f"{shard.attempts if shard else 0} attempts. {error} What is done is kept; a retry "
        "continues from there."
    )
    if audit.state == AuditState.WAITING:
        begin(audit)
    if move(audit, AuditState.RUNNING, AuditState.FAILED, failure=failure):
        log(audit, "audit", failure)
