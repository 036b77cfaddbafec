"""How much worse the cases of a slice fare than others, of the same mix where strata are given."""

import numpy as np

from ml.estimate import Estimate, JsonValue, undefined
from ml.stats.arrays import BoolArray, FloatArray, IntArray, checked_outcomes
from ml.stats.asked import checked_size
from ml.stats.bootstrap import DEFAULT, Settings, replicate_sums
from ml.stats.clusters import Clusters, checked_clusters
from ml.stats.interval import percentile_interval
from ml.stats.subgroups.groups import Groups
from ml.stats.subgroups.pairwise import share_difference


def slice_effect(
    loss: FloatArray,
    inside: BoolArray,
    clusters: Clusters | None = None,
    settings: Settings = DEFAULT,
    *,
    strata: Groups | None = None,
) -> Estimate:
    """Mean loss inside minus outside a slice that was fixed beforehand.

    Newcombe for errors (0 or 1), percentile bootstrap of clusters for other losses. With strata,
    the outside is weighted to the strata of the slice, which are taken as known: what the others
    would lose if they had its mix. Intervals of the strata are joined by squares (MOVER), which
    takes them as independent.

    Args:
        loss: (n,) error (0 or 1) or loss of each case, finite.
        inside: (n,) the case lies in the slice; booleans, or 0 and 1.
        clusters, settings: as for ``worst_slices``.
        strata: groups of the same rows, none without one.

    Returns:
        With strata, ``extra`` holds ``expected``, the weighted loss outside. Undefined where a
        stratum of the slice has no case outside.

    Raises:
        ValueError: for unequal shapes, or losses that are not finite.

    Example:
        >>> slice_effect(np.array([1.0, 0.0, 0.0, 0.0]), np.array([1, 1, 0, 0])).value
        0.5
        >>> wrong, hard = np.array([1, 1, 0, 1, 0, 0]), Groups.of(["h", "h", "e", "h", "e", "e"])
        >>> slice_effect(wrong, np.array([1, 1, 1, 0, 0, 0]), strata=hard).value
        0.0

    Source:
        Newcombe (1998). Zou, Donner (2008), Statistics in Medicine 27:1693-1702 (weighted sums of
        differences). Direct standardisation: Breslow, Day (1987), Statistical Methods in Cancer
        Research II, chapter 2.
    """
    loss, inside = np.asarray(loss, dtype=np.float64), checked_outcomes(inside, "members")
    if loss.shape != inside.shape or not np.isfinite(loss).all():
        raise ValueError(f"expected two (n,) arrays, finite, got {loss.shape}, {inside.shape}")
    checked_size("losses", loss)
    mix = checked_strata(strata, int(loss.size))
    clusters = checked_clusters(clusters, loss.size)
    n, convention = int(loss.size), "mean loss inside minus outside"
    if strata is not None:
        convention += ", the outside weighted to the strata of the slice"
    if not inside.any() or inside.all():
        reason = "Not estimated: there are no cases on one side of the slice."
        return undefined("slice_effect", reason, n=n, convention=convention)
    parts = [mix == stratum for stratum in np.unique(mix[inside])]
    if any(not (part & ~inside).any() for part in parts):
        reason = "Not estimated: a stratum of the slice has no case outside to compare with."
        return undefined("slice_effect", reason, n=n, convention=convention)
    weights = np.array([(part & inside).sum() for part in parts]) / inside.sum()
    expected = sum(
        float(w * loss[part & ~inside].mean()) for w, part in zip(weights, parts, strict=True)
    )
    extra: dict[str, JsonValue] = {} if strata is None else {"expected": expected}
    if np.isin(loss, (0.0, 1.0)).all():
        found = [
            share_difference(
                "slice_effect", loss[part & inside] == 1, loss[part & ~inside] == 1,
                clusters.where(np.flatnonzero(part & inside)),
                clusters.where(np.flatnonzero(part & ~inside)),
                level=settings.level, convention=convention,
            )
            for part in parts
        ]  # fmt: skip
        if strata is None:
            return found[0]
        return _standardised(found, weights, n, settings.level, convention, extra)
    columns = [
        column
        for part in parts
        for side in (part & inside, part & ~inside)
        for column in (loss * side, side)
    ]
    sums = replicate_sums(clusters.sums(np.stack(columns, axis=1).astype(np.float64)), settings)
    sums = sums.reshape(-1, len(parts), 2, 2)  # draws, strata, side, sum and number
    with np.errstate(invalid="ignore", divide="ignore"):
        means = sums[..., 0] / sums[..., 1]
        replicates = ((means[..., 0] - means[..., 1]) * weights).sum(axis=1)
    interval = percentile_interval(replicates, clusters, settings)
    return Estimate(
        "slice_effect", float(loss[inside].mean()) - expected, interval.low,
        interval.high, settings.level, n, convention=convention, method=interval.method,
        reason=interval.reason, extra={**clusters.extra, **extra},
    )  # fmt: skip


def _standardised(
    found: list[Estimate],
    weights: FloatArray,
    n: int,
    level: float,
    convention: str,
    extra: dict[str, JsonValue],
) -> Estimate:
    """Differences of the strata, weighted; no interval where a stratum has none."""
    value = low = high = 0.0
    for weight, one in zip(weights, found, strict=True):
        assert one.value is not None
        value += float(weight) * one.value
        if one.low is not None and one.high is not None:
            low += (weight * (one.value - one.low)) ** 2
            high += (weight * (one.high - one.value)) ** 2
    lacking = next((one.reason for one in found if not one.has_interval), None)
    if lacking is not None:
        return Estimate(
            "slice_effect", value, n=n, convention=convention, reason=lacking, extra=extra
        )
    return Estimate(
        "slice_effect", value, value - low**0.5, value + high**0.5, level, n,
        convention=convention, method=f"{found[0].method} in each stratum, joined by squares",
        extra=extra,
    )  # fmt: skip


def checked_strata(strata: Groups | None, n: int) -> IntArray:
    """(n,) the stratum of each row; one for all where there are none.

    Raises:
        ValueError: for other rows, or a row without a stratum.

    Example:
        >>> checked_strata(None, 2).tolist()
        [0, 0]
    """
    if strata is None:
        return np.zeros(n, dtype=np.int64)
    if strata.codes.size != n or not strata.known.all():
        raise ValueError(f"strata must name one for each of {n} rows")
    return strata.codes
