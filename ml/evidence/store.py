"""Evidence on disk: Parquet whose bytes depend on its content alone, and the key of a shard."""

import hashlib
import json
import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from ml.estimate import JsonObject, JsonValue
from ml.version import ENGINE_VERSION

_PIECE = 1 << 20


class EvidenceError(Exception):
    """A table of evidence is missing, damaged or not what its key promises."""


def canonical(value: JsonValue) -> bytes:
    """The one JSON text of a value, for hashing.

    Example:
        >>> canonical({"b": 1, "a": [None, "ä"]})
        b'{"a":[null,"\\xc3\\xa4"],"b":1}'
    """
    return json.dumps(
        value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
    ).encode()


def sha256_of(value: JsonValue) -> str:
    """The address of a JSON value."""
    return hashlib.sha256(canonical(value)).hexdigest()


def file_sha256(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while piece := file.read(_PIECE):
            digest.update(piece)
    return digest.hexdigest()


def shard_key(
    *,
    pass_name: str,
    model_sha256: str,
    manifest_sha256: str,
    params: JsonObject,
    cases: Sequence[tuple[str, Sequence[str]]],
    engine_version: str = ENGINE_VERSION,
) -> str:
    """What one shard's evidence depends on, as one address; equal keys mean equal evidence.

    Args:
        pass_name: e.g. ``predict``.
        model_sha256: of the weights.
        manifest_sha256: of the declared preprocessing, classes and so on.
        params: settings of the pass that can change a value.
        cases: (case id, SHA-256 of each of its images), in the order they are computed.
        engine_version: of the code that computes the pass.
    """
    rows: list[JsonValue] = [[case_id, list(images)] for case_id, images in cases]
    return sha256_of(
        {
            "pass": pass_name,
            "engine": engine_version,
            "model": model_sha256,
            "manifest": manifest_sha256,
            "params": params,
            "cases": rows,
        }
    )


def write_table(content: pa.Table, path: Path) -> str:
    """Write a table so that equal content gives equal bytes; never leaves half a file.

    Returns:
        The SHA-256 of the file.
    """
    plain = content.replace_schema_metadata(None).combine_chunks()
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    pq.write_table(plain, partial, compression="zstd", write_statistics=False, version="2.6")
    digest = file_sha256(partial)
    partial.replace(path)
    return digest


def table(data: bytes) -> pa.Table:
    """The table in the bytes of a file that :func:`write_table` wrote.

    Raises:
        EvidenceError: if the bytes are damaged or no table of outputs.
    """
    try:
        read = pq.read_table(pa.BufferReader(data), use_threads=False)
    except (OSError, pa.ArrowException) as error:
        raise EvidenceError(f"the evidence cannot be read: {error}") from None
    if not {"case_id", "error"} <= set(read.column_names):
        raise EvidenceError("the evidence has no column of cases or of errors")
    return read


def cases_of(content: pa.Table) -> list[str]:
    """The cases of a table in their order, each once however many rows it has."""
    return list(dict.fromkeys(content["case_id"].to_pylist()))


def joined(parts: Iterable[bytes]) -> pa.Table | None:
    """The tables of several shards as one, in the given order; None when there are none.

    Raises:
        EvidenceError: if one is damaged, or a column has not one type in all of them.
    """
    tables = [table(part) for part in parts]
    try:
        return pa.concat_tables(tables, promote_options="default") if tables else None
    except pa.ArrowException as error:
        raise EvidenceError(f"the tables of shards do not fit together: {error}") from None


def rows(data: bytes) -> list[tuple[str, list[float] | None, str]]:
    """One row per case: id, outputs (None when it failed), error code (empty when it did not)."""
    read = table(data)
    columns = [read[name].to_pylist() for name in output_columns(read)]
    return [
        (case_id, None if error else [column[at] for column in columns], error or "")
        for at, (case_id, error) in enumerate(
            zip(read["case_id"].to_pylist(), read["error"].to_pylist(), strict=True)
        )
    ]


def output_columns(content: pa.Table) -> list[str]:
    """``output_0``, ``output_1``, ... as far as the table has them."""
    count = sum(name.startswith("output_") for name in content.column_names)
    return [f"output_{index}" for index in range(count)]


def outputs_table(
    case_ids: Sequence[str],
    outputs: Sequence[Sequence[float | None]],
    errors: Mapping[str, str] | None = None,
) -> pa.Table:
    """Raw outputs in the shape every pass and every upload keeps them.

    Args:
        case_ids: (n,)
        outputs: (n, k) floats; None where the case failed.
        errors: case id -> error code, of failed cases.

    Returns:
        Columns ``case_id``, ``output_0`` ... ``output_<k-1>`` (float64), ``error``.
    """
    width = len(outputs[0]) if outputs else 0
    columns: dict[str, pa.Array] = {"case_id": pa.array(case_ids, pa.string())}
    for index in range(width):
        columns[f"output_{index}"] = pa.array([row[index] for row in outputs], pa.float64())
    failed = errors or {}
    columns["error"] = pa.array([failed.get(case_id) for case_id in case_ids], pa.string())
    return pa.table(columns)


def samples_table(
    case_ids: Sequence[str],
    samples: Mapping[str, Sequence[Sequence[float]]],
    errors: Mapping[str, str],
    width: int,
) -> pa.Table:
    """Raw outputs of several samples or members of each case, one row for each.

    Args:
        case_ids: (n,) in the order of the table.
        samples: case id -> (t, k) floats, of the cases that have them.
        errors: case id -> error code, of all others.
        width: k.

    Returns:
        Columns ``case_id``, ``sample`` (0 to t - 1), ``output_0`` ... ``output_<k-1>``, ``error``.
        A case that failed has one row, without sample and outputs.
    """
    rows: list[tuple[str, int | None, Sequence[float | None]]] = []
    for case_id in case_ids:
        if case_id in errors:
            rows.append((case_id, None, [None] * width))
        else:
            rows += [(case_id, at, outputs) for at, outputs in enumerate(samples[case_id])]
    columns: dict[str, pa.Array] = {
        "case_id": pa.array([row[0] for row in rows], pa.string()),
        "sample": pa.array([row[1] for row in rows], pa.int64()),
    }
    for index in range(width):
        columns[f"output_{index}"] = pa.array([row[2][index] for row in rows], pa.float64())
    columns["error"] = pa.array([errors.get(row[0]) for row in rows], pa.string())
    return pa.table(columns)


def masks_table(
    case_ids: Sequence[str], masks: Mapping[str, bytes], errors: Mapping[str, str]
) -> pa.Table:
    """The masks a model gave, as its pass leaves them.

    Args:
        case_ids: (n,)
        masks: case id -> packed mask.
        errors: case id -> error code, of failed cases.

    Returns:
        Columns ``case_id``, ``mask`` (binary), ``error``.
    """
    return pa.table(
        {
            "case_id": pa.array(case_ids, pa.string()),
            "mask": pa.array([masks.get(case_id) for case_id in case_ids], pa.binary()),
            "error": pa.array([errors.get(case_id) for case_id in case_ids], pa.string()),
        }
    )


def masks_of(content: pa.Table) -> dict[str, bytes]:
    """Case id -> packed mask, of the cases that have one, from a :func:`masks_table`."""
    found = zip(content["case_id"].to_pylist(), content["mask"].to_pylist(), strict=True)
    return {case_id: mask for case_id, mask in found if mask is not None}
