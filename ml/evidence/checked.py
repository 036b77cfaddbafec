"""Evidence as a child left it, held against what was asked for before anything reads it."""

import re
from collections.abc import Mapping, Sequence

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from ml.evidence.packed import BYTES
from ml.evidence.store import EvidenceError, cases_of, table

_HEAD_BYTES = 1 << 20  # the file's own words: columns, row groups, pages
_ROW_BYTES = 4096  # of one row, uncompressed: names of at most 480 bytes, and numbers
_SHA256 = re.compile("[0-9a-f]{64}")
_MASK_BYTES = 32 << 20  # of one packed mask
_COMPARED_TEXT = ("a", "b")


def most_bytes(rows: int) -> int:
    """The size, compressed or not, that a table of so many rows cannot exceed."""
    return _HEAD_BYTES + rows * _ROW_BYTES


def most_outputs_bytes(rows: int, packed: Mapping[str, int] | None = None) -> int:
    """The same of a table of outputs with further columns of many numbers."""
    return most_bytes(rows) + rows * BYTES * sum((packed or {}).values())


def most_mask_bytes(rows: int) -> int:
    """As ``most_bytes``, of a table that holds a mask in each row."""
    return most_bytes(rows) + rows * _MASK_BYTES


def most_comparisons(structures: int, masks: Sequence[int]) -> int:
    """Rows that the comparisons of cases can have at most.

    Args:
        structures: of the cohort.
        masks: how many each case has. Each may be compared with every other, and with two
            majorities; a case that fails has one row.
    """
    return sum(max(1, structures * (n * n + 4 * n)) for n in masks)


def check_outputs(
    data: bytes, case_ids: Sequence[str], width: int, packed: Mapping[str, int] | None = None
) -> None:
    """See that a table holds one row per case of a shard, in order, and `width` outputs.

    Args:
        packed: further columns of many numbers, with the most that a row can have.

    Raises:
        EvidenceError: with what it is instead.
    """
    columns = {"case_id": pa.string(), "error": pa.string()}
    columns |= {f"output_{at}": pa.float64() for at in range(width)}
    rows = len(case_ids)
    most = most_outputs_bytes(rows, packed)
    check_head(data, columns, rows, rows, packed=packed, most=most)
    if table(data)["case_id"].to_pylist() != list(case_ids):
        raise EvidenceError("its cases are not those that were asked for")


def check_samples(data: bytes, case_ids: Sequence[str], width: int, samples: int) -> None:
    """See that a table holds `samples` rows of `width` outputs per case of a shard, in order.

    A case that failed has one row, with its error and nothing else.

    Raises:
        EvidenceError: with what it is instead.
    """
    columns = {"case_id": pa.string(), "error": pa.string(), "sample": pa.int64()}
    columns |= {f"output_{at}": pa.float64() for at in range(width)}
    check_head(data, columns, len(case_ids), len(case_ids) * samples)
    found = table(data)
    failed = {
        case_id
        for case_id, error in zip(
            found["case_id"].to_pylist(), found["error"].to_pylist(), strict=True
        )
        if error is not None
    }
    expected = [
        (case_id, at)
        for case_id in case_ids
        for at in ([None] if case_id in failed else range(samples))
    ]
    numbered = zip(found["case_id"].to_pylist(), found["sample"].to_pylist(), strict=True)
    if list(numbered) != expected:
        raise EvidenceError("its cases and samples are not those that were asked for")


def check_masks(data: bytes, case_ids: Sequence[str]) -> None:
    """See that a table holds one row per case of a shard, in order: a mask or an error.

    What the bytes of a mask mean is asked by the child that compares them, and by no other.

    Raises:
        EvidenceError: with what it is instead.
    """
    columns = {"case_id": pa.string(), "mask": pa.binary(), "error": pa.string()}
    rows = len(case_ids)
    check_head(data, columns, rows, rows, most=most_mask_bytes(rows))
    found = table(data)
    if found["case_id"].to_pylist() != list(case_ids):
        raise EvidenceError("its cases are not those that were asked for")
    masks, errors = found["mask"].is_null().to_pylist(), found["error"].is_null().to_pylist()
    if any(no_mask == no_error for no_mask, no_error in zip(masks, errors, strict=True)):
        raise EvidenceError("a case has neither a mask nor an error, or both")


def check_comparisons(data: bytes, case_ids: Sequence[str], most_rows: int) -> None:
    """See that a table compares masks of the cases of a shard, in order.

    Raises:
        EvidenceError: with what it is instead.
    """
    columns = {"case_id": pa.string(), "error": pa.string(), "structure": pa.int64()}
    columns |= dict.fromkeys(_COMPARED_TEXT, pa.string())
    check_head(data, columns, len(case_ids) and 1, most_rows, others=pa.float64())
    order = {case_id: at for at, case_id in enumerate(case_ids)}
    places = [order.get(case_id, -1) for case_id in cases_of(table(data))]
    if -1 in places or places != sorted(places):
        raise EvidenceError("its cases are not those that were asked for")


def check_predictions(data: bytes, cases: int, width: int, answers: int = 0) -> None:
    """See that a table holds `width` finite outputs for each of so many cases, each once.

    Args:
        answers: where a case has several, how many; they are numbered in `sample`, case by case.

    Raises:
        EvidenceError: with what it is instead.
    """
    columns = {"case_id": pa.string(), "error": pa.string()}
    outputs = [f"output_{at}" for at in range(width)]
    columns |= dict.fromkeys(outputs, pa.float64())
    if answers:
        columns["sample"] = pa.int64()
    rows = cases * (answers or 1)
    check_head(data, columns, rows, rows, most=_HEAD_BYTES + rows * (_ROW_BYTES + 16 * width))
    found = table(data)
    ids = _check_cases(found, cases)
    if answers and (
        found["case_id"].to_pylist() != [case_id for case_id in ids for _ in range(answers)]
        or found["sample"].to_pylist() != list(range(answers)) * cases
    ):
        raise EvidenceError("its answers are not numbered case by case")
    if any(
        found[name].null_count or not pc.all(pc.is_finite(found[name])).as_py() for name in outputs
    ):
        raise EvidenceError("an output is no number")


def check_predicted_masks(data: bytes, rows: int) -> None:
    """See that a table names one mask, by its SHA-256, for each of so many cases.

    Raises:
        EvidenceError: with what it is instead.
    """
    check_head(data, dict.fromkeys(("case_id", "mask", "error"), pa.string()), rows, rows)
    found = table(data)
    _check_cases(found, rows)
    masks = found["mask"].to_pylist()
    if not all(isinstance(mask, str) and _SHA256.fullmatch(mask) for mask in masks):
        raise EvidenceError("a mask is not named by its SHA-256")


def _check_cases(found: pa.Table, cases: int) -> list[str]:
    ids = cases_of(found)
    if None in ids or len(ids) != cases:
        raise EvidenceError("a case is there twice, or has no name")
    if found["error"].null_count < found.num_rows:
        raise EvidenceError("a case that was handed in has an error")
    return ids


def check_head(
    data: bytes,
    columns: dict[str, pa.DataType],
    least_rows: int,
    most_rows: int,
    others: pa.DataType | None = None,
    packed: Mapping[str, int] | None = None,
    most: int | None = None,
) -> None:
    """Hold what the file says of itself against what it may be; no row is read.

    Args:
        columns: name -> type, all of which must be there.
        others: the type of any further column; None if there may be none.
        packed: name -> most numbers of a row, columns of ``ml.evidence.packed``; all must be there.
        most: its contents have at most so many bytes; by default :func:`most_bytes`.

    Raises:
        EvidenceError: with what it is instead.
    """
    try:
        head = pq.read_metadata(pa.BufferReader(data))
        schema = head.schema.to_arrow_schema()
        size = sum(
            head.row_group(group).column(column).total_uncompressed_size
            for group in range(head.num_row_groups)
            for column in range(head.num_columns)
        )
    except (OSError, ValueError, pa.ArrowException) as error:
        raise EvidenceError(f"it cannot be read: {error}") from None
    found = {field.name: field.type for field in schema}
    if len(found) != len(schema) or not columns.items() <= found.items():
        raise EvidenceError("its columns are not those that were asked for")
    for name, numbers in (packed or {}).items():
        if name not in found or not _is_packed(found.pop(name), numbers):
            raise EvidenceError("its columns are not those that were asked for")
    if any(kind != others for name, kind in found.items() if name not in columns):
        raise EvidenceError("it has further columns")
    if not least_rows <= head.num_rows <= most_rows:
        raise EvidenceError(f"it has {head.num_rows} rows; at most {most_rows} can be right")
    if size > (most_bytes(most_rows) if most is None else most):
        raise EvidenceError("its contents are larger than they can be")


def _is_packed(kind: pa.DataType, most_numbers: int) -> bool:
    if not pa.types.is_fixed_size_binary(kind):
        return False
    width: int = kind.byte_width
    return width > 0 and width % BYTES == 0 and width <= most_numbers * BYTES
