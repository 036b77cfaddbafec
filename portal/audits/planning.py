"""Writing a protocol down, starting an audit, stopping it, taking it up again."""

from collections.abc import Mapping, Sequence
from typing import Any

from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models import Exists, Max, OuterRef, QuerySet
from django.db.models.functions import Now

from ml.beside import CHECK as FOREIGN_CHECK
from ml.beside import wanting, with_foreign
from ml.checks import all_checks
from ml.checks.registry import checks_of
from ml.engine.drawn_cases import cases_of
from ml.engine.plan import (
    COMPARE,
    PREDICT,
    PassPlan,
    colour_of,
    images_by_case,
    plan,
    shards,
    takes_pictures,
    unfit,
)
from ml.engine.sampling import samples_params
from ml.protocol import Protocol as Rules
from ml.protocol import ProtocolError
from portal.accounts.access import check_may
from portal.accounts.models import Team, User
from portal.accounts.roles import Act
from portal.audits import further
from portal.audits.models import (
    Audit,
    CheckRun,
    FurtherCohort,
    LogLine,
    Pass,
    Protocol,
    Shard,
)
from portal.audits.states import AUDIT, PROTOCOL, AuditState, FurtherRole, ProtocolState
from portal.cohorts import catalogue
from portal.cohorts.masks import SEGMENTATION
from portal.cohorts.models import CohortVersion
from portal.cohorts.states import CohortState
from portal.jobs import Job, enqueue
from portal.leases import WorkState
from portal.registry.models import ModelVersion, Predictions
from portal.registry.states import VersionState
from portal.trail.actions import record

SOURCE = 60  # letters of who speaks in a line of the log


def read_rules(body: Mapping[str, Any]) -> Rules:
    """A protocol from its stored or uploaded form; ValidationError says what is wrong with it."""
    try:
        if body.get("is_default"):
            rules = Rules.default()
            return with_foreign(rules) if FOREIGN_CHECK in body.get("checks", ()) else rules
        rules = Rules.parse({key: value for key, value in body.items() if key != "is_default"})
    except ProtocolError as error:
        raise ValidationError(error.problems) from error
    known = {check.id for check in all_checks()}
    unknown = sorted(set(rules.checks) - known)
    if unknown:
        raise ValidationError(f"This installation has no check called {', '.join(unknown)}.")
    return rules


@transaction.atomic
def write_protocol(*, actor: User, team: Team, name: str, body: Mapping[str, Any]) -> Protocol:
    """A new draft; a name that exists gets its next version."""
    check_may(actor, team, Act.WRITE_PROTOCOL)
    rules = read_rules(body)
    Team.objects.select_for_update().get(pk=team.pk)
    newest = Protocol.objects.filter(team=team, name=name).aggregate(v=Max("version"))["v"] or 0
    protocol = Protocol.objects.create(
        team=team,
        name=name,
        version=newest + 1,
        body=rules.to_json(),
        sha256=rules.sha256,
        created_by=actor,
    )
    record(team=team, actor=actor, action="protocol written", obj=protocol, sha256=rules.sha256)
    return protocol


@transaction.atomic
def lock_protocol(*, actor: User, protocol: Protocol) -> None:
    check_may(actor, protocol.team, Act.WRITE_PROTOCOL)
    PROTOCOL.check_move(protocol.state, ProtocolState.LOCKED)
    draft = Protocol.objects.filter(pk=protocol.pk, state=ProtocolState.DRAFT)
    if draft.update(state=ProtocolState.LOCKED, locked_at=Now()):
        record(
            team=protocol.team,
            actor=actor,
            action="protocol locked",
            obj=protocol,
            sha256=protocol.sha256,
        )


@transaction.atomic
def start_audit(
    *,
    actor: User,
    team: Team,
    cohort_version: CohortVersion,
    model_version: ModelVersion | None = None,
    predictions: Predictions | None = None,
    protocol: Protocol | None = None,
    title: str = "",
    beside: further.Beside = further.NOTHING,
) -> Audit:
    """Plan the passes, write the rows, ring. The protocol's copy is what will be run.

    Args:
        beside: foreign cohorts, and one that is like what the model was developed on.
    """
    check_may(actor, team, Act.RUN_AUDIT)
    _check_usable(team, cohort_version, model_version, predictions, protocol)
    rules = read_rules(protocol.body) if protocol else Rules.default()
    rules = further.rules_with(rules, beside)
    further.check_usable(beside, team=team, cohort=cohort_version, model=model_version, rules=rules)
    Team.objects.select_for_update().get(pk=team.pk)  # numbers are given one at a time
    newest = Audit.objects.filter(team=team).aggregate(newest=Max("number"))["newest"] or 0
    audit = Audit.objects.create(
        team=team,
        number=newest + 1,
        title=(title or _title(cohort_version, model_version, predictions))[:200],
        model_version=model_version,
        predictions=predictions,
        cohort_version=cohort_version,
        protocol=protocol,
        protocol_body=rules.to_json(),
        protocol_sha256=rules.sha256,
        look=Audit.objects.filter(cohort_version=cohort_version).count() + 1,
        created_by=actor,
    )
    _write_plan(audit, rules, further.write(audit, beside))
    move(audit, AuditState.DRAFT, AuditState.WAITING)
    record(
        team=team,
        actor=actor,
        action="audit started",
        obj=audit,
        protocol_sha256=rules.sha256,
        look=audit.look,
        **_named(beside),
    )
    log(audit, "audit", f"Started by {actor}; look {audit.look} at this cohort version.")
    ring_work(audit)
    return audit


def _named(beside: further.Beside) -> dict[str, list[str]]:
    """The hashes of what stands beside the audited cohort, for the trail."""
    hashes = [version.sha256 for version in beside.versions]
    return {"beside": hashes} if hashes else {}


def _check_usable(
    team: Team,
    cohort_version: CohortVersion,
    model_version: ModelVersion | None,
    predictions: Predictions | None,
    protocol: Protocol | None,
) -> None:
    if model_version is not None and predictions is not None:
        raise ValidationError("An audit has a model or predictions, not both: choose one.")
    if cohort_version.state != CohortState.SEALED:
        raise ValidationError("This cohort version is still a draft: seal it first.")
    if model_version is not None and model_version.state != VersionState.ACCEPTED:
        raise ValidationError(f"{model_version} is {model_version.state}: choose an accepted one.")
    if protocol is not None and protocol.state != ProtocolState.LOCKED:
        raise ValidationError(f"{protocol} is a draft: lock it before the first inference.")
    if (wrong := unfit_task(cohort_version, model_version, predictions)) is not None:
        raise ValidationError(wrong)
    if model_version is not None and cohort_version.n_images == 0:
        raise ValidationError(
            "This cohort has no images, so a model cannot run on it. Audit its readings without a "
            "model, or hand in predictions."
        )
    owners = {
        cohort_version.cohort.team_id,
        model_version.model.team_id if model_version else team.pk,
        predictions.team_id if predictions else team.pk,
        protocol.team_id if protocol else team.pk,
    }
    if owners != {team.pk}:
        raise ValidationError("Model, cohort and protocol must belong to the team of the audit.")


def unfit_task(
    cohort: CohortVersion, model: ModelVersion | None, predictions: Predictions | None
) -> str | None:
    """Why a subject cannot be audited on a cohort of this task, or None."""
    of_masks = cohort.task == SEGMENTATION
    if model is not None:
        return unfit(model.manifest, {"task": cohort.task, "classes": cohort.classes})
    if predictions is not None and (predictions.meta["kind"] == "masks") != of_masks:
        return (
            "The cohort has masks, the predictions have scores: choose predictions with masks."
            if of_masks
            else "The predictions are masks, the cohort has none: choose a segmentation cohort."
        )
    if predictions is not None and of_masks and predictions.meta["classes"] != cohort.classes:
        named = ", ".join(cohort.classes)
        return f"The predictions must name the structures of the cohort in its order: {named}."
    return None


def _title(
    cohort: CohortVersion, model: ModelVersion | None, predictions: Predictions | None
) -> str:
    subject = model or predictions
    return f"{subject} × {cohort}" if subject else f"Readers of {cohort}"


def _write_plan(audit: Audit, rules: Rules, cohorts: Sequence[FurtherCohort]) -> None:
    task = audit.cohort_version.task
    content = catalogue.load(audit.cohort_version)
    images = images_by_case(content)
    case_ids = list(images)
    model = audit.model_version
    passes = plan(
        rules,
        wanting(
            all_checks(),
            foreign=FurtherRole.FOREIGN in {row.role for row in cohorts},
            reference=FurtherRole.REFERENCE in {row.role for row in cohorts},
        ),
        has_model=model is not None,
        has_images=any(images.values()),
        has_masks=task == SEGMENTATION,
        samples=samples_params(rules, model.manifest, model.card) if model else None,
        walks=bool(model and model.card.get("gradients")),
        pictures=model is None or takes_pictures(model.manifest),
        modality=audit.cohort_version.modality,
        colour=colour_of(model.manifest if model else {}),
        card=model.card if model else None,
        catalogue=content,
    )
    for planned in passes:
        _write_pass(audit, planned, cases_of(planned.params, case_ids, content))
    for row in cohorts:
        theirs = list(images_by_case(catalogue.load(row.cohort_version)))
        for planned in further.passes_of(passes, row.role):
            _write_pass(audit, planned, theirs, row)
    wanted = checks_of(rules, task)
    CheckRun.objects.bulk_create(
        CheckRun(audit=audit, check_id=check.id, title=check.title, position=position)
        for position, check in enumerate(wanted)
    )


def _write_pass(
    audit: Audit, planned: PassPlan, case_ids: Sequence[str], beside: FurtherCohort | None = None
) -> None:
    pieces = shards(case_ids, planned.params)
    row = Pass.objects.create(
        audit=audit,
        name=planned.name,
        position=audit.passes.count(),
        params=planned.params,
        n_shards=len(pieces),
        n_cases=len(case_ids),
        further=beside,
    )
    Shard.objects.bulk_create(
        Shard(work=row, position=number, case_ids=list(piece), n_cases=len(piece))
        for number, piece in enumerate(pieces)
    )


def move(audit: Audit, old: AuditState, new: AuditState, **changes: Any) -> bool:
    """Take an audit from one state to the next; False if it had already left `old`."""
    AUDIT.check_move(old, new)
    moved = Audit.objects.filter(pk=audit.pk, state=old).update(state=new, **changes) == 1
    if moved:
        audit.refresh_from_db()
    return moved


def log(audit: Audit, source: str, text: str) -> None:
    LogLine.objects.create(audit=audit, source=source[:SOURCE], text=text[:500])


def ring_work(audit: Audit) -> None:
    """Ring once for every shard that waits; where no pass is needed, for the checks."""
    waiting = Shard.objects.filter(work__audit=audit, state=WorkState.WAITING)
    ready = waiting.exclude(pk__in=waits_for_masks(waiting))
    shard_ids = list(ready.order_by("work__position", "position").values_list("pk", flat=True))
    waiting.update(rung_at=Now())
    for shard_id in shard_ids:
        enqueue(Job.RUN_SHARD, shard_id=str(shard_id))
    if not shard_ids:
        ring_checks(audit)


def waits_for_masks(shards: QuerySet[Shard]) -> QuerySet[Shard]:
    """Those that are to compare what the model of their audit has not marked yet."""
    marking = Shard.objects.filter(
        work__audit=OuterRef("work__audit"), work__name=PREDICT, position=OuterRef("position")
    ).exclude(state__in=(WorkState.DONE, WorkState.REUSED))
    return shards.filter(Exists(marking), work__name=COMPARE)


def ring_checks(audit: Audit) -> None:
    waiting = audit.check_runs.filter(state=WorkState.WAITING)
    check_run_ids = list(waiting.order_by("position").values_list("pk", flat=True))
    waiting.update(rung_at=Now())
    for check_run_id in check_run_ids:
        enqueue(Job.RUN_CHECK, check_run_id=str(check_run_id))


@transaction.atomic
def stop_audit(*, actor: User, audit: Audit) -> None:
    """Running shards end by themselves; nothing new is begun."""
    check_may(actor, audit.team, Act.RUN_AUDIT)
    if not move(audit, AuditState(audit.state), AuditState.STOPPED):
        return
    Shard.objects.filter(work__audit=audit, state=WorkState.WAITING).update(state=WorkState.STOPPED)
    audit.check_runs.filter(state=WorkState.WAITING).update(state=WorkState.STOPPED)
    record(team=audit.team, actor=actor, action="audit stopped", obj=audit)
    log(audit, "audit", f"Stopped by {actor}. What is done is kept.")


@transaction.atomic
def resume_audit(*, actor: User, audit: Audit) -> None:
    """Take a stopped or failed audit up again; finished shards are not done twice."""
    check_may(actor, audit.team, Act.RUN_AUDIT)
    was = AuditState(audit.state)
    if not move(audit, was, AuditState.WAITING, failure=""):
        return
    again = {"state": WorkState.WAITING, "attempts": 0, "error": "", "finished_at": None}
    undone = [WorkState.STOPPED, WorkState.FAILED]
    Shard.objects.filter(work__audit=audit, state__in=undone).update(**again)
    audit.check_runs.filter(state__in=undone).update(**again)
    audit.passes.filter(state__in=undone).update(state=WorkState.WAITING)
    record(team=audit.team, actor=actor, action="audit resumed", obj=audit, was=was)
    log(audit, "audit", f"Taken up again by {actor}.")
    ring_work(audit)
