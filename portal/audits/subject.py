"""What an audit is about, as the names and hashes that its document carries."""

from typing import Any

from portal.audits.models import Audit
from portal.cohorts.models import CohortVersion


def model_block(audit: Audit) -> dict[str, Any] | None:
    if audit.model_version is not None:
        version = audit.model_version
        return {
            "kind": "model",
            "name": version.model.name,
            "version": version.version,
            "format": version.format,
            "sha256": version.sha256,
            "manifest_sha256": version.manifest_sha256,
            "intended_use": version.manifest.get("intended_use") or "",
        }
    if audit.predictions is not None:
        return {
            "kind": "predictions",
            "name": audit.predictions.claimed_model,
            "version": audit.predictions.claimed_version,
            "sha256": audit.predictions.sha256,
            "intended_use": audit.predictions.meta.get("intended_use") or "",
        }
    return None


def cohort_block(version: CohortVersion) -> dict[str, Any]:
    return {
        "name": version.cohort.name,
        "version": version.number,
        "sha256": version.sha256,
        "task": version.task,
        "classes": version.classes,
        "positive": version.positive,
        "modality": version.modality,
        "cluster_kind": version.cluster_kind,
        "n_cases": version.n_cases,
        "n_clusters": version.n_clusters,
        "n_patients": version.n_patients,
        "n_images": version.n_images,
        "n_labelled": version.n_labelled,
        "n_readings": version.n_readings,
    }
