"""Who did what and when. Rows are only ever added; the database refuses anything else."""

from django.conf import settings
from django.db import models
from django.db.models.functions import Now

from portal.accounts.models import Team


class TrailEvent(models.Model):
    team = models.ForeignKey(Team, on_delete=models.PROTECT, null=True, related_name="trail")
    actor = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True)
    action = models.CharField(max_length=60)
    object_type = models.CharField(max_length=40)
    object_id = models.CharField(max_length=64)
    object_name = models.CharField(max_length=200)
    detail = models.JSONField(default=dict)
    at = models.DateTimeField(db_default=Now())

    class Meta:
        indexes = [models.Index(fields=["team", "-id"])]

    def __str__(self) -> str:
        return f"{self.action}: {self.object_name}"
