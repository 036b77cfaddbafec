"""Many numbers of one row in one flat column: float32, little-endian, as many in every row.

A Parquet column of lists may hold any number of numbers whatever the rows say; one of a fixed width
is as large as its head says, so it can be bounded before it is read.
"""

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

Float32Array = NDArray[np.float32]
BYTES = 4


def packed(rows: Sequence[Float32Array | None], width: int | None = None) -> pa.Array:
    """A column of a fixed width from one array per row.

    Args:
        rows: of equal size each, any shape; None where a case failed.
        width: numbers of a row; by default those of the first that is there, else 1.

    Raises:
        ValueError: if the rows are not of one size.

    Example:
        >>> unpacked(packed([np.array([1.0, 2.0], np.float32), None]))
        array([[ 1.,  2.],
               [nan, nan]], dtype=float32)
    """
    sizes = {row.size for row in rows if row is not None}
    width = width or next(iter(sizes), 1)
    if sizes - {width}:
        raise ValueError(f"rows of {sorted(sizes)} numbers cannot share a column of {width}")
    flat = [None if row is None else row.astype("<f4").tobytes() for row in rows]
    return pa.array(flat, pa.binary(width * BYTES))


def unpacked(column: pa.ChunkedArray | pa.Array) -> Float32Array:
    """(n, width) the numbers of a column; NaN rows where a case failed."""
    width = column.type.byte_width // BYTES
    empty = np.full(width, np.nan, dtype="<f4").tobytes()
    joined = b"".join(empty if one is None else one for one in column.to_pylist())
    return np.frombuffer(joined, dtype="<f4").reshape(-1, width).astype(np.float32)
