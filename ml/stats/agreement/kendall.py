"""Kendall's W: do readers put the cases in the same order?"""

import numpy as np
from scipy import stats

from ml.estimate import Estimate, JsonValue, undefined
from ml.stats.agreement.anova import checked_ratings
from ml.stats.arrays import FloatArray, ratio
from ml.stats.bootstrap import DEFAULT, Settings, replicates
from ml.stats.clusters import Clusters, checked_clusters
from ml.stats.interval import percentile_interval
from ml.stats.rank_correlation import MidRanks


def kendall_w(
    ratings: FloatArray,
    clusters: Clusters | None = None,
    settings: Settings = DEFAULT,
    *,
    tie_correction: bool = True,
) -> Estimate:
    """Coefficient of concordance: 0 no common order, 1 the same order by every reader.

    Each reader's scores are ranked over the cases, ties at their mid-rank. The correction for ties
    makes 1 reachable when readers give equal scores. The interval resamples clusters and
    ranks again; a case drawn twice is tied with itself for every reader.

    Args:
        ratings: (n, readers); NaN where missing, complete cases enter; a column is one reader.
        clusters: independent units; None means every case is its own.
        settings: level, draws, seed.
        tie_correction: as Kendall (1970); False for the plain sum of squares.

    Returns:
        The estimate; ``extra`` holds ``chi2``, ``df``, ``p`` (readers * (n-1) * W, good for more
        than seven cases) and ``f``, ``f_df1``, ``f_df2``, ``f_p`` (better with few), both of no
        concordance at all. Undefined with fewer than two complete cases or two readers, or when
        every reader scored all cases equally.

    Raises:
        ValueError: for malformed scores.

    Example:
        >>> orders = np.array([[1.0, 1, 2], [2, 2, 1], [3, 3, 3], [4, 4, 4]])
        >>> round(kendall_w(orders).value, 4)
        0.9111

    Source:
        Kendall, Babington Smith (1939), Annals of Mathematical Statistics 10:275-287; ties and
        tests: Kendall (1970), Rank Correlation Methods, chapter 6; Legendre (2005).
    """
    ratings = checked_ratings(ratings)
    rows = np.flatnonzero(~np.isnan(ratings).any(axis=1))
    n, readers = rows.size, ratings.shape[1]
    convention = "tie-corrected" if tie_correction else "without correction for ties"
    convention += ", mid-ranks, complete cases"
    if n < 2 or readers < 2:
        reason = "Not estimated: fewer than two cases were scored by every reader."
        return undefined("kendall_w", reason, n=n, convention=convention)
    own = checked_clusters(clusters, ratings.shape[0]).where(rows)
    ranker = [MidRanks(ratings[rows, reader]) for reader in range(readers)]
    value = float(_w(np.ones((1, n)), ranker, tie_correction)[0])
    if not np.isfinite(value):
        reason = "Not estimated: every reader scored all cases equally."
        return undefined("kendall_w", reason, n=n, convention=convention)
    drawn = replicates(
        lambda counts: _w(counts[:, own.codes], ranker, tie_correction),
        own.count, settings, width=n,
    )  # fmt: skip
    interval = percentile_interval(drawn, own, settings)
    return Estimate(
        "kendall_w", value, interval.low, interval.high, settings.level, n, convention=convention,
        method=interval.method, reason=interval.reason,
        extra={**own.extra, **(_tests(value, n, readers) if own.each_alone else {})},
    )  # fmt: skip


def _w(counts: FloatArray, orders: list[MidRanks], tie_correction: bool) -> FloatArray:
    total, ties = np.zeros_like(counts), np.zeros(counts.shape[0])
    for order in orders:
        ranks, tied = order.ranks(counts)
        total += ranks
        ties += tied
    n, readers = counts.sum(axis=1), len(orders)
    centred = total - (readers * (n + 1) / 2)[:, None]
    spread = (counts * centred**2).sum(axis=1)
    room = readers**2 * (n**3 - n)
    if tie_correction:
        room = room - readers * ties
    return ratio(12 * spread, room, least=0.5)  # the room is a whole number


def _tests(value: float, n: int, readers: int) -> dict[str, JsonValue]:
    chi2 = readers * (n - 1) * value
    found: dict[str, JsonValue] = {"chi2": chi2, "df": n - 1,
                                   "p": float(stats.chi2.sf(chi2, n - 1))}  # fmt: skip
    df1 = n - 1 - 2 / readers
    if value < 1 - 1e-12 and df1 > 0:
        f = (readers - 1) * value / (1 - value)
        df2 = (readers - 1) * df1
        found |= {"f": f, "f_df1": df1, "f_df2": df2, "f_p": float(stats.f.sf(f, df1, df2))}
    return found
