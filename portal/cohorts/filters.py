"""Which cases of a version a list shows."""

from dataclasses import dataclass

from django.db.models import Exists, OuterRef, Q, QuerySet
from django.http import QueryDict

from portal.cohorts.models import Case
from portal.reading.models import Reading

NO_LABEL = "-"
WITH, WITHOUT = "with", "without"


@dataclass(frozen=True)
class CaseFilter:
    label: str = ""  # a class, or NO_LABEL
    text: str = ""  # part of a case id, a patient id or a cluster
    readings: str = ""  # WITH, WITHOUT

    @classmethod
    def of(cls, query: QueryDict) -> "CaseFilter":
        return cls(query.get("label", ""), query.get("text", "").strip(), query.get("readings", ""))

    @property
    def is_set(self) -> bool:
        return bool(self.label or self.text or self.readings)

    def apply(self, cases: QuerySet[Case]) -> QuerySet[Case]:
        if self.label:
            cases = cases.filter(label="" if self.label == NO_LABEL else self.label)
        if self.text:
            cases = cases.filter(
                Q(case_id__icontains=self.text)
                | Q(patient_id__icontains=self.text)
                | Q(cluster__icontains=self.text)
            )
        if self.readings in (WITH, WITHOUT):
            has_readings = Exists(Reading.objects.filter(case=OuterRef("pk")))
            cases = cases.filter(has_readings if self.readings == WITH else ~has_readings)
        return cases
