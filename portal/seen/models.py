"""What a model was given for a case or for corrupted copies, and what it says of a changed one.

Made once by a worker, then kept; nothing of it is evidence.
"""

import uuid

from django.conf import settings
from django.db import models
from django.db.models.functions import Now
from django.urls import reverse

from portal.audits.models import Audit
from portal.cohorts.models import Case
from portal.leases import Watched
from portal.registry.models import ModelVersion


class Seen(Watched):
    """Done with a refusal means that the image cannot be prepared as the model declares."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    version = models.ForeignKey(ModelVersion, on_delete=models.PROTECT, related_name="+")
    case = models.ForeignKey(Case, on_delete=models.CASCADE, related_name="+")
    engine = models.CharField(max_length=20)  # a newer one may prepare differently
    steps = models.JSONField(default=list)  # as ml.engine.seen has them; pictures are blobs
    # As ml.engine.viewed has it, with the hash of its voxels under "blob", "" where it is too
    # large to show. {} of a picture, and of what was prepared before volumes were kept.
    volume = models.JSONField(default=dict)
    refusal = models.JSONField(default=dict)  # code and message
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT)
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        verbose_name_plural = "seen"
        constraints = [
            models.UniqueConstraint(fields=["version", "case", "engine"], name="seen_once")
        ]

    def __str__(self) -> str:
        return f"{self.case} as {self.version} is given it"

    def get_absolute_url(self) -> str:
        team = self.version.model.team.slug
        return reverse("seen:case", args=[team, self.version_id, self.case_id])


class Worsened(Watched):
    """For each corruption of an audit one case, as it is and at every severity."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    audit = models.ForeignKey(Audit, on_delete=models.CASCADE, related_name="+")
    engine = models.CharField(max_length=20)  # a newer one may prepare differently
    wanted = models.JSONField(default=list)  # corruption and id of the case, for each strip
    strips = models.JSONField(default=list)  # as ml.engine.worsened has them; pictures are blobs
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT)
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        verbose_name_plural = "worsened"
        constraints = [models.UniqueConstraint(fields=["audit", "engine"], name="worsened_once")]

    def __str__(self) -> str:
        return f"Corrupted cases of {self.audit.reference}"


class Exploration(Watched):
    """What the model of an audit says of a case without a region: a look, no part of the report.

    Done with a refusal means that the image cannot be prepared as the model declares.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    audit = models.ForeignKey(Audit, on_delete=models.CASCADE, related_name="+")
    case = models.ForeignKey(Case, on_delete=models.CASCADE, related_name="+")
    engine = models.CharField(max_length=20)  # a newer one may prepare differently
    name = models.CharField(max_length=60)  # that a protocol would call the region
    top = models.FloatField()  # these four are shares of the picture
    left = models.FloatField()
    height = models.FloatField()
    width = models.FloatField()
    answers = models.JSONField(default=dict)  # scores by version, and where the other place was
    refusal = models.JSONField(default=dict)  # code and message
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT)
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        indexes = [models.Index(fields=["audit", "case"], name="exploration_of_case")]

    def __str__(self) -> str:
        return f"{self.name} of {self.case} in {self.audit.reference}"

    @property
    def box(self) -> tuple[float, float, float, float]:
        return self.top, self.left, self.height, self.width
