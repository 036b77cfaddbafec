"""The life of a report and of a share link."""

from django.db.models import TextChoices

from portal.lifecycle import Lifecycle


class ReportState(TextChoices):
    SEALED = "sealed"
    REPLACED = "replaced"
    WITHDRAWN = "withdrawn"


REPORT = Lifecycle(
    noun="a report",
    first=ReportState.SEALED,
    next={
        ReportState.SEALED: frozenset({ReportState.REPLACED, ReportState.WITHDRAWN}),
        ReportState.REPLACED: frozenset(),
        ReportState.WITHDRAWN: frozenset(),
    },
)


class LinkState(TextChoices):
    ACTIVE = "active"
    ENDED = "ended"
