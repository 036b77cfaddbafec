"""The database itself refuses to change what is sealed, whoever asks. Also run on PostgreSQL."""

import uuid
from contextlib import contextmanager
from datetime import timedelta

import pytest
from django.db import IntegrityError, connection, models, transaction
from django.utils import timezone

from portal.accounts.models import Team
from portal.audits import actions as audits
from portal.audits.models import Audit, CaseResult, CheckRun, FurtherCohort, Shard
from portal.audits.planning import lock_protocol, start_audit, write_protocol
from portal.blobs import store
from portal.blobs.models import Blob
from portal.cohorts import actions as cohorts
from portal.cohorts.actions import discard_draft
from portal.cohorts.models import Case
from portal.leases import claim
from portal.operations.seals import GUARDS, model_of
from portal.registry.actions import withdraw_version
from portal.reports import actions as reports

BY_TABLE = {guard.table: guard for guard in GUARDS}
CLOSED = [guard.table for guard in GUARDS if guard.closed]


@pytest.fixture
def team(settings, make_team):
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
    return make_team()


@pytest.fixture
def audit(team, make_cohort_version, make_model_version):
    """With one result of each kind that an audit collects, and not yet sealed."""
    protocol = write_protocol(
        actor=team.owner, team=team, name="Ours", body={"checks": ["discrimination"]}
    )
    lock_protocol(actor=team.owner, protocol=protocol)
    protocol.refresh_from_db()
    started = start_audit(
        actor=team.owner,
        team=team,
        cohort_version=make_cohort_version(team, readings=True),
        model_version=make_model_version(team),
        protocol=protocol,
    )
    shard, check_run = Shard.objects.get(), started.check_runs.get()
    evidence = audits.keep_evidence(shard, "e" * 64, store.put_bytes(b"evidence"), {})
    audits.begin(started)
    audits.finish_shard(
        shard,
        claim(Shard, shard.pk),
        evidence=evidence,
        outputs=[(case_id, [0.9, 0.1], "") for case_id in shard.case_ids],
        reused=False,
        seconds=1.0,
    )
    finding = {"id": "auroc", "state": "pass", "claim": "It ranks well."}
    result = {"state": "pass", "measures": [], "findings": [finding]}
    audits.finish_check(check_run, claim(CheckRun, check_run.pk), result, 0.5)
    FurtherCohort.objects.create(
        audit=started, cohort_version=make_cohort_version(team, n=4), position=0, role="foreign",
        kind="far", name="Foreign",
    )  # fmt: skip
    started.refresh_from_db()
    return started


@pytest.fixture
def sealed(team, audit, make_predictions, make_cohort_version):
    """At least one sealed row in every guarded table."""
    make_predictions(team)
    of_dicom = make_cohort_version(team, n=3, sealed=False)
    report = {"procedure": {"version": "1"}, "burned_in": {"needs_review": 0}}
    cohorts.keep_deidentification(version=of_dicom, report=report)
    cohorts.seal_version(actor=team.owner, version=of_dicom)
    reports.seal(audit, {"verdict": "pass"}, {"headline": {"verdict_sentence": "It holds."}})
    return audit


@contextmanager
def refused(guard):
    with pytest.raises(IntegrityError, match=guard.says), transaction.atomic():
        yield


def another(field, value):
    """A value of the field's type that is not this one."""
    if field.is_relation:
        return None if value else field.target_field.get_default() or 1
    if isinstance(field, models.UUIDField):
        return uuid.uuid4()
    if isinstance(field, models.BooleanField):
        return not value
    if isinstance(field, models.DateTimeField):
        return (value or timezone.now()) + timedelta(days=1)
    if isinstance(field, models.IntegerField | models.FloatField):
        return (value or 0) + 1
    if isinstance(field, models.JSONField):
        return {"changed": [1, 2]}
    return "x" if value != "x" else "y"


def columns(table):
    free = BY_TABLE[table].free
    fields = model_of(table)._meta.concrete_fields
    return [field.attname for field in fields if field.column not in free]


@pytest.mark.parametrize("table", BY_TABLE)
def test_no_column_of_a_sealed_row_changes(table, sealed):
    kind, guard = model_of(table), BY_TABLE[table]
    rows = kind._default_manager.all()
    before = list(rows.order_by("pk").values_list())
    assert before
    for name in columns(table):
        field = kind._meta.get_field(name)
        row = rows.order_by("pk").first()
        with refused(guard):
            rows.filter(pk=row.pk).update(**{name: another(field, getattr(row, name))})
    assert list(rows.order_by("pk").values_list()) == before


@pytest.mark.parametrize("table", [guard.table for guard in GUARDS if not guard.deletable])
def test_no_sealed_row_is_deleted(table, sealed):
    kind = model_of(table)
    count = kind._default_manager.count()
    with refused(BY_TABLE[table]):
        kind._default_manager.all()._raw_delete(
            "default"
        )  # no cascade that fails for its own reasons
    assert kind._default_manager.count() == count > 0


@pytest.mark.parametrize("table", CLOSED)
def test_nothing_is_added_below_a_sealed_parent(table, sealed):
    kind = model_of(table)
    row = kind._default_manager.first()
    row.pk = None if isinstance(kind._meta.pk, models.AutoField) else uuid.uuid4()
    row._state.adding = True
    with refused(BY_TABLE[table]):
        row.save(force_insert=True)


def test_a_case_of_a_draft_is_not_moved_into_a_sealed_version(sealed, team, make_cohort_version):
    draft = make_cohort_version(team, sealed=False, n=2)
    with refused(BY_TABLE["cohorts_case"]):
        Case.objects.filter(version=draft).update(version=sealed.cohort_version)


def test_a_result_of_a_running_audit_is_not_moved_into_a_sealed_one(sealed, team):
    running = start_audit(
        actor=team.owner,
        team=team,
        cohort_version=sealed.cohort_version,
        model_version=sealed.model_version,
    )
    case = Case.objects.filter(version=sealed.cohort_version).first()
    result = CaseResult.objects.create(audit=running, case=case, pass_name="other", outputs=[1])
    with refused(BY_TABLE["audits_caseresult"]):
        CaseResult.objects.filter(pk=result.pk).update(audit=sealed)


def test_an_accepted_version_cannot_be_taken_back_to_be_changed(sealed):
    """The state is free to move on to withdrawn, and to nothing that the guard does not cover."""
    kind = model_of("registry_modelversion")
    version = kind._default_manager.filter(pk=sealed.model_version_id)
    for state in ("draft", "checking", "refused"):
        with refused(BY_TABLE["registry_modelversion"]):
            version.update(state=state)


def test_what_may_still_change_does(sealed, team, make_cohort_version):
    withdraw_version(actor=team.owner, version=sealed.model_version, because="Found to leak.")
    reports.keep_pdf(sealed.report, b"%PDF")
    assert sealed.report.__class__.objects.get().pdf is not None
    spare = store.put_bytes(b"nobody needs this")
    assert Blob.objects.filter(pk=spare.pk).delete()[0] == 1
    discard_draft(actor=team.owner, version=make_cohort_version(team, sealed=False, n=2))


def test_an_audit_that_is_not_sealed_is_free(audit):
    Audit.objects.filter(pk=audit.pk).update(title="Another title")
    audit.findings.all().delete()
    CaseResult.objects.filter(audit=audit).update(outputs=[0.5, 0.5])


@pytest.mark.parametrize("table", [guard.table for guard in GUARDS if not guard.deletable])
def test_no_way_round_deletes_sealed_rows(table, sealed):
    """Each database has one that fires no ordinary DELETE."""
    round_about = {
        "sqlite": f"INSERT OR REPLACE INTO {table} SELECT * FROM {table}",
        "postgresql": f"TRUNCATE {table} CASCADE",
    }
    connection.check_constraints()  # nothing of this transaction is left to be looked at
    with refused(BY_TABLE[table]), connection.cursor() as cursor:
        cursor.execute(round_about[connection.vendor])


def test_every_guard_names_a_table_and_columns_that_exist():
    assert len(BY_TABLE) == len(GUARDS)
    for guard in GUARDS:
        names = {field.column for field in model_of(guard.table)._meta.concrete_fields}
        assert set(guard.free) <= names
    assert Team._meta.db_table not in BY_TABLE
