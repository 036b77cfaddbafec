"""Search for the slice of cases on which a model fares worst, and whether it beats chance."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from ml.estimate import Estimate
from ml.stats.arrays import BoolArray, FloatArray, IntArray
from ml.stats.asked import checked_count, checked_size
from ml.stats.bootstrap import DEFAULT, Settings
from ml.stats.clusters import Clusters, checked_clusters, too_few
from ml.stats.permutation import p_value
from ml.stats.subgroups.groups import Groups
from ml.stats.subgroups.permutation import permuted
from ml.stats.subgroups.slice_effect import checked_strata, slice_effect

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
    expected: (
        float  # mean loss outside, weighted to the strata of the slice; without strata the same
    )
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
    strata: Groups | None = None,
) -> SliceSearch:
    """Look at every conjunction of up to three levels for the one with the highest mean loss.

    A slice scores (sum of loss inside - expected) / standard deviation of that sum for random
    sets of its size. Losses are then dealt anew to the cases, the whole search is repeated each
    time, and p is the share of dealings whose largest score reaches that of the slice. It holds
    for all slices at once (single-step maxT), also where conditions overlap. Clusters are dealt as
    wholes, among clusters of equal size; a cluster alone in its size stays where it is.

    With strata, a slice is bad only beyond its mix: it scores (sum of loss inside - expected from
    the mean loss of each stratum) / standard deviation for random sets with as many of each
    stratum, losses are dealt within strata (clusters among those of equal composition), and
    slices that hold a whole stratum have nothing to be compared with and are not looked at.

    Args:
        loss: (n,) error (0 or 1) or loss of each case; higher is worse, finite.
        columns: name -> groups of the same n rows; numbers are binned first (``groups.binned``).
        clusters: independent units.
        settings: draws of the dealings and of the bootstrap, seed, level.
        smallest: cases inside a slice and outside of it.
        deepest: conditions combined, 1 to 3; fewer where that makes more than 4,000 slices
            (or 60 million cases in all slices together).
        keep: slices returned.
        strata: groups of the same n rows, none without one: what a slice must not be blamed for,
            say whether the finding is present.
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
        Testing, chapter 2 (maxT). Kulldorff (1997) for scans of overlapping sets. Mantel, Haenszel
        (1959) for sums of what strata have beyond expectation.
    """
    loss = np.asarray(loss, dtype=np.float64)
    clusters = checked_clusters(clusters, loss.size)
    smallest, keep = checked_count("smallest", smallest), checked_count("keep", keep, 0)
    _check(loss, columns, clusters, deepest)
    mix = checked_strata(strata, int(loss.size))
    convention = (
        f"conjunctions of levels of {len(columns)} columns, at least {smallest} cases inside and "
        f"outside; score standardised by size{'' if strata is None else ', within strata'}"
    )
    reason = _too_little(loss, clusters)
    candidates = None if reason else _candidates(columns, mix, smallest, deepest)
    if candidates is not None and not candidates.conditions:
        reason = f"Not searched: no level of a column has {smallest} cases inside and outside"
        reason += "." if strata is None else ", with a part of every stratum outside."
    if reason or candidates is None:
        return SliceSearch((), 0, 0, convention, "", reason)
    scores = _scores(candidates.inside, loss, mix)
    highest = _highest_by_chance(candidates.inside, loss, mix, clusters, settings)
    order = np.argsort(-scores, kind="stable")[:keep]
    found = tuple(
        _slice(candidates, int(at), loss, strata, clusters, settings, float(scores[at]), highest)
        for at in order
        if scores[at] > 0
    )
    method = (
        f"losses dealt anew to {clusters.words}, {settings.draws:,} permutations, seed "
        f"{settings.seed}, largest of {len(candidates.conditions):,} slices"
    )
    confirmed, conditions = (
        _confirmed(loss, columns, strata, clusters, settings, smallest, candidates.depth)
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
    loss: FloatArray,
    columns: Mapping[str, Groups],
    clusters: Clusters,
    deepest: int,
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


def _candidates(
    columns: Mapping[str, Groups], mix: IntArray, smallest: int, deepest: int
) -> _Candidates:
    """Different slices of sufficient size, shortest description first."""
    n = int(mix.size)
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
    inside = np.array(masks, dtype=bool).reshape(len(masks), n)
    whole = np.zeros(len(masks), dtype=bool)
    for stratum in np.unique(mix):
        whole |= inside[:, mix == stratum].all(axis=1)
    kept = np.flatnonzero(~whole)
    return _Candidates([conditions[at] for at in kept], inside[kept], depth)


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


def _centred(loss: FloatArray, mix: IntArray) -> FloatArray:
    """Loss beyond the mean of its stratum."""
    means = np.bincount(mix, loss) / np.maximum(np.bincount(mix), 1)
    beyond: FloatArray = loss - means[mix]
    return beyond


def _spread(inside: BoolArray, loss: FloatArray, mix: IntArray) -> FloatArray:
    """(slices,) standard deviation of the sum over a random set with as many of each stratum.

    Infinite where there is nothing to draw, so that such a slice scores 0.
    """
    variance = np.zeros(inside.shape[0])
    for stratum in np.unique(mix):
        rows = mix == stratum
        n = int(rows.sum())
        if n > 1:
            sizes = inside[:, rows].sum(axis=1).astype(np.float64)
            # Drawing without replacement.
            variance += loss[rows].var(ddof=1) * sizes * (n - sizes) / n
    spread: FloatArray = np.sqrt(np.where(variance > 0, variance, np.inf))
    return spread


def _scores(inside: BoolArray, loss: FloatArray, mix: IntArray) -> FloatArray:
    """(slices,) standardised sums of loss beyond what the strata of a slice give."""
    sums = inside.astype(np.float32) @ _centred(loss, mix).astype(np.float32)
    scores: FloatArray = sums.astype(np.float64) / _spread(inside, loss, mix)
    return scores


def _highest_by_chance(
    inside: BoolArray, loss: FloatArray, mix: IntArray, clusters: Clusters, settings: Settings
) -> FloatArray:
    """(draws,) largest score when losses are dealt anew to whole clusters of equal composition."""
    by_cluster = np.lexsort((mix, clusters.codes))  # so that like stands beside like
    sizes = np.bincount(clusters.codes, minlength=clusters.count)
    starts = np.cumsum(sizes) - sizes
    strata = int(mix.max()) + 1
    held = np.bincount(clusters.codes * strata + mix, minlength=clusters.count * strata)
    _, kind = np.unique(held.reshape(-1, strata), axis=0, return_inverse=True)
    blocks = [np.flatnonzero(kind.ravel() == one) for one in range(int(kind.max()) + 1)]
    place = np.arange(loss.size) - np.repeat(starts, sizes)  # within its cluster
    ordered_inside = inside[:, by_cluster]
    weights = np.ascontiguousarray(ordered_inside.T.astype(np.float32))
    spread = _spread(inside, loss, mix)
    centred = _centred(loss, mix)[by_cluster].astype(np.float32)
    highest = []
    owner = np.repeat(np.arange(clusters.count), sizes)
    for order in permuted(clusters.count, settings, blocks=blocks, width=loss.size, chunk=_CHUNK):
        dealt = centred[starts[order][:, owner] + place]
        highest.append((dealt @ weights / spread).max(axis=1))
    return np.concatenate(highest)


def _slice(
    candidates: _Candidates,
    at: int,
    loss: FloatArray,
    strata: Groups | None,
    clusters: Clusters,
    settings: Settings,
    score: float,
    highest: FloatArray,
) -> Slice:
    mask = candidates.inside[at]
    outside = float(loss[~mask].mean())
    effect = slice_effect(loss, mask, clusters, settings, strata=strata)
    expected = effect.extra.get("expected")
    # Sums in single precision on both sides: a tie must count as reached.
    return Slice(
        candidates.conditions[at], np.flatnonzero(mask), effect, float(loss[mask].mean()), outside,
        expected if isinstance(expected, float) else outside, score,
        p_value(score * (1 - 1e-5), highest, complete=False),
    )  # fmt: skip


def _confirmed(
    loss: FloatArray,
    columns: Mapping[str, Groups],
    strata: Groups | None,
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
    mix = checked_strata(strata, int(loss.size))
    candidates = _candidates(sub, mix[find], max(smallest // 2, 10), depth)
    if not candidates.conditions:
        return None, ()
    scores = _scores(candidates.inside, loss[find], mix[find])
    if scores.max() <= 0:
        return None, ()
    conditions = candidates.conditions[int(scores.argmax())]
    rows = np.flatnonzero(~find)
    inside = members(conditions, columns)[rows]
    beside = None if strata is None else strata.where(rows)
    found = slice_effect(loss[rows], inside, clusters.where(rows), settings, strata=beside)
    return found, conditions
