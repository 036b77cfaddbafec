"""Whether two agreements differ: on the same cases, or in independent groups of cases."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

from ml.estimate import Estimate, undefined
from ml.stats.agreement.chance_corrected import (
    EQUAL,
    Coefficient,
    Frame,
    Way,
    deviations,
    frame,
    standard_error,
)
from ml.stats.agreement.ratings import checked_codes
from ml.stats.agreement.weights import Weights
from ml.stats.arrays import FloatArray, IntArray
from ml.stats.bootstrap import DEFAULT, Settings, replicate_sums
from ml.stats.clusters import Clusters, checked_clusters, too_few
from ml.stats.interval import NO_SPREAD, Interval, percentile_interval


def paired_difference(
    first: FloatArray,
    second: FloatArray,
    coefficient: Coefficient,
    categories: int,
    weights: str | Weights = "identity",
    clusters: Clusters | None = None,
    settings: Settings = DEFAULT,
    *,
    interval: Way = "linearised",
) -> Estimate:
    """Difference of two agreement coefficients on the same cases, first minus second.

    Args:
        first, second: (n, readers) answers of two groups of readers, or under two conditions,
            to the same n cases in the same order; NaN where missing. Readers may overlap.
        coefficient, categories, weights: as for ``chance_corrected``.
        clusters: independent units; None means every case is its own.
        settings: level; draws and seed for the bootstrap.
        interval: linearised (t, units - 1 degrees of freedom), or bootstrap of clusters.

    Returns:
        ``extra`` has both values, and p of no difference (linearised only).

    Raises:
        ValueError: for different numbers of cases.

    Example:
        >>> good = np.tile([[0.0, 0], [1, 1]], (10, 1))
        >>> poor = np.tile([[0.0, 0], [1, 1], [0, 1], [1, 1]], (5, 1))
        >>> round(paired_difference(good, poor, "gwet_ac", 2).value, 4)
        0.4706

    Source:
        Gwet (2016), Testing the Difference of Correlated Agreement Coefficients for Statistical
        Significance. Educational and Psychological Measurement 76:609-637.
    """
    if interval not in ("linearised", "bootstrap"):
        raise ValueError(f"interval must be linearised or bootstrap, got {interval!r}")
    if np.shape(first)[0] != np.shape(second)[0]:
        raise ValueError(f"expected the same cases, got {len(first)} and {len(second)}")
    measure, convention = f"difference:{coefficient}", "same cases, first minus second"
    pair = [frame(one, coefficient, categories, weights) for one in (first, second)]
    frames = [one for one in pair if isinstance(one, Frame)]
    if len(frames) < 2:
        reason = next(one for one in pair if isinstance(one, str))
        return undefined(measure, reason, convention=convention)
    both = np.union1d(frames[0].rows, frames[1].rows).astype(np.int64)
    own = checked_clusters(clusters, frames[0].n_all).where(both)
    values = [float(one.values(one.per_case.sum(axis=0)[None, :])[0]) for one in frames]
    if not np.isfinite(values).all():
        return undefined(measure, EQUAL, n=both.size, convention=convention)
    value = values[0] - values[1]
    extra = {**own.extra, "first": values[0], "second": values[1]}
    if refusal := too_few(own):
        reach = Interval(None, None, "", refusal)
    elif interval == "bootstrap":
        reach = percentile_interval(_replicates(frames, both, own, settings), own, settings)
    else:
        moved = np.zeros((frames[0].n_all, 1))
        moved[frames[0].rows, 0] += deviations(frames[0])
        moved[frames[1].rows, 0] -= deviations(frames[1])
        error = standard_error(own.sums(moved[both])[:, 0], own.count) or 0.0
        reach = _t(value, error, own, settings.level)
        if error > 1e-12:
            extra |= {"se": error, "p": float(2 * stats.t.sf(abs(value) / error, own.count - 1))}
    return Estimate(
        measure, value, reach.low, reach.high, settings.level, both.size, convention=convention,
        method=reach.method, reason=reach.reason, extra=extra,
    )  # fmt: skip


def _t(value: float, error: float, own: Clusters, level: float) -> Interval:
    if error <= 1e-12:
        return Interval(None, None, "", NO_SPREAD)
    half = float(stats.t.ppf((1 + level) / 2, own.count - 1)) * error
    method = f"linearised over {own.words} (Gwet 2016), t with {own.count - 1:,} df"
    return Interval(value - half, value + half, method)


def _replicates(
    frames: list[Frame], both: IntArray, own: Clusters, settings: Settings
) -> FloatArray:
    """Differences in the same replicates: sums of both stacked side by side."""
    stacked = []
    for one in frames:
        rows = np.zeros((one.n_all, one.per_case.shape[1]))
        rows[one.rows] = one.per_case
        stacked.append(rows[both])
    width = stacked[0].shape[1]
    drawn = replicate_sums(own.sums(np.concatenate(stacked, axis=1)), settings)
    difference: FloatArray = frames[0].values(drawn[:, :width]) - frames[1].values(drawn[:, width:])
    return difference


@dataclass(frozen=True)
class Homogeneity:
    """Test that independent groups of cases have one kappa, and that common kappa."""

    common: float | None
    kappas: tuple[float | None, ...]
    statistic: float | None  # chi-square
    df: int
    p: float | None
    convention: str
    reason: str | None = None


def independent_kappas(groups: Sequence[FloatArray]) -> Homogeneity:
    """Goodness-of-fit test that intraclass kappas of independent groups of cases are equal.

    Args:
        groups: for each group (n, 2) answers 0 or 1 of two readers; pairs with a missing answer
            are left out.

    Returns:
        Undefined, with a reason, where a group has no pair, gave one answer only, or where an
        expected number is 0.

    Raises:
        ValueError: for fewer than two groups, or answers other than 0 and 1.

    Example:
        >>> one = np.array([[0.0, 0]] * 30 + [[0, 1]] * 5 + [[1, 1]] * 15)
        >>> other = np.array([[0.0, 0]] * 20 + [[0, 1]] * 20 + [[1, 1]] * 10)
        >>> round(independent_kappas([one, other]).statistic, 3)
        11.321

    Source:
        Donner, Eliasziw, Klar (1996), Testing the homogeneity of kappa statistics. Biometrics
        52:176-183.
    """
    if len(groups) < 2:
        raise ValueError(f"expected two groups or more, got {len(groups)}")
    convention = "intraclass kappa of two readers and two answers, goodness of fit"
    df = len(groups) - 1
    seen = np.stack([_pairs(group) for group in groups])  # both 1, one of each, both 0
    n = seen.sum(axis=1)
    if (n == 0).any():
        reason = "Not tested: a group has no case with two answers."
        return Homogeneity(None, (None,) * len(groups), None, df, None, convention, reason)
    share = (2 * seen[:, 0] + seen[:, 1]) / (2 * n)
    room = share * (1 - share)
    if (room == 0).any():
        reason = "Not tested: in a group all answers are equal."
        return Homogeneity(None, (None,) * len(groups), None, df, None, convention, reason)
    kappas = 1 - seen[:, 1] / (2 * n * room)
    common = float((n * room * kappas).sum() / (n * room).sum())
    expected = n[:, None] * np.stack(
        [share**2 + common * room, 2 * room * (1 - common), (1 - share) ** 2 + common * room],
        axis=1,
    )
    found = tuple(float(kappa) for kappa in kappas)
    if (expected <= 0).any():
        reason = "Not tested: under one common kappa an answer pair is impossible."
        return Homogeneity(common, found, None, df, None, convention, reason)
    chi2 = float(((seen - expected) ** 2 / expected).sum())
    return Homogeneity(common, found, chi2, df, float(stats.chi2.sf(chi2, df)), convention)


def _pairs(group: FloatArray) -> FloatArray:
    """Cases with both, one and no positive answer."""
    ratings = checked_codes(group, 2)
    if ratings.shape[1] != 2:
        raise ValueError(f"expected the answers of two readers, got {ratings.shape[1]}")
    positive = ratings[~np.isnan(ratings).any(axis=1)].sum(axis=1).astype(np.int64)
    return np.bincount(positive, minlength=3)[::-1].astype(np.float64)
