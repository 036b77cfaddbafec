import pyarrow.parquet as pq
import pytest

from ml.evidence.store import table
from ml.intake.predictions import read_predictions
from ml.intake.refusal import Refused
from tests.ml.intake.build import QUIET, codes, predictions_folder, zipped

GOOD = "case_id,dark,bright\na,0.25,0.75\nb,1,0\n"


def test_a_table_becomes_outputs_in_declared_order(tmp_path):
    folder = predictions_folder(tmp_path / "p", "bright,case_id,dark\n0.75,a,0.25\n0,b,1\n")

    result = read_predictions(folder, tmp_path, QUIET)

    table = pq.read_table(tmp_path / result["table"])
    assert table.to_pydict() == {
        "case_id": ["a", "b"],
        "output_0": [0.25, 1.0],
        "output_1": [0.75, 0.0],
        "error": [None, None],
    }
    assert result["n"] == 2
    assert result["meta"]["model"] == {"name": "Brightness", "version": "1.0"}


def test_the_same_table_has_the_same_address(tmp_path):
    folder = predictions_folder(tmp_path / "p", GOOD)
    first = read_predictions(folder, tmp_path, QUIET)["sha256"]

    packed = zipped(folder, tmp_path / "p.zip", top="p/")

    assert read_predictions(packed, tmp_path, QUIET)["sha256"] == first


@pytest.mark.parametrize(
    "changes",
    [
        {"model": "Net", "version": "2"},
        {"model": None, "name": "Net", "version": 2},
        {"model": {"name": "Net", "version": 2}},
    ],
)
def test_the_claimed_model_may_be_written_flat(changes, tmp_path):
    folder = predictions_folder(tmp_path / "p", GOOD, **changes)

    meta = read_predictions(folder, tmp_path, QUIET)["meta"]

    assert meta["model"] == {"name": "Net", "version": "2"}


@pytest.mark.parametrize(
    ("rows", "found"),
    [
        ("a,0.2,0.9\n", [("score_range", 2)]),
        ("a,-0.1,1.1\n", [("score_range", 2)]),
        ('a,,1\nb,nan,1\nc,inf,0\nd,"0,5",0.5\n', [("label_value", n) for n in (2, 3, 4, 5)]),
        ("a,0,1\na,1,0\n", [("label_duplicate_case", 3)]),
        (",0,1\n", [("case_id", 2)]),
        ("a,0\n", [("csv_row", 2)]),
    ],
)
def test_bad_rows_are_all_named(rows, found, tmp_path):
    folder = predictions_folder(tmp_path / "p", "case_id,dark,bright\n" + rows)

    with pytest.raises(Refused) as refused:
        read_predictions(folder, tmp_path, QUIET)

    assert [(r.code, r.row) for r in refused.value.refusals] == found
    assert not list(tmp_path.glob("*.parquet"))


@pytest.mark.parametrize(
    ("rows", "changes", "code"),
    [
        ("case_id,dark\na,1\n", {}, "csv_header"),
        ("case_id,dark,bright,extra\na,1,0,2\n", {}, "csv_header"),
        ("case_id,dark,bright,member,sample\na,1,0,1,1\n", {}, "csv_header"),
        ("case_id,dark,bright,member\na,1,0,1\n", {}, "samples_missing"),
        (GOOD, {"model": None}, "manifest_invalid"),
        (GOOD, {"kind": "scores"}, "manifest_invalid"),
        (GOOD, {"positive": ["grey"]}, "manifest_invalid"),
    ],
)
def test_folders_that_cannot_be_used(rows, changes, code, tmp_path):
    with pytest.raises(Refused) as refused:
        read_predictions(predictions_folder(tmp_path / "p", rows, **changes), tmp_path, QUIET)
    assert codes(refused) == [code]


def test_logits_have_no_range(tmp_path):
    rows = "case_id,dark,bright\na,-4,12.5\n"
    folder = predictions_folder(tmp_path / "p", rows, kind="logits", activation="softmax")

    assert read_predictions(folder, tmp_path, QUIET)["n"] == 1


def test_independent_probabilities_need_not_add_up(tmp_path):
    rows = "case_id,dark,bright\na,0.9,0.9\n"
    folder = predictions_folder(tmp_path / "p", rows, activation="sigmoid")

    assert read_predictions(folder, tmp_path, QUIET)["n"] == 1


SEVERAL = """case_id,dark,bright,{column}
b,0.9,0.1,10
b,0.5,0.5,2
a,0.2,0.8,2
a,0.4,0.6,10
"""


@pytest.mark.parametrize("column", ["member", "sample"])
def test_several_rows_of_a_case_are_kept_one_by_one(column, tmp_path):
    folder = predictions_folder(tmp_path / "p", SEVERAL.format(column=column))

    result = read_predictions(folder, tmp_path, QUIET)

    assert (result["n"], result["meta"]["several"], result["meta"]["names"]) == (
        2, column, ["2", "10"],
    )  # fmt: skip
    rows = table((tmp_path / result["table"]).read_bytes()).to_pylist()
    assert [(row["case_id"], row["sample"], row["output_1"]) for row in rows] == [
        ("b", 0, 0.5), ("b", 1, 0.1), ("a", 0, 0.8), ("a", 1, 0.6),
    ]  # fmt: skip


def test_a_class_may_be_called_member(tmp_path):
    rows = "case_id,member,guest\na,1,0\n"
    folder = predictions_folder(
        tmp_path / "p", rows, classes=["member", "guest"], positive=["guest"]
    )

    result = read_predictions(folder, tmp_path, QUIET)

    assert "several" not in result["meta"]


@pytest.mark.parametrize(
    ("rows", "found"),
    [
        ("a,0,1,x\na,0,1,y\nb,0,1,x\n", [("samples_missing", None)]),
        ("a,0,1,x\na,0,1,x\na,0,1,y\n", [("label_duplicate_case", 3)]),
        ("a,0,1,\na,0,1,y\n", [("case_id", 2), ("samples_missing", None)]),
    ],
)
def test_every_case_has_every_member_once(rows, found, tmp_path):
    folder = predictions_folder(tmp_path / "p", "case_id,dark,bright,member\n" + rows)

    with pytest.raises(Refused) as refused:
        read_predictions(folder, tmp_path, QUIET)

    assert [(r.code, r.row) for r in refused.value.refusals] == found
