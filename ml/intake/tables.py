"""CSV files, read strictly: every complaint with its file and row number (the header is row 1)."""

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass

from ml.intake.folder import Folder
from ml.intake.refusal import Problems, refuse

MOST_BYTES = 256 * 1024**2
MOST_COLUMNS = 1000
LONGEST_CELL = 10_000


@dataclass(frozen=True)
class Row:
    number: int  # the header is row 1
    cells: dict[str, str]  # column -> text, stripped; "" when empty

    def get(self, column: str) -> str | None:
        """The text of a cell; None when it is empty or the column is absent."""
        return self.cells.get(column) or None


@dataclass(frozen=True)
class Csv:
    file: str
    columns: tuple[str, ...]
    rows: tuple[Row, ...]


def read_csv(folder: Folder, file: str, *, required: Sequence[str], problems: Problems) -> Csv:
    """Read a table whose encoding is UTF-8 (a byte-order mark is accepted).

    Rows with too few or too many cells go to ``problems`` and are left out.

    Raises:
        Refused: when the file as a whole cannot be read: csv_encoding, csv_header, csv_columns,
            csv_format, csv_empty, too_large.
    """
    text = _text(folder.read(file, most=MOST_BYTES), file)
    reader = csv.reader(io.StringIO(text, newline=""), strict=True, skipinitialspace=True)
    try:
        columns = _columns(next(reader, []), file, required)
        rows = []
        for number, cells in enumerate(reader, 2):
            if not any(cell.strip() for cell in cells):
                continue
            if len(cells) != len(columns):
                problems.add(
                    "csv_row",
                    f"The row has {len(cells)} cells, the header has {len(columns)}.",
                    file=file,
                    row=number,
                )
                continue
            rows.append(Row(number, dict(zip(columns, map(str.strip, cells), strict=True))))
    except csv.Error as error:
        raise refuse(
            "csv_format",
            f"The table cannot be read near line {reader.line_num}: {error}.",
            file=file,
            row=reader.line_num,
        ) from None
    if not rows and not problems.refusals:
        raise refuse("csv_empty", "The table has no rows.", file=file)
    return Csv(file, columns, tuple(rows))


def _text(data: bytes, file: str) -> str:
    if data.startswith((b"\xff\xfe", b"\xfe\xff")) or b"\0" in data:
        raise refuse(
            "csv_encoding",
            "Save the table as UTF-8: this one is UTF-16 or holds zero bytes.",
            file=file,
        )
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise refuse(
            "csv_encoding",
            "Save the table as UTF-8: it holds bytes of another encoding.",
            file=file,
            row=data[: error.start].count(b"\n") + 1,
        ) from None


def _columns(header: list[str], file: str, required: Sequence[str]) -> tuple[str, ...]:
    columns = tuple(name.strip() for name in header)
    if not any(columns):
        raise refuse("csv_header", "The first line is empty: it must name the columns.",
                     file=file, row=1)  # fmt: skip
    if len(columns) > MOST_COLUMNS:
        raise refuse(
            "csv_columns",
            f"The table has {len(columns):,} columns; at most {MOST_COLUMNS:,} are read.",
            file=file,
            row=1,
        )
    if len(columns) == 1 and ";" in columns[0]:
        raise refuse("csv_header", "Separate the columns by commas.", file=file, row=1)
    if len(set(columns)) < len(columns) or "" in columns:
        raise refuse("csv_header", "Every column needs a name of its own.", file=file, row=1)
    missing = [name for name in required if name not in columns]
    if missing:
        raise refuse(
            "csv_header", f"The header lacks the column {', '.join(missing)}.", file=file, row=1
        )
    return columns


def bad_id(text: str | None, *, in_address: bool = True) -> str | None:
    """Why a text cannot be an identifier, as a sentence; None when it can."""
    if not text:
        return "An identifier is missing."
    if len(text) > 200 or not text.isprintable():
        return "An identifier has at most 200 printable characters."
    if in_address and (not text.strip(".") or "/" in text or "\\" in text):
        return "An identifier is part of an address: it holds no slash and is not only dots."
    return None
