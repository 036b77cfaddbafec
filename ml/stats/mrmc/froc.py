"""Free-response figures of merit: marks on lesions against marks beside them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from ml.stats.arrays import BoolArray, FloatArray, IntArray, ratio
from ml.stats.mrmc.figures import Figures

FrocFigure = Literal["AFROC", "AFROC1", "wAFROC", "wAFROC1", "HrAuc"]

UNMARKED = -np.inf  # below every rating: a lesion without a mark was not rated low, but missed


@dataclass(frozen=True, eq=False)
class FrocStudy:
    """Marks of every reader in every modality, and the lesions of every case.

    Attributes:
        beside: one array (marks, ) of ratings of marks beside lesions, with ``beside_at`` (3,
            marks) their modality, reader and case codes.
        lesions: (modalities, readers, lesions) rating of each lesion, -inf when unmarked.
        lesion_case: (lesions,) case code. lesion_weight: (lesions,) sums to 1 in each case.
        n_cases: cases; those without a lesion are the normal ones.
    """

    beside: FloatArray
    beside_at: IntArray
    lesions: FloatArray
    lesion_case: IntArray
    lesion_weight: FloatArray
    n_cases: int
    modalities: tuple[str, ...]
    readers: tuple[str, ...]

    def __post_init__(self) -> None:
        if self.lesions.ndim != 3 or self.lesions.shape[2] != self.lesion_case.size:
            raise ValueError(
                f"expected lesions (modalities, readers, lesions), got {self.lesions.shape}"
            )
        if np.isnan(self.lesions).any() or np.isposinf(self.lesions).any():
            raise ValueError("ratings of lesions must be finite, or -inf where unmarked")
        if not np.isfinite(self.beside).all() or self.beside_at.shape != (3, self.beside.size):
            raise ValueError("expected a finite rating and three codes for every mark")
        if self.lesion_weight.shape != self.lesion_case.shape or (self.lesion_weight < 0).any():
            raise ValueError("expected a weight of 0 or more for every lesion")
        self._check_codes()
        sums = np.bincount(self.lesion_case, self.lesion_weight, self.n_cases)
        if not np.allclose(sums[self.abnormal], 1.0):
            raise ValueError("lesion weights must sum to 1 in each case")

    def _check_codes(self) -> None:
        if self.lesions.shape[:2] != (len(self.modalities), len(self.readers)):
            raise ValueError(f"labels do not fit lesions of shape {self.lesions.shape}")
        bounds = np.array([len(self.modalities), len(self.readers), self.n_cases])[:, None]
        if (self.beside_at < 0).any() or (self.beside_at >= bounds).any():
            raise ValueError(f"codes of marks lie outside {tuple(bounds[:, 0].tolist())}")
        if ((self.lesion_case < 0) | (self.lesion_case >= self.n_cases)).any():
            raise ValueError(f"lesions lie in cases outside 0..{self.n_cases - 1}")

    @classmethod
    def of(
        cls,
        modality: ArrayLike,
        reader: ArrayLike,
        case: ArrayLike,
        lesion: ArrayLike,
        rating: ArrayLike,
        *,
        lesions_per_case: ArrayLike,
        modalities: Sequence[str],
        readers: Sequence[str],
        weights: ArrayLike | None = None,
    ) -> "FrocStudy":
        """A study from long arrays: one row per mark.

        Args:
            modality, reader, case: (n,) codes from 0.
            lesion: (n,) 0 for a mark beside lesions, else the number of the lesion in its
                case from 1.
            rating: (n,) finite; higher means more suspicious.
            lesions_per_case: (cases,) 0 for a normal case.
            modalities, readers: labels.
            weights: (lesions,) in the order of cases; None: equal within each case.

        Raises:
            ValueError: for a lesion that the case does not have, or one marked twice.

        Example:
            >>> study = FrocStudy.of([0, 0], [0, 0], [0, 1], [0, 1], [2.0, 3.0],
            ...     lesions_per_case=[0, 1], modalities=["a"], readers=["x"])
            >>> study.lesions.tolist()
            [[[3.0]]]
        """
        many = _whole("lesions_per_case", lesions_per_case)
        if (many < 0).any():
            raise ValueError("lesions_per_case must be 0 or more")
        codes = [_whole(name, one) for name, one in
                 (("modality", modality), ("reader", reader), ("case", case))]  # fmt: skip
        number, ratings = _whole("lesion", lesion), np.asarray(rating, dtype=np.float64)
        if any(one.shape != ratings.shape for one in codes):
            raise ValueError("modality, reader, case, lesion and rating must be equally long")
        at = np.array(codes).reshape(3, -1)
        shape = (len(modalities), len(readers), many.size)
        if number.shape != ratings.shape:
            raise ValueError("modality, reader, case, lesion and rating must be equally long")
        if (at < 0).any() or (at >= np.array(shape)[:, None]).any():
            raise ValueError(f"codes of marks lie outside {shape}")
        if (number < 0).any() or (number > many[at[2]]).any():
            raise ValueError("a mark names a lesion that its case does not have")
        first = np.cumsum(many) - many
        total = int(many.sum())
        on = number > 0
        flat = np.ravel_multi_index(
            (at[0, on], at[1, on], first[at[2, on]] + number[on] - 1), (*shape[:2], max(total, 1))
        )
        if np.unique(flat).size < flat.size:
            raise ValueError("a reader has marked a lesion more than once: keep the highest mark")
        rated = np.full((*shape[:2], max(total, 1)), UNMARKED)
        rated.reshape(-1)[flat] = ratings[on]
        lesion_case = np.repeat(np.arange(many.size), many)
        equal = 1.0 / np.repeat(many, many)
        return cls(
            ratings[~on], at[:, ~on], rated[:, :, :total], lesion_case,
            equal if weights is None else np.asarray(weights, dtype=np.float64), many.size,
            tuple(modalities), tuple(readers),
        )  # fmt: skip

    @property
    def abnormal(self) -> BoolArray:
        """(cases,) True with a lesion."""
        return np.bincount(self.lesion_case, minlength=self.n_cases) > 0

    def highest_beside(self) -> FloatArray:
        """(modalities, readers, cases) highest mark beside lesions, -inf without one."""
        found = np.full((len(self.modalities), len(self.readers), self.n_cases), UNMARKED)
        np.maximum.at(found, tuple(self.beside_at), self.beside)
        return found


def _whole(name: str, numbers: ArrayLike) -> IntArray:
    """Whole numbers as int64, or a ValueError that names them."""
    given = np.asarray(numbers, dtype=np.float64)
    if not np.isfinite(given).all() or (given % 1).any():
        raise ValueError(f"{name} must hold whole numbers")
    return given.astype(np.int64)


def froc_figures(study: FrocStudy, figure: FrocFigure) -> Figures:
    """A free-response figure of merit with its closed leave-one-out values.

    All are shares of won comparisons between the highest mark beside lesions of a case and the
    rating of a lesion, ties one half, two unmarked ones included:

    * AFROC: normal cases against lesions, every lesion counting the same.
    * wAFROC: as AFROC, every abnormal case counting the same, shared out by lesion weight.
    * AFROC1, wAFROC1: marks beside lesions of abnormal cases count as well.
    * HrAuc: AUC of the highest mark of each case, on a lesion or not.

    Args:
        study: marks and lesions.
        figure: which of them.

    Returns:
        NaN where there is no normal (or abnormal) case.

    Raises:
        ValueError: for another figure.

    Example:
        >>> study = FrocStudy.of([0, 0], [0, 0], [0, 1], [0, 1], [2.0, 3.0],
        ...     lesions_per_case=[0, 1], modalities=["a"], readers=["x"])
        >>> froc_figures(study, "wAFROC").values.tolist()
        [[1.0]]

    Source:
        Chakraborty, Berbaum (2004), Medical Physics 31:2313-2330; Chakraborty, Zhai (2016),
        Medical Physics 43:2548 (weights); Chakraborty (2017), Observer Performance Methods,
        chapters 13-14.
    """
    if figure not in ("AFROC", "AFROC1", "wAFROC", "wAFROC1", "HrAuc"):
        raise ValueError(f"not a free-response figure: {figure!r}")
    beside, abnormal = study.highest_beside(), study.abnormal
    if figure == "HrAuc":
        targets = _highest_lesion(study)
        targets = np.maximum(targets, beside)[:, :, abnormal]
        case_of, weight = np.flatnonzero(abnormal), np.ones(int(abnormal.sum()))
    else:
        targets, case_of = study.lesions, study.lesion_case
        weight = study.lesion_weight if figure[0] == "w" else np.ones(case_of.size)
    against = np.ones(study.n_cases, bool) if figure.endswith("1") else ~abnormal
    values, left = _compared(beside, against, targets, case_of, weight)
    return Figures(
        figure, values, left, study.modalities, study.readers, study.n_cases,
        int(abnormal.sum()),
    )  # fmt: skip


def _highest_lesion(study: FrocStudy) -> FloatArray:
    found = np.full((len(study.modalities), len(study.readers), study.n_cases), UNMARKED)
    for lesion, case in enumerate(study.lesion_case):
        found[:, :, case] = np.maximum(found[:, :, case], study.lesions[:, :, lesion])
    return found


def _compared(
    beside: FloatArray, against: BoolArray, targets: FloatArray, case_of: IntArray,
    weight: FloatArray,
) -> tuple[FloatArray, FloatArray]:  # fmt: skip
    """Weighted share of won comparisons, and without each case in turn.

    A case left out takes off the comparisons of its marks, and of its lesions; those between
    its own marks and lesions are taken off twice and come back once.
    """
    cases = beside.shape[2]
    own_weight = np.bincount(case_of, weight, cases)
    values = np.empty(beside.shape[:2])
    left = np.empty(beside.shape)
    left_against = int(against.sum()) - against
    left_weight = weight.sum() - own_weight
    for at in np.ndindex(values.shape):
        marks, lesions = beside[at], targets[at]
        reference = np.sort(marks[against])
        below = np.searchsorted(reference, lesions, "left")
        beaten = (below + np.searchsorted(reference, lesions, "right")) / 2
        of_lesions = np.bincount(case_of, weight * beaten, cases)
        order = np.argsort(lesions)
        ranked, running = lesions[order], np.r_[0.0, np.cumsum(weight[order])]
        above = 2 * running[-1] - running[np.searchsorted(ranked, marks, "left")]
        above -= running[np.searchsorted(ranked, marks, "right")]
        of_marks = np.where(against, above / 2, 0.0)
        own = np.where(lesions > marks[case_of], 1.0, 0.0)
        own[lesions == marks[case_of]] = 0.5
        inside = np.bincount(case_of, weight * own, cases) * against
        won = of_lesions.sum()
        whole = against.sum() * weight.sum()
        values[at] = won / whole if whole > 0 else np.nan
        left[at] = ratio(won - of_lesions - of_marks + inside, left_against * left_weight)
    return values, left
