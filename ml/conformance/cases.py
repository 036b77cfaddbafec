"""Reference cases: input, expected values, and where their tables lie."""

import csv
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from ml.stats.arrays import FloatArray

Params = Mapping[str, Any]


@dataclass(frozen=True, eq=False)
class Expected:
    """One published value with the convention it was computed under."""

    metric: str
    params: Params
    value: Any  # number, list, object; None: must be reported undefined
    tol: float  # absolute; at least 1e-9 of the value is always granted
    known_wrong: Any = None  # what a popular package returns; matching it is a failure


@dataclass(frozen=True, eq=False)
class Case:
    """Input and expected values. Compared by identity, so that answers can be cached by case."""

    id: str
    area: str
    input: Mapping[str, Any]
    expected: tuple[Expected, ...]
    folder: Path
    _columns: dict[str, dict[str, list[str]]] = field(default_factory=dict)

    def numbers(self, key: str) -> FloatArray:
        """An input list as float64; null becomes NaN."""
        return np.array(self.input[key], dtype=np.float64)

    def columns(self, key: str = "file") -> dict[str, list[str]]:
        """The columns of the CSV file that an input key names, as texts."""
        name = str(self.input[key])
        if name not in self._columns:
            with (self.folder / name).open(newline="", encoding="utf-8") as file:
                rows = list(csv.DictReader(file))
            self._columns[name] = {column: [row[column] for row in rows] for column in rows[0]}
        return self._columns[name]


def read_cases(paths: Iterable[Path]) -> Iterator[Case]:
    """All cases of files and folders, in order of file name.

    Raises:
        FileNotFoundError: for a path that does not exist, or a folder without a case.
        ValueError: for a file that does not follow the schema.
    """
    for path in paths:
        files = sorted(path.glob("*.json")) if path.is_dir() else [path]
        if not files:
            raise FileNotFoundError(f"no reference case (*.json) in {path}")
        for file in files:
            document = json.loads(file.read_text(encoding="utf-8"))
            try:
                yield from _cases(document, file)
            except (KeyError, TypeError) as error:
                raise ValueError(f"{file.name} does not follow the schema: {error!r}") from error


def _cases(document: dict[str, Any], file: Path) -> Iterator[Case]:
    parts = document.get("cases") or [document]
    for at, part in enumerate(parts):
        number = f"[{at}]" if len(parts) > 1 else ""
        yield Case(
            id=f"{document['id']}{number}",
            area=document["area"],
            input=part["input"],
            expected=tuple(
                Expected(
                    row["metric"], row.get("params") or {}, row["value"],
                    float(row.get("tol") or 0.0), row.get("known_wrong_value"),
                )
                for row in part["expected"]
            ),
            folder=file.parent,
        )  # fmt: skip
