"""The kinds of tables measures are computed from, and how each becomes arrays."""

import argparse
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np

from ml.cli.stats.columns import Table
from ml.intake.refusal import refuse
from ml.stats.arrays import FloatArray
from ml.stats.bootstrap import Clusters


@dataclass(frozen=True)
class Column:
    option: str
    default: str
    words: str


@dataclass(frozen=True)
class Flag:
    """Something a shape must be told that is no column."""

    option: str
    default: str | None
    words: str
    choices: tuple[str, ...] | None = None


@dataclass(frozen=True)
class Given:
    """What a table holds for a measure."""

    arrays: tuple[object, ...]  # in the order of the measure's first parameters
    clusters: Clusters | None  # of the rows of the arrays
    named: Mapping[str, object] = field(default_factory=dict)  # by parameter, if it has that


@dataclass(frozen=True)
class Shape:
    words: str
    columns: tuple[Column, ...]
    read: Callable[[Table | None, argparse.Namespace], Given]
    n_arrays: int
    flags: tuple[Flag, ...] = ()
    named: tuple[str, ...] = ()  # parameters it gives by name

    @property
    def has_table(self) -> bool:
        return bool(self.columns)


def _table(table: Table | None) -> Table:
    assert table is not None  # shapes with columns are read with one
    return table


def _scores(table: Table | None, arguments: argparse.Namespace) -> Given:
    own = _table(table)
    arrays = own.numbers(arguments.score), own.zero_or_one(arguments.present)
    return Given(arrays, own.clusters())


def _two_scores(table: Table | None, arguments: argparse.Namespace) -> Given:
    own = _table(table)
    arrays = (
        own.numbers(arguments.score_a), own.numbers(arguments.score_b),
        own.zero_or_one(arguments.present),
    )  # fmt: skip
    return Given(arrays, own.clusters())


def _pairs(table: Table | None, arguments: argparse.Namespace) -> Given:
    own = _table(table)
    arrays = own.numbers(arguments.a, gaps=True), own.numbers(arguments.b, gaps=True)
    return Given(arrays, own.clusters())


def _calls(table: Table | None, arguments: argparse.Namespace) -> Given:
    own = _table(table)
    called, present = own.zero_or_one(arguments.called), own.zero_or_one(arguments.present)
    return Given((called == 1, present == 1), own.clusters())


def _paired_calls(table: Table | None, arguments: argparse.Namespace) -> Given:
    own = _table(table)
    columns = (arguments.called_a, arguments.called_b, arguments.present)
    return Given(tuple(own.zero_or_one(name) == 1 for name in columns), own.clusters())


def _values(table: Table | None, arguments: argparse.Namespace) -> Given:
    own = _table(table)
    return Given((own.numbers(arguments.value, gaps=True),), own.clusters())


def _numbers_of_readers(table: Table | None, arguments: argparse.Namespace) -> Given:
    own = _table(table)
    ratings, clusters = _matrix(own, arguments, own.numbers(arguments.value))
    return Given((ratings,), clusters)


def _answers_of_readers(table: Table | None, arguments: argparse.Namespace) -> Given:
    """Codes of the declared answers, and how many there are; numbers on scales of numbers."""
    own = _table(table)
    declared = _declared(arguments.values)
    scale = getattr(arguments, "scale", None)
    if scale in ("interval", "ratio", "circular"):
        ratings, clusters = _matrix(own, arguments, own.numbers(arguments.value))
        return Given((ratings,), clusters)
    if scale == "ordinal" and declared is None:
        raise refuse("question_unknown", "An ordinal scale needs --values, all answers in order.")
    names = declared or sorted(set(own.texts(arguments.value)))
    codes, names = own.codes(arguments.value, names)
    ratings, clusters = _matrix(own, arguments, codes.astype(np.float64))
    return Given((ratings,), clusters, {"categories": len(names)})


def _matrix(
    table: Table, arguments: argparse.Namespace, values: FloatArray
) -> tuple[FloatArray, Clusters]:
    """The long table as (cases, readers), NaN where a reader did not answer."""
    cases, _ = table.codes(arguments.case)
    readers, _ = table.codes(arguments.reader)
    if len(set(zip(cases.tolist(), readers.tolist(), strict=True))) < len(cases):
        raise refuse(
            "reading_duplicate", "A reader answers twice for one case.", file=table.csv.file
        )
    ratings = np.full((cases.max() + 1, readers.max() + 1), np.nan)
    ratings[cases, readers] = values
    first = np.unique(cases, return_index=True)[1]
    return ratings, table.clusters().where(first)


def _classes(table: Table | None, arguments: argparse.Namespace) -> Given:
    """One column per class, and the true class by name."""
    own = _table(table)
    names = _declared(arguments.classes)
    if not names:
        names = sorted(set(own.texts(arguments.label)))
    missing = [name for name in names if name not in own.csv.columns]
    if missing:
        raise refuse(
            "csv_header", f"The header lacks the column {', '.join(missing)}.", file=own.csv.file
        )
    scores = np.column_stack([own.numbers(name) for name in names])
    truth, _ = own.codes(arguments.label, names)
    return Given((scores, truth), own.clusters())


def _p_values(table: Table | None, arguments: argparse.Namespace) -> Given:
    return Given((_table(table).numbers(arguments.p, gaps=True),), None)


def _confidence(table: Table | None, arguments: argparse.Namespace) -> Given:
    own = _table(table)
    return Given((own.numbers(arguments.confidence), own.numbers(arguments.error)), own.clusters())


def _two_samples(table: Table | None, arguments: argparse.Namespace) -> Given:
    """Rows of the first and of the second named sample."""
    own = _table(table)
    codes, _ = own.codes(arguments.sample, [arguments.first, arguments.second])
    values = own.numbers(arguments.value)
    return Given((values[codes == 0], values[codes == 1]), None)


def _foreign(table: Table | None, arguments: argparse.Namespace) -> Given:
    """Scores of own and of foreign inputs, higher means more foreign."""
    own = _table(table)
    scores, foreign = own.numbers(arguments.score), own.zero_or_one(arguments.foreign)
    return Given((scores[foreign == 0], scores[foreign == 1]), None)


def _nothing(table: Table | None, arguments: argparse.Namespace) -> Given:
    return Given((), None)


def _declared(text: str | None) -> list[str] | None:
    return [part.strip() for part in text.split(",")] if text else None


_PRESENT = Column("present", "present", "column of 1 (finding present) and 0")
_READINGS = (
    Column("case", "case_id", "column of cases"),
    Column("reader", "reader_id", "column of readers"),
    Column("value", "score", "column of answers"),
)
_VALUES = Flag("values", None, "all answers in order, separated by commas")

SHAPES: dict[str, Shape] = {
    "scores": Shape(
        "one row per case with a score and 1 or 0",
        (Column("score", "score", "column of scores, higher means present"), _PRESENT),
        _scores,
        2,
    ),
    "two-scores": Shape(
        "one row per case with two scores and 1 or 0",
        (
            Column("score-a", "score_a", "column of the first scores"),
            Column("score-b", "score_b", "column of the second scores"),
            _PRESENT,
        ),
        _two_scores,
        3,
    ),
    "pairs": Shape(
        "one row per case with two numbers",
        (Column("a", "a", "column of the first numbers"), Column("b", "b", "of the second")),
        _pairs,
        2,
    ),
    "calls": Shape(
        "one row per case, called 1 or 0 and present 1 or 0",
        (Column("called", "called", "column of calls, 1 and 0"), _PRESENT),
        _calls,
        2,
    ),
    "paired-calls": Shape(
        "one row per case with two calls and the truth, each 1 or 0",
        (
            Column("called-a", "called_a", "column of the first calls"),
            Column("called-b", "called_b", "column of the second calls"),
            _PRESENT,
        ),
        _paired_calls,
        3,
    ),
    "values": Shape(
        "one row per case with a number",
        (Column("value", "value", "column of numbers"),),
        _values,
        1,
    ),
    "readings-numbers": Shape(
        "one row per reading: case, reader, number", _READINGS, _numbers_of_readers, 1
    ),
    "readings": Shape(
        "one row per reading: case, reader, answer",
        _READINGS,
        _answers_of_readers,
        1,
        (_VALUES,),
        ("categories",),
    ),
    "classes": Shape(
        "one row per case: its label, and a column of scores for each class",
        (Column("label", "label", "column of true classes"),),
        _classes,
        2,
        (Flag("classes", None, "columns of the classes, separated by commas"),),
    ),
    "p-values": Shape("one row per test", (Column("p", "p", "column of p-values"),), _p_values, 1),
    "confidence": Shape(
        "one row per case: confidence and error",
        (
            Column("confidence", "confidence", "column of confidences, higher means surer"),
            Column("error", "error", "column of errors, 1 and 0 or a loss"),
        ),
        _confidence,
        2,
    ),
    "two-samples": Shape(
        "one row per value with the sample it is of",
        (
            Column("sample", "sample", "column that names the sample"),
            Column("value", "value", "column of numbers"),
        ),
        _two_samples,
        2,
        (
            Flag("first", "reference", "name of the first sample"),
            Flag("second", "target", "name of the second sample"),
        ),
    ),
    "foreign": Shape(
        "one row per input: score and 1 (foreign) or 0",
        (
            Column("score", "score", "column of scores, higher means more foreign"),
            Column("foreign", "foreign", "column of 1 (foreign) and 0"),
        ),
        _foreign,
        2,
    ),
    "none": Shape("none; everything is an option", (), _nothing, 0),
}
