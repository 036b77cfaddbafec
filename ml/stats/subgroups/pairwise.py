"""Two groups against each other: difference of a rate, difference of the AUROC."""

import numpy as np
from scipy import stats

from ml.estimate import Estimate, JsonValue, undefined
from ml.stats.arrays import (
    BoolArray,
    FloatArray,
    IntArray,
    checked_binary,
    checked_outcomes,
)
from ml.stats.asked import checked_share
from ml.stats.bootstrap import DEFAULT, Settings
from ml.stats.clusters import Clusters, checked_clusters, too_few
from ml.stats.discrimination.auroc import bootstrap_auroc, delong_variance, placements
from ml.stats.interval import Interval, percentile_interval
from ml.stats.proportion import effective_size, wilson
from ml.stats.subgroups.calls import GroupedCalls, Rate
from ml.stats.subgroups.groups import Groups


def newcombe(
    share_a: float, n_a: float, share_b: float, n_b: float, level: float
) -> tuple[float, float]:
    """Interval of a difference of two independent shares, from their Wilson intervals.

    Args:
        share_a, share_b: 0..1.
        n_a, n_b: sizes above 0; need not be whole (effective sizes).
        level: coverage.

    Example:
        >>> [round(end, 4) for end in newcombe(56 / 70, 70, 48 / 80, 80, 0.95)]
        [0.0524, 0.3339]

    Source:
        Newcombe (1998), Statistics in Medicine 17:873-890, method 10 (no continuity correction).
    """
    low_a, high_a = wilson(share_a, n_a, level)
    low_b, high_b = wilson(share_b, n_b, level)
    difference = share_a - share_b
    return (
        difference - ((share_a - low_a) ** 2 + (high_b - share_b) ** 2) ** 0.5,
        difference + ((high_a - share_a) ** 2 + (share_b - low_b) ** 2) ** 0.5,
    )


def share_difference(
    measure: str,
    success_a: BoolArray,
    success_b: BoolArray,
    clusters_a: Clusters | None = None,
    clusters_b: Clusters | None = None,
    *,
    level: float = 0.95,
    convention: str = "a minus b",
) -> Estimate:
    """Difference of two shares of different cases, with Newcombe's interval.

    With clusters the shares stand on their effective sizes. Clusters that reach into both groups
    are treated as if they did not: with likeness inside a cluster that only widens the interval.

    Args:
        measure: id of the estimate.
        success_a, success_b: (n_a,), (n_b,) booleans, or 0 and 1.
        clusters_a, clusters_b: of the same rows; None means every case is its own.
        level: of the interval.

    Returns:
        ``extra`` holds ``z_pooled`` and its two-sided ``p`` (None where both shares are 0 or 1).

    Raises:
        ValueError: for values other than 0 and 1, or clusters of other rows.

    Example:
        >>> a, b = np.arange(70) < 56, np.arange(80) < 48
        >>> round(share_difference("tpr_difference", a, b).low, 4)
        0.0524

    Source:
        Newcombe (1998); pooled two-sample z: Fleiss (1981), Statistical Methods for Rates and
        Proportions. Effective sizes: Rao, Scott (1992).
    """
    level = checked_share("level", level)
    success_a, success_b = checked_outcomes(success_a), checked_outcomes(success_b)
    n_a, n_b = int(success_a.size), int(success_b.size)
    clusters_a = checked_clusters(clusters_a, n_a)
    clusters_b = checked_clusters(clusters_b, n_b)
    if not n_a or not n_b:
        reason = "Not estimated: one of the two groups has no case that the rate is a share of."
        return undefined(measure, reason, n=n_a + n_b, convention=convention)
    share_a, share_b = float(success_a.mean()), float(success_b.mean())
    refusal = next(
        (too_few(c) for c in (clusters_a, clusters_b) if not c.each_alone and too_few(c)), None
    )
    sizes: dict[str, JsonValue] = {"n_a": n_a, "n_b": n_b, "share_a": share_a, "share_b": share_b}
    if refusal:
        return Estimate(
            measure, share_a - share_b, n=n_a + n_b, convention=convention, reason=refusal,
            extra={**sizes, "z_pooled": None, "p": None},
        )  # fmt: skip
    size_a = effective_size(success_a, clusters_a).n
    size_b = effective_size(success_b, clusters_b).n
    low, high = newcombe(share_a, size_a, share_b, size_b, level)
    z, p = _pooled_z(share_a, size_a, share_b, size_b)
    alone = clusters_a.each_alone and clusters_b.each_alone
    return Estimate(
        measure, share_a - share_b, low, high, level, n_a + n_b, convention=convention,
        method="Newcombe" if alone else "Newcombe on effective sizes of clustered shares",
        extra={**sizes, "z_pooled": z, "p": p},
    )  # fmt: skip


def rate_difference(
    calls: GroupedCalls, rate: Rate, a: str, b: str, *, level: float = 0.95
) -> Estimate:
    """Rate of group a minus rate of group b; interval and test as ``share_difference``.

    Raises:
        ValueError: for a group that does not exist, or against itself.

    Example:
        >>> calls = GroupedCalls.of([1, 0, 1, 1], [1, 1, 1, 1], Groups.of(list("aabb")))
        >>> rate_difference(calls, "tpr", "a", "b").value
        -0.5
    """
    hit, counted = calls.parts(rate)
    rows_a, rows_b = (rows[counted[rows]] for rows in _rows_of_both(calls.groups, a, b))
    return share_difference(
        f"{rate}_difference:{a}:{b}", hit[rows_a], hit[rows_b], calls.clusters.where(rows_a),
        calls.clusters.where(rows_b), level=level, convention=f"{rate} of {a} minus {rate} of {b}",
    )  # fmt: skip


def auroc_difference(
    scores: FloatArray,
    present: IntArray,
    groups: Groups,
    a: str,
    b: str,
    clusters: Clusters | None = None,
    settings: Settings = DEFAULT,
) -> Estimate:
    """AUROC of group a minus AUROC of group b: different cases, so unpaired.

    It compares ranking inside each group. Groups that rank equally well may still need different
    thresholds: compare sensitivity and specificity as well.

    Args:
        scores: (n,) higher means present.
        present: (n,) 1 or 0.
        groups: (n,) rows.
        a, b: names of two groups.
        clusters: independent units; a cluster may hold cases of both groups.
        settings: level, draws, seed.

    Returns:
        Interval: DeLong variances added, Wald; a bootstrap of clusters where cases cluster.
        ``extra`` holds ``z`` and ``p``. Undefined where a group has one class only.

    Raises:
        ValueError: as ``auroc``, for a group that does not exist, or against itself.

    Example:
        >>> scores, present = np.array([1.0, 2, 1, 2]), np.array([0, 1, 1, 0])
        >>> auroc_difference(scores, present, Groups.of(list("aabb")), "a", "b").value
        1.0

    Source:
        DeLong, DeLong, Clarke-Pearson (1988); unpaired as in pROC (roc.test, paired=FALSE).
    """
    scores, positive = checked_binary(scores, present)
    clusters = checked_clusters(clusters, scores.size)
    rows = _rows_of_both(groups, a, b)
    both = np.concatenate(rows)
    measure, convention = f"auroc_difference:{a}:{b}", f"AUROC within {a} minus AUROC within {b}"
    n, n_events = both.size, int(positive[both].sum())
    for name, chosen in zip((a, b), rows, strict=True):
        if positive[chosen].all() or not positive[chosen].any():
            reason = (
                f"Not estimated: {name} has no pair of a case with and one without the finding."
            )
            return undefined(measure, reason, n=n, n_events=n_events, convention=convention)
    placed = [placements(scores[chosen], positive[chosen]) for chosen in rows]
    value = float(placed[0][0].mean() - placed[1][0].mean())
    interval, error = _auroc_interval(value, scores, positive, rows, placed, clusters, settings)
    z = value / error if error else None
    return Estimate(
        measure, value, interval.low, interval.high, settings.level, n, n_events,
        convention=convention, method=interval.method, reason=interval.reason,
        extra={**clusters.where(both).extra, "n_a": rows[0].size, "n_b": rows[1].size,
               "z": z, "p": None if z is None else float(2 * stats.norm.sf(abs(z)))},
    )  # fmt: skip


def _rows_of(groups: Groups, name: str) -> IntArray:
    """Rows of a group by its name.

    Raises:
        ValueError: naming the groups there are.
    """
    if name not in groups.names:
        raise ValueError(f"no group {name!r}; there are {', '.join(groups.names) or 'none'}")
    return groups.rows(groups.names.index(name))


def _rows_of_both(groups: Groups, a: str, b: str) -> list[IntArray]:
    if a == b:
        raise ValueError(f"{a!r} against itself has no difference: name two groups")
    return [_rows_of(groups, a), _rows_of(groups, b)]


def _pooled_z(
    share_a: float, n_a: float, share_b: float, n_b: float
) -> tuple[float | None, float | None]:
    pooled = (share_a * n_a + share_b * n_b) / (n_a + n_b)
    variance = pooled * (1 - pooled) * (1 / n_a + 1 / n_b)
    if variance <= 0:
        return None, None
    z = (share_a - share_b) / variance**0.5
    return z, float(2 * stats.norm.sf(abs(z)))


def _auroc_interval(
    value: float,
    scores: FloatArray,
    positive: BoolArray,
    rows: list[IntArray],
    placed: list[tuple[FloatArray, FloatArray]],
    clusters: Clusters,
    settings: Settings,
) -> tuple[Interval, float | None]:
    """The interval and the standard error of the difference."""
    if min(part.size for pair in placed for part in pair) < 2:
        reason = "No interval: one class of one group has a single case, so no spread."
        return Interval(None, None, "", reason), None
    if not clusters.each_alone:
        used = clusters.where(np.concatenate(rows))
        ends = rows[0].size
        codes = (used.codes[:ends], used.codes[ends:])
        drawn = [
            bootstrap_auroc(
                scores[chosen], positive[chosen], Clusters(code, used.count, used.kind), settings
            )
            for chosen, code in zip(rows, codes, strict=True)
        ]
        replicates = drawn[0] - drawn[1]
        defined = replicates[np.isfinite(replicates)]
        interval = percentile_interval(replicates, used, settings)
        spread = float(defined.std(ddof=1)) if interval.reason is None else 0.0
        return interval, spread or None
    variances = [delong_variance(*pair) for pair in placed]
    if min(variances) <= 0:
        reason = "No interval: one group is ranked without an error, its variance is zero."
        return Interval(None, None, "", reason), None
    error = sum(variances) ** 0.5
    margin = float(stats.norm.ppf((1 + settings.level) / 2)) * error
    low, high = max(-1.0, value - margin), min(1.0, value + margin)
    return Interval(low, high, "unpaired DeLong, Wald"), error
