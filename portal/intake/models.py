"""One upload being read: a model, a cohort or predictions, until it is accepted or refused."""

import uuid

from django.conf import settings
from django.db import models
from django.db.models.functions import Now
from django.urls import reverse

from portal.accounts.models import Team
from portal.blobs.models import Blob
from portal.cohorts.models import CohortVersion
from portal.leases import Watched
from portal.registry.models import ModelVersion, Predictions


class UploadKind(models.TextChoices):
    MODEL = "model", "Model"
    COHORT = "cohort", "Cohort"
    PREDICTIONS = "predictions", "Predictions"


class Upload(Watched):
    """Done with refusals means refused: nothing of it was kept but the reasons."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    team = models.ForeignKey(Team, on_delete=models.PROTECT, related_name="uploads")
    kind = models.CharField(max_length=11, choices=UploadKind.choices)
    file_name = models.CharField(max_length=255)  # shown only
    blob = models.ForeignKey(Blob, on_delete=models.PROTECT, related_name="+")
    seal = models.BooleanField(default=True)  # a cohort version is sealed once it is read
    log = models.JSONField(default=list)
    refusals = models.JSONField(default=list)
    model_version = models.ForeignKey(ModelVersion, on_delete=models.PROTECT, null=True)
    cohort_version = models.ForeignKey(CohortVersion, on_delete=models.SET_NULL, null=True)
    predictions = models.ForeignKey(Predictions, on_delete=models.PROTECT, null=True)
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT)
    created_at = models.DateTimeField(db_default=Now())

    def __str__(self) -> str:
        return f"{self.get_kind_display()}: {self.file_name}"

    def get_absolute_url(self) -> str:
        return reverse("intake:upload", args=[self.team.slug, self.pk])

    @property
    def accepted(self) -> bool:
        return self.state == "done" and not self.refusals


class PatientKey(models.Model):
    """Under which a team's DICOM files are de-identified. No page and no answer shows it.

    Whoever has it can tell which pseudonym a known patient has; without it nothing that comes later
    fits what is there.
    """

    team = models.OneToOneField(Team, on_delete=models.CASCADE, related_name="+")
    secret = models.BinaryField(max_length=32)
    created_at = models.DateTimeField(db_default=Now())

    def __str__(self) -> str:
        return f"key of {self.team}"
