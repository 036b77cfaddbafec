"""The columns of a table as arrays; whatever cannot be one is refused by file and row."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ml.intake.folder import Folder
from ml.intake.predictions import finite
from ml.intake.refusal import Problems, refuse
from ml.intake.tables import Csv, read_csv
from ml.stats.arrays import FloatArray, IntArray
from ml.stats.clusters import Clusters

_LARGEST = 1e100


@dataclass(frozen=True)
class Table:
    csv: Csv
    cluster: str | None

    @classmethod
    def read(cls, path: Path, columns: list[str], cluster: str | None) -> "Table":
        """A CSV file with at least these columns.

        Raises:
            Refused: csv_header and the other codes of tables.
        """
        folder = Folder(path.resolve().parent, {path.name: path.stat().st_size}, temporary=False)
        problems = Problems()
        required = list(dict.fromkeys([*columns, *([cluster] if cluster else [])]))
        table = read_csv(folder, path.name, required=required, problems=problems)
        problems.raise_if_any()
        return cls(table, cluster)

    @property
    def size(self) -> int:
        return len(self.csv.rows)

    def texts(self, column: str) -> list[str]:
        return [row.cells[column] for row in self.csv.rows]

    def numbers(self, column: str, *, gaps: bool = False) -> FloatArray:
        """(m,) finite numbers; an empty cell is NaN where gaps are allowed.

        Raises:
            Refused: label_value, with the row.
        """
        numbers = []
        for row in self.csv.rows:
            text = row.get(column)
            if text is None and gaps:
                numbers.append(np.nan)
                continue
            number = finite(text)
            if number is None:
                raise refuse(
                    "label_value", f"'{column}' must be a number.", file=self.csv.file,
                    row=row.number,
                )  # fmt: skip
            if abs(number) > _LARGEST:
                raise refuse(
                    "label_value", f"'{column}' must lie within 1e100: its square overflows.",
                    file=self.csv.file, row=row.number,
                )  # fmt: skip
            numbers.append(number)
        return np.array(numbers, dtype=np.float64)

    def zero_or_one(self, column: str) -> IntArray:
        """(m,) 1 and 0.

        Raises:
            Refused: label_value, with the row.
        """
        numbers = self.numbers(column)
        for row, number in zip(self.csv.rows, numbers, strict=True):
            if number not in (0, 1):
                raise refuse(
                    "label_value", f"'{column}' must be 1 or 0.", file=self.csv.file,
                    row=row.number,
                )  # fmt: skip
        return numbers.astype(np.int64)

    def codes(self, column: str, declared: list[str] | None = None) -> tuple[IntArray, list[str]]:
        """(m,) places of the texts among the declared ones, else in order of appearance.

        Raises:
            Refused: label_value for a text that is not declared.
        """
        names = declared or list(dict.fromkeys(self.texts(column)))
        place = {name: at for at, name in enumerate(names)}
        for row in self.csv.rows:
            if row.cells[column] not in place:
                raise refuse(
                    "label_value", f"{row.cells[column]!r} is not in --values.",
                    file=self.csv.file, row=row.number,
                )  # fmt: skip
        found = [place[text] for text in self.texts(column)]
        return np.array(found, dtype=np.int64), names

    def clusters(self) -> Clusters:
        if self.cluster is None:
            return Clusters.singles(self.size)
        return Clusters.of(self.codes(self.cluster)[0], "group")
