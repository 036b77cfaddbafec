"""The kinds of tables measures are computed from."""

from ml.cli.stats import arrays
from ml.cli.stats.mask_shapes import MASK_SHAPES
from ml.cli.stats.shape import Column, Flag, Shape

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
        arrays.scores,
        2,
    ),
    "two-scores": Shape(
        "one row per case with two scores and 1 or 0",
        (
            Column("score-a", "score_a", "column of the first scores"),
            Column("score-b", "score_b", "column of the second scores"),
            _PRESENT,
        ),
        arrays.two_scores,
        3,
    ),
    "pairs": Shape(
        "one row per case with two numbers",
        (Column("a", "a", "column of the first numbers"), Column("b", "b", "of the second")),
        arrays.pairs,
        2,
    ),
    "calls": Shape(
        "one row per case, called 1 or 0 and present 1 or 0",
        (Column("called", "called", "column of calls, 1 and 0"), _PRESENT),
        arrays.calls,
        2,
    ),
    "paired-calls": Shape(
        "one row per case with two calls and the truth, each 1 or 0",
        (
            Column("called-a", "called_a", "column of the first calls"),
            Column("called-b", "called_b", "column of the second calls"),
            _PRESENT,
        ),
        arrays.paired_calls,
        3,
    ),
    "values": Shape(
        "one row per case with a number",
        (Column("value", "value", "column of numbers"),),
        arrays.values,
        1,
    ),
    "readings-numbers": Shape(
        "one row per reading: case, reader, number",
        _READINGS,
        arrays.numbers_of_readers,
        1,
        named=("readers",),
    ),
    "readings": Shape(
        "one row per reading: case, reader, answer",
        _READINGS,
        arrays.answers_of_readers,
        1,
        (_VALUES,),
        ("categories",),
    ),
    "classes": Shape(
        "one row per case: its label, and a column of scores for each class",
        (Column("label", "label", "column of true classes"),),
        arrays.classes,
        2,
        (Flag("classes", None, "columns of the classes, separated by commas"),),
    ),
    "p-values": Shape(
        "one row per test", (Column("p", "p", "column of p-values"),), arrays.p_values, 1
    ),
    "confidence": Shape(
        "one row per case: confidence and error",
        (
            Column("confidence", "confidence", "column of confidences, higher means surer"),
            Column("error", "error", "column of errors, 1 and 0 or a loss"),
        ),
        arrays.confidence,
        2,
    ),
    "two-samples": Shape(
        "one row per value with the sample it is of",
        (
            Column("sample", "sample", "column that names the sample"),
            Column("value", "value", "column of numbers"),
        ),
        arrays.two_samples,
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
        arrays.foreign,
        2,
    ),
    "two-answers": Shape(
        "one row per case with the answers of two readers",
        (Column("a", "a", "column of the first answers"), Column("b", "b", "of the second")),
        arrays.two_answers,
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
        arrays.study,
        1,
        (Flag("higher-means", "present", "what a higher score means", ("present", "absent")),),
    ),
    "grouped-calls": Shape(
        "one row per case: called 1 or 0, present 1 or 0, group",
        (Column("called", "called", "column of calls, 1 and 0"), _PRESENT, _GROUP),
        arrays.grouped_calls,
        1,
    ),
    "grouped-scores": Shape(
        "one row per case: score, present 1 or 0, group",
        (Column("score", "score", "column of scores, higher means present"), _PRESENT, _GROUP),
        arrays.grouped_scores,
        3,
    ),
    "strata": Shape(
        "one row per case: in the first group 1 or 0, outcome 1 or 0, stratum",
        (
            Column("first", "first", "column of 1 (first group) and 0"),
            Column("outcome", "outcome", "column of 1 and 0"),
            Column("stratum", "stratum", "column of strata"),
        ),
        arrays.strata,
        1,
    ),
    "members": Shape(
        "one row per case and member, a column of probabilities for each class",
        (
            Column("case", "case_id", "column of cases"),
            Column("member", "member", "column of members or samples"),
        ),
        arrays.members,
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
        arrays.gaussian,
        1,
    ),
    "methods": Shape(
        "one row per case, a column for each method",
        (Column("case", "case_id", "column of cases"),),
        arrays.methods,
        1,
        (Flag("methods", None, "columns of the methods, separated by commas"),),
    ),
    **MASK_SHAPES,
    "none": Shape("none; everything is an option", (), arrays.nothing, 0),
}
