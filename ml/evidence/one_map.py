"""One map out of the table of the attribute pass, for who looks at it."""

from dataclasses import dataclass

from ml.evidence.mask_copies import STRUCTURE
from ml.evidence.passes import DEPTH
from ml.evidence.store import table


@dataclass(frozen=True)
class OneMap:
    """Of one case, and of a model that segments of one structure.

    Attributes:
        sides: (depth, rows, columns) of a volume, (rows, columns) of a picture; () without a map.
        values: float32, little-endian, the last side the fastest; b"" without a map.
        score: that it explains; None without a map.
        error: why there is none; "" where there is one.
    """

    sides: tuple[int, ...]
    values: bytes
    score: float | None
    error: str


def map_of(data: bytes, case_id: str, structure: int | None = None) -> OneMap | None:
    """The map of a case; None where the table has no such row.

    Args:
        data: a table that was held against its form.
        structure: of a model that segments, counted from 0.
    """
    found = table(data)
    marks = STRUCTURE in found.column_names
    if marks != (structure is not None):
        return None
    structures = found[STRUCTURE].to_pylist() if marks else [None] * len(found)
    rows = zip(found["case_id"].to_pylist(), structures, strict=True)
    at = next((at for at, row in enumerate(rows) if row == (case_id, structure)), None)
    if at is None:
        return None
    error = found["error"][at].as_py()
    if error:
        return OneMap((), b"", None, error)
    names = [name for name in (DEPTH, "rows", "columns") if name in found.column_names]
    sides = tuple(int(found[name][at].as_py()) for name in names)
    return OneMap(sides, found["map"][at].as_py(), float(found["score"][at].as_py()), "")
