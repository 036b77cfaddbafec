"""Models, their immutable versions, and predictions that came without a model."""

import uuid

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now
from django.urls import reverse

from portal.accounts.models import Team
from portal.blobs.models import Blob
from portal.registry.states import VersionState


class Model(models.Model):
    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    team = models.ForeignKey(Team, on_delete=models.PROTECT, related_name="models")
    name = models.CharField(max_length=120)
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        constraints = [models.UniqueConstraint(fields=["team", "name"], name="model_name_once")]

    def __str__(self) -> str:
        return self.name

    def get_absolute_url(self) -> str:
        return reverse("registry:model", args=[self.team.slug, self.pk])


class ModelVersion(models.Model):
    """One set of weights with its manifest. What was accepted never changes."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    model = models.ForeignKey(Model, on_delete=models.PROTECT, related_name="versions")
    version = models.CharField(max_length=60)
    state = models.CharField(
        max_length=9, choices=VersionState.choices, default=VersionState.CHECKING
    )
    format = models.CharField(max_length=20, blank=True)
    weights = models.ForeignKey(Blob, on_delete=models.PROTECT, null=True, related_name="+")
    sha256 = models.CharField(max_length=64, blank=True)  # of the weights
    manifest_sha256 = models.CharField(max_length=64, blank=True)
    manifest = models.JSONField(default=dict)  # model.yaml, normalised
    card = models.JSONField(default=dict)  # what intake read of the file
    refusals = models.JSONField(default=list)
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT)
    created_at = models.DateTimeField(db_default=Now())
    withdrawn_because = models.TextField(blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                name="accepted_version_once",
                fields=["model", "version"],
                condition=Q(state__in=[VersionState.ACCEPTED, VersionState.WITHDRAWN]),
            ),
            models.CheckConstraint(
                name="accepted_version_has_weights",
                condition=~Q(state=VersionState.ACCEPTED)
                | (Q(weights__isnull=False) & ~Q(sha256="") & ~Q(manifest_sha256="")),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.model.name} {self.version}"

    def get_absolute_url(self) -> str:
        return reverse("registry:version", args=[self.model.team.slug, self.pk])


class Predictions(models.Model):
    """A table of outputs handed in without the model that made them."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    team = models.ForeignKey(Team, on_delete=models.PROTECT, related_name="predictions")
    claimed_model = models.CharField(max_length=120)  # as the owner says, not verified
    claimed_version = models.CharField(max_length=60)
    meta = models.JSONField()  # predictions.yaml, normalised
    table = models.ForeignKey(Blob, on_delete=models.PROTECT, related_name="+")  # Parquet
    sha256 = models.CharField(max_length=64)
    n_cases = models.PositiveIntegerField()
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT)
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        verbose_name_plural = "predictions"
        constraints = [
            models.UniqueConstraint(fields=["team", "sha256"], name="same_predictions_once")
        ]

    def __str__(self) -> str:
        return f"{self.claimed_model} {self.claimed_version} (predictions only)"

    def get_absolute_url(self) -> str:
        return reverse("registry:predictions", args=[self.team.slug, self.pk])
