"""One number per case over the cases of a cohort, and what becomes of those with an empty mask."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import Literal, get_args

import numpy as np

from ml.estimate import Estimate
from ml.stats.arrays import BoolArray, FloatArray
from ml.stats.bootstrap import DEFAULT, Settings
from ml.stats.clusters import Clusters, checked_clusters
from ml.stats.means import case_mean, case_median
from ml.stats.segmentation.masks import Emptiness

Average = Literal["mean", "median"]
OneEmpty = Literal["counted", "left-out"]


def over_cases(
    measure: str,
    values: FloatArray | Sequence[float | None],
    emptiness: Sequence[Emptiness],
    clusters: Clusters | None = None,
    settings: Settings = DEFAULT,
    *,
    average: Average = "mean",
    both_empty: float | None = None,
    one_empty: OneEmpty = "counted",
    empty_value: str = "counted as measured",
    unit: str = "",
    convention: str = "",
) -> Estimate:
    """Mean or median over cases of a measure of two masks, its policy of empty masks named.

    Args:
        measure: id of the estimate.
        values: (n,) the measure of each case; None or NaN where it is undefined.
        emptiness: (n,) which masks are empty: ``MaskPair.emptiness`` of each case.
        clusters: independent units; None means every case is its own.
        settings: level, draws, seed.
        average: "mean", or "median" for distances, in which a diagonal is no distance.
        both_empty: what a case counts as in which both masks are empty, 1 of an overlap or 0
            of a distance; None leaves it out and counts it.
        one_empty: "counted" takes the value as measured (overlap 0, distance the diagonal of the
            image). "left-out" is what software does that drops NaN from its means: a model then
            gains by marking nothing.
        empty_value: in words, what the measure is where one mask is empty.
        unit: of the measure, "mm" or "ml"; "" where it has none.
        convention: said before the policy.

    Returns:
        The average with a cluster bootstrap; ``extra`` holds the unit, and how many cases had
        which mask empty: ``n_both_empty``, ``n_prediction_empty``, ``n_reference_empty``.
        Undefined where no case has a value.

    Raises:
        ValueError: for unequal lengths, an unknown policy or emptiness, a value where both masks
            are empty, or none where the policy counts the case: nothing is dropped unsaid.

    Source:
        Maier-Hein, Reinke et al. (2024), Metrics Reloaded, Nature Methods 21:195-212 (a case
        without a value must not raise the average of the others).

    Example:
        >>> found = over_cases("dice", [0.8, 0.0, None], ["none", "prediction", "both"])
        >>> found.value, found.n, found.extra["n_both_empty"]
        (0.4, 2, 1)
        >>> found.convention.partition("; ")[2]
        'one mask empty: counted as measured (1 case); both empty: left out (1 case)'
    """
    numbers = np.array(values, dtype=np.float64)
    _check(measure, numbers, emptiness, average, one_empty)
    kinds = np.array(emptiness, dtype=object)
    neither, both = kinds == "none", kinds == "both"
    one = ~neither & ~both
    _check_values(measure, numbers, both=both, needed=neither | one & (one_empty == "counted"))
    if both_empty is not None:
        numbers[both] = both_empty
    if one_empty == "left-out":
        numbers[one] = np.nan
    of_one = empty_value if one_empty == "counted" else "left out"
    of_both = "left out" if both_empty is None else f"counted as {both_empty:g}"
    said = [
        convention,
        f"{average} over cases",
        f"one mask empty: {of_one} ({_cases(int(one.sum()))})",
        f"both empty: {of_both} ({_cases(int(both.sum()))})",
    ]
    averaged = case_mean if average == "mean" else case_median
    found = averaged(
        measure, numbers, checked_clusters(clusters, numbers.size), settings,
        convention="; ".join(part for part in said if part),
    )  # fmt: skip
    count = Counter(emptiness)
    counts = {f"n_{kind}_empty": count[kind] for kind in ("both", "prediction", "reference")}
    return replace(found, extra={**found.extra, **counts}).in_unit(unit)


def _check(
    measure: str, numbers: FloatArray, emptiness: Sequence[str], average: str, one_empty: str
) -> None:
    if numbers.shape != (len(emptiness),):
        raise ValueError(
            f"{measure}: expected a number and an emptiness for each case, got {numbers.shape} "
            f"and {len(emptiness)}"
        )
    unknown = sorted(set(emptiness) - set(get_args(Emptiness)))
    if unknown:
        raise ValueError(
            f"{measure}: emptiness must be none, both, prediction or reference, got {unknown[0]!r}"
        )
    if average not in get_args(Average):
        raise ValueError(f"{measure}: average must be mean or median, got {average!r}")
    if one_empty not in get_args(OneEmpty):
        raise ValueError(f"{measure}: one_empty must be counted or left-out, got {one_empty!r}")


def _check_values(measure: str, numbers: FloatArray, *, both: BoolArray, needed: BoolArray) -> None:
    """Values and emptiness must tell the same story: a gap elsewhere is a case dropped unsaid."""
    lost = np.isnan(numbers)
    for wrong, sentence in (
        (both & ~lost, "has a value though both its masks are empty: say what it counts as"),
        (needed & lost, "has no value though a mask of it is not empty: it would be lost unsaid"),
    ):
        if wrong.any():
            raise ValueError(f"{measure}: case {int(np.flatnonzero(wrong)[0])} {sentence}")


def _cases(number: int) -> str:
    return f"{number:,} case" + ("" if number == 1 else "s")
