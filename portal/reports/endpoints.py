"""Limits of the protocol with where the estimates stand: the table on a report's first screen."""

from collections.abc import Iterator
from dataclasses import dataclass

from django.utils.safestring import SafeString

from ml.judged import JudgedLimit, judged_limits
from portal.reports.doors import Door
from portal.reports.frozen import Frozen, Json
from portal.ui.estimates import show
from portal.ui.measures import measure
from portal.ui.plumb import plumb

# Measure -> the filter of the cases it rests on.
_BASIS = {
    "sensitivity": "present",
    "specificity": "absent",
    "ppv": "called-present",
    "npv": "called-absent",
}


@dataclass(frozen=True)
class Endpoint:
    """One limit of the protocol, and where the estimate stands against it."""

    name: str
    check_anchor: str
    estimate: Json | None
    limit: Json
    state: str
    figure: SafeString | str
    reason: str
    cases_url: str  # the cases the number rests on


def endpoints_of(frozen: Frozen, door: Door) -> list[Endpoint]:
    """Every limit of the protocol; those that were judged come first."""
    return sorted(_all_endpoints(frozen, door), key=lambda row: row.state == "not assessed")


@dataclass(frozen=True)
class Unassessed:
    """Limits that one and the same reason kept from being judged."""

    reason: str
    rows: tuple[Endpoint, ...]

    @property
    def origins(self) -> list[str]:
        return sorted({row.limit["origin"] for row in self.rows})


def together(rows: list[Endpoint]) -> tuple[list[Endpoint], list[Unassessed]]:
    """Rows that stand alone, and those of three and more that lack a value for one reason.

    A cohort of readings has a dozen limits that need labels: a dozen rows of one sentence hide
    the row that was judged.
    """
    by_reason: dict[str, list[Endpoint]] = {}
    for row in rows:
        if row.state == "not assessed" and row.reason:
            by_reason.setdefault(row.reason, []).append(row)
    groups = [
        Unassessed(reason, tuple(same)) for reason, same in by_reason.items() if len(same) >= 3
    ]
    grouped = {id(row) for group in groups for row in group.rows}
    return [row for row in rows if id(row) not in grouped], groups


def _all_endpoints(frozen: Frozen, door: Door) -> Iterator[Endpoint]:
    """A row for each limit, as the headline counts them."""
    for one in judged_limits(frozen.audit):
        measured = (one.finding or {}).get("measure") or one.limit["measure"]
        estimate = estimate_of(one.check, str(measured))
        yield _endpoint(frozen, door, one, estimate)


def _endpoint(frozen: Frozen, door: Door, one: JudgedLimit, estimate: Json | None) -> Endpoint:
    check, limit, finding = one.check, one.limit, one.finding or {}
    is_judged = one.is_assessed and estimate is not None and estimate["value"] is not None
    reason = (estimate or {}).get("reason") or finding.get("claim") or check.get("reason")
    if not one.is_assessed and finding.get("claim"):
        reason = finding["claim"]  # what kept it from being judged, not a remark on the value
    if not reason and estimate is None and frozen.subject is None:
        reason = "No model took part."
    return Endpoint(
        name=show(estimate).name if estimate else measure(str(limit["measure"])).name,
        check_anchor=f"#check-{check['id']}",
        estimate=estimate,
        limit=limit,
        state=one.state.value,
        figure=plumb(estimate, limit, one.state.value, palette=door.palette) if is_judged else "",
        reason="" if is_judged else str(reason or ""),
        cases_url=basis_url(frozen, door, estimate) if estimate and is_judged else "",
    )


def basis_url(frozen: Frozen, door: Door, estimate: Json) -> str:
    base = estimate["id"].partition(":")[0]
    judged = "analysed" if frozen.has_scores else ""
    return door.cases(filter=_BASIS.get(base, judged))


def estimate_of(check: Json, measure_id: str | None) -> Json | None:
    return next((row for row in check["measures"] if row["id"] == measure_id), None)
