"""Two tests' calls of the same cases: differences of sensitivity and of specificity."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy import optimize, stats

from ml.estimate import Estimate, JsonValue, undefined
from ml.stats.arrays import BoolArray, FloatArray
from ml.stats.asked import checked_count, checked_share
from ml.stats.clusters import Clusters, too_few
from ml.stats.discrimination.rates import Calls
from ml.stats.interval import Interval
from ml.stats.proportion import wilson

Rate = Literal["sensitivity", "specificity"]
PairedInterval = Literal["tango", "newcombe"]


@dataclass(frozen=True)
class PairedCalls:
    """What two tests called the same cases."""

    a: BoolArray  # (n,) called present by test a
    b: BoolArray  # (n,) by test b
    positive: BoolArray  # (n,) the finding is present
    clusters: Clusters

    @classmethod
    def of(
        cls, a: BoolArray, b: BoolArray, positive: BoolArray, clusters: Clusters | None = None
    ) -> "PairedCalls":
        """From three (n,) arrays of booleans, or of 0 and 1.

        Raises:
            ValueError: for unequal shapes or other values.

        Example:
            >>> PairedCalls.of([1, 1, 0], [1, 0, 0], [1, 1, 0]).b.tolist()
            [True, False, False]
        """
        one, other = Calls.of(a, positive, clusters), Calls.of(b, positive, clusters)
        return cls(one.called, other.called, one.positive, one.clusters)

    @classmethod
    def table(cls, counts: Mapping[tuple[int, int, int], int]) -> "PairedCalls":
        """From counts by (finding, call of a, call of b), 0 or 1 each.

        Example:
            >>> PairedCalls.table({(1, 1, 0): 2, (0, 0, 0): 1}).a.tolist()
            [True, True, False]
        """
        rows = np.repeat(np.array(list(counts), dtype=np.int64).reshape(-1, 3),
                         list(counts.values()), axis=0)  # fmt: skip
        return cls.of(rows[:, 1] == 1, rows[:, 2] == 1, rows[:, 0] == 1)


@dataclass(frozen=True)
class RateComparison:
    """A difference of two rates on the same cases, and its tests."""

    difference: Estimate  # a - b
    only_a: int  # cases that a alone has right
    only_b: int
    chi2: float | None  # McNemar, no continuity correction; clustered where cases cluster
    p: float | None  # of chi2
    p_exact: float | None  # binomial over discordant cases; None where cases cluster
    p_mid: float | None  # mid-p of the same
    method: str
    reason: str | None = None


def compare_rates(
    rate: Rate,
    calls: PairedCalls,
    *,
    interval: PairedInterval = "tango",
    level: float = 0.95,
) -> RateComparison:
    """Difference a - b of two tests' sensitivities, or specificities, on the same cases.

    Args:
        rate: "sensitivity" or "specificity".
        calls: what both called.
        interval: "tango" (score) or "newcombe" (square-and-add of Wilson, method 10). Where
            cases cluster, a Wald interval with the variance over whole clusters, whichever.
        level: of the interval.

    Returns:
        Undefined when no case has the finding (or lacks it, for specificity). Where the tests
        never disagree, p is 1.

    Raises:
        ValueError: for another rate or interval.

    Example:
        >>> calls = PairedCalls.table({(1, 1, 1): 36, (1, 1, 0): 12, (1, 0, 1): 2})
        >>> found = compare_rates("sensitivity", calls)
        >>> round(found.difference.value, 3), round(found.p_mid, 4)
        (0.2, 0.0074)

    Source:
        McNemar (1947), Psychometrika 12:153-157; mid-p: Fagerland, Lydersen, Laake (2013), BMC
        Medical Research Methodology 13:91; Tango (1998), Statistics in Medicine 17:891-908;
        Newcombe (1998), Statistics in Medicine 17:2635-2650; clusters: Obuchowski (1998),
        Statistics in Medicine 17:1495-1507.
    """
    if rate not in ("sensitivity", "specificity"):
        raise ValueError(f"rate must be sensitivity or specificity, got {rate!r}")
    if interval not in ("tango", "newcombe"):
        raise ValueError(f"interval must be tango or newcombe, got {interval!r}")
    level = checked_share("level", level)
    chosen = calls.positive if rate == "sensitivity" else ~calls.positive
    rows = np.flatnonzero(chosen)
    right_a, right_b = (part[rows] == calls.positive[rows] for part in (calls.a, calls.b))
    clusters = calls.clusters.where(rows)
    n = rows.size
    name, convention = f"{rate}_difference", f"{rate} of a less that of b, same cases"
    if n == 0:
        which = "has" if rate == "sensitivity" else "lacks"
        reason = f"Not estimated: no case {which} the finding."
        nothing = undefined(name, reason, convention=convention)
        return RateComparison(nothing, 0, 0, None, None, None, None, "McNemar", reason)
    only_a, only_b = int((right_a & ~right_b).sum()), int((right_b & ~right_a).sum())
    value = (only_a - only_b) / n
    if not clusters.each_alone:
        return _clustered(
            name, convention, right_a.astype(np.float64) - right_b, clusters, level,
            only_a, only_b, int(calls.positive[rows].sum()),
        )  # fmt: skip
    apart = only_a + only_b
    chi2 = (only_a - only_b) ** 2 / apart if apart else None
    p = float(stats.chi2.sf(chi2, 1)) if chi2 is not None else 1.0
    p_exact, p_mid = _exact(only_a, only_b)
    if interval == "tango":
        low, high = tango(only_a, only_b, n, level)
    else:
        both = int((right_a & right_b).sum())
        low, high = newcombe_paired(both, only_a, only_b, n - both - apart, level)
    words = "Tango score" if interval == "tango" else "Newcombe paired (method 10)"
    difference = Estimate(
        name, value, low, high, level, n, int(calls.positive[rows].sum()),
        convention=convention, method=words, extra=_extra(clusters, only_a, only_b),
    )  # fmt: skip
    return RateComparison(difference, only_a, only_b, chi2, p, p_exact, p_mid, "McNemar")


def tango(only_a: int, only_b: int, n: int, level: float) -> tuple[float, float]:
    """Tango's score interval of a difference of paired shares.

    Args:
        only_a, only_b: discordant cases either way.
        n: all cases, above 0.
        level: of the interval.

    Raises:
        ValueError: for counts that are negative, not whole or more than n, or another level.

    Example:
        >>> low, high = tango(0, 0, 50, 0.95)  # z² / (n + z²) either way
        >>> round(low, 4), round(high, 4)
        (-0.0713, 0.0713)

    Source:
        Tango (1998), Statistics in Medicine 17:891-908, equations 4 and 26.
    """
    n = checked_count("n", n)
    only_a, only_b = (
        checked_count(name, cell, 0, n) for name, cell in (("only_a", only_a), ("only_b", only_b))
    )
    checked_count("only_a + only_b", only_a + only_b, 0, n)
    z = float(stats.norm.ppf((1 + checked_share("level", level)) / 2))
    value = (only_a - only_b) / n

    def distance(delta: float, side: float) -> float:
        """Score times its standard error under ``delta``, less z of them; 0 at an end."""
        first = (2 * n - only_a + only_b) * delta - only_a - only_b
        root = max(first**2 + 8 * n * only_b * delta * (1 - delta), 0.0) ** 0.5
        discordant = (root - first) / (4 * n)
        variance = max(n * (2 * discordant + delta * (1 - delta)), 0.0)
        return float(only_a - only_b - n * delta - side * z * variance**0.5)

    tiny = 1e-10  # at the value itself the variance may vanish
    low = high = None
    if value - tiny > -1 and distance(-1.0, 1) > 0:
        low = float(optimize.brentq(distance, -1.0, value - tiny, args=(1,), xtol=1e-13))
    if value + tiny < 1 and distance(1.0, -1) < 0:
        high = float(optimize.brentq(distance, value + tiny, 1.0, args=(-1,), xtol=1e-13))
    return -1.0 if low is None else low, 1.0 if high is None else high


def newcombe_paired(
    both: int, only_a: int, only_b: int, neither: int, level: float
) -> tuple[float, float]:
    """Newcombe's square-and-add interval of a difference of paired shares (his method 10).

    Args:
        both, only_a, only_b, neither: the four cells; at least one case.
        level: of the interval.

    Raises:
        ValueError: for counts that are negative or not whole, no case, or another level.

    Example:
        >>> [round(end, 3) for end in newcombe_paired(36, 12, 2, 0, 0.95)]
        [0.057, 0.34]

    Source:
        Newcombe (1998). Improved confidence intervals for the difference between binomial
        proportions based on paired data. Statistics in Medicine 17:2635-2650.
    """
    for cell in (both, only_a, only_b, neither):
        checked_count("a cell of the table", cell, 0)
    n = checked_count("cases", both + only_a + only_b + neither)
    share_a, share_b = (both + only_a) / n, (both + only_b) / n
    low_a, high_a = wilson(share_a, n, level)
    low_b, high_b = wilson(share_b, n, level)
    margins = (both + only_a) * (only_b + neither) * (both + only_b) * (only_a + neither)
    cross = both * neither - only_a * only_b
    # A positive correlation is taken half a case down, as far as 0.
    top = max(cross - n / 2, 0.0) if cross > 0 else float(cross)
    phi = top / margins**0.5 if margins > 0 else 0.0

    def reach(one: float, other: float) -> float:
        return float(max(one**2 - 2 * phi * one * other + other**2, 0.0) ** 0.5)

    value = share_a - share_b
    return (
        max(-1.0, value - reach(share_a - low_a, high_b - share_b)),
        min(1.0, value + reach(high_a - share_a, share_b - low_b)),
    )


def _exact(only_a: int, only_b: int) -> tuple[float, float]:
    """Two-sided exact binomial p of the discordant cases, and its mid-p."""
    apart, fewer = only_a + only_b, min(only_a, only_b)
    if apart == 0:
        return 1.0, 1.0
    tail, at = stats.binom.cdf(fewer, apart, 0.5), stats.binom.pmf(fewer, apart, 0.5)
    return min(1.0, float(2 * tail)), min(1.0, float(2 * tail - at))


def _extra(clusters: Clusters, only_a: int, only_b: int) -> dict[str, JsonValue]:
    return {**clusters.extra, "only_a_right": only_a, "only_b_right": only_b, "unit": "fraction"}


def _clustered(
    name: str,
    convention: str,
    apart: FloatArray,
    clusters: Clusters,
    level: float,
    only_a: int,
    only_b: int,
    n_events: int,
) -> RateComparison:
    """The mean of per-case differences, with its variance over whole clusters."""
    n = apart.size
    value = float(apart.mean())
    method = f"McNemar, variance over {clusters.words} (Obuchowski 1998)"
    interval, chi2, p = Interval(None, None, "", too_few(clusters)), None, None
    if interval.reason is None:
        totals = np.bincount(clusters.codes, apart - value, clusters.count)
        under_null = np.bincount(clusters.codes, apart, clusters.count)
        variance = clusters.count / (clusters.count - 1) * float((totals**2).sum()) / n**2
        null = float((under_null**2).sum()) / n**2
        p = 1.0
        if null > 0:
            chi2 = value**2 / null
            p = float(stats.chi2.sf(chi2, 1))
        reach = float(stats.norm.ppf((1 + level) / 2)) * variance**0.5
        interval = Interval(
            max(-1.0, value - reach), min(1.0, value + reach),
            f"Wald, variance over {clusters.words}",
        )  # fmt: skip
        if variance < 1e-15:
            reason = "No interval: the tests differ alike in every case, so there is no spread."
            interval = Interval(None, None, "", reason)
    difference = Estimate(
        name, value, interval.low, interval.high, level, n, n_events, convention=convention,
        method=interval.method, reason=interval.reason, extra=_extra(clusters, only_a, only_b),
    )  # fmt: skip
    return RateComparison(
        difference, only_a, only_b, chi2, p, None, None, method, interval.reason
    )  # fmt: skip
