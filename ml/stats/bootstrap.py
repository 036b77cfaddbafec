"""Resampling of independent units: patients or groups, never single rows of a cluster.

Replicates are made in blocks, each with a stream of its own, so that the answer is the same
whatever the number of threads and the memory of the machine.
"""

import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ml.stats.arrays import FloatArray, IntArray
from ml.stats.asked import checked_count, checked_share

_BLOCK = 64  # replicates that share a stream of random numbers; part of the answer
_CHUNK = 640_000  # numbers held at once per thread: fewer, and threads wait for each other
_CACHED = 65_536  # numbers of one temporary array that is made and dropped again and again
_WORD = 2**64 - 1  # the largest random word
_HELD_BACK = 5.0  # standard deviations of a total that Poisson draws stay below the units
_SMALL = 2_000_000  # numbers in all, below which starting threads costs more than it saves


@dataclass(frozen=True)
class Settings:
    """How intervals are made.

    Raises:
        ValueError: for draws or a seed that are no whole number of 0 or more, or a level that does
            not lie between 0 and 1. Without draws there is no bootstrap interval.
    """

    draws: int = 2000
    seed: int = 20261123
    level: float = 0.95

    def __post_init__(self) -> None:
        checked_count("draws", self.draws, 0)
        checked_count("seed", self.seed, 0)
        checked_share("level", self.level)


DEFAULT = Settings()


def draw_counts(
    count: int, settings: Settings, *, width: int = 0, strata: IntArray | None = None
) -> Iterator[FloatArray]:
    """How often each unit was drawn, replicate by replicate, in chunks (c, count).

    The random numbers depend on count, strata and seed alone, so that two measures of the
    same cohort see the same replicates, and differences between them are paired.

    Args:
        count: number of units to draw from, and number drawn.
        settings: draws and seed.
        width: rows that the caller holds per replicate; sets the size of a chunk.
        strata: (count,) stratum of each unit; each stratum keeps its number of units. None
            draws from all units alike.

    Raises:
        ValueError: for strata of another number of units.

    Example:
        >>> chunks = list(draw_counts(5, Settings(draws=100)))
        >>> sum(map(len, chunks)), {int(row.sum()) for chunk in chunks for row in chunk}
        (100, {5})
    """
    for block in range(-(-settings.draws // _BLOCK)):
        yield from _block(block, count, settings, width, _members(count, strata))


def replicates(
    measure: Callable[[FloatArray], FloatArray],
    count: int,
    settings: Settings,
    *,
    width: int = 0,
    strata: IntArray | None = None,
) -> FloatArray:
    """A measure of every replicate: (draws, ...), blocks of replicates in threads.

    Args:
        measure: from counts (c, count) to (c, ...); called by several threads at once.
        count, settings, width, strata: as for ``draw_counts``.

    Example:
        >>> total = replicates(lambda counts: counts.sum(axis=1), 3, Settings(draws=4))
        >>> total.tolist()
        [3.0, 3.0, 3.0, 3.0]
    """
    members = _members(count, strata)
    if settings.draws == 0:
        return measure(np.zeros((0, count)))

    def of_block(block: int) -> list[FloatArray]:
        return [measure(counts) for counts in _block(block, count, settings, width, members)]

    blocks = range(-(-settings.draws // _BLOCK))
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    threads = min(cores or 1, len(blocks))
    if threads < 2 or settings.draws * max(count, width) < _SMALL:
        parts = [of_block(block) for block in blocks]
    else:
        with ThreadPoolExecutor(threads) as pool:
            parts = list(pool.map(of_block, blocks))
    return np.concatenate([part for block in parts for part in block])


def _members(count: int, strata: IntArray | None) -> list[IntArray]:
    """Units of each stratum, (m,) each."""
    if count >= 2**31:
        raise ValueError(f"at most {2**31 - 1} units can be drawn, got {count}")
    if strata is None:
        return [np.arange(count, dtype=np.int64)]
    if strata.shape != (count,):
        raise ValueError(f"expected a stratum for each of {count} units, got {strata.shape}")
    order = np.argsort(strata, kind="stable")
    starts = np.flatnonzero(np.diff(strata[order])) + 1
    return [part.astype(np.int64) for part in np.split(order, starts)]


def _block(
    block: int, count: int, settings: Settings, width: int, members: list[IntArray]
) -> Iterator[FloatArray]:
    """The counts of one block of replicates, a few rows at a time."""
    generator = np.random.Generator(np.random.SFC64([settings.seed, block]))
    left = min(_BLOCK, settings.draws - block * _BLOCK)
    step = max(1, _CHUNK // max(count, width, 1))
    if len(members) > 1:
        order = np.concatenate(members)
        lengths = np.array([units.size for units in members])
        sizes = np.repeat(lengths, lengths).astype(np.uint64)
        starts = np.repeat(np.cumsum(lengths) - lengths, lengths)
    while left > 0:
        size = min(step, left)
        left -= size
        if count == 0:
            yield np.zeros((size, 0))
        elif len(members) == 1:
            yield _drawn(generator, size, count, np.uint64(count))
        else:
            counts = np.empty((size, count))
            counts[:, order] = _drawn(generator, size, count, sizes, starts)
            yield counts


def _drawn(
    generator: np.random.Generator,
    size: int,
    count: int,
    sizes: NDArray[np.uint64] | np.uint64,
    starts: IntArray | None = None,
) -> FloatArray:
    """How often each unit was drawn, (size, count); each row draws for itself.

    Args:
        generator: of the block.
        size: rows.
        count: units drawn in each row.
        sizes: (count,) units of the stratum from which each place is filled, or one for all.
        starts: (count,) the first of them, where strata lie one behind the other.
    """
    counts = np.empty((size, count))
    # A few rows at a time: what is held stays in the cache and is not asked of the system anew.
    step = max(1, _CACHED // count)
    for start in range(0, size, step):
        rows = min(step, size - start)
        # Two units from each random word: the upper half of 32 random bits times count. A unit's
        # chance is off by less than count / 2^32 of itself, far below what any draws can show.
        words = generator.integers(0, _WORD, (rows, (count + 1) // 2), np.uint64, endpoint=True)
        drawn = words.view(np.uint32)[:, :count].astype(np.uint64)
        drawn *= sizes
        drawn >>= np.uint64(32)
        units = drawn.view(np.int64)
        if starts is not None:
            units += starts
        if rows > 1:
            units += np.arange(0, rows * count, count)[:, None]
        counts[start : start + rows] = np.bincount(units.ravel(), minlength=rows * count).reshape(
            rows, count
        )
    return counts


def replicate_sums(
    sums: FloatArray, settings: Settings, *, strata: IntArray | None = None
) -> FloatArray:
    """Sums of every replicate, (draws, q), from sums per unit, (count, q).

    Every measure that is a function of sums over cases is resampled by one matrix product.
    Stack the sums of two measures side by side to resample their difference, paired.

    Args:
        sums: (count, q) what each unit adds.
        settings: draws and seed.
        strata: as ``draw_counts``.

    Example:
        >>> alike = np.full((3, 1), 2.0)  # whichever three are drawn, they add up to 6
        >>> replicate_sums(alike, Settings(draws=2)).tolist()
        [[6.0], [6.0]]
    """
    return replicates(lambda counts: counts @ sums, sums.shape[0], settings, strata=strata)


def pattern_replicate_sums(
    sums: FloatArray, multiplicity: IntArray, settings: Settings
) -> FloatArray:
    """As ``replicate_sums``, where many units are alike: (draws, q) from patterns, (p, q).

    Drawing units with replacement draws patterns from a multinomial distribution, at a cost
    that does not grow with the number of units. The same distribution as ``replicate_sums``,
    from other random numbers: not for differences of measures made in separate calls.

    Args:
        sums: (p, q) what one unit of each pattern adds.
        multiplicity: (p,) units of each pattern.
        settings: draws and seed.

    Example:
        >>> sums = np.array([[1.0, 0.0], [1.0, 1.0]])  # the first column counts units: always 5
        >>> pattern_replicate_sums(sums, np.array([2, 3]), Settings(draws=3))[:, 0].tolist()
        [5.0, 5.0, 5.0]
    """
    counts = _pattern_counts(np.asarray(multiplicity, dtype=np.int64), settings)
    drawn: FloatArray = counts @ sums
    return drawn


def _pattern_counts(multiplicity: IntArray, settings: Settings) -> FloatArray:
    """Multinomial draws of patterns, (draws, p).

    Independent Poisson counts, given their total, are multinomial: most units are drawn so, a
    few less than needed, and the rest one by one. Several times faster than the chain of
    binomials, and exact.
    """
    count, size = int(multiplicity.sum()), multiplicity.size
    generator = np.random.Generator(np.random.SFC64([settings.seed, 0]))
    share = multiplicity / count
    held_back = _HELD_BACK * count**0.5
    if count < _HELD_BACK**2 * 4:
        return generator.multinomial(count, share, size=settings.draws).astype(np.float64)
    counts = generator.poisson(share * (count - held_back), size=(settings.draws, size))
    missing = count - counts.sum(axis=1)
    while (missing < 0).any():  # some in a million: drawn anew, whatever their pattern
        over = np.flatnonzero(missing < 0)
        counts[over] = generator.poisson(share * (count - held_back), size=(over.size, size))
        missing[over] = count - counts[over].sum(axis=1)
    pattern = np.repeat(np.arange(size), multiplicity)
    one_by_one = pattern[generator.integers(0, count, size=int(missing.sum()))]
    one_by_one += np.repeat(np.arange(settings.draws) * size, missing)
    counts += np.bincount(one_by_one, minlength=counts.size).reshape(counts.shape)
    return counts.astype(np.float64)


def left_out_sums(sums: FloatArray) -> FloatArray:
    """Sums without each unit in turn, (count, q): the jackknife of a measure made of sums.

    Of a single unit nothing is left, and there is no row.

    Args:
        sums: (count, q) what each unit adds.

    Example:
        >>> left_out_sums(np.array([[1.0], [2.0], [4.0]])).tolist()
        [[6.0], [5.0], [3.0]]
    """
    if sums.shape[0] < 2:
        return sums[:0]
    left: FloatArray = sums.sum(axis=0) - sums
    return left
