"""What the table of a pass must look like, known before the pass is run; a child may lie."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import prod

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from ml.evidence.checked import check_head, most_bytes
from ml.evidence.packed import BYTES, unpacked
from ml.evidence.store import EvidenceError, table

Key = str | int
_TYPES: dict[type, pa.DataType] = {str: pa.string(), int: pa.int64()}


@dataclass(frozen=True)
class Form:
    """The columns and rows of a pass's table: as many rows for every case, in one order.

    Attributes:
        keys: columns that tell the rows of one case apart, with their values in order; each has
            as many. Without any, a case has one row.
        numbers: columns of one finite float64 each, null where the row has an error.
        loose: of these, columns that may be null elsewhere too.
        arrays: columns of many float32 each, with the most numbers that a row can have.
        sides: columns of one int64 each, whose product is the width of all arrays: the same in
            every row.
        blobs: columns of bytes, with the most that one can have, in the first row of a case alone;
            it may be null.
    """

    keys: Mapping[str, Sequence[Key]] = field(default_factory=dict)
    numbers: tuple[str, ...] = ()
    loose: tuple[str, ...] = ()
    arrays: Mapping[str, int] = field(default_factory=dict)
    sides: tuple[str, ...] = ()
    blobs: Mapping[str, int] = field(default_factory=dict)

    @property
    def rows(self) -> int:
        """Of one case."""
        return next((len(values) for values in self.keys.values()), 1)

    def most_bytes(self, cases: int) -> int:
        """The size, compressed or not, that the table of so many cases cannot exceed."""
        rows = cases * self.rows
        of_cases = cases * sum(self.blobs.values())
        return most_bytes(rows) + rows * BYTES * sum(self.arrays.values()) + of_cases

    def check(self, data: bytes, case_ids: Sequence[str]) -> None:
        """See that a table is of these cases and of this form.

        Raises:
            EvidenceError: with what it is instead.
        """
        rows = len(case_ids) * self.rows
        columns = {"case_id": pa.string(), "error": pa.string()}
        columns |= {name: _TYPES[type(values[0])] for name, values in self.keys.items()}
        columns |= dict.fromkeys(self.numbers, pa.float64())
        columns |= dict.fromkeys(self.sides, pa.int64())
        columns |= dict.fromkeys(self.blobs, pa.binary())
        check_head(
            data, columns, rows, rows, packed=self.arrays, most=self.most_bytes(len(case_ids))
        )
        found = table(data)
        if found["case_id"].to_pylist() != [one for one in case_ids for _ in range(self.rows)]:
            raise EvidenceError("its cases are not those that were asked for")
        for name, values in self.keys.items():
            if found[name].to_pylist() != list(values) * len(case_ids):
                raise EvidenceError(f"its column {name} is not what was asked for")
        self._check_values(found)

    def _check_values(self, found: pa.Table) -> None:
        """Finite numbers where there is no error, and none where there is one."""
        failed = np.array([bool(error) for error in found["error"].to_pylist()], dtype=bool)
        for name in (*self.numbers, *self.sides, *self.arrays):
            column = found[name]
            missing = column.is_null().to_numpy(zero_copy_only=False)
            if (missing < failed).any() or (name not in self.loose and (missing > failed).any()):
                raise EvidenceError(
                    f"its column {name} has not one value for each row that went well"
                )
            if name in self.sides:
                continue
            if name in self.arrays:
                fine = bool(np.isfinite(unpacked(column)[~missing]).all())
            else:
                numbers = column.to_numpy(zero_copy_only=False)
                fine = bool(np.isfinite(numbers[~missing]).all())
            if not fine:
                raise EvidenceError(f"its column {name} holds what is no number")
        if self.sides:
            self._check_sides(found, failed)
        for name, most in self.blobs.items():
            sizes = np.array([-1 if one is None else len(one) for one in found[name].to_pylist()])
            alone = np.arange(sizes.size) % self.rows == 0
            if (sizes > np.where(alone & ~failed, most, -1)).any():
                raise EvidenceError(
                    f"its column {name} holds more than it may, or where it may not"
                )

    def _check_sides(self, found: pa.Table, failed: NDArray[np.bool_]) -> None:
        """One shape for all, and as many numbers as it says."""
        rows = zip(*(found[name].to_pylist() for name in self.sides), strict=True)
        shapes = {shape for shape, error in zip(rows, failed, strict=True) if not error}
        widths = {found[name].type.byte_width // BYTES for name in self.arrays}
        if any(min(shape) < 1 or widths != {prod(shape)} for shape in shapes) or len(shapes) > 1:
            raise EvidenceError(
                f"its columns {', '.join(self.sides)} are not the sides of its maps"
            )
