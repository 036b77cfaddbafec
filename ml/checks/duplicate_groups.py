"""Which cases of a cohort are one image, by bytes, by pixels and nearly, and their groups."""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from ml.evidence.described import OF_VOLUMES, THUMBNAIL_NUMBERS
from ml.evidence.tables import Evidence, IntArray
from ml.stats.arrays import BoolArray
from ml.stats.ood.near_duplicates import (
    Alike,
    Fingerprints,
    codes_of,
    joined_groups,
    near_duplicates,
)
from ml.stats.ood.perceptual_hash import perceptual_hash

NEAR = 0.99  # correlation of thumbnails above which two images are near-duplicates
BITS = 4  # of 64 in which the perceptual hashes of a pair may differ, by the stricter rule
_SIDE = round(THUMBNAIL_NUMBERS**0.5)


@dataclass(frozen=True)
class Duplicates:
    """Which of n cases are one image, or nearly.

    Attributes:
        files: (n,) code of the bytes of all images of a case; -1 where the case has none.
        pixels: (n,) code of the decoded pixels; -1 where they are not known.
        group: (n,) connected component of cases with the same bytes, the same pixels, or thumbnails
            that correlate above 0.99; numbered by first appearance.
        stricter: (n,) the same, of near-duplicates only those whose perceptual hashes agree too.
        alike: by thumbnails alone.
        known: (n,) the case could be compared.
    """

    evidence: Evidence
    files: IntArray
    pixels: IntArray
    group: IntArray
    stricter: IntArray
    alike: Alike
    known: BoolArray

    @cached_property
    def sizes(self) -> IntArray:
        """(n,) cases of the own group."""
        return np.bincount(self.group)[self.group]

    @property
    def n_groups(self) -> int:
        """Groups of the cases that could be compared; one that is like no other is its own."""
        return int(np.unique(self.group[self.known]).size)

    @property
    def n_stricter(self) -> int:
        return int(np.unique(self.stricter[self.known]).size)

    @property
    def repeated(self) -> BoolArray:
        """(n,) the case has a duplicate."""
        return np.asarray(self.sizes > 1)

    @cached_property
    def exact(self) -> BoolArray:
        """(n,) another case has the same bytes or the same pixels."""
        return _shared(self.files) | _shared(self.pixels)

    @cached_property
    def across(self) -> BoolArray:
        """(n,) the group of the case spans several independent units."""
        return self._differs(self.evidence.cluster)

    @cached_property
    def mixed(self) -> BoolArray:
        """(n,) members of the group of the case carry different labels; cases without one count
        for nothing."""
        labels = self.evidence.label
        names = {name: code for code, name in enumerate(dict.fromkeys(filter(None, labels)))}
        return self._differs(np.array([names.get(one or "", -1) for one in labels]))

    @cached_property
    def mixed_exactly(self) -> BoolArray:
        """(n,) a case of the very same pixels or bytes carries another label."""
        labels = self.evidence.label
        same = joined_groups(self.files, self.pixels)
        names: dict[int, set[str]] = {}
        for code, label in zip(same.tolist(), labels, strict=True):
            names.setdefault(code, set()).update([label] if label else [])
        return np.array([len(names[code]) > 1 for code in same.tolist()], dtype=np.bool_)

    def members(self, chosen: BoolArray) -> list[IntArray]:
        """Rows of each group that some cases belong to, the largest group first."""
        found = [np.flatnonzero(self.group == one) for one in np.unique(self.group[chosen])]
        return sorted(found, key=lambda rows: (-rows.size, int(rows[0])))

    def ids(self, rows: Iterable[int]) -> tuple[str, ...]:
        return tuple(self.evidence.case_ids[row] for row in rows)

    def _differs(self, codes: IntArray) -> BoolArray:
        """(n,) codes of 0 and above differ within the group of the case."""
        rows = np.flatnonzero(codes >= 0)
        pairs = np.unique(np.stack([self.group[rows], codes[rows]], axis=1), axis=0)
        several = np.bincount(pairs[:, 0], minlength=int(self.group.max(initial=0)) + 1) > 1
        return np.asarray(several[self.group])


def duplicates_of(evidence: Evidence) -> Duplicates:
    """Every case held against every other; the evidence has its images described."""
    described = evidence.described
    assert described is not None
    thumbnails = described.thumbnails.astype(np.float64)
    pixels = codes_of(described.pixels)
    files = codes_of(["+".join(one) for one in evidence.images] or [""] * len(evidence.case_ids))
    hashes = perceptual_hash(thumbnails.reshape(-1, _SIDE, _SIDE))
    # The thumbnail of a volume is four parts in a row: its frequencies are none of a picture.
    places = [described.names.index(one) for one in OF_VOLUMES if one in described.names]
    hashes[~np.isnan(described.numbers[:, places]).all(axis=1)] = False
    alike = near_duplicates(thumbnails, NEAR)
    strictly = near_duplicates(thumbnails, NEAR, Fingerprints(hashes, BITS))
    return Duplicates(
        evidence,
        files,
        pixels,
        joined_groups(alike.group, pixels, files),
        joined_groups(strictly.group, pixels, files),
        alike,
        described.known,
    )


def _shared(codes: IntArray) -> BoolArray:
    counts = np.bincount(codes[codes >= 0], minlength=1)
    return np.asarray((codes >= 0) & (counts[np.maximum(codes, 0)] > 1))
