"""How far apart the AUROCs of several groups are, and whether that is more than chance."""

import numpy as np

from ml.estimate import Estimate, undefined
from ml.stats.arrays import FloatArray, IntArray, checked_binary
from ml.stats.bootstrap import DEFAULT, Settings
from ml.stats.clusters import Clusters, checked_clusters, too_few
from ml.stats.discrimination.auroc import bootstrap_auroc, delong_variance, placements
from ml.stats.interval import percentile_interval, within
from ml.stats.subgroups.groups import Groups
from ml.stats.subgroups.heterogeneity import cochran_q


def max_auroc_gap(
    scores: FloatArray,
    present: IntArray,
    groups: Groups,
    clusters: Clusters | None = None,
    settings: Settings = DEFAULT,
) -> Estimate:
    """Largest minus smallest AUROC of the groups, each ranked within itself.

    Args:
        scores: (n,) higher means present.
        present: (n,) 1 or 0.
        groups: (n,) rows; rows without a group are left out.
        clusters: independent units; a cluster may hold cases of several groups.
        settings: level, draws, seed.

    Returns:
        Interval: percentile bootstrap of clusters, recentred at the value (a maximum is biased
        upwards). ``extra`` holds ``p`` and ``q`` of Cochran's test over DeLong variances (over
        bootstrap variances where cases cluster; None where a group is ranked without an error),
        ``bootstrap_bias``, ``lowest`` and ``highest``. Undefined where a group has one class only.

    Raises:
        ValueError: as ``auroc``.

    Example:
        >>> scores, present = np.array([1.0, 2, 1, 2]), np.array([0, 1, 1, 0])
        >>> max_auroc_gap(scores, present, Groups.of(list("aabb"))).value
        1.0

    Source:
        DeLong, DeLong, Clarke-Pearson (1988). Cochran (1954).
    """
    scores, positive = checked_binary(scores, present)
    clusters = checked_clusters(clusters, scores.size)
    known = np.flatnonzero(groups.known)
    n, n_events = known.size, int(positive[known].sum())
    convention = "max − min of the AUROC within groups"

    def without(reason: str) -> Estimate:
        return undefined("auroc_gap", reason, n=n, n_events=n_events, convention=convention)

    rows = [groups.rows(at) for at in range(groups.count)]
    if groups.count < 2:
        return without("Not estimated: a gap needs two groups.")
    lost = [
        name
        for name, chosen in zip(groups.names, rows, strict=True)
        if positive[chosen].all() or not positive[chosen].any()
    ]
    if lost:
        return without(
            f"Not estimated: no pair of a case with and one without the finding in {lost[0]}."
        )
    placed = [placements(scores[chosen], positive[chosen]) for chosen in rows]
    values = np.array([of_present.mean() for of_present, _ in placed])
    value = float(np.ptp(values))
    used = clusters.where(known)
    position = np.full(scores.size, -1, dtype=np.int64)
    position[known] = used.codes
    # The same number of units gives every group the same replicates of them.
    drawn = np.stack(
        [
            bootstrap_auroc(
                scores[chosen], positive[chosen],
                Clusters(position[chosen], used.count, used.kind), settings,
            )
            for chosen in rows
        ]
    )  # fmt: skip
    replicates = np.ptp(drawn, axis=0)
    interval = within(percentile_interval(replicates, used, settings, centre=value), 0.0, 1.0)
    defined = replicates[np.isfinite(replicates)]
    q, p = _q(values, placed, drawn, used)
    return Estimate(
        "auroc_gap", value, interval.low, interval.high, settings.level, n, n_events,
        convention=convention, method=interval.method, reason=interval.reason,
        extra={**used.extra, "groups": groups.count, "q": q, "p": p,
               "lowest": groups.names[int(values.argmin())],
               "highest": groups.names[int(values.argmax())],
               "bootstrap_bias": float(defined.mean() - value) if defined.size else None},
    )  # fmt: skip


def _q(
    values: FloatArray,
    placed: list[tuple[FloatArray, FloatArray]],
    drawn: FloatArray,
    clusters: Clusters,
) -> tuple[float | None, float | None]:
    if min(part.size for pair in placed for part in pair) < 2 or too_few(clusters):
        return None, None
    variances = np.array([delong_variance(*pair) for pair in placed])
    if not clusters.each_alone:
        finite = [row[np.isfinite(row)] for row in drawn]
        variances = np.array([row.var(ddof=1) if row.size > 1 else 0.0 for row in finite])
    if (variances <= 0).any():
        return None, None
    found = cochran_q(values, variances, measure="auroc")
    p = found.extra.get("p")
    return found.value, p if isinstance(p, float) else None
