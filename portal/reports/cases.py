"""Which of a report's cases are asked for, in which order, and what lies beside one of them."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace
from typing import Any

from portal.reports.frozen import Case, Frozen, Outcome

PER_PAGE = 48

# value of ?filter -> (words of the button, which cases)
FILTERS: dict[str, tuple[str, Callable[[Case], bool]]] = {
    "all": ("All", lambda case: True),
    "wrong": ("Wrong", lambda case: case.outcome in (Outcome.MISSED, Outcome.FALSE_ALARM)),
    "missed": ("Missed", lambda case: case.outcome is Outcome.MISSED),
    "false-alarm": ("False alarm", lambda case: case.outcome is Outcome.FALSE_ALARM),
    "found": ("Found", lambda case: case.outcome is Outcome.FOUND),
    "rightly-clear": ("Rightly clear", lambda case: case.outcome is Outcome.CLEAR),
    "called-present": (
        "Called present",
        lambda case: case.outcome in (Outcome.FOUND, Outcome.FALSE_ALARM) or case.counts_as_alarm,
    ),
    "called-absent": (
        "Called absent",
        lambda case: case.outcome in (Outcome.CLEAR, Outcome.MISSED) or case.counts_as_miss,
    ),
    "analysed": (
        "Analysed",
        lambda case: case.present is not None and case.score is not None,
    ),
    "failed": ("Without a score", lambda case: case.outcome is Outcome.FAILED),
    "counted-wrong": (
        "Without a score, labelled",
        lambda case: case.counts_as_miss or case.counts_as_alarm,
    ),
    "present": ("With finding", lambda case: case.present is True),
    "absent": ("Without", lambda case: case.present is False),
    "unlabelled": ("No label", lambda case: case.label is None and not case.cohort),
}
BUTTONS = ("all", "wrong", "missed", "false-alarm", "found", "rightly-clear", "failed", "present",
           "absent", "unlabelled")  # fmt: skip
# What a list says about its filter; "all" says nothing.
WORDS = {
    "wrong": "missed or falsely alarmed",
    "missed": "missed",
    "false-alarm": "falsely alarmed",
    "found": "found",
    "rightly-clear": "rightly clear",
    "called-present": "called present, or without a score and counted as a false alarm",
    "called-absent": "called absent, or without a score and counted as missed",
    "analysed": "with a label and a score",
    "failed": "without a score",
    "counted-wrong": "with a label and without a score, counted as wrong",
    "present": "labelled as with the finding",
    "absent": "labelled as without the finding",
    "unlabelled": "without a label",
    "selection": "selected in the chart",
}


def _lowest(dice: float | None, case: Case) -> tuple[bool, float, int]:
    return (dice is None, dice or 0.0, case.position)


SORTS: dict[str, tuple[str, Callable[[Case], Any]]] = {
    "case": ("In the cohort’s order", lambda case: case.position),
    "wrong": ("Most confident in the wrong answer", lambda case: (-case.wrongness, case.position)),
    "high": ("Score, highest first", lambda case: (case.score is None, -(case.score or 0.0))),
    "dice": ("Dice to the reference, lowest first", lambda case: _lowest(case.model_dice, case)),
    "readers": ("Dice of two readers, lowest first", lambda case: _lowest(case.reader_dice, case)),
    "low": ("Score, lowest first", lambda case: (case.score is None, case.score or 0.0)),
}


@dataclass(frozen=True)
class Query:
    """What the address asks for. `selected` holds ids chosen on an explore view."""

    filter: str = "all"
    finding: str = ""
    cluster: str = ""
    q: str = ""
    sort: str = ""
    selected: frozenset[str] | None = None

    @property
    def order(self) -> str:
        if self.sort in SORTS:
            return self.sort
        wrong = self.filter in ("wrong", "missed", "false-alarm")
        return "wrong" if wrong else "case"

    def as_query(self, **changes: str) -> dict[str, str]:
        """The same as parameters of an address, without what is left at its default."""
        given = {
            "filter": "" if self.filter == "all" else self.filter,
            "finding": self.finding,
            "cluster": self.cluster,
            "q": self.q,
            "sort": self.sort,
        } | changes
        return {key: value for key, value in given.items() if value}


def read_query(parameters: Mapping[str, str], selection: Collection[str] = ()) -> Query:
    """`selection`: what was chosen on an explore view, used by ?filter=selection."""
    wanted = parameters.get("filter", "all")
    query = Query(
        filter=wanted if wanted in FILTERS else "all",
        finding=parameters.get("finding", "")[:200],
        cluster=parameters.get("cluster", "")[:200],
        q=parameters.get("q", "").strip()[:100],
        sort=parameters.get("sort", ""),
    )
    if wanted == "selection":
        return replace(query, filter="selection", selected=frozenset(selection))
    return query


def find(frozen: Frozen, query: Query) -> list[Case]:
    """The cases a query means, in its order."""
    found = [case for case in _base(frozen, query) if _fits(case, query)]
    if query.finding and query.sort not in SORTS:
        return found  # a finding lists its own cases, the ones that matter most first
    return sorted(found, key=SORTS[query.order][1])


def _base(frozen: Frozen, query: Query) -> list[Case]:
    if not query.finding:
        return list(frozen.cases)
    finding = frozen.finding(query.finding)
    ids = finding["cases"] if finding else []
    return [frozen.by_id[case_id] for case_id in ids if case_id in frozen.by_id]


def _fits(case: Case, query: Query) -> bool:
    if query.selected is not None and case.case_id not in query.selected:
        return False
    if query.filter in FILTERS and not FILTERS[query.filter][1](case):
        return False
    if query.cluster and case.cluster != query.cluster:
        return False
    return query.q.lower() in case.case_id.lower()


def describe(frozen: Frozen, query: Query) -> str:
    """What the list holds, in words: "missed", "of the finding …", "in group 418"."""
    parts = []
    if query.finding:
        finding = frozen.finding(query.finding)
        claim = finding["claim"].rstrip(".") if finding else ""
        parts.append(f"behind “{claim}”" if finding else "of an unknown finding")
    if query.filter in WORDS:
        parts.append(WORDS[query.filter])
    if query.cluster:
        parts.append(f"in the same {cluster_word(frozen)}")
    if query.q:
        parts.append(f"whose id holds “{query.q}”")
    return ", ".join(parts)


def cluster_word(frozen: Frozen) -> str:
    kind = str(frozen.cohort.get("cluster_kind") or "case")
    return kind if kind in ("patient", "group") else "case"


@dataclass(frozen=True)
class Neighbours:
    """A case's place within the list it was opened from."""

    position: int  # from 1; 0: the case is not in the list
    total: int
    previous: Case | None
    following: Case | None


def neighbours(found: list[Case], case: Case) -> Neighbours:
    at = next((k for k, other in enumerate(found) if other.case_id == case.case_id), None)
    if at is None:
        return Neighbours(0, len(found), None, None)
    return Neighbours(
        position=at + 1,
        total=len(found),
        previous=found[at - 1] if at else None,
        following=found[at + 1] if at + 1 < len(found) else None,
    )
