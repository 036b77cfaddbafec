"""What several masks of each case say of its structures, as numbers: no voxel among them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from ml.evidence.packed import Float32Array, unpacked

FloatArray = NDArray[np.float64]
_OTHERS = ("case_id", "structure", "voxels", "map", "error")
NOT_SAMPLED = "not_predicted"


@dataclass(frozen=True)
class SampledRow:
    """One structure of one case, as a pass leaves it.

    Attributes:
        numbers: by column; None where it is undefined.
        voxels: (t,) of the image that each sample marks.
        map: a packed picture of the case's uncertainty, beside its first structure.
    """

    numbers: Mapping[str, float | None]
    voxels: Float32Array
    map: bytes | None = None


@dataclass(frozen=True)
class SampledMasks:
    """Several masks of n cases, of s structures each: an ensemble's, or of dropout.

    Attributes:
        measures: by name (n, s), as ``ml.engine.sampled_form`` lists them; NaN where undefined.
        voxels: (n, s, t) of the image that each sample marks; NaN where a case failed.
        failures: case id -> error code.
    """

    kind: Literal["members", "dropout"]
    structures: tuple[str, ...]
    measures: Mapping[str, FloatArray]
    voxels: FloatArray
    failures: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        n, s, t = self.voxels.shape
        if s != len(self.structures) or any(one.shape != (n, s) for one in self.measures.values()):
            raise ValueError(f"measures must be of {n} cases and {len(self.structures)} structures")
        if t < 2:
            raise ValueError("one sample says nothing of the spread between them")

    @property
    def answers(self) -> int:
        """How many masks a case has."""
        return int(self.voxels.shape[2])


def sampled_masks_of(
    content: pa.Table,
    case_ids: Sequence[str],
    structures: Sequence[str],
    kind: Literal["members", "dropout"],
) -> SampledMasks | None:
    """The samples of the cohort's cases, in its order; None where a case has one at most.

    Args:
        content: of ``ml.engine.sampled_form``, all shards in one.
        case_ids: (n,) of the cohort.
        structures: that the model marks, in its order.
        kind: passed on.
    """
    voxels = unpacked(content["voxels"]).astype(np.float64)
    if voxels.shape[1] < 2:
        return None
    s, ids = len(structures), content["case_id"].to_pylist()
    row_of = {case_id: at // s for at, case_id in enumerate(ids)}
    pairs = zip(ids, content["error"].to_pylist(), strict=True)
    failures = {case_id: str(error) for case_id, error in pairs if error}
    failures |= {case_id: NOT_SAMPLED for case_id in case_ids if case_id not in row_of}
    last = len(ids) // s  # of cases that are not there: a row of nothing
    places = np.array([row_of.get(case_id, last) for case_id in case_ids], dtype=np.int64)

    def by_case(flat: FloatArray) -> FloatArray:
        """(n, s, ...) of the rows of all cases, in the table's order."""
        whole = flat.reshape(last, s, *flat.shape[1:])
        found: FloatArray = np.concatenate([whole, np.full_like(whole[:1], np.nan)])[places]
        return found

    names = [name for name in content.column_names if name not in _OTHERS]
    columns = {
        name: np.array(content[name].to_numpy(zero_copy_only=False), dtype=np.float64)
        for name in names
    }
    return SampledMasks(
        kind=kind,
        structures=tuple(structures),
        measures={name: by_case(column) for name, column in columns.items()},
        voxels=by_case(voxels),
        failures={one: failures[one] for one in case_ids if one in failures},
    )
