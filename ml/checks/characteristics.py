"""Table 1: characteristics of the cases, overall and for each class, and what is missing."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from ml.checks import words
from ml.checks.fitness_files import sizes_in_bytes
from ml.estimate import JsonObject, JsonValue
from ml.evidence.tables import Evidence, FloatArray, IntArray
from ml.stats.arrays import BoolArray
from ml.stats.bootstrap import Settings
from ml.stats.ood.shift import standardized_mean_difference

MOST_CLASSES, MOST_LEVELS, FEW = 4, 8, 10
OF_CASE, OF_FILE = "of the case", "of the file"
_NO_DRAWS = Settings(draws=0)


@dataclass(frozen=True)
class Characteristic:
    """One thing that is known of n cases.

    Attributes:
        texts: (n,) None where it is missing.
        numbers: (n,) NaN where it is missing; None where it is in words.
        of: whether it is of the case, as cases.csv says it, or of its file.
    """

    name: str
    of: str
    texts: tuple[str | None, ...]
    numbers: FloatArray | None

    @property
    def missing(self) -> BoolArray:
        return np.array([one is None for one in self.texts], dtype=np.bool_)

    @property
    def levels(self) -> list[str]:
        """Words, the most frequent first."""
        given = Counter(one for one in self.texts if one is not None)
        return [one for one, _ in sorted(given.items(), key=lambda pair: (-pair[1], pair[0]))]


def characteristics(evidence: Evidence) -> list[Characteristic]:
    """Covariates first, then what is known of the files and differs between cases."""
    found = [
        _of(name, OF_CASE, [one or None for one in texts])
        for name, texts in evidence.covariates.items()
    ]
    own = {one.name.lower() for one in found}
    for name, values in evidence.facts.items():
        if name.lower() not in own:
            texts = [None if one is None else f"{one:g}" if isinstance(one, float) else one
                     for one in values]  # fmt: skip
            found.append(_of(name, OF_FILE, texts))
    size = sizes_in_bytes(evidence)
    if size is not None:
        texts = [None if np.isnan(one) else f"{one:.0f}" for one in size]
        found.append(_of("file size, bytes", OF_FILE, texts))
    return found


def _of(name: str, of: str, texts: Sequence[str | None]) -> Characteristic:
    return Characteristic(name, of, tuple(texts), _numbers(texts))


def _numbers(texts: Sequence[str | None]) -> FloatArray | None:
    """As numbers, where all that is given is one and there are more than two of them."""
    try:
        found = np.array([np.nan if one is None else float(one) for one in texts])
    except ValueError:
        return None
    known = found[~np.isnan(found)]
    is_measured = np.unique(known).size > 2 and bool(np.isfinite(known).all())
    given = sum(one is not None for one in texts)
    return found if is_measured and known.size == given else None


def groups_of(evidence: Evidence) -> dict[str, IntArray]:
    """Rows of all cases and of each class; of many classes with the finding and without it."""
    every = np.arange(len(evidence.case_ids))
    found = {"all": every}
    if evidence.present is None:
        return found
    labels = np.array([one or "" for one in evidence.label])
    if len(evidence.classes) <= MOST_CLASSES:
        found |= {name: np.flatnonzero(labels == name) for name in evidence.classes}
    else:
        found |= {
            "finding present": np.flatnonzero(evidence.present == 1),
            "finding absent": np.flatnonzero(evidence.present == 0),
        }
    found["no label"] = np.flatnonzero(evidence.present < 0)
    return {name: rows for name, rows in found.items() if rows.size or name == "all"}


def table_series(
    check: str, evidence: Evidence, of: str, shown: Sequence[Characteristic]
) -> JsonObject:
    """The table of the characteristics of cases, or of their files."""
    groups = groups_of(evidence)
    compared = _compared(evidence)
    rows: list[JsonValue] = [
        [one.name, *line] for one in shown if one.of == of
        for line in _lines(one, groups, compared)
    ]  # fmt: skip
    fields: list[JsonValue] = [
        "Characteristic",
        "Value",
        *(f"{name}, n = {words.count(rows.size)}" for name, rows in groups.items()),
        *(["Std. difference"] if compared else []),
    ]
    title = (
        "Table 1: who is in the cohort" if of == OF_CASE else "How the images were made and stored"
    )
    apart = "; difference of present and absent over the pooled spread" if compared else ""
    return {
        "kind": "table",
        "check": check,
        "title": title,
        "subtitle": f"Median [quartiles], or count and share{apart}",
        "fields": fields,
        "rows": rows,
    }


def _lines(
    one: Characteristic, groups: Mapping[str, IntArray], compared: tuple[IntArray, IntArray] | None
) -> list[list[JsonValue]]:
    """Of a number one line, of words one for each; and one for what is missing."""
    lines: list[list[JsonValue]] = []

    def add(value: str, cells: Sequence[str], apart: float | None) -> None:
        last: list[JsonValue] = [] if compared is None else [apart]
        lines.append([value, *cells, *last])

    if one.numbers is not None:
        values = one.numbers
        add("", [_spread(values[rows]) for rows in groups.values()], difference(values, compared))
    else:
        levels = one.levels
        for level in levels[:MOST_LEVELS]:
            add(level, *_counted([text == level for text in one.texts], groups, compared))
        if rest := set(levels[MOST_LEVELS:]):
            name = f"{words.count(len(rest))} other values"
            add(name, *_counted([text in rest for text in one.texts], groups, compared))
    if one.missing.any():
        add("missing", *_counted(one.missing, groups, compared))
    return lines


def _counted(
    marked: Sequence[bool] | BoolArray,
    groups: Mapping[str, IntArray],
    compared: tuple[IntArray, IntArray] | None,
) -> tuple[list[str], float | None]:
    marks = np.asarray(marked, dtype=np.float64)
    return [_share(marks[rows]) for rows in groups.values()], difference(marks, compared)


def _compared(evidence: Evidence) -> tuple[IntArray, IntArray] | None:
    """Rows with and without the finding, where there are enough of both."""
    if evidence.present is None:
        return None
    sides = np.flatnonzero(evidence.present == 1), np.flatnonzero(evidence.present == 0)
    return sides if min(side.size for side in sides) >= FEW else None


def difference(values: FloatArray, compared: tuple[IntArray, IntArray] | None) -> float | None:
    """The standardised difference of present and absent, without its sign."""
    if compared is None:
        return None
    present, absent = (values[side][~np.isnan(values[side])] for side in compared)
    if min(present.size, absent.size) < FEW:
        return None
    found = standardized_mean_difference(absent, present, settings=_NO_DRAWS).value
    return None if found is None else round(abs(found), 3)


def _spread(values: FloatArray) -> str:
    known = values[~np.isnan(values)]
    if not known.size:
        return "no values"
    if known.size < FEW:
        return f"{_plain(known.min())} to {_plain(known.max())}"
    low, middle, high = np.quantile(known, (0.25, 0.5, 0.75))
    return f"{_plain(middle)} [{_plain(low)}, {_plain(high)}]"


def _plain(value: float) -> str:
    places = 0 if abs(value) >= 100 else 1 if abs(value) >= 10 else 2
    text = f"{value:,.{places}f}".replace("-", "−")
    return text.rstrip("0").rstrip(".") if "." in text else text


def _share(marks: FloatArray) -> str:
    n = int(marks.sum())
    if marks.size < FEW:
        return f"{words.count(n)} of {words.count(marks.size)}"
    return f"{words.count(n)} ({100 * n / marks.size:.1f} %)"
