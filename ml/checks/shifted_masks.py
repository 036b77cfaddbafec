"""Masks of moved copies beside the moved masks of the images, structure by structure."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from ml.checks import words
from ml.checks.scored import clusters_at
from ml.checks.shifted import is_small
from ml.evidence.mask_copies import MaskCopies
from ml.evidence.passes import Distortion
from ml.evidence.tables import Evidence, FloatArray, IntArray
from ml.stats.clusters import Clusters


@dataclass(frozen=True)
class MovedMask:
    """One step of a move; (n,) each, NaN where both masks are empty or the copy failed."""

    agreement: FloatArray  # Dice of the copy's mask with the moved mask of the image
    alone: FloatArray  # Dice of the image's mask with itself, moved there and back


@dataclass(frozen=True)
class ShiftedMasks:
    """One structure of the cases whose moved copies were run; n of them, with or without reference.

    Attributes:
        rows: (n,) of the evidence.
        copies: by move and step, from 1.
        asked: cases of the cohort, of which these are drawn.
    """

    structure: str
    rows: IntArray
    clusters: Clusters
    copies: Mapping[tuple[str, int], MovedMask]
    moves: Mapping[str, Distortion]
    asked: int

    def of(self, move: str) -> list[MovedMask]:
        """Its copies, from step 1."""
        return [self.copies[move, step] for step in range(1, len(self.moves[move].values) + 1)]

    def small(self) -> Iterator[tuple[str, int, MovedMask]]:
        """Moves after which a reader would see the same picture."""
        for (move, step), copy in self.copies.items():
            if is_small(move, self.moves[move].values[step - 1]):
                yield move, step, copy

    def said(self, move: str, step: int) -> str:
        """What a picture is, as it follows "when the picture is"."""
        return self.moves[move].said[step - 1]

    def ids(self, evidence: Evidence, chosen: IntArray) -> tuple[str, ...]:
        return tuple(evidence.case_ids[row] for row in self.rows[chosen])

    def least(self) -> FloatArray:
        """(n,) the least agreement of each case under any small move; NaN where there is none."""
        return least_of(np.stack([copy.agreement for _, _, copy in self.small()]))

    @property
    def size_words(self) -> str:
        """ "60 of 300 cases, drawn by the seed"."""
        return words.drawn(self.rows.size, self.asked)


def least_of(values: FloatArray) -> FloatArray:
    """(n,) the least of (copies, n), of those that are defined; NaN where none is.

    >>> least_of(np.array([[0.9, np.nan], [0.5, np.nan]])).tolist()
    [0.5, nan]
    """
    known = np.isfinite(values)
    return np.where(known.any(axis=0), np.where(known, values, np.inf).min(axis=0), np.nan)


def shifted_masks(evidence: Evidence, found: MaskCopies, structure: int, name: str) -> ShiftedMasks:
    """One structure of the cases that were moved.

    Args:
        found: of the move pass.
        structure: its place among the structures.
        name: of it.
    """
    own = found.of(structure)
    assert own.back is not None
    # A case that failed as a whole has no copy; one of which a copy failed stays with the others.
    rows = np.flatnonzero(np.isfinite(own.sizes.marked).any(axis=1))
    agreement, alone = own.sizes.dice[rows], own.back.dice[rows]
    keys = zip(own.keys["move"], own.keys["step"], strict=True)
    return ShiftedMasks(
        structure=name,
        rows=rows,
        clusters=clusters_at(evidence, rows),
        copies={
            (str(move), int(step)): MovedMask(agreement[:, at], alone[:, at])
            for at, (move, step) in enumerate(keys)
        },
        moves=own.distortions,
        asked=len(evidence.case_ids),
    )


def failed_copies(evidence: Evidence, found: MaskCopies) -> tuple[tuple[str, ...], dict[str, str]]:
    """Cases of which some copy failed, and those of which all did, with their codes."""
    known = np.isfinite(found.sizes.marked[:, :, 0])
    some = known.any(axis=1) & ~known.all(axis=1)
    partly = tuple(evidence.case_ids[row] for row in np.flatnonzero(some))
    return partly, {one: code for one, code in found.failures.items() if one not in partly}
