"""What corruption takes from the same cases: paired losses, flips, and the first breakdown."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from ml.estimate import Estimate, undefined
from ml.stats.agreement.anova import checked_ratings
from ml.stats.arrays import BoolArray, FloatArray, IntArray, ratio
from ml.stats.bootstrap import DEFAULT, Settings
from ml.stats.clusters import Clusters
from ml.stats.means import case_mean, mean_difference


def degradation(
    clean: FloatArray,
    corrupt: FloatArray,
    clusters: Clusters | None = None,
    settings: Settings = DEFAULT,
) -> Estimate:
    """Mean loss from clean to corrupt images, with the cluster bootstrap of the difference.

    Args:
        clean, corrupt: (n,) a score of each case, higher = better (correct 1/0, Dice); a case
            with NaN in either is left out and counted.
        clusters, settings: independent units; draws and seed.

    Returns:
        clean - corrupt: above 0 when the corruption hurts.

    Example:
        >>> degradation(np.array([1.0, 1.0]), np.array([1.0, 0.0])).value
        0.5

    Source:
        Efron, Tibshirani (1993), section 8.3.
    """
    return mean_difference(
        "degradation", clean, corrupt, clusters, settings,
        convention="clean minus corrupt, paired by case; above 0 = worse",
    )  # fmt: skip


@dataclass(frozen=True)
class Breakdown:
    """The loss at each severity, and the first that is shown to cross the margin."""

    losses: tuple[Estimate, ...]
    first: int | None  # severity, counted from 1
    margin: float
    reason: str | None = None


def first_breakdown(
    clean: FloatArray,
    corrupt: FloatArray,
    margin: float,
    clusters: Clusters | None = None,
    settings: Settings = DEFAULT,
) -> Breakdown:
    """The first severity at which the loss lies above the margin with its whole interval.

    Args:
        clean: (n,) score of each case, higher = better.
        corrupt: (severities, n) of the same cases, severity ascending.
        margin: loss that is still accepted, in the unit of the score, 0 or more.
        clusters, settings: as ``degradation``; the level is that of each severity by itself.

    Returns:
        ``first`` is None, with a reason, when no severity crosses.

    Example:
        >>> ones = np.ones(40)
        >>> half = np.tile([0.0, 1.0], 20)
        >>> first_breakdown(ones, np.stack([ones, half]), 0.1).first
        2
    """
    corrupt = np.asarray(corrupt, dtype=np.float64)
    if corrupt.ndim != 2 or not 0 <= margin < np.inf:
        raise ValueError(f"expected (severities, n) and a margin of 0 or more, got {corrupt.shape}")
    losses = tuple(degradation(clean, row, clusters, settings) for row in corrupt)
    for at, loss in enumerate(losses, start=1):
        if loss.low is not None and loss.low > margin:
            return Breakdown(losses, at, margin)
    unknown = sum(not loss.has_interval for loss in losses)
    reason = f"No severity has its whole interval above a loss of {margin:g}"
    reason += f"; {unknown} without an interval." if unknown else "."
    return Breakdown(losses, None, margin, reason)


def flip_rate(
    before: IntArray,
    after: IntArray,
    clusters: Clusters | None = None,
    settings: Settings = DEFAULT,
) -> Estimate:
    """Share of cases whose decision changes, right or wrong.

    Args:
        before, after: (n,) decisions on the clean and the corrupt image; or (n, frames) each,
            then the mean over frames of a case enters. NaN where there is no decision: such frames
            are left out, and cases without any are counted as undefined.

    Example:
        >>> flip_rate(np.array([0, 1]), np.array([0, 0])).value
        0.5

    Source:
        Hendrycks, Dietterich (2019), ICLR, section 4 (flip probability).
    """
    one, two = np.asarray(before), np.asarray(after)
    if one.shape != two.shape or one.ndim not in (1, 2):
        raise ValueError(f"expected two equal (n,) or (n, frames), got {one.shape}, {two.shape}")
    known = ~(_missing(one) | _missing(two))
    wide = (len(one), -1 if one.size else 1)
    flips = ((one != two) & known).astype(np.float64).reshape(wide).sum(axis=1)
    frames = known.astype(np.float64).reshape(wide).sum(axis=1)
    return case_mean(
        "flip_rate", ratio(flips, frames), clusters, settings,
        convention="share of decisions that change",
    )  # fmt: skip


def _missing(decisions: NDArray[Any]) -> BoolArray:
    """Where there is no decision: a NaN is unequal to itself, and no change."""
    gone = np.zeros(decisions.shape, dtype=np.bool_)
    if decisions.dtype.kind == "f":
        gone |= np.isnan(decisions)
    return gone


def mean_degradation(
    clean: FloatArray,
    corrupt: Mapping[str, FloatArray],
    clusters: Clusters | None = None,
    settings: Settings = DEFAULT,
) -> Estimate:
    """mDG: mean over cases of the loss, averaged over severities, then over corruptions.

    Args:
        clean: (n,) score of each case, e.g. Dice, higher = better.
        corrupt: by corruption, (severities, n) of the same cases.

    Example:
        >>> mean_degradation(np.ones(2), {"noise": np.array([[0.5, 0.75]])}).value
        0.375

    Source:
        Boone et al. (2023), NeuroImage 278:120289 (ROOD-MRI).
    """
    convention = "mDG: clean minus corrupt, mean over severities, corruptions, cases"
    clean = np.asarray(clean, dtype=np.float64)
    if not corrupt:
        return undefined("mdg", "Not estimated: no corruptions.", convention=convention)
    for name, rows in corrupt.items():
        if np.ndim(rows) != 2 or np.shape(rows)[1:] != clean.shape or not np.shape(rows)[0]:
            raise ValueError(f"{name}: expected (severities, {clean.size}), got {np.shape(rows)}")
    tables = [checked_ratings(rows) for rows in corrupt.values()]
    checked_ratings(clean[None])
    losses = np.stack([clean - rows.mean(axis=0) for rows in tables])
    scale = max(float(np.nanmax(np.abs(one), initial=0.0)) for one in (clean, *tables))
    return case_mean(
        "mdg", losses.mean(axis=0), clusters, settings, convention=convention, scale=scale
    )  # fmt: skip


@dataclass(frozen=True)
class Monotone:
    """Whether distortion grows with severity."""

    grows: bool
    steps: FloatArray  # (severities - 1,) change of the mean distortion
    spearman: float | None  # of mean distortion with severity
    offending: tuple[int, ...]  # severities, from 1, that do not exceed the one before


def monotone_distortion(distortion: FloatArray | Sequence[Sequence[float]]) -> Monotone:
    """Checks that each severity distorts more than the one before, on average.

    Args:
        distortion: (severities, n) of each image, higher = more distorted (1 - SSIM, RMSE).

    Example:
        >>> monotone_distortion([[0.1], [0.3], [0.2]]).offending
        (3,)
    """
    distortion = np.asarray(distortion, dtype=np.float64)
    if distortion.ndim != 2 or min(distortion.shape) < 1 or not np.isfinite(distortion).all():
        raise ValueError(f"expected (severities, n) finite numbers, got {distortion.shape}")
    means = distortion.mean(axis=1)
    steps = np.diff(means)
    rank = None
    if means.size > 1 and np.ptp(means) > 0:
        rank = float(stats.spearmanr(np.arange(means.size), means).statistic)
    offending = tuple(int(at) + 2 for at in np.flatnonzero(steps <= 0))
    return Monotone(not offending, steps, rank, offending)
