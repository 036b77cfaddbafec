"""The index that a child left, held to its form before the web process trusts a word of it."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ml.intake.dicom_rows import DicomRows, rows_left
from ml.sandbox.results import ResultError
from tests.ml.imaging.test_dicom_index import FOLDER

HASH = "a" * 64


@pytest.fixture
def row(tmp_path: Path) -> dict[str, Any]:
    rows = DicomRows(tmp_path)
    rows.add((FOLDER / "CT_small.dcm").read_bytes(), HASH)
    assert rows.write(tmp_path) == {"dicom": "dicom.json"}
    [found] = rows_left(tmp_path, {"dicom": "dicom.json"})
    return json.loads(json.dumps(found))  # type: ignore[no-any-return]


def test_what_was_not_rewritten_is_handed_out_itself(row: dict[str, Any]) -> None:
    assert (row["sha256"], row["served"]) == (HASH, HASH)


def test_what_was_rewritten_is_kept_under_its_own_hash(tmp_path: Path) -> None:
    rows = DicomRows(tmp_path)

    rows.add((FOLDER / "MR_small_implicit.dcm").read_bytes(), HASH)

    assert rows.rows[HASH]["served"] != HASH
    assert (tmp_path / str(rows.rows[HASH]["served"])).is_file()


def test_a_file_without_uids_is_counted_and_nothing_more(tmp_path: Path) -> None:
    rows = DicomRows(tmp_path)

    rows.add((FOLDER / "JPEGLSNearLossless_16.dcm").read_bytes(), HASH)

    assert rows.left_out == {HASH: "StudyInstanceUID is missing or no UID."}
    assert rows_left(tmp_path, rows.write(tmp_path)) == []


def test_a_cohort_without_dicom_has_no_index(tmp_path: Path) -> None:
    assert DicomRows(tmp_path).write(tmp_path) == {}
    assert rows_left(tmp_path, {}) == []


def elsewhere(address: Any) -> Callable[[dict[str, Any]], None]:
    def change(row: dict[str, Any]) -> None:
        row["attributes"]["00400275"] = {
            "vr": "SQ", "Value": [{"00281201": {"vr": "OW", "BulkDataURI": address}}],
        }  # fmt: skip

    return change


@pytest.mark.parametrize(
    "change",
    [
        elsewhere("http://elsewhere.example/"),
        elsewhere("bulkdata/99"),
        elsewhere("bulkdata/../../../x"),
        elsewhere(["bulkdata/0"]),
        lambda row: row.update(study="1.2/../3"),
        lambda row: row.update(instance="1." + "2" * 64),
        lambda row: row.update(served="b" * 63),
        lambda row: row.update(frames=0),
        lambda row: row.update(pixels=None),
        lambda row: row.update(fragments=[[[0, 1]]]),
        lambda row: row.update(pixels=None, fragments=[[[0, 1]], [[1, 1]]]),
        lambda row: row.update(pixels=[-1, 5]),
        lambda row: row.update(bulk=[[0, 1, 2]]),
        lambda row: row["attributes"].update({"<script>": {}}),
        lambda row: row["attributes"].update(
            {"00100010": {"vr": "PN", "Value": ["x" * 3_000_000]}}
        ),
        lambda row: row.update(more=1),
    ],
)
def test_an_index_of_another_form_is_not_taken(
    tmp_path: Path, row: dict[str, Any], change: Callable[[dict[str, Any]], None]
) -> None:
    change(row)
    (tmp_path / "dicom.json").write_text(json.dumps({"rows": [row]}))

    with pytest.raises(ResultError):
        rows_left(tmp_path, {"dicom": "dicom.json"})


@pytest.mark.parametrize("data", [b"", b"[]", b'{"rows": 1}', b"[" * 100_000])
def test_what_is_no_index_is_not_taken(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "dicom.json").write_bytes(data)

    with pytest.raises(ResultError):
        rows_left(tmp_path, {"dicom": "dicom.json"})
