"""Cohen's kappa of a table of two readers, and the numbers that explain its paradoxes."""

from dataclasses import dataclass
from math import sqrt

import numpy as np
from scipy import stats

from ml.estimate import Estimate, undefined
from ml.stats.agreement.chance_corrected import (
    ALONE,
    EQUAL,
    NO_ROOM,
    chance_corrected,
)
from ml.stats.agreement.ratings import checked_table, ratings_of_table, table_of_ratings
from ml.stats.agreement.weights import Weights, resolved
from ml.stats.arrays import FloatArray
from ml.stats.asked import checked_share
from ml.stats.bootstrap import DEFAULT, Settings
from ml.stats.clusters import Clusters, checked_clusters
from ml.stats.interval import NO_SPREAD
from ml.stats.proportion import wilson


@dataclass(frozen=True)
class CohenKappa:
    """Kappa with its interval, and the test that it is 0, which has a standard error of its own."""

    kappa: Estimate  # interval from ``se``
    se: float | None  # non-null
    se_null: float | None  # where kappa is 0
    z: float | None  # kappa / se_null
    p: float | None  # two-sided
    table: FloatArray  # (k, k)


def cohen_kappa(
    table: FloatArray, weights: str | Weights = "identity", *, level: float = 0.95
) -> CohenKappa:
    """Cohen's kappa from a contingency table, cases independent.

    The interval uses the standard error that holds for any kappa, the test the one that holds
    where kappa is 0; they are never mixed. For clustered cases see ``cohen_kappa_clustered``.

    Args:
        table: (k, k) cases by answer of the first (rows) and second reader, in declared order.
        weights: a family's name, see ``agreement_weights``, or a matrix as ``custom_weights``.
        level: of the interval.

    Returns:
        Undefined, with a reason, for an empty table or complete chance agreement.

    Raises:
        ValueError: for a table that is not square or holds anything but counts.

    Example:
        >>> found = cohen_kappa(np.array([[20, 5], [10, 15]]))
        >>> round(found.kappa.value, 4), round(found.se, 4)
        (0.4, 0.127)

    Source:
        Cohen (1960), Educational and Psychological Measurement 20:37-46; Cohen (1968),
        Psychological Bulletin 70:213-220; both standard errors: Fleiss, Cohen, Everitt (1969),
        Psychological Bulletin 72:323-327.
    """
    table = checked_table(table)
    checked_share("level", level)
    chosen = resolved(weights, table.shape[0])
    convention = f"Cohen, {chosen.words}"
    n = int(table.sum())
    if n == 0:
        nothing = undefined("kappa_cohen", ALONE, convention=convention)
        return CohenKappa(nothing, None, None, None, None, table)
    w, cells = chosen.table, table / n
    rows, columns = cells.sum(axis=1), cells.sum(axis=0)
    observed, chance = float((w * cells).sum()), float(rows @ w @ columns)
    if 1 - chance <= NO_ROOM:
        nothing = undefined("kappa_cohen", EQUAL, n=n, convention=convention)
        return CohenKappa(nothing, None, None, None, None, table)
    value = (observed - chance) / (1 - chance)
    spread, spread_null = kappa_spread(cells, w)
    se, se_null = sqrt(spread / n), sqrt(spread_null / n)
    half = float(stats.norm.ppf((1 + level) / 2)) * se
    flat = se < 1e-7
    z = value / se_null if se_null > 1e-12 else None
    estimate = Estimate(
        "kappa_cohen", value, None if flat else max(-1.0, value - half),
        None if flat else min(1.0, value + half), level, n, convention=convention,
        method="" if flat else "Fleiss, Cohen and Everitt 1969, non-null; normal, cut at -1 and 1",
        reason=NO_SPREAD if flat else None, extra={"observed": observed, "chance": chance},
    )  # fmt: skip
    p = None if z is None else float(2 * stats.norm.sf(abs(z)))
    return CohenKappa(estimate, None if flat else se, se_null, z, p, table)


def kappa_spread(cells: FloatArray, weights: FloatArray) -> tuple[float, float]:
    """Variance of kappa times the number of cases: for any kappa, and where kappa is 0.

    Args:
        cells: (k, k) shares of all cases, chance agreement below 1.
        weights: (k, k) of agreement.

    Example:
        >>> kappa_spread(np.full((2, 2), 0.25), np.eye(2))  # kappa 0, so both are one number
        (1.0, 1.0)

    Source:
        Fleiss, Cohen, Everitt (1969), Psychological Bulletin 72:323-327, equations 8-15.
    """
    rows, columns = cells.sum(axis=1), cells.sum(axis=0)
    product = np.outer(rows, columns)
    observed, chance = float((weights * cells).sum()), float((weights * product).sum())
    value = (observed - chance) / (1 - chance)
    # Mean weight of each answer of one reader against the habits of the other, summed.
    habit = (weights @ columns)[:, None] + (rows @ weights)[None, :]
    spread = float((cells * (weights - habit * (1 - value)) ** 2).sum())
    spread -= (value - chance * (1 - value)) ** 2
    spread_null = float((product * (weights - habit) ** 2).sum()) - chance**2
    return max(spread, 0.0) / (1 - chance) ** 2, max(spread_null, 0.0) / (1 - chance) ** 2


def cohen_kappa_of_ratings(
    ratings: FloatArray,
    categories: int,
    weights: str | Weights = "identity",
    *,
    level: float = 0.95,
) -> CohenKappa:
    """As ``cohen_kappa``, from paired answers; cases that only one reader answered are left out.

    Args:
        ratings: (n, 2) codes 0..categories-1, NaN where a reader did not answer.
        categories: number of declared answers, at least two.

    Example:
        >>> cohen_kappa_of_ratings(np.array([[0, 0], [1, 1], [0, 1], [1, 1]]), 2).kappa.value
        0.5
    """
    return cohen_kappa(table_of_ratings(ratings, categories), weights, level=level)


@dataclass(frozen=True)
class TwoReaderIndices:
    """What kappa alone hides: to be shown beside it."""

    observed: Estimate  # share of cases both answered alike
    chance: float | None
    prevalence_index: float | None  # two answers only: both first less both second
    bias_index: float | None  # two answers only: difference of the shares of the first answer
    pabak: Estimate
    kappa_max: Estimate  # largest kappa that the readers' own shares allow
    gwet_ac1: Estimate


def two_reader_indices(table: FloatArray, *, level: float = 0.95) -> TwoReaderIndices:
    """Observed and chance agreement, prevalence and bias index, PABAK, maximal kappa and AC1.

    Args:
        table: (k, k) cases by answer of the first and second reader.
        level: of the intervals.

    Returns:
        Prevalence and bias index are signed (positive: the first answer is the commoner one; the
        first reader gives it more often), and None for more than two answers. PABAK of k answers
        is (k po - 1) / (k - 1), its interval that of the observed agreement.

    Example:
        >>> found = two_reader_indices(np.array([[80, 10], [5, 5]]))
        >>> found.prevalence_index, found.bias_index, found.pabak.value
        (0.75, 0.05, 0.7)

    Source:
        Byrt, Bishop, Carlin (1993), Journal of Clinical Epidemiology 46:423-429; maximal kappa:
        Cohen (1960); Feinstein, Cicchetti (1990), Journal of Clinical Epidemiology 43:543-549.
    """
    table = checked_table(table)
    checked_share("level", level)
    n, size = int(table.sum()), table.shape[0]
    ac1 = chance_corrected(
        ratings_of_table(table), "gwet_ac", size, settings=Settings(level=level), divisor="n"
    )
    convention = f"{size} answers declared"
    if n == 0:
        none = [undefined(one, ALONE, convention=convention)
                for one in ("percent_agreement", "pabak", "kappa_max")]  # fmt: skip
        return TwoReaderIndices(none[0], None, None, None, none[1], none[2], ac1)
    rows, columns = table.sum(axis=1) / n, table.sum(axis=0) / n
    observed, chance = float(np.trace(table)) / n, float(rows @ columns)
    low, high = wilson(observed, n, level)

    def scaled(share: float) -> float:
        return float((size * share - 1) / (size - 1))

    share = Estimate("percent_agreement", observed, low, high, level, n, convention="unweighted",
                     method="Wilson")  # fmt: skip
    pabak = Estimate("pabak", scaled(observed), scaled(low), scaled(high), level, n,
                     convention=convention, method="Wilson, of the observed agreement")  # fmt: skip
    if 1 - chance <= NO_ROOM:
        largest = undefined("kappa_max", EQUAL, n=n, convention="unweighted")
    else:
        top = (float(np.minimum(rows, columns).sum()) - chance) / (1 - chance)
        largest = Estimate("kappa_max", top, n=n, convention="unweighted; margins fixed",
                           reason="No interval: the bound belongs to these margins.")  # fmt: skip
    two = size == 2
    return TwoReaderIndices(
        share, chance,
        float(table[0, 0] - table[1, 1]) / n if two else None,
        float(table[0, 1] - table[1, 0]) / n if two else None,
        pabak, largest, ac1,
    )  # fmt: skip


def cohen_kappa_clustered(
    ratings: FloatArray,
    categories: int,
    clusters: Clusters,
    weights: str | Weights = "identity",
    settings: Settings = DEFAULT,
    *,
    interval: str = "yang_zhou",
) -> Estimate:
    """Cohen's kappa of two readers whose cases come in clusters, e.g. lesions of a patient.

    The value is that of the pooled table; only the interval knows the clusters.

    Args:
        ratings: (n, 2) codes 0..categories-1, NaN where a reader did not answer.
        categories: number of declared answers.
        clusters: independent units.
        weights: a family's name or a matrix.
        settings: level; draws and seed for the bootstrap.
        interval: yang_zhou (delta method over the clusters' sums, normal, clusters / (clusters
            - 1)), or bootstrap (of clusters, percentile).

    Raises:
        ValueError: for clusters of other rows, other codes, or another interval.

    Example:
        >>> answers = np.tile([[0.0, 0], [1, 1], [0, 1], [1, 1]], (10, 1))
        >>> found = cohen_kappa_clustered(answers, 2, Clusters.of(np.repeat(np.arange(20), 2)))
        >>> found.value, found.extra["n_clusters"]
        (0.5, 20)

    Source:
        Yang, Zhou (2014), Kappa statistic for clustered matched-pair data. Statistics in
        Medicine 33:2612-2633; weighted: Yang, Zhou (2015), Statistics in Medicine 34.
    """
    if interval not in ("yang_zhou", "bootstrap"):
        raise ValueError(f"interval must be yang_zhou or bootstrap, got {interval!r}")
    ratings = np.asarray(ratings, dtype=np.float64)
    table_of_ratings(ratings, categories)  # refuses what is not two readers' answers
    both = np.flatnonzero(~np.isnan(ratings).any(axis=1))
    own = checked_clusters(clusters, ratings.shape[0]).where(both)
    way = "bootstrap" if interval == "bootstrap" else "linearised"
    found = chance_corrected(
        ratings[both], "conger", categories, weights, own, settings,
        interval="bootstrap" if way == "bootstrap" else "linearised",
    )  # fmt: skip
    convention = f"Cohen, {resolved(weights, categories).words}, pooled over clusters"
    if found.value is None or way == "bootstrap" or not found.has_interval:
        return Estimate(
            "kappa_cohen", found.value, found.low, found.high, found.level, found.n,
            convention=convention, method=found.method, reason=found.reason, extra=found.extra,
        )  # fmt: skip
    error = found.extra["se"]
    assert isinstance(error, float)
    z = float(stats.norm.ppf((1 + settings.level) / 2))
    return Estimate(
        "kappa_cohen", found.value, max(-1.0, found.value - z * error),
        min(1.0, found.value + z * error), settings.level, found.n, convention=convention,
        method=f"Yang and Zhou 2014, delta method over {own.words}; normal, cut at -1 and 1",
        extra={**own.extra, "observed": found.extra["observed"],
               "chance": found.extra["chance"], "se": error},
    )  # fmt: skip
