"""What several readers' masks have in common: votes, majority, STAPLE."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from ml.stats.arrays import BoolArray, FloatArray

TieRule = Literal["background", "foreground"]
_STEPS, _SMALL_STEP = 500, 1e-7


def soft_consensus(masks: NDArray[np.bool_]) -> FloatArray:
    """The share of readers who marked each voxel, 0..1.

    Args:
        masks: (readers, ...) booleans.

    Example:
        >>> soft_consensus(np.array([[True, False], [True, True]])).tolist()
        [1.0, 0.5]
    """
    share: FloatArray = checked_panel(masks).mean(axis=0)
    return share


def majority(masks: NDArray[np.bool_], *, tie: TieRule = "background") -> BoolArray:
    """Voxels that more than half of the readers marked.

    Args:
        masks: (readers, ...) booleans.
        tie: what a voxel is that exactly half of them marked.

    Example:
        >>> two = np.array([[True, False], [True, True]])
        >>> majority(two).tolist(), majority(two, tie="foreground").tolist()
        ([True, False], [True, True])
    """
    marked = checked_panel(masks)
    votes = 2 * marked.sum(axis=0)
    chosen: BoolArray = votes >= len(marked) if tie == "foreground" else votes > len(marked)
    return chosen


@dataclass(frozen=True)
class Staple:
    """Readers weighed against the truth that they make likely together.

    Attributes:
        probability: of each voxel to belong to the structure, 0..1, the shape of one mask.
        sensitivity, specificity: (readers,) None where no voxel can show it.
        prior: share of foreground that was assumed.
        steps: of the expectation-maximisation.
        converged: the parameters had stopped moving.
    """

    probability: FloatArray
    sensitivity: tuple[float | None, ...]
    specificity: tuple[float | None, ...]
    prior: float
    steps: int
    converged: bool
    convention: str = "binary STAPLE, prior the mean share of foreground, no spatial prior"

    def mask(self, threshold: float = 0.5) -> BoolArray:
        """Voxels at or above a probability."""
        chosen: BoolArray = self.probability >= threshold
        return chosen


def staple(masks: NDArray[np.bool_], *, prior: float | None = None) -> Staple:
    """Simultaneous truth and performance level estimation of two or more masks.

    Voxels with the same votes by the same readers are one pattern; the algorithm walks over the
    patterns, so its cost does not grow with the size of the image.

    Args:
        masks: (readers, ...) booleans, at least two readers.
        prior: share of foreground, 0..1; None takes the mean over readers and voxels.

    Raises:
        ValueError: for fewer than two readers, no voxel, or a prior outside.

    Source:
        Warfield, Zou, Wells (2004), IEEE TMI 23:903-921. Start: 0.99999 for every reader's
        sensitivity and specificity, as in the authors' implementation.

    Example:
        >>> three = np.array([[1, 1, 0, 0], [1, 1, 0, 0], [1, 0, 1, 0]], bool)
        >>> staple(three).mask().tolist()
        [True, True, False, False]
    """
    marked = checked_panel(masks)
    readers = len(marked)
    if readers < 2:
        raise ValueError(f"STAPLE needs two readers or more, got {readers}")
    if not marked.size:
        raise ValueError(f"STAPLE needs a voxel to weigh readers by, got {marked.shape}")
    if prior is not None and not 0 <= prior <= 1:
        raise ValueError(f"the prior share of foreground must lie in 0..1, got {prior}")
    flat = marked.reshape(readers, -1)
    patterns, inverse, times = np.unique(
        np.packbits(flat, axis=0), axis=1, return_inverse=True, return_counts=True
    )
    votes = np.unpackbits(patterns, axis=0, count=readers).astype(np.float64)  # (readers, p)
    weight = times.astype(np.float64)
    share = float(flat.mean()) if prior is None else prior
    p, q = np.full(readers, 0.99999), np.full(readers, 0.99999)
    truth = np.full(weight.size, share)
    converged, step = False, 0
    while step < _STEPS and not converged:
        step += 1
        truth = _expected(votes, p, q, share)
        new_p, new_q = _performance(votes, truth, weight, p, q)
        moved = max(float(np.abs(new_p - p).max()), float(np.abs(new_q - q).max()))
        p, q = new_p, new_q
        converged = moved < _SMALL_STEP
    any_in, any_out = bool((truth * weight).sum() > 0), bool(((1 - truth) * weight).sum() > 0)
    return Staple(
        truth[inverse.ravel()].reshape(marked.shape[1:]),
        tuple(float(x) if any_in else None for x in p),
        tuple(float(x) if any_out else None for x in q),
        share,
        step,
        converged,
    )


def _expected(votes: FloatArray, p: FloatArray, q: FloatArray, prior: float) -> FloatArray:
    """P(truth) of each pattern, in logarithms: many readers make tiny products."""
    if prior in (0.0, 1.0):
        return np.full(votes.shape[1], prior)
    tiny = 1e-300
    inside = np.log(prior) + (
        votes * np.log(np.maximum(p, tiny))[:, None]
        + (1 - votes) * np.log(np.maximum(1 - p, tiny))[:, None]
    ).sum(axis=0)
    outside = np.log1p(-prior) + (
        votes * np.log(np.maximum(1 - q, tiny))[:, None]
        + (1 - votes) * np.log(np.maximum(q, tiny))[:, None]
    ).sum(axis=0)
    top = np.maximum(inside, outside)
    inside, outside = np.exp(inside - top), np.exp(outside - top)
    probability: FloatArray = inside / (inside + outside)
    return probability


def _performance(
    votes: FloatArray, truth: FloatArray, weight: FloatArray, p: FloatArray, q: FloatArray
) -> tuple[FloatArray, FloatArray]:
    inside, outside = truth * weight, (1 - truth) * weight
    return (
        votes @ inside / inside.sum() if inside.sum() > 0 else p,
        (1 - votes) @ outside / outside.sum() if outside.sum() > 0 else q,
    )


def checked_panel(masks: NDArray[np.generic]) -> BoolArray:
    """Several masks of one shape as booleans.

    Args:
        masks: (readers, ...) booleans, or 0 and 1.

    Raises:
        ValueError: for no mask at all, masks without an axis, or other values.

    Example:
        >>> checked_panel([[0, 1], [1, 1]]).tolist()
        [[False, True], [True, True]]
    """
    marked = np.asarray(masks)
    if marked.ndim < 2 or len(marked) == 0:
        raise ValueError(f"expected masks (readers, ...), got shape {marked.shape}")
    if marked.dtype != np.bool_ and not np.isin(np.unique(marked), (0, 1)).all():
        raise ValueError("a mask holds 0 and 1 only: take one structure at a time")
    return marked.astype(np.bool_)
