"""Masks of corrupted copies beside those of the images as they are, structure by structure."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

import numpy as np

from ml.checks import words
from ml.checks.scored import clusters_at
from ml.checks.stressed import all_words, number_words
from ml.evidence.mask_copies import MaskCopies, Sizes
from ml.evidence.passes import Distortion
from ml.evidence.tables import MODEL, REFERENCE, Evidence, FloatArray, IntArray, MaskComparisons
from ml.stats.arrays import BoolArray, ratio
from ml.stats.clusters import Clusters

FALL = 0.05  # of Dice, from which on a case is listed where no margin is set


@dataclass(frozen=True)
class StressedMasks:
    """One structure of the cases with a reference whose corrupted copies were run; n of them."""

    structure: str
    rows: IntArray  # (n,) of the evidence
    clusters: Clusters
    clean: Sizes  # (n,) of the mask of the image as it is, and of the reference
    versions: Mapping[tuple[str, int], Sizes]  # by corruption and severity, (n,) each
    distortions: Mapping[str, Distortion]
    asked: int  # cases with a mask and a reference, of which these are drawn
    offered: int  # corruptions that fit the images, of which these were run
    fall: float = field(default=FALL)  # of Dice, from which on a case is listed

    @property
    def n(self) -> int:
        return int(self.rows.size)

    @property
    def dice(self) -> FloatArray:
        """(n,) of the images as they are; NaN where the reference has no such structure.

        There it says 0 or nothing, and a loss of nothing would thin out the others'.
        """
        return np.where(self.there, self.clean.dice, np.nan)

    @property
    def there(self) -> BoolArray:
        """(n,) the reference has the structure."""
        return np.asarray(self.clean.other > 0)

    def of(self, corruption: str) -> list[Sizes]:
        """Its versions, from severity 1."""
        return [
            self.versions[corruption, severity]
            for severity in range(1, len(self.distortions[corruption].values) + 1)
        ]

    def change(self, version: Sizes) -> FloatArray:
        """(n,) how much more a copy marks than the image as it is, over the reference.

        NaN where the reference has no such structure.
        """
        return ratio(version.marked - self.clean.marked, self.clean.other)

    def falls(self, version: Sizes) -> FloatArray:
        """(n,) Dice of the image as it is minus that of a copy; NaN where one is undefined."""
        return np.asarray(self.dice - version.dice)

    def lost(self, corruption: str, severities: Collection[int]) -> IntArray:
        """Places of the cases whose Dice falls by more than ``fall`` at one of these severities.

        The largest fall first.
        """
        if not self.n:
            return np.array([], dtype=np.int64)
        each = np.stack([self.falls(self.versions[corruption, one]) for one in severities])
        most = np.nan_to_num(each, nan=-np.inf).max(axis=0)
        found = np.flatnonzero(most > self.fall)
        return found[np.argsort(-most[found], kind="stable")]

    def lost_words(self, where: str) -> str:
        """What becomes of those, as it follows "3 cases"."""
        return f"whose Dice falls by more than {self.fall:g} {where}"

    def ids(self, evidence: Evidence, chosen: IntArray) -> tuple[str, ...]:
        return tuple(evidence.case_ids[row] for row in self.rows[chosen])

    @property
    def incomplete(self) -> IntArray:
        """Places of cases of which some copy failed."""
        known = [np.isfinite(one.marked) for one in self.versions.values()]
        return np.flatnonzero(~np.stack(known).all(axis=0))

    @property
    def size_words(self) -> str:
        """ "60 of 300 cases, drawn by the seed"."""
        return words.drawn(self.n, self.asked)

    @property
    def number_words(self) -> str:
        return number_words(len(self.distortions), self.offered)

    @property
    def all_words(self) -> str:
        return all_words(len(self.distortions), self.offered)


def stressed_masks(
    evidence: Evidence, copies: MaskCopies, masks: MaskComparisons, structure: int, fall: float
) -> StressedMasks:
    """One structure of the cases that can be compared; the check's needs promise masks.

    Args:
        copies: of the corrupt pass.
        masks: that the audit compared.
        structure: its place among the structures.
        fall: of Dice, from which on a case is listed.
    """
    pairs = masks.rows(MODEL, REFERENCE)
    pairs = pairs[masks.structure[pairs] == structure]
    asked = int(pairs.size)
    if copies.ran is not None:
        pairs = pairs[copies.ran[masks.case_index[pairs]]]
    rows = masks.case_index[pairs]
    own = copies.of(structure)
    keys = zip(own.keys["corruption"], own.keys["severity"], strict=True)
    measured = masks.measures
    return StressedMasks(
        structure=masks.structures[structure],
        rows=rows,
        clusters=clusters_at(evidence, rows),
        clean=Sizes(*(measured[f"voxels_{name}"][pairs] for name in ("a", "b", "both"))),
        versions={
            (str(corruption), int(severity)): own.sizes.at(rows, at)
            for at, (corruption, severity) in enumerate(keys)
        },
        distortions=own.distortions,
        asked=asked,
        offered=own.offered or len(own.distortions),
        fall=fall,
    )
