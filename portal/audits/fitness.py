"""The audit that asks what a cohort is fit for, and what the newest answers of a team say."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.db import transaction

from ml.protocol import Protocol as Rules
from portal.accounts.models import Team, User
from portal.audits.models import Audit, CheckRun, Finding, Protocol
from portal.audits.planning import lock_protocol, start_audit, write_protocol
from portal.audits.states import ProtocolState
from portal.cohorts.models import CohortVersion
from portal.leases import FINAL, WorkState

NAME = "Cohort fitness"
FITNESS, DUPLICATES, LEAKAGE = "cohort-fitness", "duplicates", "leakage"
CHECKS = (FITNESS, DUPLICATES, LEAKAGE)
_BODY = {"title": NAME, "checks": [FITNESS, DUPLICATES], "limits": []}


@dataclass(frozen=True)
class Fitness:
    """What the newest audits of a cohort version found out about it."""

    runs: tuple[CheckRun, ...]  # one for each check, in their order
    findings: tuple[Finding, ...]
    running: Audit | None  # one that is still to say more

    @property
    def tables(self) -> list[dict[str, Any]]:
        """Of how the images were made and stored; Table 1 stands on the page already."""
        return [
            series
            for run in self.runs
            if run.check_id == FITNESS and run.result
            for series in run.result.get("series") or []
            if series["kind"] == "table" and "images" in series["title"]
        ]

    @property
    def duplicates(self) -> CheckRun | None:
        return next((run for run in self.runs if run.check_id == DUPLICATES), None)


@transaction.atomic
def start_fitness(*, actor: User, team: Team, version: CohortVersion) -> Audit:
    """An audit without a model of what the cohort is; its protocol is written where it lacks."""
    rules = Rules.parse(_BODY)
    protocol = Protocol.objects.filter(
        team=team, sha256=rules.sha256, state=ProtocolState.LOCKED
    ).first()
    if protocol is None:
        protocol = write_protocol(actor=actor, team=team, name=NAME, body=_BODY)
        lock_protocol(actor=actor, protocol=protocol)
        protocol.refresh_from_db()
    return start_audit(
        actor=actor,
        team=team,
        cohort_version=version,
        protocol=protocol,
        title=f"Fitness of {version}",
    )


def fitness_of(team: Team, version: CohortVersion) -> Fitness:
    own = CheckRun.objects.filter(
        audit__team=team, audit__cohort_version=version, check_id__in=CHECKS
    ).select_related("audit__team", "audit__report")
    newest: dict[str, CheckRun] = {}
    for run in own.filter(state=WorkState.DONE).order_by("-audit__number"):
        newest.setdefault(run.check_id, run)
    runs = tuple(newest[one] for one in CHECKS if one in newest)
    findings = Finding.objects.filter(check_run__in=runs).order_by("check_run", "position")
    by_run = {run.pk: [one for one in findings if one.check_run_id == run.pk] for run in runs}
    waiting = own.exclude(state__in=FINAL).order_by("-audit__number").first()
    return Fitness(
        runs,
        tuple(one for run in runs for one in by_run[run.pk]),
        waiting.audit if waiting else None,
    )


def groups_in(run: CheckRun) -> Mapping[str, str]:
    """Case id -> name of its group of duplicates, from the table that the check left."""
    for series in (run.result or {}).get("series") or []:
        if series["kind"] == "table":
            case, group = (series["fields"].index(name) for name in ("case_id", "group"))
            return {row[case]: row[group] for row in series["rows"]}
    return {}
