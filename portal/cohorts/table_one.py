"""The characteristics of a cohort's cases, overall and for each class, with what is missing."""

import statistics
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from portal.ui import numbers

Json = Mapping[str, Any]
MOST_CLASSES = 4  # more become present and absent
MOST_LEVELS = 8  # of a covariate in words; the rest is summed up
FEW = 10  # below: counts only
WIDTH, HEIGHT, SIZE = "Image width, px", "Image height, px", "File size, kB"
MODE, IMAGES = "Colour mode", "Images of a case"
IMAGE_DERIVED = frozenset({WIDTH, HEIGHT, SIZE, MODE, IMAGES})  # the file's, not the patient's


@dataclass(frozen=True)
class Group:
    """One column: some of the cases."""

    title: str
    cases: tuple[Json, ...]

    @property
    def n(self) -> int:
        return len(self.cases)


@dataclass(frozen=True)
class Line:
    """One row. A head has levels below it; `difference` compares present with absent."""

    name: str
    cells: tuple[str, ...]
    is_level: bool = False
    difference: str = ""


@dataclass(frozen=True)
class TableOne:
    groups: tuple[Group, ...]
    lines: tuple[Line, ...]
    compares: bool  # whether there is a column of differences


def table_one(catalogue: Json) -> TableOne:
    groups = _groups(catalogue)
    compared = _compared(catalogue)
    lines: list[Line] = []
    for name, pick in _rows(catalogue):
        lines += _lines(name, pick, groups, compared)
    return TableOne(groups, tuple(lines), compared is not None)


def _groups(catalogue: Json) -> tuple[Group, ...]:
    cases = tuple(catalogue["cases"])
    groups = [Group("All", cases)]
    classes, positive = catalogue["classes"], set(catalogue["positive"])
    if not any(case["label"] is not None for case in cases):
        return tuple(groups)
    if len(classes) <= MOST_CLASSES:
        groups += [
            Group(name, tuple(case for case in cases if case["label"] == name)) for name in classes
        ]
    else:
        groups += [
            Group("Finding present", tuple(c for c in cases if c["label"] in positive)),
            Group("Finding absent", tuple(c for c in cases if _is_absent(c, positive))),
        ]
    unlabelled = tuple(case for case in cases if case["label"] is None)
    groups.append(Group("No label", unlabelled))
    return tuple(group for group in groups if group.n)


def _is_absent(case: Json, positive: set[str]) -> bool:
    return case["label"] is not None and case["label"] not in positive


def _compared(catalogue: Json) -> tuple[Group, Group] | None:
    positive = set(catalogue["positive"])
    present = tuple(case for case in catalogue["cases"] if case["label"] in positive)
    absent = tuple(case for case in catalogue["cases"] if _is_absent(case, positive))
    if min(len(present), len(absent)) < FEW:
        return None
    return Group("present", present), Group("absent", absent)


Pick = Callable[[Json], str | None]


def _rows(catalogue: Json) -> list[tuple[str, Pick]]:
    """Image-derived first, unless the covariates hold the same measurements already."""
    covariates, derived = _of_covariates(catalogue), _of_images(catalogue)
    given = {tuple(pick(case) for case in catalogue["cases"]) for _, pick in covariates}
    known = any(tuple(pick(case) for case in catalogue["cases"]) in given for _, pick in derived)
    return covariates if known else [*derived, *covariates]


def _of_images(catalogue: Json) -> list[tuple[str, Pick]]:
    """Image-derived, and named as such: the first image of each case."""
    if not any(case["images"] for case in catalogue["cases"]):
        return []

    def first(key: str) -> Pick:
        return lambda case: str(case["images"][0][key]) if case["images"] else None

    rows: list[tuple[str, Pick]] = [
        (WIDTH, first("width")),
        (HEIGHT, first("height")),
        (SIZE, _kilobytes),
        (MODE, first("mode")),
    ]
    if any(len(case["images"]) > 1 for case in catalogue["cases"]):
        rows.append((IMAGES, lambda case: str(len(case["images"]))))
    return rows


def _kilobytes(case: Json) -> str | None:
    return str(case["images"][0]["size_bytes"] / 1000) if case["images"] else None


def _of_covariates(catalogue: Json) -> list[tuple[str, Pick]]:
    def column(name: str) -> Pick:
        return lambda case: case["covariates"].get(name)

    return [(name, column(name)) for name in catalogue["covariates"]]


def _lines(
    name: str, pick: Pick, groups: Sequence[Group], compared: tuple[Group, Group] | None
) -> list[Line]:
    columns = [[pick(case) for case in group.cases] for group in groups]
    given = [value for value in columns[0] if value not in (None, "")]
    measured = [number for value in given if (number := _number(value)) is not None]
    is_measured = len(measured) == len(given) and len(set(measured)) > 2
    if is_measured:
        cells = tuple(_spread(_numbers(values)) for values in columns)
        lines = [Line(name, cells, difference=_apart(pick, compared))]
    else:
        lines = _levels(name, columns, given)
    missing = [sum(value in (None, "") for value in values) for values in columns]
    if missing[0]:
        shares = tuple(_share(n, len(v)) for n, v in zip(missing, columns, strict=True))
        lines.append(Line("missing", shares, is_level=True))
    return lines


def _levels(
    name: str, columns: Sequence[Sequence[str | None]], given: Sequence[str | None]
) -> list[Line]:
    common = [level for level, _ in Counter(given).most_common()]
    shown, rest = common[:MOST_LEVELS], set(common[MOST_LEVELS:])
    lines = [Line(name, ("",) * len(columns))]
    for level in shown:
        counts = [sum(value == level for value in values) for values in columns]
        cells = tuple(_share(n, len(v)) for n, v in zip(counts, columns, strict=True))
        lines.append(Line(str(level), cells, is_level=True))
    if rest:
        counts = [sum(value in rest for value in values) for values in columns]
        cells = tuple(_share(n, len(v)) for n, v in zip(counts, columns, strict=True))
        lines.append(Line(f"{len(rest)} other values", cells, is_level=True))
    return lines


def _number(value: str | None) -> float | None:
    try:
        number = float(value or "")
    except ValueError:
        return None
    return number if abs(number) < float("inf") else None


def _numbers(values: Sequence[str | None]) -> list[float]:
    return [number for value in values if (number := _number(value)) is not None]


def _spread(values: Sequence[float]) -> str:
    """Median and quartiles; the range where there are too few for quartiles."""
    if not values:
        return "no values"
    if len(values) < FEW:
        return f"{_plain(min(values))} to {_plain(max(values))}"
    low, middle, high = statistics.quantiles(values, n=4, method="inclusive")
    return f"{_plain(middle)} [{_plain(low)}, {_plain(high)}]"


def _plain(value: float) -> str:
    if abs(value) >= 100:
        return numbers.decimal(value, 0)
    return numbers.plain(round(value, 1 if abs(value) >= 10 else 2))


def _share(n: int, total: int) -> str:
    if total < FEW:
        return f"{numbers.count(n)} of {numbers.count(total)}"
    return f"{numbers.count(n)} ({numbers.percent(n / total)})"


def _apart(pick: Pick, compared: tuple[Group, Group] | None) -> str:
    """The standardised difference: distance of the means over the pooled spread."""
    if compared is None:
        return ""
    present, absent = (_numbers([pick(case) for case in group.cases]) for group in compared)
    if min(len(present), len(absent)) < FEW:
        return ""
    pooled = (statistics.variance(present) + statistics.variance(absent)) / 2
    if pooled == 0:
        return "no spread"
    apart = abs(statistics.fmean(present) - statistics.fmean(absent)) / pooled**0.5
    return numbers.decimal(apart, 2)
