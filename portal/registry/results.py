"""What sealed audits found, in the one line that a list has room for."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from portal.audits.models import Audit, CheckRun, Finding

# the measure a list shows, and the check that it comes from
HEADLINES = {
    "auroc": "discrimination",
    "sensitivity": "operating-point",
    "dice": "segmentation",
    "reader_dice": "segmentation-panel",
}


# the one measure of an audit where there is room for one: the first of these that it has
FIRST = ("auroc", "dice", "reader_dice")


@dataclass(frozen=True)
class Headline:
    """One measure of an audit as its report has it; `estimate` is None when no check gave it."""

    estimate: dict[str, Any] | None = None
    limit: dict[str, Any] | None = None
    state: str = "info"


def headlines(audits: Iterable[Audit]) -> dict[UUID, dict[str, Headline]]:
    """For every audit, the measures of HEADLINES by their id."""
    ids = [audit.pk for audit in audits]
    runs = CheckRun.objects.filter(audit__in=ids, check_id__in=set(HEADLINES.values()))
    measured: dict[tuple[UUID, str], dict[str, Any]] = {}
    # only the measures leave the database: the series of a large cohort are long
    for audit_id, measures in runs.values_list("audit_id", "result__measures"):
        for measure in measures or ():
            measured.setdefault((audit_id, measure["id"]), measure)
    judged: dict[tuple[UUID, str], tuple[str, Any]] = {}
    findings = Finding.objects.filter(audit__in=ids, body__measure__in=list(HEADLINES))
    for audit_id, state, body in findings.values_list("audit_id", "state", "body"):
        judged.setdefault((audit_id, body["measure"]), (state, body.get("limit")))
    found: dict[UUID, dict[str, Headline]] = {}
    for audit_id in ids:
        found[audit_id] = {}
        for name in HEADLINES:
            state, limit = judged.get((audit_id, name), ("info", None))
            found[audit_id][name] = Headline(measured.get((audit_id, name)), limit, state)
    return found


def first_of(measured: dict[str, Headline]) -> Headline:
    """What a list shows of one audit: of masks the Dice, of anything else the AUC."""
    found = (measured[name] for name in FIRST if measured[name].estimate is not None)
    return next(found, measured[FIRST[0]])
