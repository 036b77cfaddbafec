"""Evidence of a child that lies is not taken for evidence."""

import numpy as np
import pyarrow as pa
import pytest

from ml.engine.compare import comparisons
from ml.evidence import checked
from ml.evidence.checked import (
    check_comparisons,
    check_outputs,
    most_bytes,
    most_comparisons,
)
from ml.evidence.store import EvidenceError, outputs_table, write_table

CASES = ["a", "b", "c"]


@pytest.fixture
def written(tmp_path):
    def write(table):
        write_table(table, tmp_path / "table")
        return (tmp_path / "table").read_bytes()

    return write


def outputs(cases=CASES, width=2):
    return outputs_table(cases, [[0.5] * width for _ in cases], {"b": "non_finite_output"})


def test_honest_outputs_pass(written):
    check_outputs(written(outputs()), CASES, 2)


@pytest.mark.parametrize(
    ("table", "why"),
    [
        (outputs(["a", "b"]), "2 rows"),
        (outputs(["a", "b", "c", "d"]), "4 rows"),
        (outputs(["a", "c", "b"]), "its cases"),
        (outputs(["a", "b", "b"]), "its cases"),
        (outputs(width=1), "its columns"),
        (outputs(width=3), "further columns"),
        (outputs().append_column("secret", pa.array(["x"] * 3)), "further columns"),
        (outputs().set_column(1, "output_0", pa.array([1, 2, 3])), "its columns"),
    ],
)
def test_others_are_refused_with_what_they_are(table, why, written):
    with pytest.raises(EvidenceError, match=why):
        check_outputs(written(table), CASES, 2)


def test_damaged_bytes_are_no_table():
    with pytest.raises(EvidenceError, match="cannot be read"):
        check_outputs(b"PAR1" + bytes(100) + b"PAR1", CASES, 2)


def test_a_table_that_swells_is_not_unpacked(written, monkeypatch):
    """A megabyte of one letter is some kilobytes on disk."""
    bomb = outputs().set_column(3, "error", pa.array(["x" * (1 << 21), None, None]))
    data = written(bomb)
    assert len(data) < most_bytes(3)

    def unpacked(_):
        raise AssertionError("it was read before its size was looked at")

    monkeypatch.setattr(checked, "table", unpacked)
    with pytest.raises(EvidenceError, match="larger than they can be"):
        check_outputs(data, CASES, 2)


def compared(cases, **columns):
    n = len(cases)
    return pa.table(
        {
            "case_id": pa.array(cases, pa.string()),
            "error": pa.array([None] * n, pa.string()),
            "structure": pa.array([0] * n, pa.int64()),
            "a": pa.array(["reader:1"] * n, pa.string()),
            "b": pa.array(["reference"] * n, pa.string()),
            "dice": pa.array([0.5] * n, pa.float64()),
            **columns,
        }
    )


def test_comparisons_are_of_the_shards_cases_in_order(written):
    check_comparisons(written(compared(["a", "a", "b", "c"])), CASES, 10)
    for cases, why in (
        (["a", "x"], "its cases"),
        (["b", "a"], "its cases"),
        (["a"] * 11, "11 rows"),
        ([], "0 rows"),
    ):
        with pytest.raises(EvidenceError, match=why):
            check_comparisons(written(compared(cases)), CASES, 10)
    with pytest.raises(EvidenceError, match="further columns"):
        check_comparisons(written(compared(["a"], note=pa.array(["hello"]))), CASES, 10)


def test_as_many_comparisons_as_there_can_be():
    """Held against the engine's own count, with many readers and a model."""
    for readers in (0, 1, 2, 3, 6):
        whose = ["reference", "model", *(f"reader:{k}" for k in range(readers))]
        masks = dict.fromkeys(whose, Square())
        made = len(list(comparisons(masks, 2, 1.0)))
        assert made <= most_comparisons(2, [len(masks)])


class Square:
    spacing_mm = (1.0, 1.0)

    def of(self, structure):
        return np.eye(4, dtype=bool)
