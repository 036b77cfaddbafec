"""Search for the slice of cases on which a model fares worst, and whether it beats chance."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from ml.estimate import Estimate, undefined
from ml.stats.arrays import BoolArray, FloatArray, IntArray, checked_outcomes
from ml.stats.asked import checked_count, checked_size
from ml.stats.bootstrap import DEFAULT, Settings, replicate_sums
from ml.stats.clusters import Clusters, checked_clusters, too_few
from ml.stats.interval import percentile_interval
from ml.stats.permutation import p_value
from ml.stats.subgroups.groups import Groups
from ml.stats.subgroups.pairwise import share_difference
from ml.stats.subgroups.permutation import permuted

SMALLEST = 20  # cases inside a slice, and outside
MOST = 4000  # slices looked at; beyond, conjunctions become shorter
_CHUNK = 4_000_000  # losses dealt at once: the product with all slices wants tall matrices
_MEMBERSHIPS = 60_000_000  # cases of all slices held at once; fewer slices in very large cohorts
DEEPEST = 3  # conditions of a slice
HALVES = 400  # cases from which on a slice is also confirmed on cases it was not found on


@dataclass(frozen=True)
class Slice:
    """Cases that meet every condition, and how much worse they fare."""

    conditions: tuple[tuple[str, str], ...]  # (column, level), one to three
    rows: IntArray  # indices of its cases
    effect: Estimate  # mean loss inside minus outside
    inside: float  # mean loss inside
    outside: float
    statistic: float  # standard deviations above what a random set of this size has
    p: float  # against the largest statistic of the whole search

    @property
    def words(self) -> str:
        """ "sex = f and site = north"."""
        return " and ".join(f"{column} = {level}" for column, level in self.conditions)


@dataclass(frozen=True)
class SliceSearch:
    """What the search found, worst slice first, and what it looked at."""

    slices: tuple[Slice, ...]
    looked_at: int  # different slices of cases
    depth: int  # conditions combined at most
    convention: str
    method: str
    reason: str | None = None  # why there is none
    confirmed: Estimate | None = None  # effect of the slice found on one half, on the other
    confirmed_conditions: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class _Candidates:
    conditions: list[tuple[tuple[str, str], ...]]
    inside: BoolArray  # (slices, n)
    depth: int


def worst_slices(
    loss: FloatArray | BoolArray,
    columns: Mapping[str, Groups],
    clusters: Clusters | None = None,
    settings: Settings = DEFAULT,
    *,
    smallest: int = SMALLEST,
    deepest: int = DEEPEST,
    keep: int = 10,
    confirm: bool = True,
) -> SliceSearch:
    """Look at every conjunction of up to three levels for the one with the highest mean loss.

    A slice scores (sum of loss inside - expected) / standard deviation of that sum for random
    sets of its size. Losses are then dealt anew to the cases, the whole search is repeated each
    time, and p is the share of dealings whose largest score reaches that of the slice. It holds
    for all slices at once (single-step maxT), also where conditions overlap. Clusters are dealt as
    wholes, among clusters of equal size; a cluster alone in its size stays where it is.

    Args:
        loss: (n,) error (0 or 1) or loss of each case; higher is worse, finite.
        columns: name -> groups of the same n rows; numbers are binned first (``groups.binned``).
        clusters: independent units.
        settings: draws of the dealings and of the bootstrap, seed, level.
        smallest: cases inside a slice and outside of it.
        deepest: conditions combined, 1 to 3; fewer where that makes more than 4,000 slices
            (or 60 million cases in all slices together).
        keep: slices returned.
        confirm: from 400 cases on, search one half of the clusters and measure the slice found
            on the other: an effect that selection cannot have made.

    Returns:
        Effects: difference of the mean loss inside and outside. Their intervals (Newcombe for
        errors, else bootstrap of clusters) do not know of the search and lie too high for the
        winner; ``confirmed`` does not.

    Raises:
        ValueError: for NaN in the loss, unequal lengths, or a depth other than 1 to 3.

    Example:
        >>> site = Groups.of(["a", "b"] * 50)
        >>> wrong = np.arange(100) % 2 == 1
        >>> found = worst_slices(wrong, {"site": site}, settings=Settings(draws=499))
        >>> found.slices[0].words, found.slices[0].p
        ('site = b', 0.002)

    Source:
        Chung et al. (2019), ICDE (SliceFinder). Westfall, Young (1993), Resampling-Based Multiple
        Testing, chapter 2 (maxT). Kulldorff (1997) for scans of overlapping sets.
    """
    loss = np.asarray(loss, dtype=np.float64)
    clusters = checked_clusters(clusters, loss.size)
    smallest, keep = checked_count("smallest", smallest), checked_count("keep", keep, 0)
    _check(loss, columns, clusters, deepest)
    convention = (
        f"conjunctions of levels of {len(columns)} columns, at least {smallest} cases inside and "
        "outside; score standardised by size"
    )
    reason = _too_little(loss, clusters)
    candidates = None if reason else _candidates(columns, loss.size, smallest, deepest)
    if candidates is not None and not candidates.conditions:
        reason = f"Not searched: no level of a column has {smallest} cases inside and outside."
    if reason or candidates is None:
        return SliceSearch((), 0, 0, convention, "", reason)
    scores = _scores(candidates.inside, loss[None, :])[0]
    highest = _highest_by_chance(candidates.inside, loss, clusters, settings)
    order = np.argsort(-scores, kind="stable")[:keep]
    found = tuple(
        _slice(candidates, int(at), loss, clusters, settings, float(scores[at]), highest)
        for at in order
        if scores[at] > 0
    )
    method = (
        f"losses dealt anew to {clusters.words}, {settings.draws:,} permutations, seed "
        f"{settings.seed}, largest of {len(candidates.conditions):,} slices"
    )
    confirmed, conditions = (
        _confirmed(loss, columns, clusters, settings, smallest, candidates.depth)
        if confirm and loss.size >= HALVES
        else (None, ())
    )
    return SliceSearch(
        found, len(candidates.conditions), candidates.depth, convention, method, None,
        confirmed, conditions,
    )  # fmt: skip


def members(conditions: tuple[tuple[str, str], ...], columns: Mapping[str, Groups]) -> BoolArray:
    """(n,) cases that meet every condition.

    Args:
        conditions: column and level of each, at least one.
        columns: groups of the same n cases, by name.

    Raises:
        ValueError: for a level that the column does not have.

    Example:
        >>> columns = {"site": Groups.of(["a", "a", "b"]), "sex": Groups.of(["f", "m", "f"])}
        >>> members((("site", "a"), ("sex", "f")), columns).tolist()
        [True, False, False]
    """
    masks = [
        columns[column].codes == columns[column].names.index(level) for column, level in conditions
    ]
    inside: BoolArray = np.logical_and.reduce(masks)
    return inside


def _check(
    loss: FloatArray, columns: Mapping[str, Groups], clusters: Clusters, deepest: int
) -> None:
    if loss.ndim != 1 or not np.isfinite(loss).all():
        raise ValueError("losses must be (n,) finite numbers: leave failed cases out or count them")
    checked_size("losses", loss)
    wrong = {name: g.codes.size for name, g in columns.items() if g.codes.size != loss.size}
    if wrong or clusters.codes.size != loss.size:
        raise ValueError(f"expected {loss.size} rows in every column, got {wrong or 'clusters'}")
    if deepest not in (1, 2, 3):
        raise ValueError(f"deepest must be 1, 2 or 3, got {deepest}")


def _too_little(loss: FloatArray, clusters: Clusters) -> str | None:
    if loss.size == 0 or np.ptp(loss) == 0:
        return "Not searched: all cases have the same loss."
    refusal = too_few(clusters)
    return None if refusal is None else refusal.replace("No interval", "Not searched")


def _candidates(columns: Mapping[str, Groups], n: int, smallest: int, deepest: int) -> _Candidates:
    """Different slices of sufficient size, shortest description first."""
    singles = [
        ((name, level), groups.codes == at)
        for name, groups in columns.items()
        for at, level in enumerate(groups.names)
    ]
    singles = [(c, mask) for c, mask in singles if smallest <= mask.sum() <= n - smallest]
    conditions: list[tuple[tuple[str, str], ...]] = []
    masks: list[BoolArray] = []
    seen: set[bytes] = set()
    depth, most = 0, min(MOST, _MEMBERSHIPS // max(n, 1))
    for size in range(1, deepest + 1):
        fresh = list(_conjunctions(singles, size, smallest, seen))
        if not fresh or (size > 1 and len(masks) + len(fresh) > most):
            break
        depth = size
        conditions += [c for c, _ in fresh]
        masks += [mask for _, mask in fresh]
    return _Candidates(conditions, np.array(masks, dtype=bool).reshape(len(masks), n), depth)


def _conjunctions(
    singles: list[tuple[tuple[str, str], BoolArray]], size: int, smallest: int, seen: set[bytes]
) -> Iterator[tuple[tuple[tuple[str, str], ...], BoolArray]]:
    for chosen in combinations(singles, size):
        names = {condition[0] for condition, _ in chosen}
        if len(names) < size:
            continue  # two levels of one column exclude each other
        mask = np.logical_and.reduce([m for _, m in chosen])
        n_inside = int(mask.sum())
        if n_inside < smallest:
            continue
        key = np.packbits(mask).tobytes()
        if key in seen:
            continue  # the same cases under a shorter description
        seen.add(key)
        yield tuple(condition for condition, _ in chosen), mask


def _scores(inside: BoolArray, losses: FloatArray) -> FloatArray:
    """Standardised sums of loss: inside (slices, n), losses (r, n) -> (r, slices)."""
    n = losses.shape[1]
    sizes = inside.sum(axis=1).astype(np.float64)
    centred = losses - losses.mean(axis=1, keepdims=True)
    # Drawing without replacement: the variance of a sum over a random set of fixed size.
    spread = centred.var(axis=1, ddof=1)[:, None] * sizes * (n - sizes) / n
    sums = centred.astype(np.float32) @ inside.astype(np.float32).T
    scores: FloatArray = sums.astype(np.float64) / np.sqrt(spread)
    return scores


def _highest_by_chance(
    inside: BoolArray, loss: FloatArray, clusters: Clusters, settings: Settings
) -> FloatArray:
    """(draws,) largest score when losses are dealt anew to whole clusters of equal size."""
    by_cluster = np.argsort(clusters.codes, kind="stable")
    sizes = np.bincount(clusters.codes, minlength=clusters.count)
    starts = np.cumsum(sizes) - sizes
    blocks = [np.flatnonzero(sizes == size) for size in np.unique(sizes)]
    place = np.arange(loss.size) - np.repeat(starts, sizes)  # within its cluster
    ordered_loss, ordered_inside = loss[by_cluster], inside[:, by_cluster]
    weights = np.ascontiguousarray(ordered_inside.T.astype(np.float32))
    slice_sizes = ordered_inside.sum(axis=1).astype(np.float64)
    n = loss.size
    spread = np.sqrt(loss.var(ddof=1) * slice_sizes * (n - slice_sizes) / n)
    centred = (ordered_loss - loss.mean()).astype(np.float32)
    highest = []
    owner = np.repeat(np.arange(clusters.count), sizes)
    for order in permuted(clusters.count, settings, blocks=blocks, width=n, chunk=_CHUNK):
        dealt = centred[starts[order][:, owner] + place]
        highest.append((dealt @ weights / spread).max(axis=1))
    return np.concatenate(highest)


def _slice(
    candidates: _Candidates,
    at: int,
    loss: FloatArray,
    clusters: Clusters,
    settings: Settings,
    score: float,
    highest: FloatArray,
) -> Slice:
    mask = candidates.inside[at]
    # Sums in single precision on both sides: a tie must count as reached.
    return Slice(
        candidates.conditions[at], np.flatnonzero(mask),
        slice_effect(loss, mask, clusters, settings),
        float(loss[mask].mean()), float(loss[~mask].mean()), score,
        p_value(score * (1 - 1e-5), highest, complete=False),
    )  # fmt: skip


def slice_effect(
    loss: FloatArray,
    inside: BoolArray,
    clusters: Clusters | None = None,
    settings: Settings = DEFAULT,
) -> Estimate:
    """Mean loss inside minus outside a slice that was fixed beforehand.

    Newcombe for errors (0 or 1), percentile bootstrap of clusters for other losses.

    Args:
        loss: (n,) error (0 or 1) or loss of each case, finite.
        inside: (n,) the case lies in the slice; booleans, or 0 and 1.
        clusters, settings: as for ``worst_slices``.

    Raises:
        ValueError: for unequal shapes, or losses that are not finite.

    Example:
        >>> slice_effect(np.array([1.0, 0.0, 0.0, 0.0]), np.array([1, 1, 0, 0])).value
        0.5
    """
    loss, inside = np.asarray(loss, dtype=np.float64), checked_outcomes(inside, "members")
    if loss.shape != inside.shape or not np.isfinite(loss).all():
        raise ValueError(f"expected two (n,) arrays, finite, got {loss.shape}, {inside.shape}")
    checked_size("losses", loss)
    clusters = checked_clusters(clusters, loss.size)
    convention = "mean loss inside minus outside"
    if np.isin(loss, (0.0, 1.0)).all():
        return share_difference(
            "slice_effect", loss[inside] == 1, loss[~inside] == 1,
            clusters.where(np.flatnonzero(inside)),
            clusters.where(np.flatnonzero(~inside)), level=settings.level, convention=convention,
        )  # fmt: skip
    n = int(loss.size)
    if not inside.any() or inside.all():
        reason = "Not estimated: there are no cases on one side of the slice."
        return undefined("slice_effect", reason, n=n, convention=convention)
    rows = np.stack([loss * inside, inside, loss * ~inside, ~inside], axis=1).astype(np.float64)
    sums = replicate_sums(clusters.sums(rows), settings)
    with np.errstate(invalid="ignore", divide="ignore"):
        replicates = sums[:, 0] / sums[:, 1] - sums[:, 2] / sums[:, 3]
    interval = percentile_interval(replicates, clusters, settings)
    return Estimate(
        "slice_effect", float(loss[inside].mean() - loss[~inside].mean()), interval.low,
        interval.high, settings.level, n, convention=convention, method=interval.method,
        reason=interval.reason, extra=clusters.extra,
    )  # fmt: skip


def _confirmed(
    loss: FloatArray,
    columns: Mapping[str, Groups],
    clusters: Clusters,
    settings: Settings,
    smallest: int,
    depth: int,
) -> tuple[Estimate | None, tuple[tuple[str, str], ...]]:
    """Search on half of the clusters, measure on the other half."""
    generator = np.random.Generator(np.random.SFC64([settings.seed, 1]))
    first = generator.permutation(clusters.count) < clusters.count // 2
    find = first[clusters.codes]
    sub = {name: groups.where(find) for name, groups in columns.items()}
    if np.ptp(loss[find]) == 0:
        return None, ()
    candidates = _candidates(sub, int(find.sum()), max(smallest // 2, 10), depth)
    if not candidates.conditions:
        return None, ()
    scores = _scores(candidates.inside, loss[None, find])[0]
    conditions = candidates.conditions[int(scores.argmax())]
    rows = np.flatnonzero(~find)
    inside = members(conditions, columns)[rows]
    return slice_effect(loss[rows], inside, clusters.where(rows), settings), conditions
