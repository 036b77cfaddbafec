"""How the table of a measure becomes the arrays it is computed from."""

import argparse

import numpy as np

from ml.cli.stats.columns import Table
from ml.cli.stats.shape import Given, of_file
from ml.intake.refusal import refuse
from ml.stats.agreement.ratings import table_of_ratings
from ml.stats.arrays import FloatArray
from ml.stats.clusters import Clusters
from ml.stats.mrmc.study import MrmcStudy
from ml.stats.subgroups.calls import GroupedCalls
from ml.stats.subgroups.groups import Groups
from ml.stats.subgroups.simpson import strata_tables
from ml.stats.uncertainty.gaussian import Gaussian


def scores(table: Table | None, arguments: argparse.Namespace) -> Given:
    own = of_file(table)
    arrays = own.numbers(arguments.score), own.zero_or_one(arguments.present)
    return Given(arrays, own.clusters())


def two_scores(table: Table | None, arguments: argparse.Namespace) -> Given:
    own = of_file(table)
    arrays = (
        own.numbers(arguments.score_a), own.numbers(arguments.score_b),
        own.zero_or_one(arguments.present),
    )  # fmt: skip
    return Given(arrays, own.clusters())


def pairs(table: Table | None, arguments: argparse.Namespace) -> Given:
    own = of_file(table)
    arrays = own.numbers(arguments.a, gaps=True), own.numbers(arguments.b, gaps=True)
    return Given(arrays, own.clusters())


def calls(table: Table | None, arguments: argparse.Namespace) -> Given:
    own = of_file(table)
    called, present = own.zero_or_one(arguments.called), own.zero_or_one(arguments.present)
    return Given((called == 1, present == 1), own.clusters())


def paired_calls(table: Table | None, arguments: argparse.Namespace) -> Given:
    own = of_file(table)
    columns = (arguments.called_a, arguments.called_b, arguments.present)
    return Given(tuple(own.zero_or_one(name) == 1 for name in columns), own.clusters())


def values(table: Table | None, arguments: argparse.Namespace) -> Given:
    own = of_file(table)
    return Given((own.numbers(arguments.value, gaps=True),), own.clusters())


def numbers_of_readers(table: Table | None, arguments: argparse.Namespace) -> Given:
    own = of_file(table).answered(arguments.value)
    ratings, clusters = _matrix(own, arguments, own.numbers(arguments.value))
    return Given((ratings,), clusters, {"readers": own.codes(arguments.reader)[1]})


def answers_of_readers(table: Table | None, arguments: argparse.Namespace) -> Given:
    """Codes of the declared answers, and how many there are; numbers on scales of numbers."""
    own = of_file(table).answered(arguments.value)
    declared = _declared(arguments.values, "--values")
    scale = getattr(arguments, "option_scale", None)
    if scale in ("interval", "ratio", "circular"):
        ratings, clusters = _matrix(own, arguments, own.numbers(arguments.value))
        return Given((ratings,), clusters)
    if scale == "ordinal" and declared is None:
        raise refuse("question_unknown", "An ordinal scale needs --values, all answers in order.")
    _ordered(arguments, declared)
    names = declared or sorted(set(own.texts(arguments.value)))
    codes, names = own.codes(arguments.value, names)
    ratings, clusters = _matrix(own, arguments, codes.astype(np.float64))
    labels = {"answers": names, "cases": own.codes(arguments.case)[1],
              "readers": own.codes(arguments.reader)[1]}  # fmt: skip
    return Given((ratings,), clusters, {"categories": len(names)}, labels)


def _ordered(arguments: argparse.Namespace, declared: list[str] | None) -> None:
    """Weights go by the places of answers, and texts sort "high" before "low", "10" before "2"."""
    weights = getattr(arguments, "option_weights", None)
    if weights not in (None, "identity") and declared is None:
        raise refuse("question_unknown", "Weights need --values, all answers in order.")


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
    return ratings, table.clusters_of(cases)


def classes(table: Table | None, arguments: argparse.Namespace) -> Given:
    """One column per class, and the true class by name."""
    own = of_file(table)
    names = _declared(arguments.classes, "--classes") or sorted(set(own.texts(arguments.label)))
    scores = _columns(own, names, "--classes")
    truth, _ = own.codes(arguments.label, names, option="--classes")
    return Given((scores, truth), own.clusters())


def p_values(table: Table | None, arguments: argparse.Namespace) -> Given:
    return Given((of_file(table).numbers(arguments.p, gaps=True),), None)


def confidence(table: Table | None, arguments: argparse.Namespace) -> Given:
    own = of_file(table)
    return Given((own.numbers(arguments.confidence), own.numbers(arguments.error)), own.clusters())


def two_samples(table: Table | None, arguments: argparse.Namespace) -> Given:
    """Rows of the first and of the second named sample."""
    own = of_file(table)
    names = [arguments.first, arguments.second]
    codes, _ = own.codes(arguments.sample, names, option="--first and --second")
    values, clusters = own.numbers(arguments.value), own.clusters()
    sides = [clusters.where(codes == 0), clusters.where(codes == 1)]
    if sides[0].count + sides[1].count > clusters.count:
        raise refuse(
            "label_value", "A group has rows in both samples, which must be independent.",
            file=own.csv.file,
        )  # fmt: skip
    named = {"reference_clusters": sides[0], "target_clusters": sides[1]}
    return Given((values[codes == 0], values[codes == 1]), None, named)


def foreign(table: Table | None, arguments: argparse.Namespace) -> Given:
    """Scores of own and of foreign inputs, higher means more foreign."""
    own = of_file(table)
    scores, foreign = own.numbers(arguments.score), own.zero_or_one(arguments.foreign)
    clusters = own.clusters().where(np.argsort(foreign, kind="stable"))  # own first, as below
    return Given((scores[foreign == 0], scores[foreign == 1]), clusters)


def two_answers(table: Table | None, arguments: argparse.Namespace) -> Given:
    """The contingency table of two readers' answers, of the cases both answered."""
    own = of_file(table).answered(arguments.a, arguments.b)
    names = _declared(arguments.values, "--values")
    _ordered(arguments, names)
    names = names or sorted({*own.texts(arguments.a), *own.texts(arguments.b)})
    codes = [own.codes(column, names)[0] for column in (arguments.a, arguments.b)]
    ratings = np.stack(codes, axis=1).astype(np.float64)
    return Given((table_of_ratings(ratings, len(names)),), None, labels={"answers": names})


def study(table: Table | None, arguments: argparse.Namespace) -> Given:
    """A reader study, long: one row per reading."""
    own = of_file(table)
    study = MrmcStudy.of(
        own.texts(arguments.modality), own.texts(arguments.reader), own.texts(arguments.case),
        own.numbers(arguments.score), own.zero_or_one(arguments.present),
        higher_means=arguments.higher_means,
        cluster=own.texts(own.cluster) if own.cluster else None, cluster_kind="group",
    )  # fmt: skip
    return Given((study,), None)


def grouped_calls(table: Table | None, arguments: argparse.Namespace) -> Given:
    own = of_file(table)
    calls = GroupedCalls.of(
        own.zero_or_one(arguments.called), own.zero_or_one(arguments.present),
        Groups.of(own.texts(arguments.group)), own.clusters(),
    )  # fmt: skip
    return Given((calls,), None)


def grouped_scores(table: Table | None, arguments: argparse.Namespace) -> Given:
    own = of_file(table)
    arrays = (
        own.numbers(arguments.score), own.zero_or_one(arguments.present),
        Groups.of(own.texts(arguments.group)),
    )  # fmt: skip
    return Given(arrays, own.clusters())


def strata(table: Table | None, arguments: argparse.Namespace) -> Given:
    """The 2 x 2 tables of each stratum."""
    own = of_file(table)
    first, outcome = own.zero_or_one(arguments.first), own.zero_or_one(arguments.outcome)
    strata = Groups.of(own.texts(arguments.stratum))
    return Given((strata_tables(first == 1, outcome == 1, strata),), None)


def members(table: Table | None, arguments: argparse.Namespace) -> Given:
    """Probabilities (members, cases, classes) from one row per case and member."""
    own = of_file(table)
    names = _declared(arguments.classes, "--classes")
    if not names:
        raise refuse("csv_header", "Name the columns of the classes with --classes.")
    numbers = _columns(own, names, "--classes")
    cases, case_names = own.codes(arguments.case)
    members, member_names = own.codes(arguments.member)
    if len(set(zip(cases.tolist(), members.tolist(), strict=True))) < len(cases):
        raise refuse("reading_duplicate", "A member has two rows for one case.", file=own.csv.file)
    cube = np.full((len(member_names), len(case_names), len(names)), np.nan)
    cube[members, cases] = numbers
    if np.isnan(cube).any():
        raise refuse(
            "label_value", "Every member must have a row for every case.", file=own.csv.file
        )
    return Given((cube,), None, labels={"cases": case_names, "classes": names})


def gaussian(table: Table | None, arguments: argparse.Namespace) -> Given:
    own = of_file(table)
    columns = (arguments.mean, arguments.sd, arguments.truth)
    return Given((Gaussian(*(own.numbers(name) for name in columns)),), own.clusters())


def methods(table: Table | None, arguments: argparse.Namespace) -> Given:
    """(cases, methods) from one column per method."""
    own = of_file(table)
    names = _declared(arguments.methods, "--methods")
    if not names:
        raise refuse("csv_header", "Name the columns of the methods with --methods.")
    return Given((_columns(own, names, "--methods"),), own.clusters())


def nothing(table: Table | None, arguments: argparse.Namespace) -> Given:
    return Given((), None)


def _columns(table: Table, names: list[str], option: str) -> FloatArray:
    """(m, k) numbers of several columns."""
    missing = [name for name in names if name not in table.csv.columns]
    if missing:
        words = f"The header lacks the column {', '.join(missing)}: name the columns with {option}."
        raise refuse("csv_header", words, file=table.csv.file)
    return np.column_stack([table.numbers(name) for name in names])


def _declared(text: str | None, option: str) -> list[str] | None:
    """The names between commas, each once: a second one would count as an answer nobody gave."""
    if not text:
        return None
    names = [part.strip() for part in text.split(",")]
    if len(set(names)) < len(names) or "" in names:
        raise refuse("label_value", f"{option} must hold names, each once, between commas.")
    return names
