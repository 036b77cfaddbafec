"""What the localise pass left: how maps lie on the masks of findings, in numbers."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]
SHOWN, AGAINST = "shown", "against"  # columns
REFERENCE, READER = "reference", "reader:"  # whose mask; a reader's id follows
# Columns of numbers. MARKED counts pixels of the mask as it was handed in; AREA is its share of
# what the network takes; POSITIVE says whether what is shown has evidence above 0 at all.
MARKED, AREA, POSITIVE, TOLERANCE = "marked", "area", "positive", "tolerance"
POINTING, MASS, RANK, TIMES = (
    "pointing_game", "relevance_mass", "relevance_rank", "attribution_localisation",
)  # fmt: skip
IOU_HALF, IOU_BEST, AP = "map_iou", "map_iou_best", "map_ap"
MEASURES = (POINTING, MASS, RANK, TIMES, IOU_HALF, IOU_BEST, AP)
NUMBERS = (MARKED, AREA, POSITIVE, TOLERANCE, *MEASURES)


@dataclass(frozen=True)
class Localised:
    """Of n cases and m comparisons of something shown with somebody's mask.

    Attributes:
        pairs: (m,) what is shown, and whose mask it is held against.
        numbers: by column (n, m); NaN where there is none.
        failures: case id -> error code.
    """

    pairs: tuple[tuple[str, str], ...]
    numbers: Mapping[str, FloatArray]
    failures: Mapping[str, str] = field(default_factory=dict)

    @property
    def readers(self) -> tuple[str, ...]:
        """Whose masks were compared, as ``against`` names them."""
        found = dict.fromkeys(mask for _, mask in self.pairs if mask.startswith(READER))
        return tuple(found)

    def of(self, name: str, shown: str, against: str) -> FloatArray:
        """(n,) one number of every case."""
        return np.asarray(self.numbers[name][:, self.pairs.index((shown, against))])

    def mean_over(self, name: str, pairs: Sequence[tuple[str, str]]) -> FloatArray:
        """(n,) mean of a case's comparisons that have a value; NaN where none has."""
        if not pairs:
            return np.full(len(self.numbers[name]), np.nan)
        every = np.stack([self.of(name, *pair) for pair in pairs], axis=1)
        known = np.isfinite(every)
        sums, n = np.where(known, every, 0.0).sum(axis=1), known.sum(axis=1)
        return np.where(n > 0, sums / np.maximum(n, 1), np.nan)


def localised_of(table: pa.Table, case_ids: Sequence[str]) -> Localised:
    """What the pass left of all cases, or of some.

    Raises:
        ValueError: if cases have rows of their own.
    """
    ids, errors = table["case_id"].to_pylist(), table["error"].to_pylist()
    m = ids.count(ids[0])
    if len(ids) % m or ids != [one for one in ids[::m] for _ in range(m)]:
        raise ValueError("every case has as many rows as any other")
    shown, against = (table[name].to_pylist()[:m] for name in (SHOWN, AGAINST))
    firsts = {case_id: at for at, case_id in enumerate(ids[::m])}
    places = np.array([firsts.get(one, -1) for one in case_ids], dtype=np.int64)
    numbers = {}
    for name in NUMBERS:
        column = np.array(table[name].to_numpy(zero_copy_only=False), dtype=np.float64)
        found = np.full((len(case_ids), m), np.nan)
        found[places >= 0] = column.reshape(-1, m)[places[places >= 0]]
        numbers[name] = found
    failures = {one: error for one, error in zip(ids, errors, strict=True) if error}
    return Localised(tuple(zip(shown, against, strict=True)), numbers, failures)
