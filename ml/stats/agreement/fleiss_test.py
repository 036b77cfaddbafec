"""Test that readers agree no more than by chance: Fleiss' kappa, overall and per answer."""

from dataclasses import dataclass

import numpy as np
from scipy import stats

from ml.estimate import Estimate, undefined
from ml.stats.agreement.chance_corrected import ALONE, EQUAL, chance_corrected
from ml.stats.agreement.ratings import category_counts
from ml.stats.arrays import FloatArray
from ml.stats.bootstrap import DEFAULT, Settings
from ml.stats.clusters import Clusters


@dataclass(frozen=True)
class FleissTest:
    """Kappa, and its standard error where it is 0: for the test, never for the interval."""

    kappa: Estimate  # linearised interval
    se_null: float | None
    z: float | None
    p: float | None  # two-sided
    per_category: tuple[Estimate, ...]  # one answer against the others; extra: se_null, z, p
    reason: str | None = None  # why there is no test


def fleiss_test(
    ratings: FloatArray,
    categories: int,
    clusters: Clusters | None = None,
    settings: Settings = DEFAULT,
) -> FleissTest:
    """Fleiss' kappa with its null test, and the kappa of each answer against the others.

    The test holds for independent cases that all have the same number of answers; otherwise it is
    left out with a reason. The intervals are linearised over clusters and hold for any kappa.

    Args:
        ratings: (n, readers) codes 0..categories-1, NaN where missing.
        categories: number of declared answers.
        clusters: independent units; None means every case is its own.
        settings: level.

    Example:
        >>> found = fleiss_test(np.array([[0, 0], [1, 1], [0, 1], [1, 1]]), 2)
        >>> round(found.kappa.value, 4), round(found.se_null, 4)
        (0.4667, 0.5)

    Source:
        Fleiss (1971), Psychological Bulletin 76:378-382; standard errors corrected: Fleiss, Nee,
        Landis (1979), Psychological Bulletin 86:974-977.
    """
    counts = category_counts(ratings, categories)
    answers = counts.sum(axis=1)
    kappa = chance_corrected(ratings, "fleiss", categories, "identity", clusters, settings)
    per_category = [
        _one_category(ratings, counts, code, clusters, settings) for code in range(categories)
    ]
    reason = None
    if kappa.value is None:
        reason = str(kappa.reason).replace("Not estimated", "Not tested")
    elif np.unique(answers).size > 1:
        reason = "Not tested: the cases have different numbers of answers."
    elif clusters is not None and not clusters.each_alone:
        reason = "Not tested: the cases are clustered."
    if reason is not None or kappa.value is None:
        return FleissTest(kappa, None, None, None, tuple(per_category), reason)
    n, m = answers.size, float(answers[0])
    share = counts.sum(axis=0) / (n * m)
    rest = share * (1 - share)
    unit = float(np.sqrt(2 / (n * m * (m - 1))))
    inner = rest.sum() ** 2 - (rest * (1 - 2 * share)).sum()
    se = unit * float(np.sqrt(inner)) / float(rest.sum())
    z, p = _z(kappa.value, se)
    tested = []
    for one in per_category:
        if one.value is None:
            tested.append(one)
            continue
        z_one, p_one = _z(one.value, unit)
        extra = {**one.extra, "se_null": unit, "z": z_one, "p_null": p_one}
        tested.append(
            Estimate(one.id, one.value, one.low, one.high, one.level, one.n,
                     convention=one.convention, method=one.method, reason=one.reason,
                     extra=extra)
        )  # fmt: skip
    return FleissTest(kappa, se, z, p, tuple(tested))


def _z(value: float, se: float) -> tuple[float, float]:
    z = value / se
    return z, float(2 * stats.norm.sf(abs(z)))


def _one_category(
    ratings: FloatArray, counts: FloatArray, code: int, clusters: Clusters | None,
    settings: Settings,
) -> Estimate:  # fmt: skip
    """Kappa of one answer against all others."""
    convention = "one answer against the others, readers exchangeable"
    if not counts[:, code].any():
        many = int((counts.sum(axis=1) >= 2).sum())
        reason = "Not estimated: nobody gave this answer." if many else ALONE
        return undefined(f"kappa_fleiss:{code}", reason, n=many, convention=convention)
    ratings = np.asarray(ratings, dtype=np.float64)
    own = np.where(np.isnan(ratings), np.nan, ratings == code)
    found = chance_corrected(own, "fleiss", 2, "identity", clusters, settings)
    if found.value is None and found.n:
        return undefined(f"kappa_fleiss:{code}", EQUAL, n=found.n, convention=convention)
    return found.renamed(f"kappa_fleiss:{code}", convention=convention)
