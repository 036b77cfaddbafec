"""The distance to the k-th nearest of many points: bounds rule most out, the rest is measured.

Points are compared by a score, a.b - |b|^2 / 2, which is larger the nearer b is to a.
"""

from dataclasses import dataclass

import numpy as np

from ml.stats.arrays import FloatArray, IntArray
from ml.stats.asked import checked_count
from ml.stats.ood.lead import alike, directions
from ml.stats.ood.single import Float32, Frame, Rows, checked_rows, in_single

_GROUP = 64  # others whose best score alone is looked at first
_BLOCK = (32, 256)  # points at once, least and most
_SCORES = 2**22  # of a block, so that they stay near the processor
_PAIRS = 2**15  # numbers of pairs that are gathered at once
_DENSE = 1 / 8  # of groups: where more have a candidate, every score is looked at
_MOST = 0.7  # of the others: where more may be near, all are compared
_KEPT = 0.4  # of the work for all pairs: a bound that spares less is given up
_TRIED = 4  # blocks before it is
_ALONE = 60  # a pair by itself costs as much as so many of a product of all with all


@dataclass
class Work:
    """How many pairs were asked, and for how many the bounds did not suffice."""

    pairs: int = 0
    in_single: int = 0  # compared over all numbers, in single precision
    in_double: int = 0  # measured


def kth_distance(
    points: FloatArray,
    others: FloatArray,
    k: int,
    *,
    exclude_self: bool = False,
    unit: bool = False,
    work: Work | None = None,
) -> FloatArray:
    """Euclidean distance from each point to the k-th nearest of others.

    Who may be among the nearest is told by bounds: of the directions in which the data spread
    most, and of products in single precision with their rounding. Where neither tells, distances
    are measured in double precision, so that the answer is exact.

    Args:
        points: (n, d) finite; numbers in single precision are taken as they are.
        others: (m, d) finite.
        k: which neighbour, 1..m, or 1..m - 1 without itself.
        exclude_self: points and others are the same, row by row, and none is its own neighbour.
        unit: rows are divided by their length before they are compared.
        work: what was spent is added to it.

    Returns:
        (n,) distances.

    Raises:
        ValueError: for other shapes, numbers that are not finite or too large, another k, or a row
            of zeros that has no direction.

    Example:
        >>> kth_distance(np.array([[0.0]]), np.array([[3.0], [1.0]]), 2).tolist()
        [3.0]
        >>> kth_distance(np.array([[0.0], [5.0]]), np.array([[0.0], [5.0]]), 1, exclude_self=True
        ... ).tolist()
        [5.0, 5.0]

    Source:
        Higham (2002), Accuracy and Stability of Numerical Algorithms, section 3.1 (rounding); the
        bound by directions is the inequality of Cauchy and Schwarz for what they leave out.
    """
    mine, theirs = checked_rows(points), checked_rows(others)
    if mine.shape[1] != theirs.shape[1]:
        raise ValueError(f"expected (n, d) and (m, d), got {mine.shape} and {theirs.shape}")
    if exclude_self and mine.shape != theirs.shape:
        raise ValueError("exclude_self needs points and others to be the same")
    k = checked_count("k", k, 1, len(theirs) - exclude_self)
    search = _Search(Rows.of(mine, unit), Rows.of(theirs, unit), k, exclude_self)
    found = search.distances()
    if work is not None:
        work.pairs += len(mine) * len(theirs)
        work.in_single += search.work.in_single
        work.in_double += search.work.in_double
    return found


class _Search:
    """One question: the points, the others, and what is known of both in single precision."""

    def __init__(self, points: Rows, others: Rows, k: int, exclude_self: bool) -> None:
        self.points, self.others, self.k, self.without_self = points, others, k, exclude_self
        m = len(others.given)
        self.group = self._grouped(m)
        self.places = -(-(m + 1) // self.group) * self.group  # the last is nobody's
        frame = Frame.of(points, others)
        basis = directions(points, others, frame) if self.group == _GROUP else None
        self.single = in_single(points, others, self.places, frame, basis)
        self.error, self.parts_error = self.single.error, self.single.parts_error
        self.by_parts = basis is not None
        self.work, self.spent = Work(), 0.0
        least, most = _BLOCK
        self.size = min(most, max(least, _SCORES // self.places))
        self.room = np.empty(self.size * self.places, np.float32)

    def distances(self) -> FloatArray:
        n = len(self.points.given)
        found, rest = np.empty(n), np.arange(n)
        if self.by_parts:
            rest = self._directed(found)
        for start in range(0, rest.size, self.size):
            rows = rest[start : start + self.size]
            found[rows] = self._of_all(rows)
        return found

    def _directed(self, found: FloatArray) -> IntArray:
        """Fills in what parts tell; the points that are left where they spare too little."""
        blocks, asked = alike(self.single.left_parts[:, :-2], self.size), 0
        for number, rows in enumerate(blocks):
            if number >= _TRIED and self.spent > _KEPT * asked:
                return np.concatenate(blocks[number:])
            found[rows] = self._by_parts(rows)
            asked += rows.size * self.places
        return np.empty(0, np.int64)

    def _grouped(self, m: int) -> int:
        """Others of a group: few enough that there are many groups, and none is empty."""
        return max(1, min(_GROUP, m // (4 * self.k)))

    def _of_all(self, rows: IntArray, columns: IntArray | None = None) -> FloatArray:
        """By the scores of all others, or of those that are not ruled out, in their order."""
        right, group = self.single.right, self.group
        if columns is not None:
            group = self._grouped(columns.size)
            columns = np.append(columns, np.full(-columns.size % group, self.places - 1))
            right = right[columns]
        scores = self._product(self.single.left[rows], right)
        self.work.in_single += scores.size
        self.spent += scores.size
        if self.without_self:
            at, own = self._own(rows, columns)
            scores[at, own] = -np.inf
        best = _best(scores, group)
        # A group has at least its best: the k-th best of groups is no better than that of all.
        limit = _kth_largest(best, self.k) - 2 * self.error[rows]
        at, other = self._at_least(scores, best, limit)
        score = scores[at, other]
        return self._exact(rows, at, other if columns is None else columns[other], score)

    @staticmethod
    def _own(rows: IntArray, columns: IntArray | None) -> tuple[IntArray, IntArray]:
        """Where a row meets itself: its place, and the column."""
        at = np.arange(rows.size)
        if columns is None:
            return at, rows
        own = np.searchsorted(columns, rows).clip(0, columns.size - 1)
        there = columns[own] == rows
        return at[there], own[there]

    def _by_parts(self, rows: IntArray) -> FloatArray:
        """By scores that bound the true ones from above; few of all are then looked at."""
        bounds = self._product(self.single.left_parts[rows], self.single.right_parts)
        if self.without_self:
            bounds[np.arange(rows.size), rows] = -np.inf
        grouped = bounds.reshape(rows.size, self.group, -1)
        best = _best(bounds, self.group)
        limit = self._reached(rows, grouped, best) - self.parts_error[rows]
        near = bounds >= _below(limit)[:, None]
        columns = np.flatnonzero(near.any(axis=0))
        if int(np.count_nonzero(near)) * _ALONE < columns.size * (rows.size + _ALONE):
            at, other = np.nonzero(near)
            return self._exact(rows, at, other, self._of_pairs(rows[at], other))
        everyone = columns.size > _MOST * self.places
        return self._of_all(rows, None if everyone else columns)

    def _reached(self, rows: IntArray, grouped: Float32, best: Float32) -> FloatArray:
        """(rows,) a score that k others of each row are known to reach: those that look best."""
        groups = best.shape[1]
        asked = min(self.k + 2, groups)  # of two that look near one may be farther
        chosen = np.argpartition(best, groups - asked, axis=1)[:, groups - asked :]
        members = grouped[np.arange(rows.size)[:, None], :, chosen]  # (rows, asked, group)
        other = members.argmax(axis=2) * groups + chosen
        at = np.repeat(rows, asked)
        scores = self._of_pairs(at, other.ravel()).reshape(other.shape)
        reached: FloatArray = _kth_largest(scores, self.k) - self.error[rows]
        return reached

    def _product(self, left: Float32, right: Float32) -> Float32:
        room = self.room[: len(left) * len(right)].reshape(len(left), len(right))
        return np.matmul(left, right.T, out=room)

    def _at_least(
        self, scores: Float32, best: Float32, limit: FloatArray
    ) -> tuple[IntArray, IntArray]:
        """Rows and columns, in the order of rows, of the scores that are no less than the limit."""
        low, groups = _below(limit), best.shape[1]
        promising = best >= low[:, None]
        if promising.mean() > _DENSE:
            row, column = np.nonzero(scores >= low[:, None])
            return row, column
        at, chosen = np.nonzero(promising)
        members = scores.reshape(len(best), -1, groups)[at, :, chosen]
        pair, member = np.nonzero(members >= low[at][:, None])
        return at[pair], member * groups + chosen[pair]

    def _of_pairs(self, points: IntArray, others: IntArray) -> Float32:
        """The scores of pairs, in single precision."""
        left, right = self.single.left, self.single.right
        found = np.empty(points.size, np.float32)
        self.work.in_single += points.size
        self.spent += points.size * _ALONE
        step = max(1, _PAIRS // left.shape[1])
        for start in range(0, points.size, step):
            part = slice(start, start + step)
            found[part] = np.einsum("ij,ij->i", left[points[part]], right[others[part]])
        return found

    def _exact(self, rows: IntArray, at: IntArray, other: IntArray, score: Float32) -> FloatArray:
        """The k-th least distance of each row to the others that it is paired with.

        Args:
            rows: of the points.
            at: place in rows of each pair, ascending.
            other: of each pair.
            score: of each pair, in single precision.
        """
        order = np.lexsort((-score, at))
        at, other, wide = at[order], other[order], score[order].astype(np.float64)
        kth = wide[np.searchsorted(at, np.arange(rows.size)) + self.k - 1]
        apart = 2 * self.error[rows]
        # Nearer than the k-th for certain, and perhaps the k-th: only of those it matters which.
        nearer = np.bincount(at[wide > (kth + apart)[at]], minlength=rows.size)
        perhaps = np.flatnonzero(np.abs(wide - kth[at]) <= apart[at])
        at, other = at[perhaps], other[perhaps]
        self.work.in_double += at.size
        distance = np.empty(at.size)
        step = max(1, _PAIRS // self.single.left.shape[1])
        for start in range(0, at.size, step):
            part = slice(start, start + step)
            away = self.points.exact(rows[at[part]]) - self.others.exact(other[part])
            distance[part] = np.sqrt(np.einsum("ij,ij->i", away, away))
        order = np.lexsort((distance, at))
        first = np.searchsorted(at[order], np.arange(rows.size))
        return np.asarray(distance[order][first + self.k - 1 - nearer])


def _best(scores: Float32, group: int) -> Float32:
    """(rows, groups) largest of each group; a group's places are as far apart as there are groups.

    By halves, each whole rows of numbers, as long as a group has them.
    """
    while group % 2 == 0 and group > 1:
        half = scores.shape[1] // 2
        scores, group = np.maximum(scores[:, :half], scores[:, half:]), group // 2
    return scores if group == 1 else scores.reshape(len(scores), group, -1).max(axis=1)


def _kth_largest(scores: Float32, k: int) -> FloatArray:
    place = scores.shape[1] - k
    return np.asarray(np.partition(scores, place, axis=1)[:, place], dtype=np.float64)


def _below(limit: FloatArray) -> Float32:
    """In single precision, no higher."""
    return np.nextafter(limit.astype(np.float32), np.float32(-np.inf))
