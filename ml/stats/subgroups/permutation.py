"""Whether a gap between groups is more than chance: groups dealt anew to whole clusters."""

from collections.abc import Iterator

import numpy as np

from ml.estimate import Estimate, undefined
from ml.stats.arrays import FloatArray, IntArray, ratio
from ml.stats.bootstrap import DEFAULT, Settings
from ml.stats.clusters import too_few
from ml.stats.permutation import p_value
from ml.stats.subgroups.calls import GroupedCalls, Rate

_CHUNK = 200_000  # numbers held at once


def permuted(
    count: int,
    settings: Settings,
    *,
    blocks: list[IntArray] | None = None,
    width: int = 0,
    chunk: int = _CHUNK,
) -> Iterator[IntArray]:
    """Permutations of units, in chunks (c, count); the stream depends on count, blocks and seed.

    Args:
        count: units.
        settings: draws and seed.
        blocks: indices that are permuted among themselves; all of them when None.
        width: numbers that the caller holds per permutation; sets the size of a chunk.
        chunk: numbers held at once; where there are several blocks, part of the answer.

    Example:
        >>> blocks = [np.array([0, 1]), np.array([2, 3])]
        >>> orders = np.concatenate(list(permuted(4, Settings(draws=9), blocks=blocks)))
        >>> orders.shape, np.unique(orders[:, :2]).tolist()  # units 0 and 1 stay among themselves
        ((9, 4), [0, 1])
    """
    generator = np.random.Generator(np.random.SFC64([settings.seed, count]))
    step = max(1, chunk // max(count, width, 1))
    for start in range(0, settings.draws, step):
        size = min(step, settings.draws - start)
        orders = np.tile(np.arange(count, dtype=np.int64), (size, 1))
        for block in [np.arange(count, dtype=np.int64)] if blocks is None else blocks:
            if block.size > 1:
                orders[:, block] = generator.permuted(np.tile(block, (size, 1)), axis=1)
        yield orders


def permutation_gap(calls: GroupedCalls, rate: Rate, settings: Settings = DEFAULT) -> Estimate:
    """Test of the largest gap of a rate between groups, by dealing the groups anew.

    It is the null for a maximum: that the largest of many gaps is above 0 by chance is in it.
    Only cases that the rate is a share of are dealt (for ``tpr``, cases with the finding), so
    that the numbers per group stay.

    Args:
        calls: the cases.
        rate: as ``group_rates``.
        settings: draws and seed.

    Returns:
        The gap as value; ``extra`` holds ``p``. Undefined where the rate exists in fewer than two
        groups, with fewer than ten clusters, or where a cluster reaches into several groups: then
        there is nothing whole to deal.

    Example:
        >>> from ml.stats.subgroups.groups import Groups
        >>> calls = GroupedCalls.of([1] * 10 + [0] * 10, [1] * 20, Groups.of("a" * 10 + "b" * 10))
        >>> found = permutation_gap(calls, "tpr", Settings(draws=499))
        >>> found.value, found.extra["p"]
        (1.0, 0.002)

    Source:
        Good (2005), Permutation, Parametric and Bootstrap Tests of Hypotheses, chapter 3.
        DiCiccio, Vasudevan, Basu, Kenthapadi, Agarwal (2020), KDD (fairness across groups).
    """
    hit, counted = calls.parts(rate)
    rows = np.flatnonzero(counted)
    measure, convention = f"permutation_gap:{rate}", f"max − min of {rate} over groups"
    occupied, codes = np.unique(calls.groups.codes[rows], return_inverse=True)
    clusters = calls.clusters.where(rows)

    def without(reason: str) -> Estimate:
        return undefined(measure, reason, n=rows.size, convention=convention)

    if occupied.size < 2:
        return without(f"Not estimated: {rate} exists in fewer than two groups.")
    if not clusters.each_alone and too_few(clusters):
        return without((too_few(clusters) or "").replace("No interval", "Not estimated"))
    group_of = np.zeros(clusters.count, dtype=np.int64)
    group_of[clusters.codes] = codes
    if (group_of[clusters.codes] != codes).any():
        return without(
            f"Not estimated: a {clusters.kind} reaches into several groups, so that groups cannot "
            "be dealt anew to whole ones."
        )
    count = int(occupied.size)
    sums = clusters.sums(np.stack([hit[rows], np.ones(rows.size)], axis=1))
    observed = _gaps(group_of[None, :], sums, count)[0]
    if clusters.each_alone:
        drawn = _dealt_cases(int(hit[rows].sum()), np.bincount(codes), settings)
    else:
        drawn = np.concatenate(
            [_gaps(group_of[order], sums, count) for order in permuted(clusters.count, settings)]
        )
    defined = drawn[np.isfinite(drawn)]
    return Estimate(
        measure, float(observed), n=rows.size, convention=convention,
        method=f"groups dealt anew to {clusters.words}, {settings.draws:,} permutations, "
        f"seed {settings.seed}",
        reason="No interval: a test of no gap; see max_gap for its size.",
        extra={"p": p_value(float(observed), defined, complete=False), "groups": count,
               "expected_by_chance": float(defined.mean()) if defined.size else None,
               "groups_left_out": calls.groups.count - count, **clusters.extra},
    )  # fmt: skip


def _dealt_cases(hits: int, sizes: IntArray, settings: Settings) -> FloatArray:
    """Gaps when every case is its own: hits per group are multivariate hypergeometric."""
    generator = np.random.Generator(np.random.SFC64([settings.seed, int(sizes.sum())]))
    dealt = generator.multivariate_hypergeometric(sizes, hits, size=settings.draws)
    rates = dealt / sizes
    gaps: FloatArray = rates.max(axis=1) - rates.min(axis=1)
    return gaps


def _gaps(groups: IntArray, sums: FloatArray, count: int) -> FloatArray:
    """Gap of each dealing: groups (c, clusters), sums (clusters, 2) hits and sizes -> (c,)."""
    places = (groups + count * np.arange(groups.shape[0])[:, None]).ravel()
    length = groups.shape[0] * count
    totals = [
        np.bincount(places, np.tile(column, groups.shape[0]), length).astype(np.float64)
        for column in sums.T
    ]
    rates = ratio(totals[0], totals[1]).reshape(-1, count)
    gaps: FloatArray = rates.max(axis=1) - rates.min(axis=1)
    return gaps
