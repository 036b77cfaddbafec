"""Lesion by lesion: which predicted component is which lesion, and what was missed or invented."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy import ndimage
from scipy.optimize import linear_sum_assignment

from ml.stats.arrays import FloatArray, IntArray
from ml.stats.segmentation.masks import MaskPair

Rule = Literal["optimal", "greedy", "any-overlap"]
Connectivity = Literal["full", "face"]


@dataclass(frozen=True)
class LesionMatching:
    """Lesions of both masks and how they were matched.

    Attributes:
        n_prediction, n_reference: components.
        matches: (tp, 2) numbers (from 0) of a predicted component and its lesion.
        iou: (tp,) of each match.
        dice: (n_reference,) of each lesion with what was matched to it, 0 where missed.
        splits: lesions that two or more predicted components touch.
        merges: predicted components that touch two or more lesions.
        convention: components, criterion and rule.
    """

    n_prediction: int
    n_reference: int
    matches: IntArray
    iou: FloatArray
    dice: FloatArray
    splits: int
    merges: int
    convention: str

    @property
    def tp(self) -> int:
        return len(self.matches)

    @property
    def fp(self) -> int:
        return self.n_prediction - self.tp

    @property
    def fn(self) -> int:
        return self.n_reference - self.tp

    @property
    def sensitivity(self) -> float | None:
        """Share of lesions found; None where there is none to find."""
        return self.tp / self.n_reference if self.n_reference else None

    @property
    def ppv(self) -> float | None:
        """Share of predicted components that are lesions; None where nothing is predicted."""
        return self.tp / self.n_prediction if self.n_prediction else None

    @property
    def f1(self) -> float | None:
        """Recognition quality (RQ); None where neither mask has a component."""
        total = self.n_prediction + self.n_reference
        return 2 * self.tp / total if total else None

    @property
    def segmentation_quality(self) -> float | None:
        """Mean IoU of the matches (SQ); None where nothing was matched."""
        return float(self.iou.mean()) if self.tp else None

    @property
    def panoptic_quality(self) -> float | None:
        """PQ = SQ x RQ; 0 where nothing was matched, None where neither mask has a component."""
        if self.f1 is None:
            return None
        return 2 * float(self.iou.sum()) / (self.n_prediction + self.n_reference)


def match_lesions(
    pair: MaskPair,
    *,
    least_iou: float = 0.1,
    rule: Rule = "optimal",
    connectivity: Connectivity = "full",
) -> LesionMatching:
    """Match the components of two masks one to one.

    Args:
        pair: prediction and reference.
        least_iou: a match needs at least this IoU; not used by "any-overlap".
        rule: "optimal" keeps as many matches as can be, then the largest sum of IoU (Hungarian
            method), "greedy" takes the best pair
            first, "any-overlap" matches as many components as touch, best overlap in sum.
        connectivity: "full" joins voxels that touch at a corner, "face" only across faces.

    Raises:
        ValueError: for a least IoU outside 0..1, or an unknown rule or connectivity.

    Source:
        Kirillov et al. (2019), Panoptic Segmentation, CVPR (PQ, SQ, RQ); Maier-Hein, Reinke et
        al. (2024), Metrics Reloaded; Kuhn (1955) for the assignment.

    Example:
        >>> one = np.array([[1, 1, 0, 0, 1]], bool)
        >>> other = np.array([[1, 1, 0, 0, 0]], bool)
        >>> found = match_lesions(MaskPair.of(one, other))
        >>> found.tp, found.fp, found.fn
        (1, 1, 0)
    """
    if not 0 <= least_iou <= 1:
        raise ValueError(f"least_iou must lie in 0..1, got {least_iou}")
    if rule not in ("optimal", "greedy", "any-overlap"):
        raise ValueError(f"rule must be optimal, greedy or any-overlap, got {rule!r}")
    if connectivity not in ("full", "face"):
        raise ValueError(f"connectivity must be full or face, got {connectivity!r}")
    crop = pair.cropped(margin=0)
    ndim = crop.prediction.ndim
    structure = ndimage.generate_binary_structure(ndim, ndim if connectivity == "full" else 1)
    predicted, n_predicted = ndimage.label(crop.prediction, structure)
    lesions, n_lesions = ndimage.label(crop.reference, structure)
    shared = np.bincount(
        predicted.ravel().astype(np.int64) * (n_lesions + 1) + lesions.ravel(),
        minlength=(n_predicted + 1) * (n_lesions + 1),
    ).reshape(n_predicted + 1, n_lesions + 1)
    both = shared[1:, 1:].astype(np.float64)
    size_predicted = shared[1:].sum(axis=1).astype(np.float64)
    size_lesion = shared[:, 1:].sum(axis=0).astype(np.float64)
    union = size_predicted[:, None] + size_lesion[None, :] - both
    iou = both / np.maximum(union, 1)
    allowed = both > 0 if rule == "any-overlap" else (iou >= least_iou) & (both > 0)
    matches = _greedy(iou, allowed) if rule == "greedy" else _optimal(iou, allowed)
    dice = np.zeros(n_lesions)
    at = (matches[:, 0], matches[:, 1])
    dice[at[1]] = 2 * both[at] / (size_predicted[at[0]] + size_lesion[at[1]])
    criterion = "any overlap" if rule == "any-overlap" else f"IoU at least {least_iou:g}"
    return LesionMatching(
        n_predicted,
        n_lesions,
        matches,
        iou[at],
        dice,
        int(((both > 0).sum(axis=0) > 1).sum()),
        int(((both > 0).sum(axis=1) > 1).sum()),
        f"{connectivity} connectivity, {criterion}, "
        f"{'greedy' if rule == 'greedy' else 'optimal'} one-to-one matching on IoU",
    )


def _optimal(iou: FloatArray, allowed: np.ndarray[tuple[int, ...], np.dtype[np.bool_]]) -> IntArray:
    # A pair that is allowed is worth more than any gain of IoU, so that most pairs are kept.
    worth = np.where(allowed, 1e3 + iou, 0.0)
    rows, columns = linear_sum_assignment(worth, maximize=True)
    kept = allowed[rows, columns]
    return np.stack([rows[kept], columns[kept]], axis=1).astype(np.int64)


def _greedy(iou: FloatArray, allowed: np.ndarray[tuple[int, ...], np.dtype[np.bool_]]) -> IntArray:
    rows, columns = np.nonzero(allowed)
    order = np.argsort(-iou[rows, columns], kind="stable")
    taken_rows: set[int] = set()
    taken_columns: set[int] = set()
    kept = []
    for row, column in zip(rows[order].tolist(), columns[order].tolist(), strict=True):
        if row in taken_rows or column in taken_columns:
            continue
        taken_rows.add(row)
        taken_columns.add(column)
        kept.append((row, column))
    return np.array(kept, dtype=np.int64).reshape(-1, 2)
