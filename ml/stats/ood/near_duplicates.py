"""Which images of one collection are alike, and the groups that they form."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.sparse import csr_array
from scipy.sparse.csgraph import connected_components

from ml.stats.arrays import BoolArray, FloatArray, IntArray
from ml.stats.asked import checked_number
from ml.stats.ood.copies import patterns

_ROWS = 512  # compared with all later ones at a time
_PAIRS = 8192  # computed again at a time
_UNSURE = 5e-4  # a product of two float32 rows of up to 4,096 numbers is off by less
_MOST_NUMBERS = 4096
_KEPT, _WITHIN = 20, 0.02  # pairs on each side of the limit that are named, and how close


@dataclass(frozen=True)
class Pair:
    """Two rows that are as alike as hardly any others that are, or are not, called alike."""

    first: int
    second: int
    similarity: float


@dataclass(frozen=True)
class Alike:
    """What of n rows is alike.

    Attributes:
        group: (n,) number of the connected component, counted from 0 by first appearance; a row
            that is like no other is a group of its own.
        similarity: (n,) with the most alike other row, found in float32 and computed in float64,
            -1..1; NaN where nothing can be compared.
        place: (n,) of that row; -1 where nothing can be compared.
        above, below: up to 20 pairs closest to the limit on either side and within 0.02 of it,
            closest first. Of rows that are equal to the last digit one stands in them.
    """

    group: IntArray
    similarity: FloatArray
    place: IntArray
    above: tuple[Pair, ...]
    below: tuple[Pair, ...]


@dataclass(frozen=True)
class Fingerprints:
    """What must agree too for two rows to be alike: (n, bits), and in how many they may differ."""

    bits: BoolArray
    most: int


def near_duplicates(
    rows: FloatArray, above: float, fingerprints: Fingerprints | None = None
) -> Alike:  # fmt: skip
    """Groups of rows whose normalised cross-correlation, means removed, is above a limit.

    Groups are connected components: two members may be alike only through a third. Every pair is
    compared, by products of float32 in blocks; what they leave open, within 0.0005 of the limit,
    is computed again in float64. So a pair is called alike as it would be one by one, whatever the
    size of the blocks.

    Args:
        rows: (n, d) small pictures of up to 4,096 numbers each; a row with NaN, or of one single
            value, has no pattern and is alike to none.
        above: between -1 and 1.
        fingerprints: a second rule, which a pair must meet too. The most alike rows, and the pairs
            closest to the limit, are those of the first alone.

    Raises:
        ValueError: for other shapes, numbers that are infinite or above 1e70, or another limit.

    Example:
        >>> rows = np.array([[0.0, 1, 3], [1, 2, 4], [5, 1, 0], [0, 2, 6]])
        >>> found = near_duplicates(rows, 0.99)
        >>> found.group.tolist()
        [0, 0, 1, 0]

    Source:
        Lewis (1995), Vision Interface 120-123 (normalised cross-correlation).
    """
    rows = np.asarray(rows, dtype=np.float64)
    if rows.ndim != 2 or rows.shape[1] > _MOST_NUMBERS:
        raise ValueError(f"expected (n, d) of up to {_MOST_NUMBERS:,} numbers, got {rows.shape}")
    checked_number("above", above, above=-1, most=1)
    every = patterns(rows)
    known = np.flatnonzero(~np.isnan(every).any(axis=1))
    if fingerprints is not None:
        if fingerprints.bits.shape[:1] != rows.shape[:1]:
            raise ValueError(f"expected {len(rows)} fingerprints, got {fingerprints.bits.shape}")
        fingerprints = Fingerprints(fingerprints.bits[known], fingerprints.most)
    found = _Comparison(every[known], above, fingerprints)
    group = np.arange(len(rows)) + known.size  # of their own
    group[known] = found.group
    similarity, place = np.full(len(rows), np.nan), np.full(len(rows), -1, dtype=np.int64)
    if known.size > 1:
        similarity[known], place[known] = found.similarity, known[found.place]
    pairs = (
        tuple(Pair(int(known[one.first]), int(known[one.second]), one.similarity) for one in side)
        for side in (found.above, found.below)
    )
    return Alike(by_appearance(group), similarity, place, *pairs)


def joined_groups(*groupings: IntArray) -> IntArray:
    """Groups of rows that share a group in any of several groupings, directly or through others.

    Args:
        groupings: (n,) codes each; a negative code is no group.

    Returns:
        (n,) counted from 0 by first appearance.

    Example:
        >>> joined_groups(np.array([0, 0, 1, 2]), np.array([-1, 5, 5, -1])).tolist()
        [0, 0, 0, 1]
    """
    group = np.arange(len(groupings[0]))
    for codes in groupings:
        rows = np.flatnonzero(codes >= 0)
        _, first, inverse = np.unique(codes[rows], return_index=True, return_inverse=True)
        group = merged(group, rows, rows[first[inverse]])
    return by_appearance(group)


def codes_of(names: Sequence[str]) -> IntArray:
    """(n,) a code for each different name, by first appearance; -1 for "".

    Example:
        >>> codes_of(["b", "", "a", "b"]).tolist()
        [0, -1, 1, 0]
    """
    numbers: dict[str, int] = {}
    found = [numbers.setdefault(one, len(numbers)) if one else -1 for one in names]
    return np.array(found, dtype=np.int64)


def by_appearance(codes: IntArray) -> IntArray:
    """Codes numbered from 0 in the order in which they first appear.

    Example:
        >>> by_appearance(np.array([7, 2, 7, 5])).tolist()
        [0, 1, 0, 2]
    """
    _, first, inverse = np.unique(codes, return_index=True, return_inverse=True)
    order = np.empty(first.size, dtype=np.int64)
    order[np.argsort(first)] = np.arange(first.size)
    return order[inverse.reshape(-1)]


def merged(group: IntArray, first: IntArray, second: IntArray) -> IntArray:
    """Groups (n,) after those of each pair of rows became one.

    Example:
        >>> merged(np.arange(4), np.array([0, 1]), np.array([2, 2])).tolist()
        [0, 0, 0, 1]
    """
    pairs = np.unique(np.stack([group[first], group[second]], axis=1), axis=0)
    if not pairs.size:
        return group
    n = int(group.max()) + 1
    edges = csr_array((np.ones(len(pairs), dtype=np.int8), (pairs[:, 0], pairs[:, 1])), (n, n))
    found: IntArray = connected_components(edges, directed=False)[1].astype(np.int64)[group]
    return found


class _Comparison:
    """Rows of length 1, each compared with all others."""

    def __init__(self, unit: FloatArray, above: float, also: Fingerprints | None) -> None:
        # Equal rows are compared once: many copies of one image would else be many pairs.
        seen: dict[bytes, int] = {}
        of = np.array([seen.setdefault(row.tobytes(), len(seen)) for row in unit], dtype=np.int64)
        first = np.unique(of, return_index=True)[1]
        self._unit, self._above = unit[first], above
        self._small = self._unit.astype(np.float32)
        self._also = None if also is None else Fingerprints(also.bits[first], also.most)
        m = first.size
        self._best = np.full(m, -np.inf, dtype=np.float32)
        self._at = np.zeros(m, dtype=np.int64)
        self._group = np.arange(m)
        self._near: tuple[list[Pair], list[Pair]] = ([], [])
        for start in range(0, m, _ROWS):
            self._compare(start)
        self.group = self._group[of]
        self.similarity, self.place = self._nearest(of, first)
        self.above, self.below = (
            tuple(Pair(int(first[one.first]), int(first[one.second]), one.similarity)
                  for one in side)
            for side in self._near
        )  # fmt: skip

    def _compare(self, start: int) -> None:
        """One block of rows with itself and all later ones."""
        block = self._small[start : start + _ROWS]
        product = block @ self._small[start:].T
        own = np.tri(len(block), dtype=np.bool_)  # with itself, and what was seen the other way
        product[:, : len(block)][own] = -2
        best = product.argmax(axis=1)
        rows = np.arange(len(block))
        self._keep(start + rows, start + best, product[rows, best])
        back = product.argmax(axis=0)
        columns = np.arange(product.shape[1])
        self._keep(start + columns, start + back, product[back, columns])
        sure = product > self._above + _UNSURE
        first, second = np.nonzero(sure)
        self._join(start + first, start + second)
        self._decide(start, product)

    def _decide(self, start: int, product: np.ndarray) -> None:
        """Pairs that are too close to the limit for float32, and the closest ones of all."""
        away = np.abs(product - np.float32(self._above))
        away[product < -1.5] = np.inf
        near = np.flatnonzero(away <= _WITHIN)
        how_near = away.ravel()[near]
        chosen = how_near <= _UNSURE
        # The closest on each side are named even where float32 is sure of them.
        is_above = product.ravel()[near] > self._above
        for side in (is_above, ~is_above):
            places = np.flatnonzero(side & ~chosen)
            if places.size > _KEPT:
                places = places[np.argpartition(how_near[places], _KEPT)[:_KEPT]]
            chosen[places] = True
        first, second = np.divmod(near[chosen], product.shape[1])
        first, second = first + start, second + start
        exact = self._exactly(first, second)
        is_alike = exact > self._above
        self._join(first[is_alike], second[is_alike])
        for kept, chosen in zip(self._near, (is_alike, ~is_alike), strict=True):
            order = np.argsort(np.abs(exact[chosen] - self._above), kind="stable")[:_KEPT]
            kept += [
                Pair(int(first[chosen][at]), int(second[chosen][at]), float(exact[chosen][at]))
                for at in order
            ]
            kept.sort(key=lambda one: (abs(one.similarity - self._above), one.first, one.second))
            del kept[_KEPT:]

    def _join(self, first: IntArray, second: IntArray) -> None:
        if self._also is not None:
            bits = self._also.bits
            agree = np.concatenate([
                (bits[first[at : at + _PAIRS]] != bits[second[at : at + _PAIRS]]).sum(axis=1)
                <= self._also.most
                for at in range(0, max(first.size, 1), _PAIRS)
            ])  # fmt: skip
            first, second = first[agree], second[agree]
        self._group = merged(self._group, first, second)

    def _keep(self, rows: IntArray, others: IntArray, found: np.ndarray) -> None:
        better = found > self._best[rows]
        self._best[rows[better]] = found[better]
        self._at[rows[better]] = others[better]

    def _exactly(self, first: IntArray, second: IntArray) -> FloatArray:
        found = np.empty(first.size)
        for at in range(0, first.size, _PAIRS):
            part = slice(at, at + _PAIRS)
            found[part] = np.einsum("ij,ij->i", self._unit[first[part]], self._unit[second[part]])
        return found.clip(-1, 1)

    def _nearest(self, of: IntArray, first: IntArray) -> tuple[FloatArray, IntArray]:
        """Of each row given; one that another equals is nearest to that."""
        similarity = self._exactly(np.arange(first.size), self._at)
        twin = _another(of, first)
        is_equal = twin >= 0
        return (
            np.where(is_equal, 1.0, similarity[of]),
            np.where(is_equal, twin, first[self._at[of]]),
        )


def _another(of: IntArray, first: IntArray) -> IntArray:
    """(n,) the first other row of the same code; -1 where there is none."""
    n = of.size
    second = np.full(first.size, -1, dtype=np.int64)
    later = np.setdiff1d(np.arange(n), first)[::-1]
    second[of[later]] = later  # backwards, so that the earliest is left
    is_first: BoolArray = first[of] == np.arange(n)
    return np.where(is_first, second[of], first[of])
