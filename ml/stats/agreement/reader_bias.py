"""How far each reader deviates from the others on the same cases, and whether readers differ."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy import stats

from ml.estimate import Estimate, undefined
from ml.stats.agreement.anova import checked_ratings
from ml.stats.agreement.chance_corrected import standard_error
from ml.stats.agreement.ratings import resampled_sums
from ml.stats.arrays import FloatArray, ratio
from ml.stats.asked import checked_count
from ml.stats.bootstrap import DEFAULT, Settings
from ml.stats.clusters import MIN_CLUSTERS, Clusters, checked_clusters, too_few
from ml.stats.interval import Interval, percentile_interval

MIN_CASES = 30  # of a reader, answered by another one too
MIN_APART = 5  # of these, answered differently: below, no spread worth an interval was seen
NOT_ONE = "Not estimated: readers are exchangeable, so no column is one reader throughout."
_ALONE = "Not tested: no case was answered by two readers."
_SAME = "Not tested: the readers of every case gave it the same answer."
MIN_ANSWERS = 24  # to cases on which readers differ, for chi-square to hold (Tate, Brown 1970)
_LARGEST = 1e300
_MOST_ANSWERS = 32  # different ones, up to which equal cases are worth looking for
_TINY = 1e-9  # of the largest eigenvalue; what lies below is rounding


@dataclass(frozen=True)
class ReaderDeviation:
    """One reader against those who answered the same cases."""

    column: int
    bias: Estimate  # extra: se, df, n_apart, mean, mean_others
    p: float | None  # two-sided, of no deviation; not adjusted for the number of readers
    reader: str = ""  # its name, where names were given


@dataclass(frozen=True)
class ReaderHeterogeneity:
    """Test that readers who answered the same case are interchangeable."""

    statistic: float | None  # chi-square
    df: int | None
    p: float | None
    n: int  # cases with two answers or more
    convention: str
    reason: str | None = None


@dataclass(frozen=True)
class ReaderBias:
    """Every reader's deviation; ``readers`` is empty, with a reason, when none is identified."""

    readers: tuple[ReaderDeviation, ...]
    heterogeneity: ReaderHeterogeneity
    away: FloatArray  # (n, readers) answer less the mean of the others', NaN where there is none
    reason: str | None = None


def reader_bias(
    ratings: FloatArray,
    answer: int | None = None,
    clusters: Clusters | None = None,
    settings: Settings = DEFAULT,
    *,
    readers: Sequence[str] | None = None,
    exchangeable: bool = False,
    least: int = MIN_CASES,
) -> ReaderBias:
    """Each reader's answers less the mean of the other readers' on the same cases, averaged.

    Paired by case, so that who reads which cases does not matter: readers of hard cases are
    compared with others on these. Positive: the reader gives the answer more often, or
    higher numbers. Every case of a reader has equal weight, whatever the number of its readers.

    Args:
        ratings: (n, readers) codes or numbers, NaN where a reader did not answer; a column is
            one reader throughout.
        answer: the code whose share is compared (a difference of shares, -1..1); None takes the
            ratings as numbers, and the bias is in their unit.
        clusters: independent units; None means every case is its own.
        settings: level, draws, seed.
        readers: their names, in the order of the columns.
        exchangeable: columns are no readers; nothing is estimated.
        least: cases of a reader, answered by another too, below which nothing is estimated.

    Returns:
        One deviation per column, in order. Undefined below ``least`` cases; without interval
        below ten clusters, or where fewer than five cases were answered differently. p: t test of
        the mean deviation with a standard error linearised over clusters. The test over readers:
        chi-square of the readers' sums, with the covariance that permuting the answers of
        each case among its readers gives (Cochran's Q for a complete table of two answers), or,
        where cases cluster, with the empirical one of the clusters.

    Raises:
        ValueError: for ratings that are no (n, readers) table or not finite, a number of names
            that is not theirs, or ``least`` below 2.

    Example:
        >>> table = np.tile([[1.0, 0, np.nan], [1, np.nan, 0], [0, 0, 0]], (20, 1))
        >>> found = reader_bias(table, 1)
        >>> [round(one.bias.value, 3) for one in found.readers], found.heterogeneity.df
        ([0.667, -0.5, -0.5], 2)

    Source:
        Cochran (1950), The comparison of percentages in matched samples, Biometrika 37:256-266;
        incomplete tables: Durbin (1951), British Journal of Psychology 4:85-90; Skillings, Mack
        (1981), Technometrics 23:171-177; how many answers chi-square needs: Tate, Brown (1970),
        Journal of the American Statistical Association 65:155-160.
    """
    checked_count("least", least, 2)
    ratings = checked_ratings(ratings, any_size=True)
    if (np.abs(ratings) > _LARGEST).any():
        raise ValueError(f"ratings above {_LARGEST:g} cannot be added up: choose another unit")
    if readers is not None and len(readers) != ratings.shape[1]:
        raise ValueError(f"expected {ratings.shape[1]} names of readers, got {len(readers)}")
    values = ratings if answer is None else np.where(np.isnan(ratings), np.nan, ratings == answer)
    given = ~np.isnan(values)
    number = given.sum(axis=1)
    used = np.flatnonzero(number >= 2)
    if exchangeable:
        reason = NOT_ONE.replace("Not estimated", "Not tested")
        none = ReaderHeterogeneity(None, None, None, used.size, "", reason)
        return ReaderBias((), none, np.full(values.shape, np.nan), NOT_ONE)
    own = checked_clusters(clusters, values.shape[0]).where(used)
    away = np.full(values.shape, np.nan)
    if used.size:
        away[used] = _away(values[used], number[used])
    convention = "its answers less the mean of the others' to the same cases, " + (
        "as numbers" if answer is None else f"share of the answer {answer}"
    )
    each = _deviations(values[used], away[used], own, settings, convention, least)
    if readers is not None:
        each = tuple(replace(one, reader=readers[one.column]) for one in each)
    return ReaderBias(each, _heterogeneity(values[used], own), away)


def _away(values: FloatArray, number: FloatArray) -> FloatArray:
    """Each answer less the mean of the others to the same case."""
    total = np.nansum(values, axis=1)
    away: FloatArray = values - (total[:, None] - values) / (number - 1)[:, None]
    # Equal answers are no deviation, however the mean of the others was rounded.
    low, high = np.nanmin(values, axis=1), np.nanmax(values, axis=1)
    away[(low == high)[:, None] & ~np.isnan(values)] = 0.0
    return away


def _deviations(
    values: FloatArray, away: FloatArray, own: Clusters, settings: Settings, convention: str,
    least: int,
) -> tuple[ReaderDeviation, ...]:  # fmt: skip
    given = ~np.isnan(away)
    many = given.sum(axis=0)
    enough = np.flatnonzero(many >= least)
    sums = own.sums(np.where(given, away, 0.0)[:, enough])
    cases = own.sums(given[:, enough].astype(np.float64))
    value = ratio(sums.sum(axis=0), cases.sum(axis=0))
    drawn = np.empty((0, enough.size))
    if enough.size and too_few(own) is None:
        per_case = np.concatenate([np.where(given, away, 0.0), given], axis=1)
        both = resampled_sums(per_case[:, [*enough, *(enough + many.size)]], _codes(values), own,
                              settings)  # fmt: skip
        drawn = ratio(both[:, : enough.size], both[:, enough.size :])
    found: list[ReaderDeviation] = []
    for reader in range(away.shape[1]):
        n = int(many[reader])
        if n < least:
            reason = (
                f"Not estimated: another reader answered {n} of this reader's cases, and at least "
                f"{least} are needed."
            )
            nothing = undefined("reader_bias", reason, n=n, convention=convention)
            found.append(ReaderDeviation(reader, nothing, None))
            continue
        at = int(np.searchsorted(enough, reader))
        mine = np.flatnonzero(given[:, reader])
        found.append(
            _one(
                reader, float(value[at]), (sums[:, at], cases[:, at]), drawn[:, at],
                float(values[mine, reader].mean()), int((away[mine, reader] != 0).sum()),
                own, own.where(mine), settings, convention,
            )
        )  # fmt: skip
    return tuple(found)


def _codes(values: FloatArray) -> FloatArray | None:
    """Places of the answers among those that were given, from 1; 0 for none. None if too many."""
    found, place = np.unique(values, return_inverse=True, equal_nan=True)
    if found.size > _MOST_ANSWERS:
        return None
    codes = place.reshape(values.shape).astype(np.float64) + 1.0
    codes[np.isnan(values)] = 0.0
    return codes


def _one(
    reader: int, value: float, sums: tuple[FloatArray, FloatArray], drawn: FloatArray,
    mean: float, apart: int, drawn_from: Clusters, own: Clusters, settings: Settings,
    convention: str,
) -> ReaderDeviation:  # fmt: skip
    n = own.codes.size
    refusal = too_few(own)
    if refusal is None and apart < MIN_APART:
        refusal = (
            f"No interval: the others differ on {apart} of the reader's cases, and at least "
            f"{MIN_APART} are needed."
        )
    spread = (sums[0] - value * sums[1]) / n
    scale = float(np.abs(spread).max()) or 1.0  # squares neither vanish nor overflow
    error = standard_error(spread[sums[1] > 0] / scale, own.count)
    error = None if error is None else error * scale
    flat = error is None or error <= 1e-12 * abs(value) or error == 0
    if refusal is None and flat:
        refusal = "No interval: the reader deviates alike on every case."
    reach = Interval(None, None, "", refusal)
    p = None
    if refusal is None:
        assert error is not None
        reach = percentile_interval(drawn, drawn_from, settings, scale=float(np.abs(sums[0]).max()))
        p = float(2 * stats.t.sf(abs(value) / error, own.count - 1))
    bias = Estimate(
        "reader_bias", value, reach.low, reach.high, settings.level, n,
        convention=convention, method=reach.method, reason=reach.reason,
        extra={**own.extra, "n_apart": apart, "mean": mean, "mean_others": mean - value,
               "se": error, "df": own.count - 1, "p": p},
    )  # fmt: skip
    return ReaderDeviation(reader, bias, p)


def _heterogeneity(values: FloatArray, own: Clusters) -> ReaderHeterogeneity:
    """Chi-square of the readers' sums of answers less the mean of each case."""
    n = values.shape[0]
    convention = "readers of a case are interchangeable; "
    convention += "permutation covariance" if own.each_alone else f"covariance over {own.words}"
    if n == 0:
        return ReaderHeterogeneity(None, None, None, 0, convention, _ALONE)
    given = (~np.isnan(values)).astype(np.float64)
    number = given.sum(axis=1)
    centred = np.where(given == 1, values - np.nanmean(values, axis=1, keepdims=True), 0.0)
    centred[np.nanmin(values, axis=1) == np.nanmax(values, axis=1)] = 0.0
    units = own.sums(centred)
    telling = int((units != 0).any(axis=1).sum())
    if telling == 0:
        return ReaderHeterogeneity(None, None, None, n, convention, _SAME)
    scale = float(np.abs(centred).max())  # squares neither vanish nor overflow
    centred, units = centred / scale, units / scale
    if own.each_alone:
        variance = (centred**2).sum(axis=1) / (number - 1)
        covariance = np.diag(variance @ given) - given.T @ (given * (variance / number)[:, None])
    else:
        covariance = units.T @ units
    size, axes = np.linalg.eigh(covariance)
    kept = size > _TINY * size[-1]
    df = int(kept.sum())
    short = _short(telling, int(number[(centred != 0).any(axis=1)].sum()), df, own)
    if short:
        return ReaderHeterogeneity(None, None, None, n, convention, short)
    along = centred.sum(axis=0) @ axes[:, kept]
    chi2 = float((along**2 / size[kept]).sum())
    return ReaderHeterogeneity(chi2, df, float(stats.chi2.sf(chi2, df)), n, convention)


def _short(telling: int, answers: int, df: int, own: Clusters) -> str | None:
    """Why chi-square would not hold, or None."""
    if own.each_alone:
        if answers >= MIN_ANSWERS:
            return None
        return (
            f"Not tested: readers differ on cases with {answers} answers in all, and at least "
            f"{MIN_ANSWERS} are needed."
        )
    needed = max(MIN_CLUSTERS, df + 1)
    if telling >= needed:
        return None
    return (
        f"Not tested: readers differ in {telling} of {own.words}, and at least {needed} are needed."
    )
