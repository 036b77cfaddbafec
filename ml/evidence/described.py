"""What the pass over images alone left, as arrays: one row per case, in the order of the cases."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from ml.evidence.packed import Float32Array, unpacked

FloatArray = NDArray[np.float64]
THUMBNAIL, PIXELS = "thumbnail", "pixels"
THUMBNAIL_NUMBERS = 1024  # of each case
OF_VOLUMES = ("pixel size, mm", "slice distance, mm")  # pictures do not have them
OF_BOTH = ("bytes per pixel",)  # how well it is compressed hangs on what it shows
OF_FILES = OF_VOLUMES  # how an image was written, not what it shows
OF_PIXELS = (
    "mean", "sd", "5th percentile", "median", "95th percentile", "entropy", "share of darkest",
    "edge strength", "fine detail", "border mean", "border sd", "centre minus border",
    "left-right difference", "colour",
)  # fmt: skip


@dataclass(frozen=True)
class CaseImages:
    """Images of n cases in numbers that no model has a part in.

    Attributes:
        names: (m,) of the numbers.
        numbers: (n, m) NaN where the case failed, or has no such number.
        thumbnails: (n, 1024) NaN where the case failed.
        pixels: (n,) SHA-256 of the decoded values, "" where the case failed.
        failures: case id -> error code.
    """

    names: tuple[str, ...]
    numbers: FloatArray
    thumbnails: Float32Array
    pixels: tuple[str, ...]
    failures: Mapping[str, str] = field(default_factory=dict)

    @property
    def known(self) -> NDArray[np.bool_]:
        """(n,) the case could be described."""
        return np.array([bool(one) for one in self.pixels], dtype=np.bool_)


def case_images_of(table: pa.Table, case_ids: Sequence[str]) -> CaseImages:
    """The numbers of all cases, in their order; a case without a row failed."""
    names = [
        name for name in table.column_names if name not in ("case_id", "error", THUMBNAIL, PIXELS)
    ]
    row_of = {case_id: row for row, case_id in enumerate(table["case_id"].to_pylist())}
    places = [row_of.get(case_id, table.num_rows) for case_id in case_ids]  # the last one: nothing
    numbers = np.column_stack(
        [table[name].to_numpy(zero_copy_only=False).astype(np.float64) for name in names]
    )
    small = unpacked(table[THUMBNAIL])
    hashes = ["" if one is None else one.hex() for one in table[PIXELS].to_pylist()] + [""]
    errors = zip(table["case_id"].to_pylist(), table["error"].to_pylist(), strict=True)
    return CaseImages(
        tuple(names),
        np.concatenate([numbers, np.full_like(numbers[:1], np.nan)])[places],
        np.concatenate([small, np.full_like(small[:1], np.nan)])[places],
        tuple(hashes[place] for place in places),
        {case_id: error for case_id, error in errors if error},
    )
