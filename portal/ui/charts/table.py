"""The table behind a chart: the same numbers, written for people or as CSV for machines."""

import csv
import io
from collections.abc import Sequence
from typing import NamedTuple

from portal.ui import numbers

Cell = str | int | float | None

NOT_ESTIMATED = "not estimated"


class Table(NamedTuple):
    """Column heads and rows; numbers are raw fractions and counts, None is undefined."""

    head: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]

    @property
    def numeric(self) -> frozenset[int]:
        """The columns that hold numbers, which are set to the right."""
        return frozenset(
            k
            for k in range(len(self.head))
            if self.rows and all(not isinstance(row[k], str) for row in self.rows)
        )

    @property
    def written(self) -> list[list[str]]:
        """The rows as text, by the rules for numbers."""
        return [[_write(cell) for cell in row] for row in self.rows]


def csv_text(table: Table) -> str:
    """RFC 4180, full precision; an undefined number is an empty field."""
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(table.head)
    writer.writerows(table.rows)
    return out.getvalue()


def build(head: Sequence[str], rows: Sequence[Sequence[Cell]]) -> Table:
    return Table(tuple(head), tuple(tuple(row) for row in rows))


def _write(cell: Cell) -> str:
    if cell is None:
        return NOT_ESTIMATED
    if isinstance(cell, str):
        return cell
    return numbers.count(cell) if isinstance(cell, int) else numbers.decimal(cell)
