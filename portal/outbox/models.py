"""Doorbells that have been promised but perhaps not yet rung."""

from django.db import models
from django.db.models.functions import Now


class OutboxMessage(models.Model):
    """Written in the transaction that needs the job, deleted once the broker has taken it."""

    job = models.CharField(max_length=80)
    queue = models.CharField(max_length=20)
    kwargs = models.JSONField()
    created_at = models.DateTimeField(db_default=Now())

    def __str__(self) -> str:
        return f"{self.job} {self.kwargs}"
