"""Outputs on changed copies of every case: what corrupting and moving pictures have in common."""

from collections.abc import Callable, Iterator, Sequence
from typing import Protocol, TypeVar

import numpy as np
import pyarrow as pa

from ml.engine.cases import Case
from ml.engine.device import CPU, Device
from ml.engine.predict import NON_FINITE, Outputs, in_batches
from ml.engine.session import Session
from ml.evidence.forms import Form
from ml.imaging.declared import Input
from ml.imaging.intensity import FloatArray, from_unit, to_unit
from ml.imaging.preprocess import Float32Array
from ml.sandbox.messages import Reporter

Versions = list[list[float] | None]  # of one case: the numbers of each copy
Row = TypeVar("Row")
OfCopies = Callable[[int, Float32Array], FloatArray]


class Change(Protocol):
    """A corruption or a move: from a picture (height, width, channels) 0..1 to a copy of it."""

    def __call__(self, picture: FloatArray, step: int, case: str, seed: int, /) -> FloatArray: ...


class Look(Protocol):
    """Looks at a batch as it is (n, ...), and then at the copies of each version in turn.

    What it returns takes the place of the version and the copies (n, ...), and gives (n, q) further
    numbers of each, NaN where there is none.
    """

    def __call__(self, members: Sequence[Case], arrays: Float32Array) -> OfCopies: ...


def each_copy(
    members: Sequence[Case],
    arrays: Float32Array,
    declared: Input,
    wanted: Sequence[tuple[Change, int]],
    seed: int,
) -> Iterator[Float32Array]:
    """The copies (n, ...) of n prepared cases, one change after the other.

    Args:
        members, arrays: the cases, and what they are prepared.
        wanted, seed: as of :func:`outputs_on_copies`.
    """
    pictures = [to_unit(array, declared) for array in arrays]
    for change, step in wanted:
        yield np.stack(
            [
                from_unit(change(picture, step, case.case_id, seed), declared)
                for case, picture in zip(members, pictures, strict=True)
            ]
        )


def outputs_on_copies(
    session: Session,
    declared: Input,
    cases: Sequence[Case],
    wanted: Sequence[tuple[Change, int]],
    *,
    seed: int,
    batch: int = 8,
    device: Device = CPU,
    reporter: Reporter,
    look: Look | None = None,
) -> Outputs[Versions]:
    """Run the model over changed copies of cases.

    What the model would have taken is brought back to intensities from 0 to 1, changed there in
    floats and at its size, and normalised again: a step is the same on every picture size of one
    model, and nothing is rounded or resized away.

    Args:
        wanted: changes, and how far each.
        seed: random numbers depend on it, the case and the change, and on nothing of a batch.
        look: gives further numbers of each copy, behind its outputs.

    Returns:
        By case, the raw outputs of each copy in order; None where they are not finite.
    """

    def rows(members: Sequence[Case], arrays: Float32Array) -> list[Versions | None]:
        of_copies = None if look is None else look(members, arrays)
        found: list[Versions] = [[] for _ in members]
        for at, copies in enumerate(each_copy(members, arrays, declared, wanted, seed)):
            outputs = session.run(copies)
            fine = np.asarray(np.isfinite(outputs).all(axis=1))
            values = outputs
            if of_copies is not None:
                values = np.concatenate([outputs, of_copies(at, copies)], axis=1)
            for row, numbers, known in zip(found, values, fine, strict=True):
                row.append(numbers.tolist() if known else None)
        return list(found)

    return in_batches(declared, cases, rows, batch=batch, device=device, reporter=reporter)


def rows_table(case_ids: Sequence[str], shape: Form, found: Outputs[Versions]) -> pa.Table:
    """The table of a pass that leaves numbers in several rows of each case.

    Args:
        shape: its form, with the numbers in their order.
        found: by case, the numbers of each row; None where the row failed. NaN, of numbers that
            may be missing, is null in the table.
    """
    rows, columns, errors = flat_rows(case_ids, shape, found)
    for at, name in enumerate(shape.numbers):
        numbers = [np.nan if row is None else row[at] for row in rows]
        columns[name] = pa.array(numbers, pa.float64(), from_pandas=True)  # NaN becomes null
    return pa.table({**columns, "error": errors})


def flat_rows(
    case_ids: Sequence[str], shape: Form, found: Outputs[list[Row | None]]
) -> tuple[list[Row | None], dict[str, pa.Array], pa.Array]:
    """What is known of each row of a table, its cases and keys as columns, and the errors.

    Args:
        shape: form of the table.
        found: by case, each row; None where the row failed.
    """
    nothing: list[Row | None] = [None] * shape.rows
    rows = [row for one in case_ids for row in found.rows.get(one, nothing)]
    missing = [
        found.errors.get(one) or (NON_FINITE if row is None else None)
        for one in case_ids
        for row in found.rows.get(one, nothing)
    ]
    columns: dict[str, pa.Array] = {
        "case_id": pa.array([one for one in case_ids for _ in range(shape.rows)], pa.string())
    }
    for name, values in shape.keys.items():
        columns[name] = pa.array(list(values) * len(case_ids))
    return rows, columns, pa.array(missing, pa.string())
