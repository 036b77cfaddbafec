"""Which audits and protocols a person sees."""

from uuid import UUID

from django.db.models import Count, F, Q, QuerySet
from django.shortcuts import get_object_or_404

from portal.accounts.models import Team
from portal.audits.models import Audit, Protocol, Shard
from portal.audits.states import ProtocolState
from portal.cohorts.models import CohortVersion
from portal.leases import WorkState


def audits_of(team: Team) -> QuerySet[Audit]:
    return (
        Audit.objects.filter(team=team)
        .select_related(
            "team",
            "created_by",
            "model_version__model",
            "predictions",
            "cohort_version__cohort",
            "protocol",
            "report",
        )
        .order_by("-number")
    )


def audits_beside(team: Team, version: CohortVersion) -> QuerySet[Audit]:
    """Those that used it as a foreign or a reference cohort; ``stood_as`` says which."""
    used = audits_of(team).filter(further_cohorts__cohort_version=version)
    return used.annotate(stood_as=F("further_cohorts__role"))


def get_audit_or_404(team: Team, audit_id: UUID) -> Audit:
    return get_object_or_404(audits_of(team), pk=audit_id)


def protocols_of(team: Team) -> QuerySet[Protocol]:
    return Protocol.objects.filter(team=team).order_by("name", "-version")


def locked_protocols(team: Team) -> QuerySet[Protocol]:
    return protocols_of(team).filter(state=ProtocolState.LOCKED)


def get_protocol_or_404(team: Team, protocol_id: UUID) -> Protocol:
    return get_object_or_404(protocols_of(team), pk=protocol_id)


def shard_counts(audit: Audit) -> dict[str, int]:
    """How many shards of an audit are in which state, and how many there are."""
    states = {state: Count("pk", filter=Q(state=state)) for state in WorkState.values}
    return Shard.objects.filter(work__audit=audit).aggregate(total=Count("pk"), **states)
