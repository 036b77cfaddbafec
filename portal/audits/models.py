"""Protocols, audits, and the rows that say how far an audit is and what it found."""

import uuid

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now
from django.urls import reverse

from portal.accounts.models import Team
from portal.audits.states import (
    ACTIVE,
    AuditState,
    FurtherKind,
    FurtherRole,
    ProtocolState,
)
from portal.blobs.models import Blob
from portal.cohorts.models import Case, CohortVersion
from portal.leases import Leased, WorkState
from portal.registry.models import ModelVersion, Predictions


class Protocol(models.Model):
    """What will be checked and which limits must hold; locked before it is used."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    team = models.ForeignKey(Team, on_delete=models.PROTECT, related_name="protocols")
    name = models.CharField(max_length=120)
    version = models.PositiveIntegerField(default=1)
    state = models.CharField(
        max_length=6, choices=ProtocolState.choices, default=ProtocolState.DRAFT
    )
    body = models.JSONField()  # ml.protocol's JSON form
    sha256 = models.CharField(max_length=64)
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT)
    created_at = models.DateTimeField(db_default=Now())
    locked_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["team", "name", "version"], name="protocol_once"),
            models.CheckConstraint(
                name="locked_iff_locked_at",
                condition=Q(state=ProtocolState.LOCKED, locked_at__isnull=False)
                | Q(state=ProtocolState.DRAFT, locked_at__isnull=True),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.name}, version {self.version}"

    def get_absolute_url(self) -> str:
        return reverse("audits:protocol", args=[self.team.slug, self.pk])


class Audit(models.Model):
    """One run of a protocol's checks on one cohort version."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    team = models.ForeignKey(Team, on_delete=models.PROTECT, related_name="audits")
    number = models.PositiveIntegerField()  # A-0001 within the team
    title = models.CharField(max_length=200)
    model_version = models.ForeignKey(ModelVersion, on_delete=models.PROTECT, null=True)
    predictions = models.ForeignKey(Predictions, on_delete=models.PROTECT, null=True)
    cohort_version = models.ForeignKey(CohortVersion, on_delete=models.PROTECT)
    protocol = models.ForeignKey(Protocol, on_delete=models.PROTECT, null=True)  # None: default
    protocol_body = models.JSONField()  # the copy that was run
    protocol_sha256 = models.CharField(max_length=64)
    state = models.CharField(max_length=7, choices=AuditState.choices, default=AuditState.DRAFT)
    verdict = models.CharField(max_length=12, blank=True)
    look = (
        models.PositiveIntegerField()
    )  # how many audits of this cohort version, this one included
    failure = models.TextField(blank=True)  # a sentence, shown to the team as it is
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT)
    created_at = models.DateTimeField(db_default=Now())
    started_at = models.DateTimeField(null=True, blank=True)
    sealed_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["team", "number"], name="audit_number_once"),
            models.CheckConstraint(
                name="audit_has_at_most_one_subject",
                condition=Q(model_version__isnull=True) | Q(predictions__isnull=True),
            ),
            models.CheckConstraint(
                name="audit_failure_iff_failed",
                condition=Q(state=AuditState.FAILED) ^ Q(failure=""),
            ),
            models.CheckConstraint(
                name="audit_sealed_has_verdict",
                condition=~Q(state=AuditState.SEALED)
                | (~Q(verdict="") & Q(sealed_at__isnull=False)),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.reference}: {self.title}"

    def get_absolute_url(self) -> str:
        return reverse("audits:audit", args=[self.team.slug, self.pk])

    @property
    def reference(self) -> str:
        return f"A-{self.number:04d}"

    @property
    def is_active(self) -> bool:
        return self.state in ACTIVE


class FurtherCohort(models.Model):
    """A sealed cohort version beside the audited one, which the same model is run on."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    audit = models.ForeignKey(Audit, on_delete=models.CASCADE, related_name="further_cohorts")
    cohort_version = models.ForeignKey(CohortVersion, on_delete=models.PROTECT, related_name="+")
    position = models.PositiveSmallIntegerField()
    role = models.CharField(max_length=9, choices=FurtherRole.choices)
    kind = models.CharField(max_length=7, choices=FurtherKind.choices, blank=True)
    name = models.CharField(max_length=220)  # as the document has it; once in an audit

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["audit", "cohort_version"], name="further_once"),
            models.UniqueConstraint(fields=["audit", "position"], name="further_position_once"),
            models.UniqueConstraint(fields=["audit", "name"], name="further_name_once"),
            models.UniqueConstraint(
                fields=["audit"],
                condition=Q(role=FurtherRole.REFERENCE),
                name="one_reference_cohort",
            ),
            models.CheckConstraint(
                name="kind_is_of_foreign_cohorts",
                condition=Q(kind="") | Q(role=FurtherRole.FOREIGN),
            ),
        ]

    def __str__(self) -> str:
        return self.name


class Pass(models.Model):
    """One walk over the audited cohort, or over one beside it, cut into shards."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    audit = models.ForeignKey(Audit, on_delete=models.CASCADE, related_name="passes")
    name = models.CharField(max_length=40)
    position = models.PositiveSmallIntegerField()
    state = models.CharField(max_length=8, choices=WorkState.choices, default=WorkState.WAITING)
    params = models.JSONField(default=dict)
    n_shards = models.PositiveIntegerField()
    n_cases = models.PositiveIntegerField()
    further = models.ForeignKey(  # None: the audited cohort
        FurtherCohort, on_delete=models.CASCADE, null=True, related_name="passes"
    )

    class Meta:
        verbose_name_plural = "passes"
        constraints = [
            models.UniqueConstraint(
                fields=["audit", "name"], condition=Q(further=None), name="pass_once"
            ),
            models.UniqueConstraint(
                fields=["further", "name"],
                condition=Q(further__isnull=False),
                name="pass_once_of_further",
            ),
        ]

    def __str__(self) -> str:
        return self.name


class Evidence(models.Model):
    """What one shard of a pass left behind; the next audit of the same team reuses it."""

    team = models.ForeignKey(Team, on_delete=models.PROTECT, related_name="evidence")
    key = models.CharField(max_length=64)  # of everything that could change the result
    blob = models.ForeignKey(Blob, on_delete=models.PROTECT, related_name="+")  # Parquet
    runtime = models.JSONField(default=dict)
    made_by = models.ForeignKey(Audit, on_delete=models.PROTECT, related_name="+")
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        verbose_name_plural = "evidence"
        constraints = [models.UniqueConstraint(fields=["team", "key"], name="evidence_once")]

    def __str__(self) -> str:
        return self.key[:8]


class Shard(Leased):
    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    work = models.ForeignKey(Pass, on_delete=models.CASCADE, related_name="shards")
    position = models.PositiveIntegerField()
    case_ids = models.JSONField()
    n_cases = models.PositiveIntegerField()
    n_done = models.PositiveIntegerField(default=0)
    evidence = models.ForeignKey(Evidence, on_delete=models.PROTECT, null=True)
    seconds = models.FloatField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["work", "position"], name="shard_once"),
            models.CheckConstraint(
                name="finished_shard_has_evidence",
                condition=~Q(state__in=[WorkState.DONE, WorkState.REUSED])
                | Q(evidence__isnull=False),
            ),
        ]

    def __str__(self) -> str:
        whose = f" of {self.work.further}" if self.work.further else ""
        return f"{self.work.name}/{self.position}{whose}"

    @property
    def cohort_version(self) -> CohortVersion:
        """The one that its cases are of."""
        further = self.work.further
        return further.cohort_version if further else self.work.audit.cohort_version


class CheckRun(Leased):
    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    audit = models.ForeignKey(Audit, on_delete=models.CASCADE, related_name="check_runs")
    check_id = models.CharField(max_length=60)
    title = models.CharField(max_length=120)
    position = models.PositiveSmallIntegerField()
    outcome = models.CharField(max_length=12, blank=True)  # pass, caution, fail, ...
    result = models.JSONField(null=True)  # measures, series, summary
    seconds = models.FloatField(null=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["audit", "check_id"], name="check_run_once")]

    def __str__(self) -> str:
        return self.check_id


class Finding(models.Model):
    """What a check concluded, with its limit and the cases behind it."""

    audit = models.ForeignKey(Audit, on_delete=models.CASCADE, related_name="findings")
    check_run = models.ForeignKey(CheckRun, on_delete=models.CASCADE, related_name="findings")
    finding_id = models.CharField(max_length=120)
    position = models.PositiveSmallIntegerField()
    state = models.CharField(max_length=12)
    claim = models.TextField()
    body = models.JSONField()  # why, measure, limit, cases, action

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["check_run", "finding_id"], name="finding_once")
        ]

    def __str__(self) -> str:
        return self.claim


class CaseResult(models.Model):
    """What the model returned for one case in one pass."""

    audit = models.ForeignKey(Audit, on_delete=models.CASCADE, related_name="case_results")
    case = models.ForeignKey(Case, on_delete=models.PROTECT, related_name="+")
    pass_name = models.CharField(max_length=40)
    outputs = models.JSONField()  # one number per class; empty when it failed
    error = models.CharField(max_length=40, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["audit", "case", "pass_name"], name="result_once")
        ]

    def __str__(self) -> str:
        return f"{self.pass_name} of {self.case_id}"


class LogLine(models.Model):
    """What happened, in order, for the people who wait."""

    audit = models.ForeignKey(Audit, on_delete=models.CASCADE, related_name="log")
    at = models.DateTimeField(db_default=Now())
    source = models.CharField(max_length=60)
    text = models.CharField(max_length=500)

    def __str__(self) -> str:
        return self.text
