"""The columns of a table as arrays; whatever cannot be one is refused by file and row."""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from ml.intake.folder import Folder
from ml.intake.predictions import finite
from ml.intake.refusal import Problems, Refused, refuse
from ml.intake.tables import Csv, Row, read_csv
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
        """The cells of a column that names something: cases, readers, groups, answers.

        Raises:
            Refused: label_value for an empty cell, which would pass for a name that rows share.
        """
        for row in self.csv.rows:
            if not row.cells[column]:
                raise self._refused(row, f"'{column}' is empty: fill it in, or leave the row out.")
        return [row.cells[column] for row in self.csv.rows]

    def answered(self, *columns: str) -> "Table":
        """The rows whose cells in these columns are not empty.

        Raises:
            Refused: csv_empty when no row is left.
        """
        rows = tuple(row for row in self.csv.rows if all(row.cells[name] for name in columns))
        if not rows:
            names = " and ".join(f"'{name}'" for name in columns)
            raise refuse("csv_empty", f"No row has a value in {names}.", file=self.csv.file)
        return replace(self, csv=replace(self.csv, rows=rows))

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
                raise self._refused(row, _no_number(column, text))
            if abs(number) > _LARGEST:
                words = f"'{column}' must lie within 1e100: its square overflows."
                raise self._refused(row, words)
            numbers.append(number)
        return np.array(numbers, dtype=np.float64)

    def zero_or_one(self, column: str) -> IntArray:
        """(m,) 1 and 0.

        Raises:
            Refused: label_value, with the row.
        """
        numbers = [finite(row.get(column)) for row in self.csv.rows]
        for row, number in zip(self.csv.rows, numbers, strict=True):
            if number not in (0, 1):
                text = row.get(column)
                found = "the cell is empty" if text is None else f"not {_shown(text)}"
                raise self._refused(row, f"'{column}' must be 1 or 0; {found}.")
        return np.array(numbers, dtype=np.int64)

    def codes(
        self, column: str, declared: list[str] | None = None, *, option: str = "--values"
    ) -> tuple[IntArray, list[str]]:
        """(m,) places of the texts among the declared ones, else in order of appearance.

        Args:
            option: what declares them, for the message.

        Raises:
            Refused: label_value for a text that is empty or not declared.
        """
        texts = self.texts(column)
        names = declared or list(dict.fromkeys(texts))
        place = {name: at for at, name in enumerate(names)}
        for row, text in zip(self.csv.rows, texts, strict=True):
            if text not in place:
                told = ", ".join(names[:9]) + (" ..." if len(names) > 9 else "")
                words = f"'{column}' holds {_shown(text)}, which is not in {option}: {told}."
                raise self._refused(row, words)
        return np.array([place[text] for text in texts], dtype=np.int64), names

    def clusters(self) -> Clusters:
        if self.cluster is None:
            return Clusters.singles(self.size)
        return Clusters.of(self.codes(self.cluster)[0], "group")

    def clusters_of(self, case: IntArray) -> Clusters:
        """The independent unit of each case 0, 1 ...; all its rows must name the same one.

        Args:
            case: (m,) the case of each row.

        Raises:
            Refused: reading_duplicate for a case in two units.
        """
        rows = self.clusters()
        first = np.unique(case, return_index=True)[1]
        wrong = np.flatnonzero(rows.codes != rows.codes[first][case])
        if self.cluster is not None and wrong.size:
            row = self.csv.rows[int(wrong[0])]
            raise self._refused(row, "A case lies in two groups.", "reading_duplicate")
        return rows.where(first)

    def _refused(self, row: Row, message: str, code: str = "label_value") -> Refused:
        return refuse(code, message, file=self.csv.file, row=row.number)


def _no_number(column: str, text: str | None) -> str:
    if text is None:
        return f"'{column}' must be a number; the cell is empty: fill it in, or leave the row out."
    return (
        f"'{column}' must be a number, not {_shown(text)}: write digits with a decimal point, "
        "and nothing between thousands."
    )


def _shown(text: str) -> str:
    return repr(text if len(text) <= 40 else f"{text[:40]}...")
