import pyarrow as pa
import pytest

from ml.engine import ENGINE_VERSION
from ml.evidence.store import (
    EvidenceError,
    canonical,
    file_sha256,
    joined,
    outputs_table,
    rows,
    sha256_of,
    shard_key,
    table,
    write_table,
)

SHARD = {
    "pass_name": "predict",
    "model_sha256": "m",
    "manifest_sha256": "f",
    "params": {"batch": 8},
    "cases": [("a", ["1"]), ("b", ["2", "3"])],
}


def make(ids=("a", "b"), values=((0.25, 0.75), (None, None)), errors=None):
    return outputs_table(list(ids), list(values), errors or {"b": "pixel_limit"})


def test_equal_content_gives_equal_bytes(tmp_path):
    first = write_table(make(), tmp_path / "1.parquet")
    sliced = pa.concat_tables([make().slice(0, 1), make().slice(1, 1)])
    second = write_table(sliced.replace_schema_metadata({"when": "now"}), tmp_path / "2.parquet")

    assert first == second == file_sha256(tmp_path / "1.parquet")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["1.parquet", "2.parquet"]


def test_other_content_gives_other_bytes(tmp_path):
    first = write_table(make(), tmp_path / "1.parquet")

    assert write_table(make(ids=("a", "c")), tmp_path / "2.parquet") != first


def test_rows_come_back_as_written(tmp_path):
    write_table(make(), tmp_path / "t.parquet")

    data = (tmp_path / "t.parquet").read_bytes()

    assert rows(data) == [("a", [0.25, 0.75], ""), ("b", None, "pixel_limit")]


def test_shards_are_joined_in_order(tmp_path):
    parts = []
    for number, ids in enumerate((("c", "d"), ("a", "b"))):
        write_table(make(ids=ids), tmp_path / f"{number}.parquet")
        parts.append((tmp_path / f"{number}.parquet").read_bytes())

    assert joined(parts)["case_id"].to_pylist() == ["c", "d", "a", "b"]
    assert joined([]) is None


@pytest.mark.parametrize("data", [b"", b"PAR1", b"PAR1" + bytes(100) + b"PAR1"])
def test_damaged_evidence_is_an_error(data):
    with pytest.raises(EvidenceError):
        table(data)


def test_foreign_tables_are_an_error(tmp_path):
    write_table(pa.table({"x": [1]}), tmp_path / "t.parquet")
    with pytest.raises(EvidenceError):
        table((tmp_path / "t.parquet").read_bytes())


def test_the_key_is_stable():
    """A changed key means all evidence is computed again: raise the engine's version instead."""
    key = shard_key(**SHARD, engine_version="0.1.0")

    assert key == "51f1e3ad1a9ec92bfe0724f47cecff1e326f31cab200ff367f47e7f465879e53"
    assert ENGINE_VERSION != "0.1.0" or shard_key(**SHARD) == key


@pytest.mark.parametrize(
    "change",
    [
        {"pass_name": "sample"},
        {"model_sha256": "n"},
        {"manifest_sha256": "g"},
        {"params": {"batch": 4}},
        {"cases": [("b", ["2", "3"]), ("a", ["1"])]},
        {"cases": [("a", ["1"]), ("b", ["3", "2"])]},
        {"cases": [("a", ["1"])]},
        {"engine_version": "9"},
    ],
)
def test_whatever_can_change_a_value_changes_the_key(change):
    assert shard_key(**{**SHARD, **change}) != shard_key(**SHARD)


def test_canonical_json_has_one_form():
    assert sha256_of({"a": 1, "b": [True, None]}) == sha256_of({"b": [True, None], "a": 1})
    with pytest.raises(ValueError):
        canonical({"a": float("nan")})
