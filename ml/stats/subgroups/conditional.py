"""Whether a number hangs on a mark of the cases, given what else is known of them."""

from dataclasses import dataclass

import numpy as np

from ml.estimate import Estimate, undefined
from ml.stats.arrays import BoolArray, FloatArray, IntArray, checked_outcomes
from ml.stats.asked import checked_size
from ml.stats.bootstrap import DEFAULT, Settings, replicate_sums
from ml.stats.clusters import Clusters, checked_clusters
from ml.stats.interval import percentile_interval
from ml.stats.permutation import p_value

_BLOCK = 250  # relabellings that share a stream of random numbers
_NOTHING = "Not estimated: no stratum has cases with and without it."
CONVENTION = "mean of cases with the mark minus that of the others, within strata"


@dataclass(frozen=True)
class Dependence:
    """A difference within strata, and how often relabelling gives one as large.

    Attributes:
        difference: signed; strata weighted by n1 n0 / (n1 + n0).
        p: of the hypothesis that within strata the mark has nothing to do with the number; None
            where the difference is undefined.
    """

    difference: Estimate
    p: float | None


def dependence_within(
    measure: str,
    values: FloatArray,
    mark: BoolArray,
    stratum: IntArray,
    clusters: Clusters | None = None,
    settings: Settings = DEFAULT,
) -> Dependence:
    """How far cases with a mark lie from others of their stratum.

    Args:
        measure: id of the estimate.
        values: (n,) finite numbers.
        mark: (n,) booleans, or 0 and 1: the cases that have it.
        stratum: (n,) codes of what is held fixed, such as the reference label.
        clusters: independent units; None means every case is its own.
        settings: level, draws and seed, of the bootstrap and of the relabelling.

    Returns:
        The difference with a bootstrap interval by cluster. The p-value deals whole clusters'
        marks anew among clusters whose cases lie in the same strata. Undefined where no stratum
        has cases with and without the mark.

    Raises:
        ValueError: for unequal shapes, numbers that are not finite, or marks but 0 and 1.

    Example:
        >>> values, label = np.array([0.1, 0.4, 0.6, 0.9]), np.array([0, 0, 1, 1])
        >>> mark = np.array([False, True, False, True])
        >>> found = dependence_within("d", values, mark, label, settings=Settings(draws=200))
        >>> round(found.difference.value, 3)
        0.3

    Source:
        Mantel, Haenszel (1959), JNCI 22:719 (weights). Phipson, Smyth (2010), Statistical
        Applications in Genetics 9:39 (p-value of random relabellings).
    """
    values = np.asarray(values, dtype=np.float64)
    if not values.shape == mark.shape == stratum.shape or values.ndim != 1:
        raise ValueError(f"expected (n,) each, got {values.shape}, {mark.shape}, {stratum.shape}")
    if not np.isfinite(values).all():
        raise ValueError(f"{measure}: a number is not finite")
    checked_size(measure, values)
    mark = checked_outcomes(mark, "marks")
    units = checked_clusters(clusters, values.size)
    if not values.size:
        return Dependence(undefined(measure, _NOTHING, convention=CONVENTION), None)
    _, codes = np.unique(stratum, return_inverse=True)
    sums = _stratum_sums(values, mark, codes, units)
    whole = _difference(sums.sum(axis=0)[None])[0]
    if not np.isfinite(whole):
        return Dependence(
            undefined(measure, _NOTHING, n=values.size, convention=CONVENTION), None
        )  # fmt: skip
    drawn = _difference(replicate_sums(sums, settings))
    interval = percentile_interval(drawn, units, settings, scale=float(np.abs(values).max()))
    found = Estimate(
        measure, float(whole), interval.low, interval.high, settings.level, values.size,
        int(mark.sum()), convention=CONVENTION, method=interval.method, reason=interval.reason,
        extra={**units.extra, "strata": int(codes.max(initial=0)) + 1},
    )  # fmt: skip
    return Dependence(found, _p_of(values, mark, codes, units, settings))


def _stratum_sums(
    values: FloatArray, mark: BoolArray, codes: IntArray, units: Clusters
) -> FloatArray:
    """(clusters, 4 * strata): of each stratum, sum and number with the mark and without."""
    columns = []
    for code in range(int(codes.max(initial=-1)) + 1):
        for chosen in ((codes == code) & mark, (codes == code) & ~mark):
            columns += [np.where(chosen, values, 0.0), chosen.astype(np.float64)]
    return units.sums(np.stack(columns, axis=1))


def _difference(sums: FloatArray) -> FloatArray:
    """(draws,) from rows of :func:`_stratum_sums` that are added up; NaN where undefined."""
    with_it, n1, without, n0 = np.moveaxis(sums.reshape(len(sums), -1, 4), 2, 0)
    both = (n1 > 0) & (n0 > 0)
    weight = np.where(both, n1 * n0 / np.maximum(n1 + n0, 1), 0.0)
    apart = with_it / np.maximum(n1, 1) - without / np.maximum(n0, 1)
    total = weight.sum(axis=1)
    found = np.full(len(sums), np.nan)
    np.divide((weight * apart).sum(axis=1), total, out=found, where=total > 0)
    return found


def _p_of(
    values: FloatArray, mark: BoolArray, codes: IntArray, units: Clusters, settings: Settings
) -> float | None:
    """Marks of whole clusters dealt anew among those with the same strata."""
    if settings.draws == 0:
        return None
    means = np.bincount(codes, values) / np.bincount(codes)
    size = np.bincount(units.codes, minlength=units.count)
    away = np.bincount(units.codes, values - means[codes], units.count)
    share = np.bincount(units.codes, mark.astype(np.float64), units.count) / size
    in_stratum = np.stack(
        [
            np.bincount(units.codes, codes == code, units.count) > 0
            for code in range(codes.max() + 1)
        ],
        axis=1,
    )
    _, pattern = np.unique(in_stratum, axis=0, return_inverse=True)
    groups = [np.flatnonzero(pattern.ravel() == one) for one in range(int(pattern.max()) + 1)]
    expected = sum(float(away[rows].sum() * share[rows].mean()) for rows in groups)
    observed = abs(float(away @ share) - expected)
    relabelled = []
    for block in range(-(-settings.draws // _BLOCK)):
        rng = np.random.Generator(np.random.SFC64([settings.seed, block, units.count]))
        columns = min(_BLOCK, settings.draws - block * _BLOCK)
        total = np.zeros(columns)
        for rows in groups:
            dealt = rng.permuted(np.repeat(share[rows][:, None], columns, axis=1), axis=0)
            total += away[rows] @ dealt
        relabelled.append(np.abs(total - expected))
    return p_value(observed, np.concatenate(relabelled), complete=False)
