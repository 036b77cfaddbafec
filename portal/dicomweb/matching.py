"""The query of a search: which rows, which attributes, which page. Source: DICOM PS3.18 8.3.4."""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from django.db.models import CharField, F, Lookup, Q, QuerySet
from django.db.models.functions import Lower
from django.http import QueryDict
from pydicom.datadict import keyword_for_tag, tag_for_keyword

from portal.api.problems import Problem
from portal.dicomweb.models import Instance

STUDY, SERIES, INSTANCE = 0, 1, 2
MOST = 1000  # results to an answer
USUAL = 100
MOST_STARS = 4  # a pattern of many costs the database time
# Attribute -> column, how it is matched, and the level it belongs to.
KEYS: dict[str, tuple[str, str, int]] = {
    "StudyInstanceUID": ("study_uid", "uid", STUDY),
    "StudyDate": ("study_date", "range", STUDY),
    "StudyTime": ("study_time", "range", STUDY),
    "AccessionNumber": ("accession", "text", STUDY),
    "ReferringPhysicianName": ("referring", "text", STUDY),
    "PatientName": ("patient_name", "text", STUDY),
    "PatientID": ("patient_id", "text", STUDY),
    "StudyID": ("study_id", "text", STUDY),
    "ModalitiesInStudy": ("modality", "in study", STUDY),
    "Modality": ("modality", "text", SERIES),
    "SeriesInstanceUID": ("series_uid", "uid", SERIES),
    "SeriesNumber": ("series_number", "number", SERIES),
    "SOPInstanceUID": ("sop_uid", "uid", INSTANCE),
    "SOPClassUID": ("sop_class", "uid", INSTANCE),
    "InstanceNumber": ("instance_number", "number", INSTANCE),
    "Rows": ("rows", "number", INSTANCE),
    "Columns": ("columns", "number", INSTANCE),
    "NumberOfFrames": ("frames", "number", INSTANCE),
}
# What an answer holds without being asked: PS3.18 tables 10.6.3-3 to 5.
DEFAULTS: dict[int, frozenset[str]] = {
    STUDY: frozenset({
        "00080005", "00080020", "00080030", "00080050", "00080090", "00080201", "00100010",
        "00100020", "00100030", "00100040", "0020000D", "00200010",
    }),
    SERIES: frozenset({
        "00080005", "00080060", "00080201", "0008103E", "0020000E", "00200011", "00400244",
        "00400245", "00400275",
    }),
    INSTANCE: frozenset({
        "00080005", "00080016", "00080018", "00080201", "00200013", "00280010", "00280011",
        "00280100", "00280008",
    }),
}  # fmt: skip
_TAG = re.compile(r"[0-9A-Fa-f]{8}")
_DATE = re.compile(r"(\d{8})?(-)?(\d{8})?")
_TIME = re.compile(r"([\d.]{2,13})?(-)?([\d.]{2,13})?")


if TYPE_CHECKING:
    TextLookup = Lookup[str]
else:
    TextLookup = Lookup


@CharField.register_lookup
class Like(TextLookup):
    """SQL's LIKE, whose right side is a pattern already."""

    lookup_name = "like"

    def as_sql(self, compiler: Any, connection: Any) -> tuple[str, tuple[str | int, ...]]:
        left, left_params = self.process_lhs(compiler, connection)
        right, right_params = self.process_rhs(compiler, connection)
        return f"{left} LIKE {right} ESCAPE '!'", (*left_params, *right_params)


@dataclass
class Query:
    rows: QuerySet[Instance]
    level: int
    limit: int = USUAL
    offset: int = 0
    all_attributes: bool = False
    tags: set[str] = field(default_factory=set)  # asked for, beside the defaults
    warnings: list[str] = field(default_factory=list)


def query_of(params: QueryDict, rows: QuerySet[Instance], level: int) -> Query:
    """
    Raises:
        Problem: bad_request, for what is not understood; a search never answers more than asked.
    """
    query = Query(rows, level)
    for name, values in params.lists():
        match name:
            case "limit":
                query.limit = min(_whole(name, values), MOST)
            case "offset":
                query.offset = _whole(name, values)
            case "includefield":
                _include(query, values)
            case "fuzzymatching":
                if values[-1] not in ("true", "false"):
                    raise Problem("bad_request", "fuzzymatching is true or false.")
                if values[-1] == "true":
                    query.warnings.append(
                        "The fuzzymatching parameter is not supported. "
                        "Only literal matching has been performed."
                    )
            case "accept":
                pass
            case _:
                _match(query, name, values)
    return query


def _whole(name: str, values: list[str]) -> int:
    if not re.fullmatch(r"\d{1,9}", values[-1]):
        raise Problem("bad_request", f"{name} is a whole number from 0.", parameter=name)
    return int(values[-1])


def _keyword(name: str) -> str:
    """Of a keyword or a tag in eight digits; a path into a sequence has none."""
    if _TAG.fullmatch(name):
        return keyword_for_tag(int(name, 16)) or name.upper()
    if tag_for_keyword(name) is None:
        raise Problem("bad_request", f"{name[:80]} is no attribute of DICOM.", parameter=name[:80])
    return name


def _include(query: Query, values: Iterable[str]) -> None:
    for name in ",".join(values).split(","):
        if name == "all":
            query.all_attributes = True
        elif _TAG.fullmatch(name):
            query.tags.add(name.upper())
        else:
            tag = tag_for_keyword(_keyword(name))
            query.tags.add(f"{tag:08X}")


def _match(query: Query, name: str, values: list[str]) -> None:
    keyword = _keyword(name)
    known = KEYS.get(keyword)
    if known is None or known[2] > query.level:
        able = ", ".join(sorted(key for key, found in KEYS.items() if found[2] <= query.level))
        raise Problem(
            "bad_request", f"{keyword} cannot be searched for here. These can: {able}.",
            parameter=keyword,
        )  # fmt: skip
    tag = tag_for_keyword(keyword)
    query.tags.add(f"{tag:08X}")
    for value in values:
        if value in ("", '""', "*"):
            continue  # universal matching
        query.rows = _by_kind(query, known[0], known[1], keyword, value)


def _by_kind(query: Query, column: str, kind: str, keyword: str, value: str) -> QuerySet[Instance]:
    if kind == "uid":
        return query.rows.filter(**{f"{column}__in": re.split(r"[,\\]", value)[:MOST]})
    if kind == "number":
        if not re.fullmatch(r"-?\d{1,9}", value):
            raise Problem("bad_request", f"{keyword} is a whole number.", parameter=keyword)
        return query.rows.filter(**{column: int(value)})
    if kind == "range":
        return query.rows.filter(_range(column, keyword, value))
    if kind == "in study":
        wanted = query.rows
        for modality in re.split(r"[,\\]", value)[:10]:
            found = _texts(query.rows, column, keyword, modality).values("study_uid")
            wanted = wanted.filter(study_uid__in=found)
        return wanted
    return _texts(query.rows, column, keyword, value)


def _range(column: str, keyword: str, value: str) -> Q:
    """One value, or from, to, or between two, the ends within; a time is as exact as it is given.

    Source: DICOM PS3.4 C.2.2.2.5.
    """
    pattern = _DATE if column.endswith("date") else _TIME
    found = pattern.fullmatch(value)
    if found is None or not (found[1] or found[3]) or (found[1] and found[3] and not found[2]):
        raise Problem("bad_request", f"{keyword} cannot be matched with {value[:40]}.",
                      parameter=keyword)  # fmt: skip
    first, last = found[1], found[3]
    if not found[2]:
        return Q(**{f"{column}__startswith": first or last})
    wanted = ~Q(**{column: ""})
    if first:
        wanted &= Q(**{f"{column}__gte": first})
    if last:
        # ":" follows the digits: 1030 takes in all of that minute
        wanted &= Q(**{f"{column}__lt": f"{last}:"})
    return wanted


def _texts(rows: QuerySet[Instance], column: str, keyword: str, value: str) -> QuerySet[Instance]:
    """Without regard to case; * is any text, ? one character. Source: DICOM PS3.4 C.2.2.2.4."""
    value = re.sub(r"\*+", "*", value)
    if len(value) > 200 or value.count("*") > MOST_STARS:
        raise Problem("bad_request", f"The pattern for {keyword} is too long.", parameter=keyword)
    pattern = re.sub(r"([!%_])", r"!\1", value.lower()).replace("*", "%").replace("?", "_")
    lowered = rows.alias(**{f"low_{column}": Lower(F(column), output_field=CharField())})
    return lowered.filter(**{f"low_{column}__like": pattern})
