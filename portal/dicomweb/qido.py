"""QIDO-RS: which DICOM studies, series and instances there are."""

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from django.db.models import Count, Max, QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.http.response import HttpResponseBase

from portal.dicomweb.accept import Offer, choose
from portal.dicomweb.access import Scope
from portal.dicomweb.door import door
from portal.dicomweb.matching import DEFAULTS, INSTANCE, SERIES, STUDY, Query, query_of
from portal.dicomweb.models import Instance

DICOM_JSON = "application/dicom+json"
OFFERS = (Offer(DICOM_JSON), Offer("application/json"))
_COUNTS = {"00201206": "n_series", "00201208": "n_instances", "00201209": "n_instances"}


@door("GET")
def studies(request: HttpRequest, scope: Scope) -> HttpResponseBase:
    return _searched(request, scope, scope.instances(), STUDY)


@door("GET")
def series(request: HttpRequest, scope: Scope, study: str = "") -> HttpResponseBase:
    """All series, or those of a DICOM study."""
    return _searched(request, scope, _within(scope, study), SERIES, nested=bool(study))


@door("GET")
def instances(
    request: HttpRequest, scope: Scope, study: str = "", series: str = ""
) -> HttpResponseBase:
    """All instances, or those of a DICOM study or series."""
    rows = _within(scope, study, series)
    return _searched(request, scope, rows, INSTANCE, nested=bool(study), in_series=bool(series))


def _within(scope: Scope, study: str, series: str = "") -> QuerySet[Instance]:
    rows = scope.instances()
    if study:
        rows = rows.filter(study_uid=study)
    if series:
        rows = rows.filter(series_uid=series)
    if study and not rows.exists():
        raise Http404("no such DICOM study or series")
    return rows


def _searched(
    request: HttpRequest,
    scope: Scope,
    rows: QuerySet[Instance],
    level: int,
    nested: bool = False,
    in_series: bool = False,
) -> HttpResponseBase:
    offer = choose(request, OFFERS)
    query = query_of(request.GET, rows, level)
    wanted = _wanted(query, nested, in_series)
    found, total = _page(query)
    results = list(_results(query, scope, found, wanted))
    left = total - query.offset - len(results)
    if left > 0:
        query.warnings.append(
            f"There are {left} additional results that can be requested; raise the offset."
        )
    response = HttpResponse(
        json.dumps(results, separators=(",", ":")), content_type=offer.media_type
    )
    if query.warnings:
        response["Warning"] = ", ".join(f'299 plumbline "{said}"' for said in query.warnings)
    return response


def _wanted(query: Query, nested: bool, in_series: bool) -> frozenset[str] | None:
    """Tags of an answer: those of its level and of the levels above that the address leaves open.

    None is all.
    """
    if query.all_attributes:
        return None
    levels = {query.level}
    if not nested:
        levels |= set(range(query.level))
    elif query.level == INSTANCE and not in_series:
        levels.add(SERIES)
    above = {"0020000D"} | ({"0020000E"} if query.level == INSTANCE else set())
    return frozenset(query.tags | above).union(*(DEFAULTS[level] for level in levels))


def _page(query: Query) -> tuple[list[dict[str, Any]], int]:
    """The groups of rows on the page, each with its newest row and its counts, and all there are.

    Counts are of the level's own things, not of those alone that were matched.
    """
    names = {STUDY: ("study_uid",), SERIES: ("study_uid", "series_uid")}.get(
        query.level, ("study_uid", "series_uid", "sop_uid")
    )
    order = ("instance_number",) if query.level == INSTANCE else ()
    groups = query.rows.values(*names, *order).annotate(row=Max("pk")).order_by(
        *names[:2], *order, *names[2:]
    )  # fmt: skip
    total = groups.count()
    return list(groups[query.offset : query.offset + query.limit]), total


def _results(
    query: Query, scope: Scope, groups: Iterable[Mapping[str, Any]], wanted: frozenset[str] | None
) -> Iterator[dict[str, Any]]:
    groups = list(groups)
    rows = Instance.objects.in_bulk([group["row"] for group in groups])
    counts = _counts(query, scope, groups)
    for group in groups:
        row = rows[group["row"]]
        said: dict[str, Any] = json.loads(row.attributes)
        found = {tag: value for tag, value in said.items()
                 if (wanted is None or tag in wanted) and not _is_outside(value)}  # fmt: skip
        if query.level != INSTANCE:
            found = {tag: one for tag, one in found.items() if tag not in _OF_INSTANCE}
        found |= counts.get(tuple(group[name] for name in _names(query.level)), {})
        found["00080056"] = {"vr": "CS", "Value": ["ONLINE"]}
        found["00081190"] = {"vr": "UR", "Value": [_address(query.level, scope, row)]}
        yield dict(sorted(found.items()))


# Of one instance only: an answer about a series or study that asks for all does not hold them.
_OF_INSTANCE = {"00080016", "00080018", "00200013", "00280010", "00280011", "00280008", "7FE00010"}


def _is_outside(value: object) -> bool:
    return isinstance(value, dict) and "BulkDataURI" in value


def _names(level: int) -> tuple[str, ...]:
    return ("study_uid",) if level == STUDY else ("study_uid", "series_uid")


def _counts(
    query: Query, scope: Scope, groups: list[Mapping[str, Any]]
) -> dict[tuple[str, ...], dict[str, Any]]:
    if query.level == INSTANCE:
        return {}
    names = _names(query.level)
    rows = scope.instances().filter(study_uid__in={group["study_uid"] for group in groups})
    found: dict[tuple[str, ...], dict[str, Any]] = {}
    counted = rows.values(*names).annotate(
        n_series=Count("series_uid", distinct=True), n_instances=Count("pk")
    )
    for one in counted.order_by(*names):
        key = tuple(one[name] for name in names)
        of_study = query.level == STUDY
        tags = ("00201206", "00201208") if of_study else ("00201209",)
        found[key] = {tag: {"vr": "IS", "Value": [one[_COUNTS[tag]]]} for tag in tags}
    if query.level == STUDY:
        for study, modality in rows.values_list("study_uid", "modality").distinct().order_by(
            "study_uid", "modality"
        ):  # fmt: skip
            listed = found[(study,)].setdefault("00080061", {"vr": "CS", "Value": []})
            listed["Value"].append(modality)
    return found


def _address(level: int, scope: Scope, row: Instance) -> str:
    address = f"{scope.root}/studies/{row.study_uid}"
    if level >= SERIES:
        address += f"/series/{row.series_uid}"
    return f"{address}/instances/{row.sop_uid}" if level == INSTANCE else address
