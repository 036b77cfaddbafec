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
    """Several answers to n cases in m versions of each: as they are (first), and corrupted.

    Attributes:
        keys: corruption and severity, (m,) each.
        outputs: (n, m, t, k) raw, of t draws; NaN where a version failed or was not run.
        failures: case id -> error code of its first row that failed.
        kind: of the draws; "" where nobody said what the outputs mean.
        score: (n, m, t) P(finding present).
    """

    keys: Mapping[str, tuple[str | int, ...]]
    outputs: FloatArray
    failures: Mapping[str, str] = field(default_factory=dict)
    kind: Literal["members", "dropout", "samples", ""] = ""
    score: FloatArray | None = None


def sampled_copies_of(table: pa.Table, case_ids: Sequence[str]) -> SampledCopies:
    """What the pass left of all cases, or of some."""
    ids = table["case_id"].to_pylist()
    m = ids.count(ids[0])
    sides = zip(table[DRAWS].to_pylist(), table[OUTPUTS].to_pylist(), strict=True)
    flat = unpacked(table[SAMPLES])
    draws, outputs = next((one for one in sides if one != (None, None)), (1, flat.shape[1]))
    found = flat.reshape(-1, m, draws, outputs).astype(np.float64)
    row_of = {case_id: at for at, case_id in enumerate(ids[::m])}
    raw = np.full((len(case_ids), *found.shape[1:]), np.nan)
    ran = [at for at, case_id in enumerate(case_ids) if case_id in row_of]
    raw[ran] = found[[row_of[case_ids[at]] for at in ran]]
    failures: dict[str, str] = {}
    for case_id, error in zip(ids, table["error"].to_pylist(), strict=True):
        if error:
            failures.setdefault(case_id, error)
    keys = {name: tuple(table[name].to_pylist()[:m]) for name in ("corruption", "severity")}
    return SampledCopies(keys, raw, failures)
