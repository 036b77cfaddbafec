"""The life of a cohort version."""

from django.db.models import TextChoices

from portal.lifecycle import Lifecycle


class CohortState(TextChoices):
    DRAFT = "draft"
    SEALED = "sealed"


COHORT = Lifecycle(
    noun="a cohort version",
    first=CohortState.DRAFT,
    next={
        CohortState.DRAFT: frozenset({CohortState.SEALED}),
        CohortState.SEALED: frozenset(),
    },
)
