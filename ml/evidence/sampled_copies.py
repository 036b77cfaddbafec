"""Several answers to corrupted copies, as the pass that samples them left them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from ml.evidence.packed import unpacked

FloatArray = NDArray[np.float64]
DRAWS, OUTPUTS, SAMPLES = "draws", "answers", "samples"  # columns


@dataclass(frozen=True)
class SampledCopies:
    """Several answers to r of n cases in m versions of each: as they are (first), and corrupted.

    Kept of the cases that were run alone: of a large cohort these are few.

    Attributes:
        keys: corruption and severity, (m,) each.
        place: (n,) of each case in what follows; -1 where it was not run.
        outputs: (r, m, t, k) raw, of t draws; NaN where a version failed.
        failures: case id -> error code of its first row that failed.
        kind: of the draws; "" where nobody said what the outputs mean.
        score: (r, m, t) P(finding present).
    """

    keys: Mapping[str, tuple[str | int, ...]]
    place: NDArray[np.int64]
    outputs: FloatArray
    failures: Mapping[str, str] = field(default_factory=dict)
    kind: Literal["members", "dropout", "samples", ""] = ""
    score: FloatArray | None = None

    def scores_of(self, rows: NDArray[np.int64], version: int) -> FloatArray:
        """(len(rows), t) P(finding present) of some cases; NaN where there is none.

        Args:
            rows: of the evidence.
            version: place along m.
        """
        assert self.score is not None
        found = np.full((rows.size, self.score.shape[2]), np.nan)
        ran = self.place[rows] >= 0
        found[ran] = self.score[self.place[rows[ran]], version]
        return found


def sampled_copies_of(table: pa.Table, case_ids: Sequence[str]) -> SampledCopies:
    """What the pass left of all cases, or of some."""
    ids = table["case_id"].to_pylist()
    m = ids.count(ids[0])
    sides = zip(table[DRAWS].to_pylist(), table[OUTPUTS].to_pylist(), strict=True)
    flat = unpacked(table[SAMPLES])
    draws, outputs = next((one for one in sides if one != (None, None)), (1, flat.shape[1]))
    raw = flat.reshape(-1, m, draws, outputs).astype(np.float64)
    row_of = {case_id: at for at, case_id in enumerate(ids[::m])}
    place = np.array([row_of.get(case_id, -1) for case_id in case_ids], dtype=np.int64)
    failures: dict[str, str] = {}
    for case_id, error in zip(ids, table["error"].to_pylist(), strict=True):
        if error:
            failures.setdefault(case_id, error)
    keys = {name: tuple(table[name].to_pylist()[:m]) for name in ("corruption", "severity")}
    return SampledCopies(keys, place, raw, failures)
