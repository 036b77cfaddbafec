"""Krippendorff's alpha: agreement of any number of readers, with answers missing."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np

from ml.estimate import Estimate, undefined
from ml.stats.agreement.anova import checked_ratings
from ml.stats.agreement.chance_corrected import standard_error, t_interval
from ml.stats.agreement.ratings import category_counts, resampled_sums
from ml.stats.agreement.weights import checked_distances, circular_distance, ratio_distance
from ml.stats.arrays import FloatArray, ratio
from ml.stats.asked import checked_number
from ml.stats.bootstrap import DEFAULT, Settings, replicate_sums
from ml.stats.clusters import Clusters, checked_clusters
from ml.stats.interval import percentile_interval

Scale = Literal["nominal", "ordinal", "interval", "ratio", "circular", "custom"]
SCALES: tuple[Scale, ...] = ("nominal", "ordinal", "interval", "ratio", "circular", "custom")
_MOST_VALUES = 5_000  # of a ratio or circular scale: 200 MB of distances
_MOST_CELLS = 250_000_000  # of the coincidence matrices of all cases: 2 GB


def alpha(
    ratings: FloatArray,
    scale: Scale,
    clusters: Clusters | None = None,
    settings: Settings = DEFAULT,
    *,
    categories: int | None = None,
    circumference: float | None = None,
    distance: FloatArray | None = None,
    interval: Literal["bootstrap", "linearised"] = "bootstrap",
) -> Estimate:
    """Krippendorff's alpha, 1 - observed / expected disagreement; 0 is chance, 1 is perfect.

    Cases that fewer than two readers answered are left out. Columns need not be the same
    reader throughout: alpha treats readers as exchangeable. The interval respects whole
    clusters.

    Args:
        ratings: (n, readers) codes 0..categories-1 when the scale is nominal, ordinal or
            custom, else numbers; NaN where a reader did not answer.
        scale: how far apart two answers are: nominal (same or not), ordinal (by the answers
            in between), interval (squared difference), ratio (squared difference over sum),
            circular (squared sine of half the angle), custom (``distance``).
        clusters: (n,) independent units; None means every case is its own.
        settings: level, draws, seed.
        categories: number of declared answers; the largest code + 1 when None.
        circumference: number of equal steps around a circular scale.
        distance: (categories, categories) of a custom scale: 0 on the diagonal, symmetric.
        interval: bootstrap (percentile), or linearised (delta method over the sums that make
            alpha, t interval cut at 1). Gwet's own linearisation of alpha, which leaves the
            finite pool out, is ``chance_corrected(..., "krippendorff")``.

    Returns:
        Undefined, with a reason, when no case has two answers or all answers are equal.

    Raises:
        ValueError: for codes outside the declared categories, negative numbers on a ratio
            scale, another scale, or a scale without the argument it needs.

    Example:
        >>> table = np.array([[0, 0], [1, 1], [0, 1], [1, 1]])
        >>> round(alpha(table, "nominal", categories=2).value, 4)
        0.5333

    Source:
        Krippendorff (2004), Content Analysis, chapter 11; Krippendorff (2011), Computing
        Krippendorff's Alpha-Reliability. Bootstrap of clusters instead of single pairs;
        delta method: Gwet (2014), Handbook of Inter-Rater Reliability, 4th ed., section 5.4.
    """
    if interval not in ("bootstrap", "linearised"):
        raise ValueError(f"interval must be bootstrap or linearised, got {interval!r}")
    ratings = np.asarray(ratings, dtype=np.float64)
    clusters = checked_clusters(clusters, ratings.shape[0])
    answered = (~np.isnan(ratings)).sum(axis=1)
    rows = np.flatnonzero(answered >= 2)
    convention = f"{scale} scale; cases that two or more readers answered"
    used = ratings if rows.size == ratings.shape[0] else ratings[rows]
    parts = _parts(used, scale, categories, circumference, distance)
    if rows.size == 0:
        return undefined(
            "alpha", "Not estimated: no case was answered by two readers.", convention=convention
        )
    value = float(parts.of_sums(parts.per_case.sum(axis=0)[None, :])[0])
    if not np.isfinite(value):
        reason = "Not estimated: all answers are equal, so chance agreement is complete."
        return undefined("alpha", reason, n=rows.size, convention=convention)
    own = clusters.where(rows)
    extra = {**own.extra, "n_answers": int(answered[rows].sum()),
             "n_one_answer": int((answered == 1).sum())}  # fmt: skip
    if interval == "bootstrap":
        drawn = parts.of_sums(resampled_sums(parts.per_case, parts.counts, own, settings))
        reach = percentile_interval(drawn, own, settings)
    else:
        error = standard_error(own.sums(_deviations(parts))[:, 0], own.count)
        reach, p = t_interval(value, error, own, settings.level)
        extra |= {"se": error, "df": own.count - 1, "p": p}
    return Estimate(
        "alpha", value, reach.low, reach.high, settings.level, rows.size,
        convention=convention, method=reach.method.replace("(Gwet 2014)", "(delta method)"),
        reason=reach.reason, extra=extra,
    )  # fmt: skip


def alpha_replicates(
    ratings: FloatArray,
    scale: Scale,
    clusters: Clusters,
    settings: Settings,
    categories: int | None = None,
) -> tuple[float, FloatArray]:
    """Alpha and its bootstrap replicates over given clusters, for differences of two alphas.

    All rows keep their cluster, so that two tables of the same cases share their replicates.

    Args:
        ratings, scale, categories: as ``alpha``; nominal, ordinal, interval or ratio.
        clusters: of all rows.
        settings: draws and seed.

    Returns:
        The value (NaN when undefined) and (draws,) replicates.

    Raises:
        ValueError: as ``alpha``.

    Example:
        >>> table, own = np.array([[0, 0], [1, 1], [0, 1], [1, 1]]), Clusters.singles(4)
        >>> value, drawn = alpha_replicates(table, "nominal", own, Settings(draws=5))
        >>> round(value, 4), drawn.shape
        (0.5333, (5,))
    """
    parts = _parts(np.asarray(ratings, dtype=np.float64), scale, categories, None, None)
    value = float(parts.of_sums(parts.per_case.sum(axis=0)[None, :])[0])
    return value, parts.of_sums(replicate_sums(clusters.sums(parts.per_case), settings))


@dataclass(frozen=True)
class _Parts:
    per_case: FloatArray  # (n, q) whose sums make alpha
    of_sums: Callable[[FloatArray], FloatArray]  # (r, q) -> (r,), NaN where undefined
    counts: FloatArray | None  # (n, k) on which alone a case's numbers depend


def _parts(
    ratings: FloatArray,
    scale: Scale,
    categories: int | None,
    circumference: float | None,
    distance: FloatArray | None,
) -> _Parts:
    if scale not in SCALES:
        raise ValueError(f"scale must be one of {', '.join(SCALES)}, got {scale!r}")
    if scale in ("interval", "ratio", "circular"):
        ratings = checked_ratings(ratings)
    if scale == "interval":
        return _Parts(_interval_parts(ratings), _interval_alpha, None)
    if scale in ("ratio", "circular"):
        values, codes = _coded(ratings)
        if values.size > _MOST_VALUES:
            raise ValueError(
                f"a {scale} scale of {values.size:,} different numbers is more than the "
                f"{_MOST_VALUES:,} whose distances are held: round them, or take interval"
            )
        if scale == "circular":
            if circumference is None:
                raise ValueError("a circular scale needs its circumference, in steps")
            checked_number("circumference", circumference, above=1e-70)
        apart = (
            ratio_distance(values)
            if scale == "ratio"
            else circular_distance(values, float(circumference or 1))
        )
        counts = category_counts(codes, values.size)
        return _fixed_parts(counts, apart)
    size = categories or int(np.nanmax(ratings, initial=0, where=np.isfinite(ratings))) + 1
    counts = category_counts(ratings, size)
    if scale == "nominal":
        return _fixed_parts(counts, 1.0 - np.eye(size))
    if scale == "custom":
        if distance is None or np.shape(distance) != (size, size):
            raise ValueError(f"a custom scale needs distances ({size}, {size})")
        return _fixed_parts(counts, checked_distances(distance))
    if counts.size * size > _MOST_CELLS:
        raise ValueError(
            f"{size:,} ordinal answers to {len(counts):,} cases are too many: join some"
        )
    per_case = _coincidences(counts).reshape(-1, size * size)
    return _Parts(per_case, lambda sums: _ordinal_alpha(sums.reshape(-1, size, size)), counts)


def _coded(ratings: FloatArray) -> tuple[FloatArray, FloatArray]:
    """The distinct numbers, and for each answer which of them it is."""
    given = ~np.isnan(ratings)
    values, at = np.unique(ratings[given], return_inverse=True)
    codes = np.full(ratings.shape, np.nan)
    codes[given] = at
    return (values, codes) if values.size else (np.zeros(1), codes)


def _deviations(parts: _Parts) -> FloatArray:
    """Delta method: each case's numbers times alpha's slope in their sums, (n,)."""
    sums = parts.per_case.sum(axis=0)
    # Each sum has a unit of its own; one to which no case adds moves nothing.
    size = np.sqrt((parts.per_case**2).sum(axis=0))
    step = 1e-5 * np.where(size > 0, size, size.max())
    moves = np.diag(step)
    slope = (parts.of_sums(sums + moves) - parts.of_sums(sums - moves)) / (2 * step)
    moved: FloatArray = (parts.per_case - parts.per_case.mean(axis=0)) @ slope
    return moved


def _fixed_parts(counts: FloatArray, apart: FloatArray) -> _Parts:
    """Distances that do not depend on the answers: disagreement per case, and the pool."""
    total = counts.sum(axis=1)
    within = ((counts @ apart) * counts).sum(axis=1) / np.maximum(total - 1, 1)
    per_case = np.column_stack([within, counts])
    per_case[total < 2] = 0.0

    def of_sums(sums: FloatArray) -> FloatArray:
        pool = sums[:, 1:]
        expected = ((pool @ apart) * pool).sum(axis=1)
        return 1 - ratio(sums[:, 0] * (pool.sum(axis=1) - 1), expected)

    return _Parts(per_case, of_sums, counts)


def _coincidences(counts: FloatArray) -> FloatArray:
    """Each case's part of the coincidence matrix, (n, k, k); zero for fewer than two answers."""
    total = counts.sum(axis=1)
    pairs = counts[:, :, None] * counts[:, None, :]
    diagonal = np.arange(counts.shape[1])
    pairs[:, diagonal, diagonal] -= counts
    pairs[total < 2] = 0.0
    scaled: FloatArray = pairs / np.maximum(total - 1, 1)[:, None, None]
    return scaled


def _ordinal_alpha(matrices: FloatArray) -> FloatArray:
    """Alpha of each coincidence matrix, (r, k, k) -> (r,); NaN where it is undefined."""
    margins = matrices.sum(axis=2)
    total = margins.sum(axis=1)
    # Ranks of the answers, ties at their middle: the answers between c and k, squared.
    middle = np.cumsum(margins, axis=1) - margins / 2
    distance = (middle[:, :, None] - middle[:, None, :]) ** 2
    observed = np.einsum("rij,rij->r", matrices, distance)
    # Sum of n_c n_k (m_c - m_k)², multiplied out.
    first, second = (margins * middle).sum(axis=1), (margins * middle**2).sum(axis=1)
    expected = 2 * (total * second - first**2)
    expected = np.where(expected > 1e-12 * total * second, expected, 0.0)
    return 1 - ratio(observed * (total - 1), expected)


def _interval_parts(ratings: FloatArray) -> FloatArray:
    """Answers, their sum and sum of squares, and disagreement per case; others add nothing."""
    given = ~np.isnan(ratings)
    many = given.sum(axis=1) >= 2
    centre = float(np.mean(ratings[given & many[:, None]])) if many.any() else 0.0
    filled = np.where(given, ratings - centre, 0.0)  # centred: squares keep their digits
    m, total, squares = given.sum(axis=1), filled.sum(axis=1), (filled**2).sum(axis=1)
    apart = 2 * (m * squares - total**2) / np.maximum(m - 1, 1)
    return np.where(many[:, None], np.stack([m, total, squares, apart], axis=1), 0.0)


def _interval_alpha(sums: FloatArray) -> FloatArray:
    m, total, squares, apart = sums.T
    expected = 2 * (m * squares - total**2)
    # Equal answers leave rounding dust instead of 0.
    expected = np.where(expected > 1e-12 * np.maximum(m * squares, 1e-300), expected, 0.0)
    return 1 - ratio(apart * (m - 1), expected)
