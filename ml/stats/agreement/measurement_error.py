"""Error of a single score in its own unit: standard error of measurement, detectable change."""

import numpy as np
from scipy import stats

from ml.estimate import Estimate, undefined
from ml.stats.agreement.anova import TwoWay, checked_ratings, two_way, two_way_rows
from ml.stats.agreement.icc import Definition
from ml.stats.arrays import FloatArray
from ml.stats.asked import checked_count, checked_number
from ml.stats.bootstrap import DEFAULT, Settings, left_out_sums
from ml.stats.clusters import Clusters, checked_clusters
from ml.stats.interval import LOGARITHM, jackknife_interval

_NO_SPREAD = "No interval: no error was seen between the scores."


def sem(
    ratings: FloatArray,
    definition: Definition = "agreement",
    clusters: Clusters | None = None,
    settings: Settings = DEFAULT,
) -> Estimate:
    """Standard error of measurement: the SD of single scores of one case, in their unit.

    Agreement counts differences between readers as error, sqrt(var_readers + var_error);
    consistency does not, sqrt(MSE). The variance of readers is not clipped at 0, so that the SEM of
    agreement is always the root of the mean square within cases.

    The interval is that of a mean square (chi-squared); for agreement with Satterthwaite's degrees
    of freedom, since readers and error are two mean squares. Clustered cases: jackknife
    of clusters.

    Args:
        ratings: (n, readers) numbers, NaN where missing; complete cases enter.
        definition: agreement or consistency.
        clusters: independent units; None means every case is its own.
        settings: level, draws, seed.

    Returns:
        Undefined with fewer than two complete cases or two readers.

    Raises:
        ValueError: for another definition, or malformed scores.

    Example:
        >>> table = np.array([[1.0, 2], [3, 4], [5, 7]])
        >>> round(sem(table, "consistency").value, 4), round(sem(table).value, 4)
        (0.4082, 1.0)

    Source:
        de Vet, Terwee, Knol, Bouter (2006), Journal of Clinical Epidemiology 59:1033-1039.
    """
    if definition not in ("agreement", "consistency"):
        raise ValueError(f"definition must be agreement or consistency, got {definition!r}")
    ratings = checked_ratings(ratings)
    rows = np.flatnonzero(~np.isnan(ratings).any(axis=1))
    readers = ratings.shape[1]
    formula = "sqrt(var_readers + var_error)" if definition == "agreement" else "sqrt(MSE)"
    convention = f"{definition}, {formula}, complete cases"
    if rows.size < 2 or readers < 2:
        reason = "Not estimated: fewer than two cases were scored by every reader."
        return undefined("sem", reason, n=rows.size, convention=convention)
    own = checked_clusters(clusters, ratings.shape[0]).where(rows)
    per_case = two_way_rows(ratings[rows])
    parts = two_way(per_case.sum(axis=0)[None, :], readers)
    variance = float(_variance(parts, definition)[0])
    low, high, method, reason_none = None, None, "", None
    if variance <= 0:
        reason_none = _NO_SPREAD
    elif own.each_alone:
        df = _degrees(parts, definition)
        tail = (1 - settings.level) / 2
        low, high = (
            float(np.sqrt(variance * df / stats.chi2.ppf(q, df))) for q in (1 - tail, tail)
        )
        method = "chi-squared distribution"
        method += ", Satterthwaite degrees of freedom" if definition == "agreement" else ""
    else:
        left = two_way(left_out_sums(own.sums(per_case)), readers)
        interval = jackknife_interval(
            float(np.sqrt(variance)), np.sqrt(_variance(left, definition)), own, settings.level,
            turned=LOGARITHM, scale=float(np.abs(ratings[rows]).max()),
        )  # fmt: skip
        low, high, method = interval.low, interval.high, interval.method
        reason_none = interval.reason
    return Estimate(
        "sem", float(np.sqrt(variance)), low, high, settings.level, rows.size,
        convention=convention, method=method, reason=reason_none, extra={**own.extra},
    )  # fmt: skip


def sdc(
    ratings: FloatArray,
    definition: Definition = "agreement",
    clusters: Clusters | None = None,
    settings: Settings = DEFAULT,
    *,
    multiplier: float = 1.96,
    cases: int = 1,
) -> Estimate:
    """Smallest detectable change (minimal detectable change): multiplier * sqrt(2) * SEM.

    A change of one case below it may be error alone.

    Args:
        ratings, definition, clusters, settings: as ``sem``.
        multiplier: 1.96 for 95 % of unchanged cases, 1.645 for 90 %.
        cases: size of the group whose mean change is asked about; 1 for a single case.

    Raises:
        ValueError: as ``sem``; also for a multiplier or a group that is not positive.

    Example:
        >>> round(sdc(np.array([[1.0, 2], [3, 4], [5, 7]]), "consistency").value, 4)
        1.1316

    Source:
        Beckerman et al. (2001), Quality of Life Research 10:571-578; de Vet et al. (2006); groups:
        de Vet et al. (2001), International Journal of Technology Assessment 17:479-487.
    """
    checked_number("multiplier", multiplier, above=0)
    checked_count("cases", cases)
    error = sem(ratings, definition, clusters, settings)
    convention = f"{multiplier:g} * sqrt(2) * SEM; SEM: {error.convention}"
    if cases > 1:
        convention += f"; mean of {cases} cases"
    if error.value is None:
        return undefined("sdc", error.reason or "", n=error.n, convention=convention)
    factor = multiplier * float(np.sqrt(2 / cases))
    return Estimate(
        "sdc", factor * error.value,
        None if error.low is None else factor * error.low,
        None if error.high is None else factor * error.high,
        settings.level, error.n, convention=convention, method=error.method, reason=error.reason,
        extra=dict(error.extra),
    )  # fmt: skip


def _variance(parts: TwoWay, definition: Definition) -> FloatArray:
    # Equal to var_readers + var_error, (MSC - MSE) / n + MSE, without its rounding.
    return parts.within if definition == "agreement" else parts.error


def _degrees(parts: TwoWay, definition: Definition) -> float:
    n, k = float(parts.cases[0]), parts.readers
    of_error = (n - 1) * (k - 1)
    if definition == "consistency":
        return of_error
    columns, error = float(parts.columns[0]) / n, float(parts.error[0]) * (n - 1) / n
    return (columns + error) ** 2 / (columns**2 / (k - 1) + error**2 / of_error)
