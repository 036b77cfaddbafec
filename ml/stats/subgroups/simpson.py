"""Whether a difference between two groups turns around once a third property is held fixed."""

from dataclasses import dataclass

import numpy as np

from ml.estimate import Estimate
from ml.stats.arrays import BoolArray, FloatArray, IntArray, checked_outcomes
from ml.stats.subgroups.groups import Groups
from ml.stats.subgroups.stratified import Tables, mantel_haenszel


@dataclass(frozen=True)
class Simpson:
    """The same comparison twice: over all, and within strata."""

    pooled: Estimate  # odds ratio of all tables added up
    stratified: Estimate  # Mantel-Haenszel odds ratio
    reverses: bool  # one lies above 1, the other below
    vanishes: bool  # the pooled interval excludes 1, the stratified one does not
    sentence: str | None  # what to warn of


def simpson(tables: Tables, *, level: float = 0.95) -> Simpson:
    """Compare the odds ratio of all cases with that inside strata.

    Args:
        tables: (strata, 2, 2) counts [[a, b], [c, d]], e.g. group by right / wrong, per site.
        level: of both intervals.

    Example:
        >>> table = np.array([[[81, 6], [234, 36]], [[192, 71], [55, 25]]])
        >>> simpson(table).reverses
        True

    Source:
        Simpson (1951), JRSS B 13:238-241. The example: Charig et al. (1986), BMJ 292:879-882.
    """
    whole = np.asarray(tables, dtype=np.float64).sum(axis=0)[None]
    pooled = mantel_haenszel(whole, level=level).renamed("odds_ratio_pooled")
    stratified = mantel_haenszel(tables, level=level)
    if pooled.value is None or stratified.value is None:
        return Simpson(pooled, stratified, reverses=False, vanishes=False, sentence=None)
    reverses = (pooled.value - 1) * (stratified.value - 1) < 0
    vanishes = _excludes_one(pooled) and not _excludes_one(stratified)
    sentence = None
    if reverses:
        sentence = (
            "The difference turns around once the strata are compared one by one: it comes from "
            "how the groups are mixed, not from the groups."
        )
    elif vanishes:
        sentence = (
            "The difference can no longer be told from none once the strata are compared one by "
            "one: it may come from how the groups are mixed."
        )
    return Simpson(pooled, stratified, reverses, vanishes, sentence)


def strata_tables(first: BoolArray, outcome: BoolArray, strata: Groups) -> IntArray:
    """(strata, 2, 2) counts: rows first group and others, columns outcome and not.

    Args:
        first: (n,) row of the table, e.g. case of the group in question; booleans, or 0 and 1.
        outcome: (n,) column, e.g. answered rightly; likewise.
        strata: (n,) rows without a stratum are left out.

    Raises:
        ValueError: for unequal shapes, or values other than 0 and 1.

    Example:
        >>> strata_tables(np.array([1, 0, 0]), np.array([1, 1, 0]), Groups.of(["x"] * 3)).tolist()
        [[[1, 0], [1, 1]]]
    """
    first, outcome = checked_outcomes(first, "rows"), checked_outcomes(outcome)
    if not first.shape == outcome.shape == strata.codes.shape:
        raise ValueError(
            f"expected three (n,) arrays of one length, got {first.shape}, {outcome.shape} and "
            f"{strata.codes.shape}"
        )
    known = strata.known
    code = 4 * strata.codes[known] + 2 * (~first[known]) + (~outcome[known])
    return np.bincount(code, minlength=4 * strata.count).reshape(-1, 2, 2).astype(np.int64)


def _excludes_one(estimate: Estimate) -> bool:
    ends: FloatArray = np.array([estimate.low, estimate.high], dtype=np.float64)
    return bool((ends > 1).all() or (ends < 1).all())
