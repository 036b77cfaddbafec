"""The directions in which points spread most: by few numbers most pairs are known to be far."""

import numpy as np
from scipy.linalg import eigh, qr

from ml.stats.arrays import FloatArray, IntArray
from ml.stats.ood.single import Float32, Frame, Rows

_DIRECTIONS = (30, 62, 126)  # with two numbers beside: whole lines of the cache
_MOST = 0.5  # of the work for all pairs: directions that spare less are not used
_PAIR = 25  # of a product of all with all: what a pair costs that is left, about
_TRIED = 16  # every so many of the points of a sample say how many others directions rule out
_WORTH = 2**31  # products of all pairs, below which the search costs more than it spares
_SAMPLE = 1024  # rows of each side that directions are found from
_BESIDE, _STEPS = 16, 2  # directions beside those that are kept, and steps towards them
_SPLIT = 8  # directions that points are parted along


def directions(points: Rows, others: Rows, frame: Frame) -> FloatArray | None:
    """(d, r) orthonormal, in which both sides spread most; None where they would be no use.

    By steps of subspace iteration on rows of both sides. How near they come to the best directions
    changes how many pairs are ruled out, not which answer is found.

    Example:
        >>> few = Rows.of(np.eye(3), unit=False)
        >>> directions(few, few, Frame.of(few, few)) is None  # nine pairs are compared sooner
        True

    Source:
        Halko, Martinsson, Tropp (2011), SIAM Review 53(2), 217-288, algorithm 4.4.
    """
    (n, d), m = points.given.shape, len(others.given)
    if n * m * d < _WORTH or d < 2 * _DIRECTIONS[0]:
        return None
    chosen = [np.arange(0, count, -(-count // _SAMPLE)) for count in (n, m)]
    sample = np.concatenate([frame.away(points, chosen[0]), frame.away(others, chosen[1])])
    spread = sample.astype(np.float32)
    spread = (spread.T @ spread).astype(np.float64)
    total = float(np.trace(spread))
    if not total > 0:
        return None
    most = min(_DIRECTIONS[-1], d // 2, len(sample))
    found = sample[:: max(1, len(sample) // (most + _BESIDE))][: most + _BESIDE].T
    for _ in range(_STEPS):
        found = qr(spread @ found, mode="economic", check_finite=False)[0]
    axes = eigh(found.T @ spread @ found, check_finite=False)[1]
    # Orthonormal once more: the product of two such matrices is so but for rounding.
    turned = qr(found @ axes[:, ::-1][:, :most], mode="economic", check_finite=False)[0]
    there = chosen[0].size
    cost = _costs(sample[:there:_TRIED], sample[there:], turned)
    r = min(cost, key=cost.__getitem__)
    return np.asarray(turned[:, :r]) if cost[r] < _MOST else None


def _costs(points: FloatArray, others: FloatArray, basis: FloatArray) -> dict[int, float]:
    """For each number of directions, what a search by them costs of one by all pairs, about.

    Of a sample: for each point the share of others that look no farther than the second nearest
    is, which of all others are nearer ones than are asked for.
    """
    half = np.einsum("ij,ij->i", others, others) / 2
    score = points @ others.T - half
    reached = np.partition(score, -2, axis=1)[:, -2:-1]
    sides = [(rows @ basis, np.einsum("ij,ij->i", rows, rows)) for rows in (points, others)]
    found = {}
    for r in {min(r, basis.shape[1]) for r in _DIRECTIONS}:
        (p, s), (q, t) = ((own[:, :r], (whole - (own[:, :r] ** 2).sum(axis=1)).clip(0))
                          for own, whole in sides)  # fmt: skip
        bound = p @ q.T + np.sqrt(np.outer(s, t)) - half
        found[r] = (r + 2) / basis.shape[0] + _PAIR * float((bound >= reached).mean())
    return found


def alike(rows: Float32, size: int) -> list[IntArray]:
    """Places of rows (n, r), at most so many together, that lie near each other.

    Cut in two along the leading direction in which a part spreads most, at the widest gap of its
    middle half, until parts are small enough: classes that lie apart are parted first.

    Example:
        >>> [part.tolist() for part in alike(np.array([[3.0], [0.0], [4.0], [1.0]], np.float32), 2)]
        [[1, 3], [0, 2]]
    """
    waiting, found = [np.arange(len(rows))], []
    leading = rows[:, :_SPLIT]
    while waiting:
        part = waiting.pop()
        if part.size <= size:
            found.append(np.sort(part))
            continue
        values = leading[part]
        along = values[:, values.var(axis=0).argmax()]
        order = np.argsort(along)
        first = max(1, part.size // 4)
        last = part.size - first
        gaps = np.diff(along[order[first - 1 : last + 1]])
        cut = first + int(gaps.argmax())
        waiting += [part[order[cut:]], part[order[:cut]]]
    return found
