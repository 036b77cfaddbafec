"""What an audit is about, as the names and hashes that its document carries."""

from typing import Any

from ml import assemble
from portal.audits.models import Audit
from portal.cohorts import catalogue
from portal.cohorts.models import CohortVersion


def model_block(audit: Audit) -> dict[str, Any] | None:
    version, predictions = audit.model_version, audit.predictions
    if version is not None:
        read = {
            "manifest": version.manifest,
            "sha256": version.sha256,
            "manifest_sha256": version.manifest_sha256,
        }
        return assemble.model_block(read, None)
    if predictions is not None:
        return assemble.model_block(None, {"meta": predictions.meta, "sha256": predictions.sha256})
    return None


def cohort_block(version: CohortVersion) -> dict[str, Any]:
    counts: dict[str, Any] = {
        "name": version.cohort.name,
        "version": version.number,
        "n_cases": version.n_cases,
        "n_clusters": version.n_clusters,
        "n_patients": version.n_patients,
        "n_images": version.n_images,
        "n_labelled": version.n_labelled,
        "n_readings": version.n_readings,
    }
    return assemble.cohort_block(catalogue.load(version), counts)
