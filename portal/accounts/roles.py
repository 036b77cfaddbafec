"""What each role may do in its team: one table, read by actions, views, the API and the docs."""

from enum import StrEnum

from django.db.models import TextChoices


class Role(TextChoices):
    OWNER = "owner"
    AUDITOR = "auditor"
    READER = "reader"
    SUBMITTER = "submitter"
    VIEWER = "viewer"


class Act(StrEnum):
    VIEW = "look at the team's models, cohorts, audits and reports"
    HAND_IN_MODEL = "hand in a model or predictions"
    HAND_IN_COHORT = "hand in, seal or discard a cohort"
    WRITE_PROTOCOL = "write or lock a protocol"
    RUN_AUDIT = "start, stop or retry an audit"
    SHARE_REPORT = "share a report or end a share link"
    MANAGE_TEAM = "add people, change their roles and say which kinds of models are taken"


MAY: dict[Role, frozenset[Act]] = {
    Role.OWNER: frozenset(Act),
    Role.AUDITOR: frozenset(Act) - {Act.MANAGE_TEAM},
    Role.READER: frozenset({Act.VIEW}),
    Role.SUBMITTER: frozenset({Act.VIEW, Act.HAND_IN_MODEL}),
    Role.VIEWER: frozenset({Act.VIEW}),
}
