"""How far an audit is, read from its rows: for the page that waits and for the API."""

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any, cast

from django.utils import timezone

from portal.audits.models import Audit, LogLine, Pass, Shard
from portal.cohorts import catalogue
from portal.leases import FINAL, WorkState
from portal.ui.names import Names

LOG_LINES = 12
SQUARES = 200  # more shards than this share a square
_RATE_FROM = 40  # the latest finished shards say how fast it goes
RETRIED = "retried"
# When several shards share a square, it shows the one that matters most to who waits.
_LOUDEST = (
    WorkState.FAILED,
    RETRIED,
    WorkState.RUNNING,
    WorkState.WAITING,
    WorkState.STOPPED,
    WorkState.DONE,
    WorkState.REUSED,
)


@dataclass(frozen=True)
class ShardRow:
    position: int
    state: str
    attempts: int
    n_cases: int
    n_done: int
    seconds: float | None
    started_at: datetime | None
    finished_at: datetime | None
    lease_until: datetime | None
    error: str
    made_by: int | None  # number of the audit that made the evidence

    @property
    def shown(self) -> str:
        """The state of its square: a shard that had to begin again says so until it is done."""
        again = self.attempts > 1 or (self.attempts == 1 and self.state == WorkState.WAITING)
        pending = self.state in (WorkState.WAITING, WorkState.RUNNING)
        return RETRIED if again and pending else self.state


@dataclass(frozen=True)
class PassProgress:
    name: str
    state: str
    n_cases: int
    shards: tuple[ShardRow, ...]
    number: int  # of the audit itself, to tell whose evidence is reused
    cohort: str = ""  # beside the audited one; "" of the audited one

    @property
    def title(self) -> str:
        return self.name.replace("-", " ").capitalize()

    def shard_name(self, shard: ShardRow) -> str:
        """As str(Shard) says it, under which the log has it."""
        whose = f" of {self.cohort}" if self.cohort else ""
        return f"{self.name}/{shard.position}{whose}"

    @property
    def counts(self) -> Counter[str]:
        return Counter(shard.shown for shard in self.shards)

    @property
    def n_shards(self) -> int:
        return len(self.shards)

    @property
    def done(self) -> int:
        return self.counts[WorkState.DONE] + self.reused

    @property
    def reused(self) -> int:
        return self.counts[WorkState.REUSED]

    @property
    def running(self) -> int:
        return sum(shard.state == WorkState.RUNNING for shard in self.shards)

    @property
    def retried(self) -> int:
        return self.counts[RETRIED]

    @property
    def reused_from(self) -> list[str]:
        """References of the audits whose evidence serves again."""
        numbers = {
            shard.made_by
            for shard in self.shards
            if shard.state == WorkState.REUSED and shard.made_by not in (None, self.number)
        }
        return [f"A-{number:04d}" for number in sorted(n for n in numbers if n is not None)]

    @property
    def cases_per_square(self) -> int:
        return -(-self.n_shards // SQUARES) if self.n_shards else 1

    @property
    def squares(self) -> list[str]:
        states = [shard.shown for shard in self.shards]
        step = self.cases_per_square
        groups = [states[at : at + step] for at in range(0, len(states), step)]
        return [min(group, key=_LOUDEST.index) for group in groups]

    @property
    def seconds(self) -> float | None:
        """From the first start to the last end, once every shard has ended."""
        starts = [shard.started_at for shard in self.shards if shard.started_at]
        ends = [shard.finished_at for shard in self.shards if shard.finished_at]
        if not starts or len(ends) < self.n_shards:
            return None
        return max(0.0, (max(ends) - min(starts)).total_seconds())

    @property
    def seconds_per_case(self) -> float | None:
        return _rate(self.shards)


@dataclass(frozen=True)
class CheckProgress:
    id: str
    title: str
    state: str
    outcome: str
    summary: str
    error: str
    seconds: float | None


@dataclass(frozen=True)
class Left:
    """How long it still takes, with a range from the spread of the finished shards."""

    seconds: float
    low: float
    high: float
    from_shards: int

    @property
    def about(self) -> float:
        return rough(self.seconds)

    @property
    def at_least(self) -> float:
        return rough(self.low)

    @property
    def at_most(self) -> float:
        return rough(self.high)


@dataclass(frozen=True)
class Progress:
    audit: Audit
    passes: tuple[PassProgress, ...]
    checks: tuple[CheckProgress, ...]
    log: tuple[LogLine, ...]  # newest first
    left: Left | None
    elapsed: float | None

    @property
    def shards_done(self) -> int:
        return sum(row.done for row in self.passes)

    @property
    def shards_total(self) -> int:
        return sum(row.n_shards for row in self.passes)

    @property
    def shards_reused(self) -> int:
        return sum(row.reused for row in self.passes)

    @property
    def checks_done(self) -> int:
        return sum(row.state in (WorkState.DONE, WorkState.FAILED) for row in self.checks)

    @property
    def checks_begun(self) -> bool:
        return any(row.state != WorkState.WAITING for row in self.checks)

    @property
    def done(self) -> int:
        return self.shards_done + self.checks_done

    @property
    def total(self) -> int:
        return self.shards_total + len(self.checks)

    @property
    def now_doing(self) -> str:
        """What the audit is at, in a few words."""
        for at, row in enumerate(self.passes, 1):
            if row.state not in FINAL:
                return f"pass {at} of {len(self.passes)}"
        waiting = [row for row in self.checks if row.state not in FINAL]
        if waiting:
            return f"checks, {self.checks_done} of {len(self.checks)} done"
        return "sealing"


def rough(seconds: float) -> float:
    """An estimate without false precision: up to the next 5 s, minute or quarter of an hour."""
    step = 5 if seconds < 120 else 60 if seconds < 3600 else 900
    return step * math.ceil(seconds / step)


def progress_of(audit: Audit, now: datetime | None = None) -> Progress:
    moment = now or timezone.now()
    passes = _passes(audit)
    checks = _checks(audit)
    return Progress(
        audit=audit,
        passes=passes,
        checks=checks,
        log=tuple(audit.log.order_by("-id")[:LOG_LINES]),
        left=_left([shard for row in passes for shard in row.shards]) if audit.is_active else None,
        elapsed=_elapsed(audit, moment),
    )


def _passes(audit: Audit) -> tuple[PassProgress, ...]:
    shards: dict[object, list[ShardRow]] = {}
    rows = Shard.objects.filter(work__audit=audit).order_by("position")
    names = [field.name for field in fields(ShardRow)]
    values = rows.values_list("work_id", *names[:-1], "evidence__made_by__number")
    for work_id, *facts in cast(Iterable[tuple[Any, ...]], values):
        shards.setdefault(work_id, []).append(ShardRow(*facts))
    return tuple(
        PassProgress(
            row.name,
            row.state,
            row.n_cases,
            tuple(shards.get(row.pk, ())),
            audit.number,
            row.further.name if row.further else "",
        )
        for row in Pass.objects.filter(audit=audit).select_related("further").order_by("position")
    )


def _checks(audit: Audit) -> tuple[CheckProgress, ...]:
    rows = audit.check_runs.order_by("position").values_list(
        "check_id", "title", "state", "outcome", "result__summary", "error", "seconds"
    )
    version = audit.cohort_version
    names = Names([*catalogue.load(version).get("covariates", []), *version.questions])
    return tuple(
        CheckProgress(
            check_id, title, state, outcome, names.text(str(summary or "")), error, seconds
        )
        for check_id, title, state, outcome, summary, error, seconds in rows
    )


def _elapsed(audit: Audit, now: datetime) -> float | None:
    """Seconds since a worker took it up; of a sealed audit, until it was sealed."""
    if audit.started_at is None or not (audit.is_active or audit.sealed_at):
        return None
    return max(0.0, ((audit.sealed_at or now) - audit.started_at).total_seconds())


def _measured(shards: Iterable[ShardRow]) -> list[ShardRow]:
    measured = [
        shard
        for shard in shards
        if shard.state == WorkState.DONE and shard.seconds is not None and shard.n_cases
    ]
    return sorted(measured, key=_ended)[-_RATE_FROM:]


def _ended(shard: ShardRow) -> float:
    return shard.finished_at.timestamp() if shard.finished_at else 0.0


def _rate(shards: Iterable[ShardRow]) -> float | None:
    """Seconds per case, from the shards that were computed and not reused."""
    measured = _measured(shards)
    cases = sum(shard.n_cases for shard in measured)
    return sum(shard.seconds or 0.0 for shard in measured) / cases if cases else None


def _left(shards: Sequence[ShardRow]) -> Left | None:
    """What is left at the pace so far, shared by the shards that run side by side."""
    measured = _measured(shards)
    mean = _rate(shards)
    pending = [shard for shard in shards if shard.state not in FINAL]
    if mean is None or not pending:
        return None
    cases = sum(shard.n_cases - min(shard.n_done, shard.n_cases) for shard in pending)
    side_by_side = max(1, sum(shard.state == WorkState.RUNNING for shard in pending))
    paces = sorted((shard.seconds or 0.0) / shard.n_cases for shard in measured)
    tenth = len(paces) // 10
    low, high = paces[tenth], paces[-1 - tenth]
    share = cases / side_by_side
    return Left(mean * share, low * share, high * share, len(measured))
