"""`python -m ml stats`: one measure from a table, as JSON."""

import argparse
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np

from ml.cli.errors import DONE
from ml.estimate import Estimate
from ml.intake.folder import Folder
from ml.intake.predictions import finite
from ml.intake.refusal import Problems, refuse
from ml.intake.tables import Csv, read_csv
from ml.stats.agreement.icc import icc_one_way, icc_two_way
from ml.stats.agreement.kappa import kappa_conger, kappa_fleiss
from ml.stats.agreement.krippendorff import alpha
from ml.stats.arrays import FloatArray, IntArray
from ml.stats.bootstrap import Clusters, Settings
from ml.stats.calibration.brier import brier
from ml.stats.calibration.calibration_error import ece, ece_debiased, ece_top_label
from ml.stats.calibration.recalibration import intercept, slope
from ml.stats.discrimination.auroc import auroc

ScoreMeasure = Callable[[FloatArray, IntArray, Clusters, Settings], Estimate]

# A table with one row per case: a score and 1 or 0.
OF_SCORES: dict[str, ScoreMeasure] = {
    "auroc": auroc,
    "brier": brier,
    "ece": ece,
    "ece_top_label": ece_top_label,
    "ece_debiased": ece_debiased,
    "intercept": intercept,
    "slope": slope,
}
# A table with one row per reading: case, reader, value.
OF_READINGS = ("alpha", "kappa_fleiss", "kappa_conger", "icc_one_way", "icc_two_way")
_BY_CODE = ("kappa_fleiss", "kappa_conger")


def add_arguments(command: argparse.ArgumentParser) -> None:
    command.add_argument("measure", choices=(*OF_SCORES, *OF_READINGS))
    command.add_argument("table", type=Path, help="CSV with a header")
    command.add_argument("--score", default="score", help="column of scores")
    command.add_argument("--present", default="present", help="column of 1 and 0")
    command.add_argument("--case", default="case_id", help="column of cases")
    command.add_argument("--reader", default="reader_id", help="column of readers")
    command.add_argument("--value", default="score", help="column of answers")
    command.add_argument("--cluster", help="column of independent units")
    command.add_argument("--scale", choices=("nominal", "ordinal", "interval"), default="nominal")
    command.add_argument("--values", help="all answers in order, separated by commas")
    command.add_argument("--level", type=float, default=0.95)
    command.add_argument("--draws", type=int, default=2000)
    command.add_argument("--seed", type=int, default=20261123)


def run(arguments: argparse.Namespace) -> int:
    """Compute the measure and print its estimate."""
    path: Path = arguments.table
    if not path.is_file():
        raise refuse("not_found", "There is no such file.", file=path.name)
    settings = Settings(arguments.draws, arguments.seed, arguments.level)
    if arguments.measure in OF_SCORES:
        estimate = _of_scores(arguments, settings)
    else:
        estimate = _of_readings(arguments, settings)
    print(json.dumps(estimate.to_json(), indent=1, ensure_ascii=False))
    return DONE


def _of_scores(arguments: argparse.Namespace, settings: Settings) -> Estimate:
    table = _table(arguments.table, [arguments.score, arguments.present], arguments.cluster)
    scores = _numbers(table, arguments.score)
    present = _numbers(table, arguments.present)
    clusters = _clusters(table, arguments.cluster)
    try:
        return OF_SCORES[arguments.measure](scores, present.astype(np.int64), clusters, settings)
    except ValueError as error:
        raise refuse("label_value", f"{error}", file=table.file) from None


def _of_readings(arguments: argparse.Namespace, settings: Settings) -> Estimate:
    """The long table as a matrix (cases, readers), then the measure."""
    columns = [arguments.case, arguments.reader, arguments.value]
    table = _table(arguments.table, columns, arguments.cluster)
    cases = _codes(table, arguments.case)
    readers = _codes(table, arguments.reader)
    if len(set(zip(cases.tolist(), readers.tolist(), strict=True))) < len(cases):
        raise refuse("reading_duplicate", "A reader answers twice for one case.", file=table.file)
    by_code = arguments.measure in _BY_CODE or (
        arguments.measure == "alpha" and arguments.scale != "interval"
    )
    values, n_values = _answers(table, arguments) if by_code else (None, None)
    ratings = np.full((cases.max() + 1, readers.max() + 1), np.nan)
    ratings[cases, readers] = _numbers(table, arguments.value) if values is None else values
    first = np.unique(cases, return_index=True)[1]
    clusters = _clusters(table, arguments.cluster).where(first)
    try:
        return _agreement(arguments, ratings, n_values, clusters, settings)
    except ValueError as error:
        raise refuse("label_value", f"{error}", file=table.file) from None


def _agreement(
    arguments: argparse.Namespace,
    ratings: FloatArray,
    n_values: int | None,
    clusters: Clusters,
    settings: Settings,
) -> Estimate:
    name = arguments.measure
    if name == "alpha":
        return alpha(ratings, arguments.scale, clusters, settings, categories=n_values)
    if name in _BY_CODE:
        measure = kappa_fleiss if name == "kappa_fleiss" else kappa_conger
        return measure(ratings, n_values or 0, clusters, settings)
    of_numbers = icc_one_way if name == "icc_one_way" else icc_two_way
    return of_numbers(ratings, clusters, settings)


def _table(path: Path, columns: list[str], cluster: str | None) -> Csv:
    folder = Folder(path.resolve().parent, {path.name: path.stat().st_size}, temporary=False)
    problems = Problems()
    required = [*columns, cluster] if cluster else columns
    table = read_csv(folder, path.name, required=required, problems=problems)
    problems.raise_if_any()
    return table


def _numbers(table: Csv, column: str) -> FloatArray:
    numbers = []
    for row in table.rows:
        number = finite(row.get(column))
        if number is None:
            raise refuse(
                "label_value", f"'{column}' must be a number.", file=table.file, row=row.number
            )
        numbers.append(number)
    return np.array(numbers)


def _codes(table: Csv, column: str) -> IntArray:
    """(m,) codes in the order in which the texts first appear."""
    known: dict[str, int] = {}
    codes = [known.setdefault(row.cells[column], len(known)) for row in table.rows]
    return np.array(codes, dtype=np.int64)


def _answers(table: Csv, arguments: argparse.Namespace) -> tuple[FloatArray, int]:
    """Answers as codes of the declared values; where none are declared, of those that occur."""
    given = [row.cells[arguments.value] for row in table.rows]
    declared = arguments.values.split(",") if arguments.values else sorted(set(given))
    if arguments.scale == "ordinal" and not arguments.values:
        raise refuse("question_unknown", "An ordinal scale needs --values, all answers in order.")
    code = {value.strip(): at for at, value in enumerate(declared)}
    for row, value in zip(table.rows, given, strict=True):
        if value not in code:
            raise refuse(
                "label_value", f"{value!r} is not in --values.", file=table.file, row=row.number
            )
    return np.array([code[value] for value in given], dtype=np.float64), len(declared)


def _clusters(table: Csv, column: str | None) -> Clusters:
    if column is None:
        return Clusters.singles(len(table.rows))
    return Clusters.of(_codes(table, column), "group")
