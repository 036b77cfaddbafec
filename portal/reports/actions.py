"""Sealing a report, sharing it, ending a share; each writes the trail."""

import json
import secrets
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from django.db import transaction
from django.db.models import F, Max
from django.db.models.functions import Now
from django.utils import timezone

from portal.accounts.access import check_may
from portal.accounts.actions import hash_secret
from portal.accounts.models import Team, User
from portal.accounts.roles import Act
from portal.audits.models import Audit
from portal.audits.planning import log, move
from portal.audits.states import AuditState
from portal.blobs import store
from portal.reports.models import Report, ShareLink
from portal.reports.states import LinkState
from portal.trail.actions import record

SHARE_DAYS = 30


class AlreadySealed(Exception):
    """Another worker sealed this audit first, or it was stopped meanwhile."""


def seal(audit: Audit, document: Mapping[str, Any], content: Mapping[str, Any]) -> Report:
    """Freeze the audit and its report together; the audit's state decides who is first."""
    audit_json = store.put_bytes(canonical(document), "application/json")
    frozen = store.put_bytes(canonical(content), "application/json")
    with transaction.atomic():
        verdict = str(document["verdict"])
        Team.objects.select_for_update().get(pk=audit.team_id)
        newest = Report.objects.filter(team=audit.team).aggregate(n=Max("number"))["n"] or 0
        log(audit, "audit", f"Sealed: {verdict}.")
        sealed = move(
            audit, AuditState.RUNNING, AuditState.SEALED, verdict=verdict, sealed_at=Now()
        )
        if not sealed:
            raise AlreadySealed(str(audit))
        report = Report.objects.create(
            team=audit.team,
            audit=audit,
            number=newest + 1,
            title=audit.title,
            verdict=verdict,
            headline=str(content["headline"]["verdict_sentence"])[:300],
            audit_json=audit_json,
            content=frozen,
        )
        record(
            team=audit.team,
            actor=None,
            action="report sealed",
            obj=report,
            sha256=audit_json.sha256,
            verdict=verdict,
        )
    return report


def canonical(data: Mapping[str, Any]) -> bytes:
    return json.dumps(
        data, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
    ).encode()


@transaction.atomic
def share(
    *,
    actor: User,
    report: Report,
    for_whom: str,
    purpose: str = "",
    days: int = SHARE_DAYS,
    with_images: bool = False,
) -> tuple[ShareLink, str]:
    """The link and its token; the token is shown once and only its hash is kept."""
    check_may(actor, report.team, Act.SHARE_REPORT)
    token = secrets.token_urlsafe(32)
    link = ShareLink.objects.create(
        report=report,
        token_sha256=hash_secret(token),
        for_whom=for_whom,
        purpose=purpose,
        with_images=with_images,
        created_by=actor,
        expires_at=timezone.now() + timedelta(days=days),
    )
    record(
        team=report.team,
        actor=actor,
        action="report shared",
        obj=report,
        for_whom=for_whom,
        with_images=with_images,
        until=link.expires_at.isoformat(),
    )
    return link, token


@transaction.atomic
def end_link(*, actor: User, link: ShareLink) -> None:
    check_may(actor, link.report.team, Act.SHARE_REPORT)
    active = ShareLink.objects.filter(pk=link.pk, ended_at=None)
    if active.update(ended_at=Now(), ended_by=actor):
        record(
            team=link.report.team,
            actor=actor,
            action="share link ended",
            obj=link.report,
            for_whom=link.for_whom,
        )


@transaction.atomic
def opened(link: ShareLink) -> None:
    """Count one opening of an active link."""
    if link.state != LinkState.ACTIVE:
        return
    ShareLink.objects.filter(pk=link.pk).update(openings=F("openings") + 1, last_opened_at=Now())
    record(
        team=link.report.team,
        actor=None,
        action="share link opened",
        obj=link.report,
        for_whom=link.for_whom,
    )


def keep_pdf(report: Report, data: bytes) -> None:
    """Made on first request from the frozen content, then kept."""
    blob = store.put_bytes(data, "application/pdf")
    Report.objects.filter(pk=report.pk, pdf=None).update(pdf=blob)
