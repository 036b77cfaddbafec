"""How far the masks a model draws for a case are from those that readers draw, as distributions."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from ml.estimate import Estimate
from ml.stats.arrays import FloatArray
from ml.stats.bootstrap import DEFAULT, Settings
from ml.stats.clusters import Clusters, checked_clusters
from ml.stats.means import case_mean
from ml.stats.segmentation.overlap import overlap_matrix

Form = Literal["V", "U"]
BothEmpty = Literal["equal", "left-out"]
_FORMS = {
    "V": "V-form: a mask is paired with itself too, biased upwards with few masks",
    "U": "U-form: a mask is not paired with itself, unbiased, may be negative",
}
_EMPTY = {
    "equal": "two empty masks: distance 0",
    "left-out": "pairs of two empty masks left out",
}


@dataclass(frozen=True)
class EnergyDistance:
    """The generalised energy distance of one case, and the mean distances it is made of.

    Attributes:
        cross: of a mask of the model to one of a reader, 0..1; None where no pair is defined.
        within_model: of two masks of the model (their diversity), likewise.
        within_readers: of two readers' masks, likewise.
    """

    cross: float | None
    within_model: float | None
    within_readers: float | None

    @property
    def squared(self) -> float | None:
        """2 cross - within_model - within_readers; None where one of them is."""
        if self.cross is None or self.within_model is None or self.within_readers is None:
            return None
        return 2 * self.cross - self.within_model - self.within_readers


def energy_distance(
    model: NDArray[np.generic],
    readers: NDArray[np.generic],
    *,
    form: Form = "V",
    both_empty: BothEmpty = "equal",
) -> EnergyDistance:
    """Generalised energy distance between a model's masks of a case and its readers'.

    GED² = 2 E d(S, Y) - E d(S, S') - E d(Y, Y') with d = 1 - IoU: 0 when the model draws the
    same masks as readers do, equally often.

    Args:
        model: (s, ...) booleans, masks that the model draws for the case.
        readers: (r, ...) on the same grid.
        form: "V" pairs every mask with every one of its side, itself included, as published
            code does: too large, on average by each side's diversity over its number of masks.
            "U" leaves a mask's pair with itself out and needs two masks of each side. A model
            that always draws the same mask has no diversity to estimate: give it twice.
        both_empty: "equal" takes two empty masks as the same mask (distance 0); "left-out" takes
            their distance as undefined and leaves the pair out of its mean.

    Raises:
        ValueError: for no mask on a side, values other than 0 and 1, unequal grids, or an unknown
            form or policy.

    Source:
        Kohl et al. (2018), A probabilistic U-Net, NeurIPS 31; Szekely, Rizzo (2013), J Stat
        Plan Inference 143:1249-1272 (V- and U-statistics); Baumgartner et al. (2019), PHiSeg,
        MICCAI (two empty masks: IoU 1).

    Example:
        >>> drawn, read = np.array([[1, 1], [1, 0]]), np.array([[1, 1], [1, 1]])
        >>> energy_distance(drawn, read).squared, energy_distance(drawn, read, form="U").squared
        (0.25, 0.0)
    """
    if form not in get_args(Form):
        raise ValueError(f"form must be V or U, got {form!r}")
    if both_empty not in get_args(BothEmpty):
        raise ValueError(f"both_empty must be equal or left-out, got {both_empty!r}")

    def apart(one: NDArray[np.generic], other: NDArray[np.generic] | None = None) -> FloatArray:
        distance = 1 - overlap_matrix(one, other, measure="iou")
        return np.nan_to_num(distance, nan=0.0) if both_empty == "equal" else distance

    return EnergyDistance(
        _mean(apart(model, readers)), _within(apart(model), form), _within(apart(readers), form)
    )


def _within(distances: FloatArray, form: Form) -> float | None:
    """Of the masks of one side: each pair stands twice in a square, a mask with itself once."""
    return _mean(distances if form == "V" else distances[~np.eye(len(distances), dtype=bool)])


def _mean(distances: FloatArray) -> float | None:
    known = distances[~np.isnan(distances)]
    return float(known.mean()) if known.size else None


def mean_energy_distance(
    model: Sequence[NDArray[np.generic]],
    readers: Sequence[NDArray[np.generic]],
    clusters: Clusters | None = None,
    settings: Settings = DEFAULT,
    *,
    form: Form = "V",
    both_empty: BothEmpty = "equal",
) -> Estimate:
    """Mean over cases of the squared generalised energy distance.

    Args:
        model: for each case (s, ...) booleans, masks that the model draws.
        readers: for each case (r, ...) on the same grid; numbers may differ between cases.
        clusters: independent units of the cases; None means every case is its own.
        settings: level, draws, seed.
        form, both_empty: as for ``energy_distance``.

    Returns:
        The mean of GED², not of its root, with a cluster bootstrap; ``extra`` holds the means
        ``cross``, ``within_model`` and ``within_readers`` of the same cases, and ``n_undefined``.
        Undefined where no case has enough masks.

    Raises:
        ValueError: for unequal numbers of cases, clusters of other cases, or what
            ``energy_distance`` refuses.

    Example:
        >>> same = [np.array([[1, 1], [1, 0]])] * 2
        >>> mean_energy_distance(same, same).value
        0.0
    """
    if len(model) != len(readers):
        raise ValueError(
            f"expected masks of the model for each of {len(readers)} cases, got {len(model)}"
        )
    of_case = [
        energy_distance(one, other, form=form, both_empty=both_empty)
        for one, other in zip(model, readers, strict=True)
    ]
    found = case_mean(
        "ged_squared", [one.squared for one in of_case],
        checked_clusters(clusters, len(of_case)), settings,
        convention=f"GED², d = 1 − IoU; {_FORMS[form]}; {_EMPTY[both_empty]}; mean over cases",
    )  # fmt: skip
    return _with_parts(found, [one for one in of_case if one.squared is not None])


def _with_parts(found: Estimate, of_case: list[EnergyDistance]) -> Estimate:
    """The mean distances behind a mean, which tell a model without diversity from a wrong one."""
    if not of_case:
        return found
    parts = np.array(
        [(one.cross, one.within_model, one.within_readers) for one in of_case], dtype=np.float64
    ).mean(axis=0)
    named = zip(("cross", "within_model", "within_readers"), parts.tolist(), strict=True)
    return replace(found, extra={**found.extra, **dict(named)})
