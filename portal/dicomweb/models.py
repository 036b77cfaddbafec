"""The DICOM instances of cohort versions, as far as DICOMweb has to know them.

A row is filled from what the child of intake read. Nothing here is evidence, and a file is never
parsed again: what is handed out are ranges of a stored blob.
"""

from django.db import models

from portal.accounts.models import Team
from portal.blobs.models import Blob
from portal.cohorts.models import CohortVersion, Image


class Instance(models.Model):
    """A DICOM SOP instance in a cohort version; "DICOM study" and "series" are columns of it."""

    team = models.ForeignKey(Team, on_delete=models.CASCADE, related_name="+")
    version = models.ForeignKey(CohortVersion, on_delete=models.CASCADE, related_name="instances")
    image = models.ForeignKey(Image, on_delete=models.CASCADE, related_name="+")
    blob = models.ForeignKey(Blob, on_delete=models.PROTECT, related_name="+")  # handed out

    study_uid = models.CharField(max_length=64)
    series_uid = models.CharField(max_length=64)
    sop_uid = models.CharField(max_length=64)
    sop_class = models.CharField(max_length=64)
    syntax = models.CharField(max_length=64)  # transfer syntax of what is handed out
    modality = models.CharField(max_length=16)
    patient_name = models.CharField(max_length=200, blank=True)
    patient_id = models.CharField(max_length=64, blank=True)
    study_date = models.CharField(max_length=8, blank=True)
    study_time = models.CharField(max_length=16, blank=True)
    accession = models.CharField(max_length=64, blank=True)
    study_id = models.CharField(max_length=64, blank=True)
    referring = models.CharField(max_length=200, blank=True)
    series_number = models.BigIntegerField(null=True)
    instance_number = models.BigIntegerField(null=True)

    rows = models.PositiveIntegerField()
    columns = models.PositiveIntegerField()
    frames = models.PositiveIntegerField()
    # Where the pixels lie in the blob: native ones in one piece, others by frame and fragment.
    pixel_offset = models.PositiveBigIntegerField(null=True)
    pixel_bytes = models.PositiveBigIntegerField(null=True)
    frame_bytes = models.PositiveBigIntegerField(null=True)
    fragments = models.JSONField(default=list)
    bulk = models.JSONField(default=list)  # offset and length of each other value kept outside
    attributes = models.TextField()  # DICOM JSON, as text: it is handed out and not looked into

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["version", "sop_uid"], name="instance_once_a_version")
        ]
        indexes = [
            models.Index(fields=["team", "study_uid", "series_uid"], name="instance_of_series"),
            models.Index(fields=["team", "sop_uid"], name="instance_by_uid"),
        ]

    def __str__(self) -> str:
        return self.sop_uid

    @property
    def is_native(self) -> bool:
        return self.pixel_offset is not None

    def places(self, frame: int) -> list[tuple[int, int]]:
        """Offset and length of the pieces of a frame, counted from 1."""
        if self.pixel_offset is None or self.frame_bytes is None:
            return [(at, n) for at, n in self.fragments[frame - 1]]
        return [(self.pixel_offset + (frame - 1) * self.frame_bytes, self.frame_bytes)]
