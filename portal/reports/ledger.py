"""What was handed in and what became of it: the case ledger, labels, characteristics."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from statistics import quantiles
from typing import Any

from portal.reports.doors import Door
from portal.reports.frozen import Case, Frozen, Outcome
from portal.ui import numbers

_FEW_VALUES = 6


@dataclass(frozen=True)
class Row:
    words: str
    n: int
    url: str = ""
    is_total: bool = False
    aside: str = ""


def rows(frozen: Frozen, door: Door) -> list[Row]:
    """Every case is in exactly one row between the first and the last: it adds up."""
    total = len(frozen.cases)
    unlabelled = sum(case.label is None for case in frozen.cases)
    found = [Row("Cases received", total, door.cases())]
    if frozen.of_masks:
        return [*found, *_of_masks(frozen)]
    if not frozen.has_scores:
        answered = sum(bool(case.readings) for case in frozen.cases)
        return [
            *found,
            Row("Without a reading", total - answered),
            Row("With readings: analysed", answered, is_total=True),
        ]
    labelled = [case for case in frozen.cases if case.label is not None]
    failed = sum(case.outcome is Outcome.FAILED for case in labelled)
    return [
        *found,
        Row(
            "Without a reference label: left out",
            unlabelled,
            door.cases(filter="unlabelled") if unlabelled else "",
        ),
        Row(
            f"{frozen.word(Outcome.FAILED)}: counted as wrong",
            failed,
            door.cases(filter="counted-wrong") if failed else "",
        ),
        Row(
            "Labelled and scored: analysed",
            len(labelled) - failed,
            door.cases(filter="analysed"),
            is_total=True,
        ),
    ]


def _of_masks(frozen: Frozen) -> list[Row]:
    compared = sum(bool(case.masks) for case in frozen.cases)
    return [
        Row("Masks not compared: left out", len(frozen.cases) - compared),
        Row("With two masks or more: compared", compared, is_total=True),
    ]


def labels(frozen: Frozen) -> list[dict[str, Any]]:
    positive = set(frozen.cohort.get("positive") or [])
    total = sum(n for _, n in frozen.cohort.get("labels") or [])
    return [
        {"label": label, "n": n, "share": n / total, "is_positive": label in positive}
        for label, n in frozen.cohort.get("labels") or []
    ]


@dataclass(frozen=True)
class Characteristic:
    words: str
    present: str
    absent: str


def characteristics(frozen: Frozen) -> dict[str, Any] | None:
    """Median and quartiles of what the files say, by label: a first look for shortcuts."""
    present = [case for case in frozen.cases if case.present is True and case.images]
    absent = [case for case in frozen.cases if case.present is False and case.images]
    if not present or not absent:
        return None
    measured: list[tuple[str, Callable[[Case], float | None], int]] = [
        ("Width, px", lambda case: case.images[0].get("width"), 0),
        ("Height, px", lambda case: case.images[0].get("height"), 0),
        ("File size, kB", lambda case: case.images[0].get("size_bytes", 0) / 1000, 1),
    ]
    found = [
        Characteristic(words, _spread(present, get, places), _spread(absent, get, places))
        for words, get, places in measured
    ]
    return {"n_present": len(present), "n_absent": len(absent), "rows": found}


def _spread(cases: list[Case], get: Callable[[Case], float | None], places: int) -> str:
    values = [float(value) for case in cases if (value := get(case)) is not None]
    if len(values) < 2:
        return numbers.NOT_KNOWN
    low, middle, high = (numbers.decimal(x, places) for x in quantiles(values, n=4))
    return f"{middle} [{low}, {high}]"


@dataclass(frozen=True)
class Covariate:
    name: str
    n_known: int
    n_missing: int
    values: str


def covariates(frozen: Frozen) -> list[Covariate]:
    names = dict.fromkeys(name for case in frozen.cases for name in case.covariates)
    found = []
    for name in names:
        known = [str(v) for case in frozen.cases if (v := case.covariates.get(name))]
        distinct = Counter(known).most_common()
        if len(distinct) <= _FEW_VALUES:
            words = ", ".join(f"{value} ({numbers.count(n)})" for value, n in distinct)
        else:
            words = f"{numbers.count(len(distinct))} different values"
        found.append(
            Covariate(frozen.names.of(name), len(known), len(frozen.cases) - len(known), words)
        )
    return found
