"""Runs checks on evidence, and seals an audit once all of them have spoken."""

import math
import time
from typing import Any

import pyarrow as pa
from celery.utils.log import get_task_logger
from django.db import InterfaceError, OperationalError, close_old_connections

from ml.assemble import evidence as assemble
from ml.checks import all_checks
from ml.checks.registry import Check, CheckResult, not_assessed
from ml.document import check_block, document_of, headline
from ml.engine.images import DESCRIBE
from ml.engine.passes import PASSES, SAMPLES
from ml.engine.plan import COMPARE, PREDICT
from ml.engine.runtime import engine_block, of_all
from ml.engine.sampling import why_no_samples
from ml.evidence import store as tables
from ml.evidence.tables import Evidence
from portal.audits import actions
from portal.audits.further import block as further_block
from portal.audits.further import further_of
from portal.audits.models import Audit, CheckRun, FurtherCohort
from portal.audits.planning import read_rules
from portal.audits.states import ACTIVE, AuditState, FurtherRole
from portal.audits.subject import cohort_block, model_block
from portal.blobs import store
from portal.cohorts import catalogue
from portal.cohorts.masks import SEGMENTATION
from portal.jobs import Job as Name
from portal.jobs import app
from portal.leases import LeaseLost, WorkState, claim, give_up_or_wait, kept, release
from portal.reports import actions as reports
from portal.reports import content
from workers.explained import explained
from workers.inference import evidence_of

logger = get_task_logger(__name__)


def load_evidence(audit: Audit) -> Evidence:
    """What the checks of an audit may look at: catalogue, readings, outputs if there are any."""
    version, predictions = audit.model_version, audit.predictions
    outputs = None
    if version is not None and audit.cohort_version.task != SEGMENTATION:
        outputs = _table_of(audit, PREDICT)
    uploaded = None
    if predictions is not None:
        uploaded = (predictions.meta, tables.table(store.read_bytes(predictions.table)))
    compared = _table_of(audit, COMPARE)
    beside = _of_further_cohorts(audit)
    return assemble(
        catalogue.load(audit.cohort_version),
        outputs=outputs,
        manifest=version.manifest if version else None,
        card=version.card if version else None,
        uploaded=uploaded,
        compared=compared,
        samples=tables.joined(store.read_bytes(made.blob) for made in evidence_of(audit, SAMPLES)),
        no_samples=why_no_samples(version.manifest, version.card) if version else "",
        tolerance_mm=read_rules(audit.protocol_body).tolerance_mm,
        described=_table_of(audit, DESCRIBE),
        passes={name: table for name in PASSES if (table := _table_of(audit, name)) is not None},
        foreign={row.name: made for row, made in beside if row.role == FurtherRole.FOREIGN},
        reference=next((made for row, made in beside if row.role == FurtherRole.REFERENCE), None),
    )


def _of_further_cohorts(audit: Audit) -> list[tuple[FurtherCohort, Evidence]]:
    """Evidence of the cohorts beside the audited one, in their order."""
    version = audit.model_version
    return [
        (
            row,
            assemble(
                catalogue.load(row.cohort_version),
                outputs=_table_of(audit, PREDICT, row),
                manifest=version.manifest if version else None,
                samples=_table_of(audit, SAMPLES, row),
                described=_table_of(audit, DESCRIBE, row),
                passes={
                    name: table
                    for name in PASSES
                    if (table := _table_of(audit, name, row)) is not None
                },
            ),
        )
        for row in further_of(audit)
    ]


def _table_of(audit: Audit, name: str, further: FurtherCohort | None = None) -> pa.Table | None:
    """What a pass left, all its shards in one; None where there are none."""
    made = evidence_of(audit, name, further=further)
    return tables.joined(store.read_bytes(one.blob) for one in made)


@app.task(name=Name.RUN_CHECK)
def run_check(check_run_id: str) -> None:
    fence = claim(CheckRun, check_run_id)
    if fence is None:
        logger.info("check run %s is taken or finished", check_run_id)
        return
    check_run = CheckRun.objects.select_related(
        "audit__team", "audit__cohort_version", "audit__model_version", "audit__predictions__table"
    ).get(pk=check_run_id)
    audit = check_run.audit
    if audit.state not in ACTIVE:
        release(CheckRun, check_run.pk, fence, WorkState.STOPPED)
        return
    actions.begin(audit)
    try:
        _work(check_run, fence)
    except LeaseLost:
        logger.warning("check run %s was taken over by another worker", check_run)
    except Exception:
        logger.exception("check run %s of %s", check_run, audit)
        close_old_connections()  # what broke may be the connection itself
        _again(check_run, fence)
    actions.advance(audit.pk)


def _work(check_run: CheckRun, fence: int) -> None:
    """A check that breaks costs its own finding; what breaks around it is tried again."""
    audit, check = check_run.audit, _check(check_run.check_id)
    started = time.monotonic()
    with kept(CheckRun, check_run.pk, fence):
        evidence, rules = load_evidence(audit), read_rules(audit.protocol_body)
        try:
            result = check(evidence, rules)
        except Exception as error:
            logger.exception("check %s of %s", check_run, audit)
            sentence = f"The check broke ({type(error).__name__}); reference {check_run.pk}."
            actions.fail_check(check_run, fence, sentence)
            return
    seconds = time.monotonic() - started
    actions.finish_check(check_run, fence, check_block(check, result, seconds), seconds)


def _again(check_run: CheckRun, fence: int) -> None:
    """One attempt less. Not rung for: whoever looks for the next stage finds it waiting."""
    check_run.refresh_from_db()
    if give_up_or_wait(check_run.attempts) == WorkState.WAITING:
        sentence = "Something broke on our side. It will be tried again."
        release(CheckRun, check_run.pk, fence, WorkState.WAITING, error=sentence, rung_at=None)
    else:
        actions.fail_check(
            check_run, fence, f"Something broke on our side; reference {check_run.pk}."
        )


@app.task(name=Name.SEAL_AUDIT)
def seal_audit(audit_id: str) -> None:
    """Build the document from what the checks stored, freeze it with its report."""
    try:
        _seal(audit_id)
    except reports.AlreadySealed:
        logger.info("audit %s was sealed or stopped meanwhile", audit_id)
    except (OperationalError, InterfaceError):  # no fault of the audit: the reconciler asks again
        logger.exception("sealing audit %s", audit_id)
        close_old_connections()
    except Exception as error:
        logger.exception("sealing audit %s", audit_id)
        actions.fail_seal(audit_id, f"The report could not be sealed ({type(error).__name__}).")


def _seal(audit_id: str) -> None:
    audit = Audit.objects.select_related(
        "team", "cohort_version__cohort", "model_version__model", "predictions__table", "protocol"
    ).get(pk=audit_id)
    if audit.state != AuditState.RUNNING:
        return
    rules = read_rules(audit.protocol_body)
    document = document_of(
        model=model_block(audit),
        cohort=cohort_block(audit.cohort_version) | further_block(audit),
        protocol=rules,
        engine=engine_block(_runtime(audit)),
        checks=[_stored(check_run) for check_run in audit.check_runs.order_by("position")],
    )
    evidence = load_evidence(audit)
    frozen = content.freeze(
        audit,
        document,
        headline(document),
        scores(evidence),
        mask_pairs(evidence),
        {row.name: scores(made) for row, made in _of_further_cohorts(audit)},
        explained(audit, evidence),
    )
    reports.seal(audit, document, frozen)


def scores(evidence: Evidence) -> dict[str, float | None]:
    if evidence.prediction is None:
        return {}
    failed = evidence.prediction.failures
    pairs = zip(evidence.case_ids, evidence.prediction.score.tolist(), strict=True)
    return {case_id: None if case_id in failed else score for case_id, score in pairs}


def mask_pairs(evidence: Evidence) -> dict[str, Any] | None:
    """Case id -> [structure, a, b, volumes of both, Dice] of its pairs; None without masks."""
    masks = evidence.masks
    if masks is None:
        return None
    found: dict[str, Any] = {case_id: [] for case_id in evidence.case_ids}
    columns = [masks.measures[name].tolist() for name in ("volume_a", "volume_b", "dice")]
    for at, (case, structure) in enumerate(
        zip(masks.case_index.tolist(), masks.structure.tolist(), strict=True)
    ):
        measured = [None if math.isnan(column[at]) else column[at] for column in columns]
        pair = [masks.structures[structure], masks.a[at], masks.b[at], *measured]
        found[evidence.case_ids[case]].append(pair)
    return found  # a case that could not be compared has none


def _runtime(audit: Audit) -> dict[str, Any] | None:
    """Where the model ran; the same for every shard but for the time it took."""
    made = evidence_of(audit)
    if not made:
        return None
    return of_all([evidence.runtime["runtime"] for evidence in made])


def _stored(check_run: CheckRun) -> dict[str, Any]:
    """A check's block of the document; a check that broke says so in its place."""
    if check_run.state == WorkState.DONE and check_run.result is not None:
        findings = check_run.findings.order_by("position")
        result: dict[str, Any] = check_run.result
        return result | {"findings": [finding.body for finding in findings]}
    check = _check(check_run.check_id)
    return check_block(check, broken(check, check_run.error), check_run.seconds or 0.0)


def _check(check_id: str) -> Check:
    return next(check for check in all_checks() if check.id == check_id)


def broken(check: Check, error: str) -> CheckResult:
    return not_assessed(check.question, error or "The check could not finish.")
