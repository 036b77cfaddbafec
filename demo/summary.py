"""What the demonstration made, as the last line of `make demo ONCE=1` tells it."""

import json
import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from django.urls import reverse

from portal.audits.models import Audit
from portal.blobs import store
from portal.registry.access import versions_of
from portal.registry.models import ModelVersion
from portal.reports.models import Report


def summary(audits: Iterable[Audit], url: str, home: Path) -> dict[str, Any]:
    """The last line of `make demo ONCE=1`."""
    audits = list(audits)
    return {
        "schema": 1,
        "url": url,
        "models": [
            _model_line(version, url)
            for team in dict.fromkeys(audit.team for audit in audits)
            for version in versions_of(team).order_by("created_at")
        ],
        "audits": [_audit_line(audit, url, home) for audit in audits],
    }


def _model_line(version: ModelVersion, url: str) -> dict[str, Any]:
    """What intake made of one model; the difference is that of its two runtimes on noise."""
    card = version.card
    return {
        "name": version.model.name,
        "version": version.version,
        "state": version.state,
        "format": version.format,
        "codes": [refusal["code"] for refusal in version.refusals],
        "program_difference": card.get("program_difference"),
        "flops_per_case": (card.get("measured") or {}).get("flops_per_case"),
        "url": url + version.get_absolute_url(),
    }


def _audit_line(audit: Audit, url: str, home: Path) -> dict[str, Any]:
    report = Report.objects.select_related("audit_json").get(audit=audit)
    path = home / f"{audit.team.slug}-{audit.reference}.audit.json"
    with store.open_blob(report.audit_json) as source, path.open("wb") as target:
        shutil.copyfileobj(source, target)
    document = json.loads(path.read_bytes())
    assert audit.started_at is not None
    assert audit.sealed_at is not None
    return {
        "id": str(audit.pk),
        "title": audit.title,
        "state": audit.state,
        "verdict": audit.verdict,
        "n_cases": audit.cohort_version.n_cases,
        "seconds": (audit.sealed_at - audit.started_at).total_seconds(),
        "audit_json": str(path),
        "report_url": url + reverse("reports:report", args=[audit.team.slug, report.pk]),
        "measures": {
            f"{check['id']}.{measure['id']}": measure["value"]
            for check in document["checks"]
            for measure in check["measures"]
        },
    }
