import pytest

from ml.intake import tables
from ml.intake.folder import open_folder
from ml.intake.refusal import MOST_REFUSALS, Problems, Refused
from ml.intake.tables import bad_id, read_csv
from tests.ml.intake.build import codes


def read(tmp_path, data, problems=None):
    (tmp_path / "t.csv").write_bytes(data)
    with open_folder(tmp_path, tmp_path) as folder:
        return read_csv(folder, "t.csv", required=["case_id"], problems=problems or Problems())


@pytest.mark.parametrize("start", [b"", b"\xef\xbb\xbf"])
def test_rows_are_numbered_from_the_header(start, tmp_path):
    table = read(tmp_path, start + 'case_id, note\na,\n\nb, "x, ä"\n'.encode())

    assert table.columns == ("case_id", "note")
    assert [(row.number, row.get("case_id"), row.get("note")) for row in table.rows] == [
        (2, "a", None),
        (4, "b", "x, ä"),
    ]


@pytest.mark.parametrize(
    ("data", "code"),
    [
        ("case_id\na".encode("utf-16"), "csv_encoding"),
        (b"case_id\na\0b\n", "csv_encoding"),
        (b"case_id\n\xe4\n", "csv_encoding"),
        (b"", "csv_header"),
        (b"id\na\n", "csv_header"),
        (b"case_id;label\na;b\n", "csv_header"),
        (b"case_id,case_id\na,b\n", "csv_header"),
        (b"case_id,\na,b\n", "csv_header"),
        (b"case_id\n", "csv_empty"),
        (b'case_id\n"a\n', "csv_format"),
        (b"case_id," + b",".join(b"c%d" % n for n in range(2000)) + b"\n", "csv_columns"),
    ],
)
def test_files_that_cannot_be_read(data, code, tmp_path):
    with pytest.raises(Refused) as refused:
        read(tmp_path, data)
    assert codes(refused) == [code]


def test_a_file_that_is_too_large(tmp_path, monkeypatch):
    monkeypatch.setattr(tables, "MOST_BYTES", 10)
    with pytest.raises(Refused) as refused:
        read(tmp_path, b"case_id\naaaaaaaaaa\n")
    assert codes(refused) == ["too_large"]


def test_ragged_rows_are_named_and_left_out(tmp_path):
    problems = Problems()

    table = read(tmp_path, b"case_id,b\na,1\nb\nc,1,2\nd,4\n", problems)

    assert [row.get("case_id") for row in table.rows] == ["a", "d"]
    assert [(p.code, p.row) for p in problems.refusals] == [("csv_row", 3), ("csv_row", 4)]


def test_problems_are_listed_to_a_limit_and_counted_beyond():
    problems = Problems()
    for row in range(MOST_REFUSALS + 5):
        problems.add("label_value", "No number.", row=row)

    with pytest.raises(Refused) as refused:
        problems.raise_if_any()

    assert len(refused.value.refusals) == MOST_REFUSALS + 1
    assert refused.value.refusals[-1].code == "more_problems"
    assert "5 further" in refused.value.refusals[-1].message


@pytest.mark.parametrize("text", ["", ".", "...", "a/b", "a\\b", "/", "a\x07", "x" * 201])
def test_texts_that_are_no_identifier(text):
    assert bad_id(text)


@pytest.mark.parametrize("text", ["a", "a.b", ".a", "LIDC-IDRI-0001", "ü 1"])
def test_texts_that_are_an_identifier(text):
    assert bad_id(text) is None
