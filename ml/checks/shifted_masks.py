"""Masks of moved copies beside the moved masks of the images, structure by structure."""

from dataclasses import dataclass

import numpy as np

from ml.checks.scored import clusters_at
from ml.checks.shifted import OnMoves
from ml.evidence.mask_copies import MaskCopies
from ml.evidence.tables import Evidence, FloatArray


@dataclass(frozen=True)
class MovedMask:
    """One step of a move; (n,) each, NaN where both masks are empty or the copy failed."""

    agreement: FloatArray  # Dice of the copy's mask with the moved mask of the image
    alone: FloatArray  # Dice of the image's mask with itself, moved there and back


@dataclass(frozen=True)
class ShiftedMasks(OnMoves[MovedMask]):
    """One structure of the cases whose moved copies were run, with or without a reference."""

    structure: str

    def least(self) -> FloatArray:
        """(n,) the least agreement of each case under any small move; NaN where there is none."""
        return least_of(np.stack([copy.agreement for _, _, copy in self.small()]))


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
