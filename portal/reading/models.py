"""What readers said of cases. Every reader is kept."""

from django.db import models

from portal.cohorts.models import Case


class Reading(models.Model):
    case = models.ForeignKey(Case, on_delete=models.CASCADE, related_name="readings")
    reader_id = models.CharField(max_length=80)
    question = models.CharField(max_length=80, blank=True)
    score = models.FloatField(null=True)
    label = models.CharField(max_length=120, blank=True)
    arm = models.CharField(max_length=40, blank=True)
    seconds = models.FloatField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["case", "reader_id", "question", "arm"], name="one_answer_per_reader"
            )
        ]

    def __str__(self) -> str:
        return f"{self.reader_id} on {self.case_id}"
