"""The kinds of tables measures are computed from, and how each becomes arrays."""

import argparse

import numpy as np

from ml.cli.stats.columns import Table
from ml.cli.stats.mask_shapes import MASK_SHAPES
from ml.cli.stats.shape import Column, Flag, Given, Shape, of_file
from ml.intake.refusal import refuse
from ml.stats.agreement.ratings import table_of_ratings
from ml.stats.arrays import FloatArray
from ml.stats.clusters import Clusters
from ml.stats.mrmc.study import MrmcStudy
from ml.stats.subgroups.calls import GroupedCalls
from ml.stats.subgroups.groups import Groups
from ml.stats.subgroups.simpson import strata_tables
from ml.stats.uncertainty.gaussian import Gaussian


def _scores(table: Table | None, arguments: argparse.Namespace) -> Given:
    own = of_file(table)
    arrays = own.numbers(arguments.score), own.zero_or_one(arguments.present)
    return Given(arrays, own.clusters())


def _two_scores(table: Table | None, arguments: argparse.Namespace) -> Given:
    own = of_file(table)
    arrays = (
        own.numbers(arguments.score_a), own.numbers(arguments.score_b),
        own.zero_or_one(arguments.present),
    )  # fmt: skip
    return Given(arrays, own.clusters())


def _pairs(table: Table | None, arguments: argparse.Namespace) -> Given:
    own = of_file(table)
    arrays = own.numbers(arguments.a, gaps=True), own.numbers(arguments.b, gaps=True)
    return Given(arrays, own.clusters())


def _calls(table: Table | None, arguments: argparse.Namespace) -> Given:
    own = of_file(table)
    called, present = own.zero_or_one(arguments.called), own.zero_or_one(arguments.present)
    return Given((called == 1, present == 1), own.clusters())


def _paired_calls(table: Table | None, arguments: argparse.Namespace) -> Given:
    own = of_file(table)
    columns = (arguments.called_a, arguments.called_b, arguments.present)
    return Given(tuple(own.zero_or_one(name) == 1 for name in columns), own.clusters())


def _values(table: Table | None, arguments: argparse.Namespace) -> Given:
    own = of_file(table)
    return Given((own.numbers(arguments.value, gaps=True),), own.clusters())


def _numbers_of_readers(table: Table | None, arguments: argparse.Namespace) -> Given:
    own = of_file(table)
    ratings, clusters = _matrix(own, arguments, own.numbers(arguments.value))
    return Given((ratings,), clusters, {"readers": own.codes(arguments.reader)[1]})


def _answers_of_readers(table: Table | None, arguments: argparse.Namespace) -> Given:
    """Codes of the declared answers, and how many there are; numbers on scales of numbers."""
    own = of_file(table)
    declared = _declared(arguments.values)
    scale = getattr(arguments, "option_scale", None)
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
    own = of_file(table)
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
    return Given((of_file(table).numbers(arguments.p, gaps=True),), None)


def _confidence(table: Table | None, arguments: argparse.Namespace) -> Given:
    own = of_file(table)
    return Given((own.numbers(arguments.confidence), own.numbers(arguments.error)), own.clusters())


def _two_samples(table: Table | None, arguments: argparse.Namespace) -> Given:
    """Rows of the first and of the second named sample."""
    own = of_file(table)
    codes, _ = own.codes(arguments.sample, [arguments.first, arguments.second])
    values = own.numbers(arguments.value)
    return Given((values[codes == 0], values[codes == 1]), None)


def _foreign(table: Table | None, arguments: argparse.Namespace) -> Given:
    """Scores of own and of foreign inputs, higher means more foreign."""
    own = of_file(table)
    scores, foreign = own.numbers(arguments.score), own.zero_or_one(arguments.foreign)
    return Given((scores[foreign == 0], scores[foreign == 1]), None)


def _two_answers(table: Table | None, arguments: argparse.Namespace) -> Given:
    """The contingency table of two readers' answers."""
    own = of_file(table)
    names = _declared(arguments.values)
    names = names or sorted({*own.texts(arguments.a), *own.texts(arguments.b)})
    codes = [own.codes(column, names)[0] for column in (arguments.a, arguments.b)]
    ratings = np.stack(codes, axis=1).astype(np.float64)
    return Given((table_of_ratings(ratings, len(names)),), None)


def _study(table: Table | None, arguments: argparse.Namespace) -> Given:
    """A reader study, long: one row per reading."""
    own = of_file(table)
    study = MrmcStudy.of(
        own.texts(arguments.modality), own.texts(arguments.reader), own.texts(arguments.case),
        own.numbers(arguments.score), own.zero_or_one(arguments.present),
        higher_means=arguments.higher_means,
        cluster=own.texts(own.cluster) if own.cluster else None, cluster_kind="group",
    )  # fmt: skip
    return Given((study,), None)


def _grouped_calls(table: Table | None, arguments: argparse.Namespace) -> Given:
    own = of_file(table)
    calls = GroupedCalls.of(
        own.zero_or_one(arguments.called), own.zero_or_one(arguments.present),
        Groups.of(own.texts(arguments.group)), own.clusters(),
    )  # fmt: skip
    return Given((calls,), None)


def _grouped_scores(table: Table | None, arguments: argparse.Namespace) -> Given:
    own = of_file(table)
    arrays = (
        own.numbers(arguments.score), own.zero_or_one(arguments.present),
        Groups.of(own.texts(arguments.group)),
    )  # fmt: skip
    return Given(arrays, own.clusters())


def _strata(table: Table | None, arguments: argparse.Namespace) -> Given:
    """The 2 x 2 tables of each stratum."""
    own = of_file(table)
    first, outcome = own.zero_or_one(arguments.first), own.zero_or_one(arguments.outcome)
    strata = Groups.of(own.texts(arguments.stratum))
    return Given((strata_tables(first == 1, outcome == 1, strata),), None)


def _members(table: Table | None, arguments: argparse.Namespace) -> Given:
    """Probabilities (members, cases, classes) from one row per case and member."""
    own = of_file(table)
    names = _declared(arguments.classes)
    if not names:
        raise refuse("csv_header", "Name the columns of the classes with --classes.")
    cases, case_names = own.codes(arguments.case)
    members, member_names = own.codes(arguments.member)
    cube = np.full((len(member_names), len(case_names), len(names)), np.nan)
    for at, name in enumerate(names):
        cube[members, cases, at] = own.numbers(name)
    if np.isnan(cube).any():
        raise refuse(
            "label_value", "Every member must have a row for every case.", file=own.csv.file
        )
    return Given((cube,), None)


def _gaussian(table: Table | None, arguments: argparse.Namespace) -> Given:
    own = of_file(table)
    columns = (arguments.mean, arguments.sd, arguments.truth)
    return Given((Gaussian(*(own.numbers(name) for name in columns)),), own.clusters())


def _methods(table: Table | None, arguments: argparse.Namespace) -> Given:
    """(cases, methods) from one column per method."""
    own = of_file(table)
    names = _declared(arguments.methods)
    if not names:
        raise refuse("csv_header", "Name the columns of the methods with --methods.")
    missing = [name for name in names if name not in own.csv.columns]
    if missing:
        raise refuse(
            "csv_header", f"The header lacks the column {', '.join(missing)}.", file=own.csv.file
        )
    return Given((np.column_stack([own.numbers(name) for name in names]),), own.clusters())


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
_GROUP = Column("group", "group", "column of groups")
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
        "one row per reading: case, reader, number",
        _READINGS,
        _numbers_of_readers,
        1,
        named=("readers",),
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
    "two-answers": Shape(
        "one row per case with the answers of two readers",
        (Column("a", "a", "column of the first answers"), Column("b", "b", "of the second")),
        _two_answers,
        1,
        (_VALUES,),
    ),
    "study": Shape(
        "one row per reading of a reader study",
        (
            Column("modality", "modality", "column of modalities (arms)"),
            Column("reader", "reader_id", "column of readers"),
            Column("case", "case_id", "column of cases"),
            Column("score", "score", "column of scores"),
            _PRESENT,
        ),
        _study,
        1,
        (Flag("higher-means", "present", "what a higher score means", ("present", "absent")),),
    ),
    "grouped-calls": Shape(
        "one row per case: called 1 or 0, present 1 or 0, group",
        (Column("called", "called", "column of calls, 1 and 0"), _PRESENT, _GROUP),
        _grouped_calls,
        1,
    ),
    "grouped-scores": Shape(
        "one row per case: score, present 1 or 0, group",
        (Column("score", "score", "column of scores, higher means present"), _PRESENT, _GROUP),
        _grouped_scores,
        3,
    ),
    "strata": Shape(
        "one row per case: in the first group 1 or 0, outcome 1 or 0, stratum",
        (
            Column("first", "first", "column of 1 (first group) and 0"),
            Column("outcome", "outcome", "column of 1 and 0"),
            Column("stratum", "stratum", "column of strata"),
        ),
        _strata,
        1,
    ),
    "members": Shape(
        "one row per case and member, a column of probabilities for each class",
        (
            Column("case", "case_id", "column of cases"),
            Column("member", "member", "column of members or samples"),
        ),
        _members,
        1,
        (Flag("classes", None, "columns of the classes, separated by commas"),),
    ),
    "gaussian": Shape(
        "one row per case: predicted mean and standard deviation, and the truth",
        (
            Column("mean", "mean", "column of means"),
            Column("sd", "sd", "column of standard deviations"),
            Column("truth", "truth", "column of measured values"),
        ),
        _gaussian,
        1,
    ),
    "methods": Shape(
        "one row per case, a column for each method",
        (Column("case", "case_id", "column of cases"),),
        _methods,
        1,
        (Flag("methods", None, "columns of the methods, separated by commas"),),
    ),
    **MASK_SHAPES,
    "none": Shape("none; everything is an option", (), _nothing, 0),
}
