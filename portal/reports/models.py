"""Frozen reports and the links through which they are shown outside the team."""

import uuid

from django.conf import settings
from django.db import models
from django.db.models.functions import Now
from django.urls import reverse
from django.utils import timezone

from portal.accounts.models import Team
from portal.audits.models import Audit
from portal.blobs.models import Blob
from portal.reports.states import LinkState, ReportState


class Report(models.Model):
    """Everything a page, PDF or file of one sealed audit says, frozen in two blobs."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    team = models.ForeignKey(Team, on_delete=models.PROTECT, related_name="reports")
    audit = models.OneToOneField(Audit, on_delete=models.PROTECT, related_name="report")
    number = models.PositiveIntegerField()  # R-0001 within the team
    title = models.CharField(max_length=200)
    state = models.CharField(max_length=9, choices=ReportState.choices, default=ReportState.SEALED)
    verdict = models.CharField(max_length=12)
    headline = models.CharField(max_length=300)
    audit_json = models.ForeignKey(Blob, on_delete=models.PROTECT, related_name="+")
    content = models.ForeignKey(Blob, on_delete=models.PROTECT, related_name="+")
    pdf = models.ForeignKey(Blob, on_delete=models.PROTECT, null=True, related_name="+")
    sealed_at = models.DateTimeField(db_default=Now())

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["team", "number"], name="report_number_once")
        ]

    def __str__(self) -> str:
        return f"{self.reference}: {self.title}"

    def get_absolute_url(self) -> str:
        return reverse("reports:report", args=[self.team.slug, self.pk])

    @property
    def reference(self) -> str:
        return f"R-{self.number:04d}"


class ShareLink(models.Model):
    """Opens one frozen report to whoever holds the address. Only the hash of the token is kept."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    report = models.ForeignKey(Report, on_delete=models.PROTECT, related_name="links")
    token_sha256 = models.CharField(max_length=64, unique=True)
    for_whom = models.CharField(max_length=120)
    purpose = models.CharField(max_length=200, blank=True)
    with_images = models.BooleanField(default=False)
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT)
    created_at = models.DateTimeField(db_default=Now())
    expires_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True, blank=True)
    ended_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, related_name="+"
    )
    openings = models.PositiveIntegerField(default=0)
    last_opened_at = models.DateTimeField(null=True, blank=True)

    def __str__(self) -> str:
        return f"link for {self.for_whom}"

    @property
    def state(self) -> LinkState:
        over = self.ended_at is not None or self.expires_at <= timezone.now()
        return LinkState.ENDED if over else LinkState.ACTIVE
