"""Cohorts, their sealed versions, and the cases and images in them."""

import uuid

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now
from django.urls import reverse

from portal.accounts.models import Team
from portal.blobs.models import Blob
from portal.cohorts.states import CohortState


class Cohort(models.Model):
    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    team = models.ForeignKey(Team, on_delete=models.PROTECT, related_name="cohorts")
    name = models.CharField(max_length=160)
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        constraints = [models.UniqueConstraint(fields=["team", "name"], name="cohort_name_once")]

    def __str__(self) -> str:
        return self.name

    def get_absolute_url(self) -> str:
        return reverse("cohorts:cohort", args=[self.team.slug, self.pk])


class CohortVersion(models.Model):
    """A fixed list of cases. A draft may be discarded; sealed, nothing of it changes."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    cohort = models.ForeignKey(Cohort, on_delete=models.PROTECT, related_name="versions")
    number = models.PositiveIntegerField()
    state = models.CharField(max_length=6, choices=CohortState.choices, default=CohortState.DRAFT)
    sha256 = models.CharField(max_length=64)
    catalogue = models.ForeignKey(Blob, on_delete=models.PROTECT, related_name="+")
    title = models.CharField(max_length=200)
    task = models.CharField(max_length=20)
    classes = models.JSONField()
    positive = models.JSONField()
    modality = models.CharField(max_length=80, blank=True)
    notes = models.TextField(blank=True)
    readers = models.CharField(max_length=12)  # identified | exchangeable
    questions = models.JSONField(default=dict)
    cluster_kind = models.CharField(max_length=8)  # case | patient | group
    n_cases = models.PositiveIntegerField()
    n_clusters = models.PositiveIntegerField()
    n_patients = models.PositiveIntegerField(null=True)  # None: no patient ids in the data
    n_images = models.PositiveIntegerField()
    n_labelled = models.PositiveIntegerField()
    n_readings = models.PositiveIntegerField()
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT)
    created_at = models.DateTimeField(db_default=Now())
    sealed_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["cohort", "number"], name="cohort_number_once"),
            models.CheckConstraint(
                name="sealed_iff_sealed_at",
                condition=Q(state=CohortState.SEALED, sealed_at__isnull=False)
                | Q(state=CohortState.DRAFT, sealed_at__isnull=True),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.cohort.name}, version {self.number}"

    def get_absolute_url(self) -> str:
        return reverse("cohorts:version", args=[self.cohort.team.slug, self.pk])


class Deidentification(models.Model):
    """What was done to the DICOM files of a version before they were kept; counts, no values."""

    version = models.OneToOneField(
        CohortVersion, on_delete=models.CASCADE, related_name="deidentification"
    )
    report = models.JSONField()  # as ml.imaging.deid.report writes it
    created_at = models.DateTimeField(db_default=Now())

    def __str__(self) -> str:
        return f"De-identification of {self.version}"


class Case(models.Model):
    """One unit to be judged: usually one examination."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    version = models.ForeignKey(CohortVersion, on_delete=models.CASCADE, related_name="cases")
    position = models.PositiveIntegerField()  # order of cases.csv
    case_id = models.CharField(max_length=120)
    patient_id = models.CharField(max_length=120, blank=True)
    cluster = models.CharField(max_length=120)
    label = models.CharField(max_length=120, blank=True)
    present = models.BooleanField(null=True)  # None: no reference label
    covariates = models.JSONField(default=dict)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["version", "case_id"], name="case_id_once"),
            models.UniqueConstraint(fields=["version", "position"], name="case_position_once"),
        ]

    def __str__(self) -> str:
        return self.case_id


class Image(models.Model):
    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    case = models.ForeignKey(Case, on_delete=models.CASCADE, related_name="images")
    position = models.PositiveIntegerField()
    blob = models.ForeignKey(Blob, on_delete=models.PROTECT, related_name="+")
    display = models.ForeignKey(Blob, on_delete=models.PROTECT, related_name="+")  # for a browser
    path = models.CharField(max_length=400)  # as handed in; a name only, never a place on disk
    media_type = models.CharField(max_length=40)
    width = models.PositiveIntegerField()
    height = models.PositiveIntegerField()
    frames = models.PositiveIntegerField(default=1)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["case", "position"], name="image_position_once")
        ]

    def __str__(self) -> str:
        return self.path
