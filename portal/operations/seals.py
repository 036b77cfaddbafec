"""Which rows the database itself keeps as they are, and what it says when somebody tries."""

from typing import Any

from django.apps import apps
from django.db import models

from portal.guards import Guard, install

_COHORT_SEALED = "(SELECT state FROM cohorts_cohortversion WHERE id = {row}.version_id) = 'sealed'"
_CASE_SEALED = (
    "(SELECT v.state FROM cohorts_cohortversion v JOIN cohorts_case c ON c.version_id = v.id "
    "WHERE c.id = {row}.case_id) = 'sealed'"
)
_AUDIT_SEALED = "(SELECT state FROM audits_audit WHERE id = {row}.audit_id) = 'sealed'"

GUARDS = (
    Guard("trail_trailevent", "1 = 1", "the trail is only ever added to"),
    Guard("blobs_blob", "1 = 1", "a stored file never changes", deletable=True),
    Guard(
        "registry_modelversion",
        "OLD.state IN ('accepted', 'withdrawn')",
        "an accepted model version never changes",
        free=("state", "withdrawn_because"),
    ),
    Guard("registry_predictions", "1 = 1", "predictions never change"),
    Guard("cohorts_cohortversion", "OLD.state = 'sealed'", "a sealed cohort version never changes"),
    Guard(
        "cohorts_case",
        _COHORT_SEALED.format(row="OLD"),
        "a sealed cohort version never changes",
        parent_sealed=_COHORT_SEALED.format(row="NEW"),
    ),
    Guard(
        "cohorts_image",
        _CASE_SEALED.format(row="OLD"),
        "a sealed cohort version never changes",
        parent_sealed=_CASE_SEALED.format(row="NEW"),
    ),
    Guard(
        "reading_reading",
        _CASE_SEALED.format(row="OLD"),
        "a sealed cohort version never changes",
        parent_sealed=_CASE_SEALED.format(row="NEW"),
    ),
    Guard("audits_protocol", "OLD.state = 'locked'", "a locked protocol never changes"),
    Guard("audits_audit", "OLD.state = 'sealed'", "a sealed audit never changes"),
    Guard(
        "audits_finding",
        _AUDIT_SEALED.format(row="OLD"),
        "a sealed audit never changes",
        parent_sealed=_AUDIT_SEALED.format(row="NEW"),
    ),
    Guard(
        "audits_caseresult",
        _AUDIT_SEALED.format(row="OLD"),
        "a sealed audit never changes",
        parent_sealed=_AUDIT_SEALED.format(row="NEW"),
    ),
    Guard(
        "audits_checkrun",
        _AUDIT_SEALED.format(row="OLD"),
        "a sealed audit never changes",
        parent_sealed=_AUDIT_SEALED.format(row="NEW"),
    ),
    Guard("reports_report", "1 = 1", "a sealed report never changes", free=("state", "pdf_id")),
)


def model_of(table: str) -> type[models.Model]:
    return next(model for model in apps.get_models() if model._meta.db_table == table)


def install_guards(using: str, **_: Any) -> None:
    for guard in GUARDS:
        install(using, model_of(guard.table), guard)
