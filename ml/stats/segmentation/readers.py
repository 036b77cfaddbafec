"""Several readers' masks of a case, two by two, and the model among them."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ml.estimate import Estimate
from ml.stats.arrays import BoolArray, FloatArray, IntArray, ratio
from ml.stats.bootstrap import DEFAULT, Settings
from ml.stats.clusters import Clusters, checked_clusters
from ml.stats.means import case_mean, mean_difference
from ml.stats.segmentation.overlap import Shared, overlap_matrix

_FIXED = "readers taken as they are"  # the interval says nothing of other readers


@dataclass(frozen=True)
class MaskPairs:
    """A measure of every two masks of each case, one row per pair.

    Attributes:
        case: (m,) 0..n_cases-1.
        value: (m,) the measure; NaN where it is undefined (both masks empty).
        with_model: (m,) True where one of the two is the model's, False where both are readers'.
        n_cases: cases, with or without a pair.

    Raises:
        ValueError: for unequal lengths, an infinite value, or a case outside 0..n_cases-1.
    """

    case: IntArray
    value: FloatArray
    with_model: BoolArray
    n_cases: int

    def __post_init__(self) -> None:
        shapes = {self.case.shape, self.value.shape, self.with_model.shape}
        if len(shapes) != 1 or self.case.ndim != 1:
            raise ValueError(f"expected case, value and with_model of (m,), got {sorted(shapes)}")
        if np.isinf(self.value).any():
            raise ValueError("the value of a pair must be finite, or NaN where it is undefined")
        if self.case.size and not (self.case.min() >= 0 and self.case.max() < self.n_cases):
            raise ValueError(f"the case of a pair must lie in 0..{self.n_cases - 1}")

    @classmethod
    def of_masks(
        cls,
        readers: Sequence[NDArray[np.generic]],
        model: Sequence[NDArray[np.generic] | None] | None = None,
        *,
        measure: Shared = "dice",
    ) -> "MaskPairs":
        """Pairs of readers, each counted once, and of the model with each reader.

        Args:
            readers: for each case (r, ...) booleans; r, the grid and who reads may differ.
            model: for each case one mask on the readers' grid, or None where there is none.
            measure: "dice" or "iou".

        Raises:
            ValueError: for another number of the model's masks than cases, values other than 0
                and 1, or a mask on another grid than the readers'.

        Example:
            >>> three = np.array([[1, 1, 0], [1, 0, 0], [1, 1, 1]])
            >>> MaskPairs.of_masks([three]).value.round(3).tolist()
            [0.667, 0.8, 0.5]
        """
        masks = [None] * len(readers) if model is None else list(model)
        if len(masks) != len(readers):
            raise ValueError(
                f"expected a mask of the model, or None, for each of {len(readers)} cases, got "
                f"{len(masks)}"
            )
        case: list[int] = []
        value: list[float] = []
        with_model: list[bool] = []
        for at, (panel, own) in enumerate(zip(readers, masks, strict=True)):
            rows = np.triu_indices(len(panel), 1)
            found = overlap_matrix(panel, measure=measure)[rows].tolist() if len(panel) else []
            beside = []
            if own is not None and len(panel):
                beside = overlap_matrix(np.asarray(own)[None], panel, measure=measure)[0].tolist()
            case += [at] * (len(found) + len(beside))
            value += [*found, *beside]
            with_model += [False] * len(found) + [True] * len(beside)
        return cls(
            np.array(case, dtype=np.int64), np.array(value, dtype=np.float64),
            np.array(with_model, dtype=np.bool_), len(readers),
        )  # fmt: skip

    def per_case(self, *, with_model: bool, both_empty: float | None = None) -> FloatArray:
        """(n_cases,) mean over the pairs of each case, NaN where none is defined.

        Args:
            with_model: over pairs of the model with a reader, or of two readers.
            both_empty: what a pair of two empty masks counts as; None leaves it out.
        """
        value = self.value if both_empty is None else np.nan_to_num(self.value, nan=both_empty)
        chosen = np.flatnonzero((self.with_model == with_model) & ~np.isnan(value))
        sums = Clusters(self.case[chosen], self.n_cases).sums(
            np.stack([value[chosen], np.ones(chosen.size)], axis=1)
        )
        return ratio(sums[:, 0], sums[:, 1])

    def counts(self, *, with_model: bool) -> dict[str, int]:
        """Pairs that were compared, and how many of them are of two empty masks."""
        of_kind = self.value[self.with_model == with_model]
        return {"n_pairs": of_kind.size, "n_pairs_both_empty": int(np.isnan(of_kind).sum())}

    @property
    def model_alone(self) -> BoolArray:
        """(n_cases,) no reader marks anything and the model does: no two readers to compare."""
        silent = np.isnan(self.per_case(with_model=False))
        read = np.bincount(self.case[~self.with_model], minlength=self.n_cases) > 0
        alone: BoolArray = silent & read & ~np.isnan(self.per_case(with_model=True))
        return alone


def pairwise_mean(
    pairs: MaskPairs,
    clusters: Clusters | None = None,
    settings: Settings = DEFAULT,
    *,
    measure: str = "pairwise_dice",
    both_empty: float | None = None,
) -> Estimate:
    """Mean over the pairs of readers of each case, then over cases.

    A case counts once, however many readers it had.

    Args:
        pairs: of readers; those with the model are not looked at.
        clusters: independent units of the cases; None means every case is its own.
        settings: level, draws, seed.
        measure: id of the estimate.
        both_empty: what a pair of two empty masks counts as, 1 of an overlap; None leaves it out
            and counts it.

    Returns:
        The mean with a cluster bootstrap over cases; ``extra`` holds ``n_pairs``,
        ``n_pairs_both_empty`` and ``n_undefined``, cases without a defined pair. Undefined
        where there is none.

    Raises:
        ValueError: for clusters of other cases.

    Source:
        Zou et al. (2004), Academic Radiology 11:178-189 (Dice between readers); Davison, Hinkley
        (1997), Bootstrap Methods, section 3.8 (clusters as units drawn).

    Example:
        >>> one, other = np.array([[1, 1], [1, 0]]), np.array([[1, 1], [1, 1], [1, 1]])
        >>> round(pairwise_mean(MaskPairs.of_masks([one, other])).value, 4)
        0.8333
    """
    found = case_mean(
        measure, pairs.per_case(with_model=False, both_empty=both_empty),
        checked_clusters(clusters, pairs.n_cases), settings,
        convention="mean over the pairs of readers of a case, then over cases; "
        f"{_empty_words(both_empty)}; {_FIXED}",
    )  # fmt: skip
    return replace(found, extra={**found.extra, **pairs.counts(with_model=False)})


def pairwise_dice(
    readers: Sequence[NDArray[np.generic]],
    clusters: Clusters | None = None,
    settings: Settings = DEFAULT,
    *,
    both_empty: float | None = None,
) -> Estimate:
    """Mean Dice of every two readers of each case, then over cases.

    Args:
        readers: for each case (r, ...) booleans; a case with one reader has no pair.
        clusters, settings, both_empty: as for ``pairwise_mean``.

    Raises:
        ValueError: for values other than 0 and 1, or clusters of other cases.

    Example:
        >>> pairwise_dice([np.array([[1, 1, 0], [0, 1, 1]]), np.array([[1, 0, 0]])]).value
        0.5
    """
    pairs = MaskPairs.of_masks(readers)
    return pairwise_mean(pairs, clusters, settings, both_empty=both_empty)


@dataclass(frozen=True)
class ModelBesideReaders:
    """Both means are over the cases of the difference, so that they differ by just that.

    Attributes:
        readers: of every two readers.
        model: of the model with every reader.
        difference: model minus readers, paired by case.
    """

    readers: Estimate
    model: Estimate
    difference: Estimate


def model_beside_readers(
    pairs: MaskPairs,
    clusters: Clusters | None = None,
    settings: Settings = DEFAULT,
    *,
    both_empty: float | None = None,
) -> ModelBesideReaders:
    """Does the model overlap a reader as much as another reader does?

    Above 0 does not say that the model is better than a reader: who draws the middle of all
    readers overlaps each of them more than they overlap each other.

    Args:
        pairs: of readers, and of the model with each of them.
        clusters, settings: as for ``pairwise_mean``.
        both_empty: what a pair of two empty masks counts as. None leaves it out; then a case in
            which the model alone marks something has no pair of readers to be compared with,
            and is counted as ``n_model_alone``. With 1 it counts against the model.

    Returns:
        Three estimates over the cases that have both; ``extra`` of the difference holds
        ``n_model_alone``, where these were left out.

    Raises:
        ValueError: for clusters of other cases.

    Source:
        Kohl et al. (2018), NeurIPS 31, and Zou et al. (2004), Academic Radiology 11:178-189 (the
        model's overlap beside that of readers); Efron, Tibshirani (1993), An Introduction to
        the Bootstrap, section 8.3 (paired data).

    Example:
        >>> pairs = MaskPairs.of_masks([np.array([[1, 1], [1, 0]])], [np.array([1, 1])])
        >>> found = model_beside_readers(pairs)
        >>> [round(one.value, 4) for one in (found.model, found.readers, found.difference)]
        [0.8333, 0.6667, 0.1667]
    """
    units = checked_clusters(clusters, pairs.n_cases)
    human = pairs.per_case(with_model=False, both_empty=both_empty)
    model = pairs.per_case(with_model=True, both_empty=both_empty)
    alone = pairs.model_alone & np.isnan(human)
    human[np.isnan(model)] = np.nan
    model[np.isnan(human)] = np.nan
    empty = f"{_empty_words(both_empty)}; {_FIXED}"
    difference = mean_difference(
        "model_minus_pairwise", model, human, units, settings,
        convention="mean over readers of the model with each, minus mean over pairs of readers, "
        f"paired by case; {empty}",
    )  # fmt: skip
    return ModelBesideReaders(
        case_mean("pairwise", human, units, settings, convention="mean over the pairs of "
                  f"readers of a case, then over cases with a mask of the model; {empty}"),
        case_mean("model_pairwise", model, units, settings, convention="mean over readers of "
                  f"the model with each, then over cases with a pair of readers; {empty}"),
        replace(difference, extra={**difference.extra, "n_model_alone": int(alone.sum())}),
    )  # fmt: skip


def _empty_words(both_empty: float | None) -> str:
    what = "left out" if both_empty is None else f"counted as {both_empty:g}"
    return f"pairs with one mask empty count as measured, pairs of two empty masks {what}"
