"""Requests that may be repeated safely: which audit the first of them started."""

from django.conf import settings
from django.db import models
from django.db.models.functions import Now

from portal.accounts.models import Team
from portal.audits.models import Audit


class IdempotencyKey(models.Model):
    """A key a program chose for one request, and what that request made."""

    team = models.ForeignKey(Team, on_delete=models.CASCADE, related_name="+")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+")
    key = models.CharField(max_length=200)
    body_sha256 = models.CharField(max_length=64)
    audit = models.ForeignKey(Audit, on_delete=models.CASCADE, related_name="+")
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["team", "user", "key"], name="idempotency_key_once")
        ]

    def __str__(self) -> str:
        return self.key
