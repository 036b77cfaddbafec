"""Paired differences without a normal distribution: signed ranks, their centre, and signs."""

import numpy as np
from scipy import stats

from ml.estimate import Estimate, undefined
from ml.stats.arrays import FloatArray, IntArray
from ml.stats.asked import checked_share
from ml.stats.comparison.paired import PairedTest, differences
from ml.stats.interval import interval_between

_EXACT = 50  # pairs below which the exact distribution is used, as in R
_HELD = 2_000  # pairs up to which all their averages are held
_EXACT_AT_MOST = 2_000  # pairs whose sign patterns are counted; their time grows with the cube
_ZEROS = ("dropped", "pratt")


def wilcoxon_signed_rank(
    a: FloatArray,
    b: FloatArray,
    *,
    zeros: str = "dropped",
    method: str = "auto",
    continuity: bool = True,
) -> PairedTest:
    """Wilcoxon's signed rank test of a - b, two-sided; pairs must be independent.

    Args:
        a, b: (n,) measurements of the same cases.
        zeros: "dropped" before ranking (Wilcoxon), or "pratt": ranked with the others, then
            left out.
        method: "exact" (all sign patterns of the midranks, so valid with ties as well),
            "normal" (with the correction for ties), or "auto": exact below 50 pairs without
            ties or zeros, else normal.
        continuity: half-step correction of the normal approximation.

    Returns:
        The statistic V, the sum of ranks of positive differences; no p-value when all are zero.

    Raises:
        ValueError: for another option, or the exact distribution of more than 2,000 pairs.

    Example:
        >>> wilcoxon_signed_rank(np.array([1.0, 2, 3]), np.array([0.0, 0, 0])).p
        0.25

    Source:
        Wilcoxon (1945), Biometrics Bulletin 1:80-83; Pratt (1959), JASA 54:655-667; Hollander,
        Wolfe (1999), Nonparametric Statistical Methods, section 3.1.
    """
    if zeros not in _ZEROS or method not in ("auto", "exact", "normal"):
        raise ValueError(f"unknown option: zeros={zeros!r}, method={method!r}")
    d = differences(a, b)
    centre = hodges_lehmann(a, b)
    ranks = stats.rankdata(np.abs(d[d != 0] if zeros == "dropped" else d))
    used = d if zeros == "pratt" else d[d != 0]
    ranks, used = ranks[used != 0], used[used != 0]
    if used.size == 0:
        reason = "Not estimated: no pair differs."
        return PairedTest(centre, None, None, None, "signed rank", reason)
    v = float(ranks[used > 0].sum())
    plain = used.size == d.size and np.unique(ranks).size == ranks.size
    exact = method == "exact" or (method == "auto" and plain and used.size < _EXACT)
    words = f"signed rank, zeros {zeros}, "
    if exact and used.size > _EXACT_AT_MOST:
        raise ValueError(
            f"the exact distribution of {used.size:,} pairs is too long to count, "
            f"{_EXACT_AT_MOST:,} at most: take method normal"
        )
    if exact:
        return PairedTest(centre, v, _exact_p(v, ranks), None, words + "exact")
    spread = float((ranks**2).sum() / 4) ** 0.5
    away = v - float(ranks.sum() / 2)
    step = 0.5 * np.sign(away) if continuity else 0.0
    p = float(min(1.0, 2 * stats.norm.sf(abs(away - step) / spread)))
    words += "normal approximation, midranks" + (", continuity" if continuity else "")
    return PairedTest(centre, v, p, None, words)


def _exact_p(v: float, ranks: FloatArray) -> float:
    """Convolution over twice the ranks, which are whole numbers even as midranks."""
    steps = np.rint(2 * ranks).astype(np.int64)
    chance = np.zeros(int(steps.sum()) + 1)
    chance[0] = 1.0
    for step in steps:
        moved = chance / 2
        chance = moved.copy()
        chance[step:] += moved[: moved.size - step]
    at = round(2 * v)
    return float(min(1.0, 2 * min(chance[: at + 1].sum(), chance[at:].sum())))


def hodges_lehmann(
    a: FloatArray, b: FloatArray, level: float = 0.95, *, zeros: str = "kept"
) -> Estimate:
    """Median of the Walsh averages of a - b, with the interval that inverts the signed rank test.

    Args:
        a, b: (n,) measurements of the same cases. Up to 2,000 pairs all n (n + 1) / 2 averages are
            held at once; of more, those that are asked for are found by bisection.
        level: wanted coverage; the exact distribution attains at least this without ties.
        zeros: "kept" (the estimator as published), or "dropped" as the signed rank test does
            and R's wilcox.test with it.

    Returns:
        No interval when so few pairs cannot reach the level. Undefined without pairs.

    Example:
        >>> hodges_lehmann(np.array([1.0, 2, 6]), np.array([0.0, 0, 0])).value
        2.75

    Source:
        Hodges, Lehmann (1963), Ann Math Stat 34:598-611; Hollander, Wolfe (1999), 3.2 and 3.3.
    """
    if zeros not in ("kept", "dropped"):
        raise ValueError(f"zeros must be 'kept' or 'dropped', got {zeros!r}")
    checked_share("level", level)
    d = differences(a, b)
    d = d[d != 0] if zeros == "dropped" else d
    n = int(d.size)
    convention = f"median of Walsh averages of a - b, i <= j, zeros {zeros}"
    if n == 0:
        reason = "Not estimated: no pairs."
        return undefined("hodges_lehmann", reason, convention=convention)
    cut, method = _rank_cut(n, level)
    count = n * (n + 1) // 2
    places = [(count - 1) // 2, count // 2, max(cut - 1, 0), min(count - cut, count - 1)]
    left, right, low, high = _walsh(d, places)
    value = (left + right) / 2
    if cut < 1:
        reason = f"No interval: {n} pairs cannot reach a coverage of {level:g}."
        return Estimate("hodges_lehmann", value, n=n, convention=convention, reason=reason)
    scale = float(np.abs([a, b]).max())
    reach = interval_between(low, high, method, scale=scale)
    return Estimate(
        "hodges_lehmann", value, reach.low, reach.high, level, n, convention=convention,
        method=reach.method, reason=reach.reason,
    )  # fmt: skip


def _walsh(d: FloatArray, places: list[int]) -> list[float]:
    """The Walsh averages of d at some places of their order, counted from 0."""
    if d.size <= _HELD:
        rows, columns = np.triu_indices(d.size)
        every = np.sort((d[rows] + d[columns]) / 2)
        return [float(every[place]) for place in places]
    ordered = np.sort(d)
    known = {place: _walsh_at(ordered, place) for place in set(places)}
    return [known[place] for place in places]


def _walsh_at(ordered: FloatArray, place: int) -> float:
    """One Walsh average: bisection by how many lie at or below, without holding them."""

    def rivals(middle: float) -> IntArray:
        """For each number, how many have an average with it of at most the middle."""
        return np.searchsorted(ordered, 2 * middle - ordered, "right").astype(np.int64)

    low, high = float(ordered[0]), float(ordered[-1])
    fine = 1e-15 * max(abs(low), abs(high))
    while high - low > fine:
        middle = low + (high - low) / 2
        if not low < middle < high:
            break
        pairs = int(rivals(middle).sum()) + int(np.searchsorted(ordered, middle, "right"))
        low, high = (low, middle) if pairs // 2 > place else (middle, high)
    # The average that lies there, to its last digit.
    last = rivals(high)
    found = (ordered[last > 0] + ordered[last[last > 0] - 1]) / 2
    return float(found[np.argmin(np.abs(found - high))])


def _rank_cut(n: int, level: float) -> tuple[int, str]:
    """Which Walsh average from either end bounds the interval."""
    tail = (1 - level) / 2
    if n < _EXACT:
        chance = np.zeros(n * (n + 1) // 2 + 1)
        chance[0] = 1.0
        for step in range(1, n + 1):
            moved = chance / 2
            chance = moved.copy()
            chance[step:] += moved[: moved.size - step]
        return int((np.cumsum(chance) <= tail).sum()), "signed rank inverted, exact"
    middle = n * (n + 1) / 4
    spread = (n * (n + 1) * (2 * n + 1) / 24) ** 0.5
    cut = int(middle - float(stats.norm.ppf(1 - tail)) * spread)
    return cut, "signed rank inverted, normal approximation"


def sign_test(a: FloatArray, b: FloatArray, level: float = 0.95) -> PairedTest:
    """Exact sign test: of the pairs that differ, the share in which a is larger.

    Args:
        a, b: (n,) measurements of the same cases; equal pairs are left out.
        level: of the Clopper-Pearson interval of that share.

    Example:
        >>> sign_test(np.array([1.0, 2, 3]), np.array([0.0, 0, 0])).p
        0.25

    Source:
        Dixon, Mood (1946), JASA 41:557-566; Conover (1999), section 3.4.
    """
    checked_share("level", level)
    d = differences(a, b)
    n, above = int((d != 0).sum()), int((d > 0).sum())
    if n == 0:
        gone = undefined("share_above", "Not estimated: no pair differs.", n=0)
        return PairedTest(gone, None, None, None, "sign test", gone.reason)
    tail = (1 - level) / 2
    low = float(stats.beta.ppf(tail, above, n - above + 1)) if above else 0.0
    high = float(stats.beta.ppf(1 - tail, above + 1, n - above)) if above < n else 1.0
    share = Estimate(
        "share_above", above / n, low, high, level, n, n_events=above,
        convention="a > b among pairs that differ", method="Clopper-Pearson",
        extra={"n_equal": int(d.size) - n},
    )  # fmt: skip
    p = float(stats.binomtest(above, n).pvalue)
    return PairedTest(share, float(above), p, None, "exact sign test")
