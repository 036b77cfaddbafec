"""Every measure on tables that hold too little: an answer, or a refusal in words, never a crash.

Warnings fail a test, so a division by zero that ends in NaN is found even where it is not shown.
"""

import json

import numpy as np
import pytest

from ml.cli.main import main
from ml.cli.stats.catalogue import MEASURES
from ml.cli.stats.shapes import SHAPES
from tests.ml.cli.test_stats import command, table_of, write

KEYS = {"case_id", "reader_id", "member", "modality", "sample", "group", "stratum", "label"}
ANSWERS = {"present", "foreign", "called", "called_a", "called_b", "error", "first", "outcome"}


def is_key(name, column):
    """Names of cases and the like, whatever the column is called."""
    return name in KEYS or isinstance(column[0], str)


def rows(table, keep):
    return {name: np.asarray(column)[keep] for name, column in table.items()}


def one_row(table):
    return rows(table, slice(0, 1))


def two_rows(table):
    return rows(table, slice(0, 2))


def one_row_often(table):
    return rows(table, np.zeros(12, int))


def one_case_of_many_rows(table):
    if "case_id" not in table:
        return None
    return rows(table, np.asarray(table["case_id"]) == np.asarray(table["case_id"])[0])


def one_class(table):
    for name in ("present", "foreign", "error", "label", "outcome", "sample"):
        if name in table:
            return rows(table, np.asarray(table[name]) == np.asarray(table[name])[0])
    return None


def one_reader(table):
    for name in ("reader_id", "member", "group", "stratum", "modality"):
        if name in table:
            return rows(table, np.asarray(table[name]) == np.asarray(table[name])[0])
    return None


def constant(table):
    return {
        name: column if is_key(name, column) or name in ANSWERS else np.full(len(column), column[0])
        for name, column in table.items()
    }


def ties(table):
    return {
        name: column if is_key(name, column) else np.round(np.asarray(column, float)).clip(0, 1)
        for name, column in table.items()
    }


def everything_the_same(table):
    return {
        name: column if is_key(name, column) else np.ones(len(column), int)
        for name, column in table.items()
    }


def gaps(table):
    return {
        name: column
        if is_key(name, column)
        else ["" if at % 5 == 0 else x for at, x in enumerate(column)]
        for name, column in table.items()
    }


def huge(table):
    return {
        name: column
        if is_key(name, column) or name in ANSWERS
        else np.asarray(column, float) * 1e150
        for name, column in table.items()
    }


def doubled(table):
    if KEYS & set(table):
        return None  # the same key twice is another matter
    return rows(table, np.repeat(np.arange(len(next(iter(table.values())))), 2))


POOR = (
    one_row, two_rows, one_row_often, one_case_of_many_rows, one_class, one_reader, constant,
    ties, everything_the_same, gaps, huge, doubled,
)  # fmt: skip
WITH_TABLE = [name for name, measure in MEASURES.items() if SHAPES[measure.shape].has_table]


def sound(made):
    """Estimates anywhere in an answer lie in their intervals; what is undefined says why."""
    if isinstance(made, list):
        for one in made:
            sound(one)
    if not isinstance(made, dict):
        return
    if {"value", "low", "high", "reason"} <= set(made):
        value, low, high = made["value"], made["low"], made["high"]
        assert value is not None or made["reason"], made
        assert value is not None or (low, high) == (None, None), made
        room = 1e-9 * max(1.0, abs(value or 0))
        assert low is None or low <= value + room, made
        assert high is None or high >= value - room, made
    for one in made.values():
        sound(one)


PAIRS = [
    pytest.param(shape, poor, id=f"{shape}-{poor.__name__}")
    for shape in sorted({MEASURES[name].shape for name in WITH_TABLE})
    for poor in POOR
    if poor(table_of(shape, np.random.default_rng(1))) is not None
]


@pytest.mark.parametrize(("shape", "poor"), PAIRS)
def test_too_little_is_an_answer_or_a_refusal(shape, poor, tmp_path, rng, capsys):
    changed = poor(table_of(shape, rng))
    for name in WITH_TABLE:
        if MEASURES[name].shape != shape:
            continue
        words = command(name, tmp_path, rng)
        words[2] = write(tmp_path / "poor.csv", changed)
        code = main(words)
        made = json.loads(capsys.readouterr().out, parse_constant=pytest.fail)
        if code == 2:
            assert made["refused"][0]["message"], (name, made)
        else:
            assert code == 0, (name, made)
            sound(made)
