"""The nearest image of another collection, by small pictures of both."""

from dataclasses import dataclass

import numpy as np

from ml.stats.arrays import FloatArray, IntArray

_ROWS = 512  # compared with all others at a time
_FLAT = 1e-9  # spread beside size, below which there is no pattern to compare
_LARGEST = 1e70


@dataclass(frozen=True)
class Nearest:
    """Of n images, the most alike of m others."""

    similarity: FloatArray  # (n,) -1..1; NaN where nothing can be compared
    place: IntArray  # (n,) of the other image; -1 where nothing can be compared


def nearest_copy(rows: FloatArray, others: FloatArray) -> Nearest:
    """The other image with the highest normalised cross-correlation, means removed.

    Brightness and contrast do not matter, so a copy that was stored anew is found; a copy that was
    turned or cut is not.

    Args:
        rows: (n, d) small pictures of as many numbers each; a row with NaN is compared with none.
        others: (m, d) likewise.

    Returns:
        Ties go to the first. A row of one single value has no pattern, and is compared with none.

    Raises:
        ValueError: for other shapes, or numbers that are infinite or above 1e70.

    Example:
        >>> found = nearest_copy(np.array([[0.0, 1.0, 3.0]]), np.array([[5.0, 1, 0], [1, 2, 4]]))
        >>> found.place.tolist(), found.similarity.round(6).tolist()
        ([1], [1.0])

    Source:
        Lewis (1995), Vision Interface 120-123 (normalised cross-correlation).
    """
    rows, others = np.asarray(rows, dtype=np.float64), np.asarray(others, dtype=np.float64)
    if rows.ndim != 2 or others.ndim != 2 or rows.shape[1] != others.shape[1]:
        raise ValueError(f"expected (n, d) and (m, d), got {rows.shape} and {others.shape}")
    known, candidates = patterns(rows), patterns(others)
    similarity = np.full(len(rows), np.nan)
    place = np.full(len(rows), -1, dtype=np.int64)
    usable = np.flatnonzero(~np.isnan(candidates).any(axis=1))
    mine = np.flatnonzero(~np.isnan(known).any(axis=1))
    if not usable.size:
        return Nearest(similarity, place)
    others_known = candidates[usable].T
    for start in range(0, mine.size, _ROWS):
        part = mine[start : start + _ROWS]
        alike = known[part] @ others_known
        best = alike.argmax(axis=1)
        place[part] = usable[best]
        similarity[part] = alike[np.arange(part.size), best].clip(-1, 1)
    return Nearest(similarity, place)


def patterns(rows: FloatArray) -> FloatArray:
    """Rows less their means, of length 1; NaN where there is no pattern.

    Raises:
        ValueError: for numbers that are infinite or above 1e70.

    Example:
        >>> patterns(np.array([[1.0, 3.0], [2.0, 2.0]])).round(3).tolist()
        [[-0.707, 0.707], [nan, nan]]
    """
    if (np.abs(rows[~np.isnan(rows)]) > _LARGEST).any():
        raise ValueError(f"numbers above {_LARGEST:g} need another unit")
    if not rows.shape[1]:
        return np.full((len(rows), 1), np.nan)
    size = np.abs(rows).max(axis=1, keepdims=True)
    scaled = np.divide(rows, size, out=np.zeros_like(rows), where=size > 0)  # NaN stays NaN
    centred = scaled - scaled.mean(axis=1, keepdims=True)
    length = np.linalg.norm(centred, axis=1, keepdims=True)
    found: FloatArray = np.full(centred.shape, np.nan)
    np.divide(centred, length, out=found, where=length > _FLAT)
    return found
