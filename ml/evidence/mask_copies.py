"""What masks of changed copies say of each case and structure, as sizes: no pixel among them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pyarrow as pa

from ml.evidence.passes import BoolArray, Distortion, FloatArray, failures_of, numbers_of, versions

STRUCTURE = "structure"
COUNTS = ("marked", "other", "both")
BACK = ("back_marked", "back_other", "back_both")
NUMBERS = frozenset((*COUNTS, *BACK))
NO_REFERENCE = "no_reference_mask"  # nothing to compare with: no model has failed


@dataclass(frozen=True)
class Sizes:
    """How large two masks are and what they share, in pixels; of one shape, NaN where unknown."""

    marked: FloatArray
    other: FloatArray
    both: FloatArray

    @property
    def dice(self) -> FloatArray:
        """0..1; NaN where both are empty or nothing is known, 0 where one is empty.

        Example:
            >>> Sizes(np.array([4.0, 0.0]), np.array([4.0, 0.0]), np.array([3.0, 0.0])).dice
            array([0.75,  nan])
        """
        total = self.marked + self.other
        found: FloatArray = np.full(total.shape, np.nan)
        np.divide(2 * self.both, total, out=found, where=total > 0)
        return found

    def at(self, *places: Any) -> "Sizes":
        """The same of some cases or versions."""
        return Sizes(*(one[places] for one in (self.marked, self.other, self.both)))


@dataclass(frozen=True)
class MaskCopies:
    """Masks of changed copies of n cases, m of each, of s structures, each against another mask.

    Attributes:
        keys: what tells the copies of a case apart, (m,) each: corruption and severity, or move and
            step.
        sizes: (n, m, s) of the copy's mask (``marked``) and of the one it is held against
            (``other``): the reference mask, or the moved mask of the picture as it is.
        back: (n, m, s) of moved copies: the picture's own mask as it is (``other``), and after it
            was moved there and back (``marked``), which no network took part in.
        failures: case id -> error code of its first row that failed.
        ran: (n,) the pass was run on the case; None where it was on all.
        distortions: by corruption or move.
        offered: how many corruptions there are for such pictures; the protocol may choose fewer.
    """

    keys: Mapping[str, tuple[str | int, ...]]
    sizes: Sizes
    back: Sizes | None = None
    failures: Mapping[str, str] = field(default_factory=dict)
    ran: BoolArray | None = None
    distortions: Mapping[str, Distortion] = field(default_factory=dict)
    offered: int | None = None

    def of(self, structure: int) -> "MaskCopies":
        """The same of one structure: its sizes are (n, m)."""
        back = None if self.back is None else self.back.at(..., structure)
        return replace(self, sizes=self.sizes.at(..., structure), back=back)


def is_of_masks(table: pa.Table) -> bool:
    """Whether a table of copies holds masks, and no outputs."""
    return STRUCTURE in table.column_names


def mask_copies_of(table: pa.Table, case_ids: Sequence[str]) -> MaskCopies:
    """What the corrupt or move pass of a model that segments left, of all cases or of some.

    Raises:
        ValueError: if cases have rows of their own.
    """
    there = set(table["case_id"].to_pylist())
    ran = np.array([case_id in there for case_id in case_ids], dtype=np.bool_)
    keys, places = versions(
        table, [case_id for case_id in case_ids if case_id in there], beside=NUMBERS
    )
    s = len(set(keys.pop(STRUCTURE)))

    def sizes(names: tuple[str, ...]) -> Sizes:
        found = []
        for name in names:
            numbers = np.full((ran.size, places.shape[1]), np.nan)
            numbers[ran] = numbers_of(table, name)[places]
            found.append(numbers.reshape(ran.size, -1, s))
        return Sizes(*found)

    return MaskCopies(
        keys={name: values[::s] for name, values in keys.items()},
        sizes=sizes(COUNTS),
        back=sizes(BACK) if BACK[0] in table.column_names else None,
        failures=failures_of(table),
        ran=None if ran.all() else ran,
    )
