"""Which rows the database itself keeps as they are, and what it says when somebody tries."""

from typing import Any

from django.apps import apps
from django.db import connections, models

from portal.guards import Guard, install

_OF_COHORT = (
    "(SELECT state FROM cohorts_cohortversion WHERE id = {row}.version_id {lock}) = 'sealed'"
)
_OF_CASE = (
    "(SELECT v.state FROM cohorts_cohortversion v JOIN cohorts_case c ON c.version_id = v.id "
    "WHERE c.id = {row}.case_id {lock}) = 'sealed'"
)
_OF_AUDIT = "(SELECT state FROM audits_audit WHERE id = {row}.audit_id {lock}) = 'sealed'"
_ALWAYS = "1 = 1"
_COHORT = "a sealed cohort version never changes"
_AUDIT = "a sealed audit never changes"

GUARDS = (
    Guard("trail_trailevent", _ALWAYS, "the trail is only ever added to"),
    Guard("blobs_blob", _ALWAYS, "a stored file never changes", deletable=True),
    Guard(
        "registry_modelversion",
        "{row}.state IN ('accepted', 'withdrawn')",
        "an accepted model version never changes",
        free=("state", "withdrawn_because"),
    ),
    Guard("registry_predictions", _ALWAYS, "predictions never change"),
    Guard("cohorts_cohortversion", "{row}.state = 'sealed'", _COHORT),
    Guard("cohorts_deidentification", _OF_COHORT, _COHORT, closed=True),
    Guard("cohorts_case", _OF_COHORT, _COHORT, closed=True),
    Guard("cohorts_image", _OF_CASE, _COHORT, closed=True),
    Guard("reading_reading", _OF_CASE, _COHORT, closed=True),
    Guard("audits_protocol", "{row}.state = 'locked'", "a locked protocol never changes"),
    Guard("audits_audit", "{row}.state = 'sealed'", _AUDIT),
    Guard("audits_furthercohort", _OF_AUDIT, _AUDIT, closed=True),
    Guard("audits_finding", _OF_AUDIT, _AUDIT, closed=True),
    Guard("audits_caseresult", _OF_AUDIT, _AUDIT, closed=True),
    Guard("audits_checkrun", _OF_AUDIT, _AUDIT, closed=True),
    Guard("reports_report", _ALWAYS, "a sealed report never changes", free=("state", "pdf_id")),
)


def model_of(table: str) -> type[models.Model]:
    return next(model for model in apps.get_models() if model._meta.db_table == table)


def install_guards(using: str, **_: Any) -> None:
    """After every migration; one that ends before all tables are there guards those that are."""
    there = set(connections[using].introspection.table_names())
    for guard in GUARDS:
        if guard.table in there:
            install(using, model_of(guard.table), guard)
