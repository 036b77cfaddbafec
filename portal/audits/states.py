"""The life of an audit and of a protocol."""

from django.db.models import TextChoices

from portal.lifecycle import Lifecycle


class AuditState(TextChoices):
    DRAFT = "draft"
    WAITING = "waiting"
    RUNNING = "running"
    STOPPED = "stopped"
    FAILED = "failed"
    SEALED = "sealed"


AUDIT = Lifecycle(
    noun="an audit",
    first=AuditState.DRAFT,
    next={
        AuditState.DRAFT: frozenset({AuditState.WAITING}),
        AuditState.WAITING: frozenset({AuditState.RUNNING, AuditState.STOPPED, AuditState.FAILED}),
        AuditState.RUNNING: frozenset({AuditState.SEALED, AuditState.STOPPED, AuditState.FAILED}),
        AuditState.STOPPED: frozenset({AuditState.WAITING}),
        AuditState.FAILED: frozenset({AuditState.WAITING}),
        AuditState.SEALED: frozenset(),
    },
)

ACTIVE = frozenset({AuditState.WAITING, AuditState.RUNNING})


class FurtherRole(TextChoices):
    """What a cohort beside the audited one is for."""

    FOREIGN = "foreign"
    REFERENCE = "reference"


class FurtherKind(TextChoices):
    """How foreign a cohort is, as its team says."""

    NEAR = "near"
    FAR = "far"
    SHIFTED = "shifted", "covariate-shifted"


class ProtocolState(TextChoices):
    DRAFT = "draft"
    LOCKED = "locked"


PROTOCOL = Lifecycle(
    noun="a protocol",
    first=ProtocolState.DRAFT,
    next={
        ProtocolState.DRAFT: frozenset({ProtocolState.LOCKED}),
        ProtocolState.LOCKED: frozenset(),
    },
)
