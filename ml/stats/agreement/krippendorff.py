"""Krippendorff's alpha: agreement of any number of readers, with answers missing."""

from collections.abc import Callable
from typing import Literal

import numpy as np

from ml.estimate import Estimate, undefined
from ml.stats.agreement.ratings import category_counts
from ml.stats.arrays import FloatArray, ratio
from ml.stats.bootstrap import (
    DEFAULT,
    Clusters,
    Settings,
    percentile_interval,
    replicate_sums,
)

Scale = Literal["nominal", "ordinal", "interval"]


def alpha(
    ratings: FloatArray,
    scale: Scale,
    clusters: Clusters | None = None,
    settings: Settings = DEFAULT,
    *,
    categories: int | None = None,
) -> Estimate:
    """Krippendorff's alpha, 1 - observed / expected disagreement; 0 is chance, 1 is perfect.

    Cases that fewer than two readers answered are left out. Columns need not be the same
    reader throughout: alpha treats readers as exchangeable. The interval resamples whole
    clusters.

    Args:
        ratings: (n, readers) codes 0..categories-1, or numbers when the scale is interval;
            NaN where a reader did not answer.
        scale: how far apart two answers are: nominal (same or not), ordinal (by the answers
            in between), interval (squared difference).
        clusters: (n,) independent units; None means every case is its own.
        settings: level, draws, seed.
        categories: number of declared answers; the largest code + 1 when None.

    Returns:
        Undefined, with a reason, when no case has two answers or all answers are equal.

    Raises:
        ValueError: for codes outside the declared categories or another scale.

    Example:
        >>> table = np.array([[0, 0], [1, 1], [0, 1], [1, 1]])
        >>> round(alpha(table, "nominal", categories=2).value, 4)
        0.5333

    Source:
        Krippendorff (2004), Content Analysis, chapter 11; Krippendorff (2011), Computing
        Krippendorff's Alpha-Reliability. Bootstrap of clusters instead of single pairs.
    """
    if scale not in ("nominal", "ordinal", "interval"):
        raise ValueError(f"scale must be nominal, ordinal or interval, got {scale!r}")
    ratings = np.asarray(ratings, dtype=np.float64)
    clusters = clusters or Clusters.singles(ratings.shape[0])
    answered = (~np.isnan(ratings)).sum(axis=1)
    rows = np.flatnonzero(answered >= 2)
    convention = f"{scale} scale; cases that two or more readers answered"
    if rows.size == 0:
        return undefined(
            "alpha", "Not estimated: no case was answered by two readers.", convention=convention
        )
    used, per_case, from_sums = ratings[rows], *_parts(ratings[rows], scale, categories)
    value = float(from_sums(per_case.sum(axis=0)[None, :])[0])
    if not np.isfinite(value):
        reason = "Not estimated: all answers are equal, so chance agreement is complete."
        return undefined("alpha", reason, n=rows.size, convention=convention)
    used_clusters = clusters.where(rows)
    interval = percentile_interval(
        from_sums(replicate_sums(used_clusters.sums(per_case), settings)), used_clusters, settings
    )
    return Estimate(
        "alpha", value, interval.low, interval.high, settings.level, rows.size,
        convention=convention, method=interval.method, reason=interval.reason,
        extra={**used_clusters.extra,
               "n_answers": int((~np.isnan(used)).sum()),
               "n_one_answer": int((answered == 1).sum())},
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

    Returns:
        The value (NaN when undefined) and (draws,) replicates.
    """
    per_case, from_sums = _parts(ratings, scale, categories)
    value = float(from_sums(per_case.sum(axis=0)[None, :])[0])
    return value, from_sums(replicate_sums(clusters.sums(per_case), settings))


def _parts(
    ratings: FloatArray, scale: Scale, categories: int | None
) -> tuple[FloatArray, Callable[[FloatArray], FloatArray]]:
    """Per-case numbers (n, q) whose sums make alpha, and the function of those sums."""
    if scale == "interval":
        return _interval_parts(ratings), _interval_alpha
    size = categories or int(np.nanmax(ratings, initial=0)) + 1
    counts = category_counts(ratings, size)
    per_case = coincidences(counts).reshape(counts.shape[0], -1)
    return per_case, lambda sums: _coincidence_alpha(sums.reshape(-1, size, size), scale)


def coincidences(counts: FloatArray) -> FloatArray:
    """Each case's part of the coincidence matrix, (n, k, k); zero for fewer than two answers."""
    total = counts.sum(axis=1)
    pairs = counts[:, :, None] * counts[:, None, :]
    diagonal = np.arange(counts.shape[1])
    pairs[:, diagonal, diagonal] -= counts
    pairs[total < 2] = 0.0
    scaled: FloatArray = pairs / np.maximum(total - 1, 1)[:, None, None]
    return scaled


def _coincidence_alpha(matrices: FloatArray, scale: Scale) -> FloatArray:
    """Alpha of each coincidence matrix, (r, k, k) -> (r,); NaN where it is undefined."""
    margins = matrices.sum(axis=2)
    total = margins.sum(axis=1)
    size = margins.shape[1]
    if scale == "nominal":
        distance = np.broadcast_to(1.0 - np.eye(size), matrices.shape)
    else:
        # Ranks of the answers, ties at their middle: the answers between c and k, squared.
        middle = np.cumsum(margins, axis=1) - margins / 2
        distance = (middle[:, :, None] - middle[:, None, :]) ** 2
    observed = np.einsum("rij,rij->r", matrices, distance)
    expected = np.einsum("ri,rj,rij->r", margins, margins, distance, optimize=True)
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
