"""What a person should look at while an audit runs, though nothing is lost."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.conf import settings
from django.db.models import Count
from django.utils import timezone

from ml.sandbox.levels import WARNING
from portal.audits.models import Audit, Shard
from portal.audits.planning import SOURCE
from portal.audits.progress import RETRIED, Progress, ShardRow
from portal.leases import WorkState

PATIENCE = timedelta(seconds=20)  # before waiting for a worker is worth a note


@dataclass(frozen=True)
class Note:
    claim: str
    why: str


def notes_of(progress: Progress, now: datetime | None = None) -> list[Note]:
    return list(_notes(progress, now or timezone.now()))


def _notes(progress: Progress, now: datetime) -> Iterable[Note]:
    yield from _waits_for_worker(progress, now)
    again = any(shard.attempts > 1 for row in progress.passes for shard in row.shards)
    reasons = _reasons(progress.audit) if again else {}
    for row in progress.passes:
        for shard in row.shards:
            note = _shard_note(row.shard_name(shard), shard, reasons, now)
            if note:
                yield note
    for check in progress.checks:
        if check.state == WorkState.FAILED:
            yield Note(
                f"{check.title} could not finish.",
                f"{check.error} Its part of the report will say not assessed; the rest goes on.",
            )
    yield from _failed_cases(progress.audit)
    yield from _not_isolated(progress.audit)


def _not_isolated(audit: Audit) -> Iterable[Note]:
    shards = Shard.objects.filter(
        work__audit=audit, evidence__runtime__runtime__isolation__level="limits"
    )
    n = shards.count()
    if n:
        yield Note(
            f"{n:,} {'shard was' if n == 1 else 'shards were'} computed without isolation.",
            f"{WARNING} The numbers are the same.",
        )


def _waits_for_worker(progress: Progress, now: datetime) -> Iterable[Note]:
    audit = progress.audit
    begun = any(row.running or row.done for row in progress.passes) or progress.checks_begun
    last = progress.log[0].at if progress.log else audit.created_at
    if audit.is_active and not begun and now - last > PATIENCE:
        yield Note(
            "No worker has taken this up yet.",
            "The audit waits in line and nothing is lost. If it stays, ask whoever runs this "
            "portal whether the workers are running.",
        )


def _reasons(audit: Audit) -> Mapping[str, str]:
    """The latest sentence the log has on a failed attempt, by the shard's name."""
    lines = audit.log.filter(text__startswith="Attempt ").order_by("id")
    return dict(lines.values_list("source", "text"))


def _shard_note(
    name: str, shard: ShardRow, reasons: Mapping[str, str], now: datetime
) -> Note | None:
    if shard.state == WorkState.FAILED:
        return Note(f"Shard {name} failed.", f"{shard.error} All attempts are used up.")
    lost = shard.lease_until is not None and shard.lease_until < now
    if shard.state == WorkState.RUNNING and lost:
        return Note(
            f"The worker on shard {name} does not answer.",
            "Nothing was lost; another worker takes the shard up.",
        )
    if shard.shown == RETRIED or (shard.attempts > 1 and shard.state == WorkState.DONE):
        why = (
            shard.error
            or reasons.get(name[:SOURCE])
            or "Its worker stopped answering; nothing was lost."
        )
        return Note(f"Shard {name} was retried.", f"{why} {_attempt(shard)}")
    return None


def _attempt(shard: ShardRow) -> str:
    of = f"of {settings.MAX_ATTEMPTS}"
    if shard.state == WorkState.DONE:
        return f"Attempt {shard.attempts} {of} finished it."
    if shard.state == WorkState.RUNNING:
        return f"Attempt {shard.attempts} {of} runs now."
    return f"Attempt {shard.attempts + 1} {of} comes next."


def _failed_cases(audit: Audit) -> Iterable[Note]:
    rows = audit.case_results.exclude(error="").values_list("error").annotate(n=Count("pk"))
    codes = dict(rows.order_by("error"))
    if codes:
        n = sum(codes.values())
        listed = ", ".join(f"{code}: {count:,}" for code, count in codes.items())
        yield Note(
            f"The model gave no answer for {n:,} {'case' if n == 1 else 'cases'}.",
            f"They are counted and listed in the report ({listed}). The rest goes on.",
        )
