"""The life of a model version."""

from django.db.models import TextChoices

from portal.lifecycle import Lifecycle


class VersionState(TextChoices):
    DRAFT = "draft"
    CHECKING = "checking"
    ACCEPTED = "accepted"
    REFUSED = "refused"
    WITHDRAWN = "withdrawn"


VERSION = Lifecycle(
    noun="a model version",
    first=VersionState.CHECKING,
    next={
        VersionState.DRAFT: frozenset({VersionState.CHECKING}),
        VersionState.CHECKING: frozenset({VersionState.ACCEPTED, VersionState.REFUSED}),
        VersionState.ACCEPTED: frozenset({VersionState.WITHDRAWN}),
        VersionState.REFUSED: frozenset(),
        VersionState.WITHDRAWN: frozenset(),
    },
)
