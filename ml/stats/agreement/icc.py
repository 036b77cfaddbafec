"""Intraclass correlation: what share of the spread of numeric scores lies between cases."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

import numpy as np
from scipy import special

from ml.estimate import Estimate, JsonValue, undefined
from ml.stats.agreement.anova import (
    OneWay,
    TwoWay,
    checked_ratings,
    one_way,
    one_way_rows,
    two_way,
    two_way_rows,
)
from ml.stats.arrays import BoolArray, FloatArray, ratio
from ml.stats.bootstrap import DEFAULT, Settings, left_out_sums
from ml.stats.clusters import Clusters, checked_clusters
from ml.stats.interval import Turned, interval_between, jackknife_interval

_FLAT = "Not estimated: all scores are equal."
_UNBOUNDED = 1e-12  # an average this close to pure noise has no lower end

Model = Literal["one-way random", "two-way random", "two-way mixed"]
Definition = Literal["agreement", "consistency"]


@dataclass(frozen=True)
class Form:
    """One of the ten coefficients of McGraw and Wong.

    The value of a two-way form is the same whether readers are random or mixed; what differs is
    which readers it speaks of. In the mixed model an average is right only when no reader
    judges some cases differently than others (no interaction).
    """

    model: Model
    definition: Definition
    average: bool

    @property
    def symbol(self) -> str:
        k = "k" if self.average else "1"
        if self.model == "one-way random":
            return f"ICC({k})"
        return f"ICC({self.definition[0].upper()},{k})"

    @property
    def shrout_fleiss(self) -> str | None:
        """The name of Shrout and Fleiss (1979), where they have this form."""
        numbers = {
            ("one-way random", "agreement"): 1,
            ("two-way random", "agreement"): 2,
            ("two-way mixed", "consistency"): 3,
        }
        number = numbers.get((self.model, self.definition))
        return None if number is None else f"ICC({number},{'k' if self.average else '1'})"

    @property
    def convention(self) -> str:
        """All names of the form, as estimates carry it."""
        names = [self.shrout_fleiss] if self.shrout_fleiss else []
        names += [self.symbol] if self.symbol not in names else []
        definition = {"agreement": "absolute agreement"}.get(self.definition, self.definition)
        words = [" = ".join(names), self.model]
        words += [] if self.model == "one-way random" else [definition]
        return ", ".join([*words, "average of k scores" if self.average else "single score"])


def _forms() -> Mapping[str, Form]:
    found: dict[str, Form] = {}
    for average in (False, True):
        unit = "k" if average else "1"
        found[f"one-way:{unit}"] = Form("one-way random", "agreement", average)
        for model, word in (("two-way random", "random"), ("two-way mixed", "mixed")):
            for definition in ("agreement", "consistency"):
                form = Form(model, definition, average)  # type: ignore[arg-type]
                found[f"{word}:{definition}:{unit}"] = form
    return MappingProxyType(found)


FORMS = _forms()  # by id, e.g. "random:agreement:1"


def icc(
    ratings: FloatArray,
    form: str = "random:agreement:1",
    clusters: Clusters | None = None,
    settings: Settings = DEFAULT,
    *,
    null: float = 0.0,
) -> Estimate:
    """Intraclass correlation in any of the ten forms of McGraw and Wong, with its F test.

    The interval comes from the F distribution when every case is its own cluster, else from a
    jackknife of clusters on Fisher's scale. Negative values are reported as they are. The interval
    of an average is the Spearman-Brown transform of the interval of the single score.

    Args:
        ratings: (n, readers) numbers, NaN where missing. The one-way forms take cases with two
            scores or more, and readers may be exchangeable; the two-way forms take complete
            cases, and a column is one reader throughout.
        form: a key of ``FORMS``: ``one-way:1``, ``random:agreement:1``,
            ``mixed:consistency:k`` and so on.
        clusters: independent units; None means every case is its own.
        settings: level, draws, seed.
        null: the ICC under the null hypothesis of the test, one-sided.

    Returns:
        The estimate. ``extra`` holds ``f``, ``df1``, ``df2``, ``p``. For absolute agreement
        ``df2`` and ``p`` are those of psych and SPSS (error degrees of freedom, exact when
        ``null`` is 0), ``df2_satterthwaite`` and ``p_satterthwaite`` those of irr. The test is left
        out where cases are clustered: its degrees of freedom would be wrong. Undefined when too
        few cases have scores, or all scores are equal.

    Raises:
        ValueError: for an unknown form, a null outside [0, 1), or malformed scores.

    Example:
        >>> shrout_fleiss = [[9, 2, 5, 8], [6, 1, 3, 2], [8, 4, 6, 8],
        ...                  [7, 1, 2, 6], [10, 5, 6, 9], [6, 2, 4, 7]]
        >>> [round(icc(np.array(shrout_fleiss), form).value, 2)
        ...  for form in ("one-way:1", "random:agreement:1", "mixed:consistency:1")]
        [0.17, 0.29, 0.71]

    Source:
        McGraw, Wong (1996), Psychological Methods 1:30-46 and erratum 1:390; Shrout, Fleiss
        (1979), Psychological Bulletin 86:420-428; unequal numbers of scores: Donner, Koval
        (1980), Biometrics 36:19-25; the scale: Fisher (1925), Statistical Methods for Research
        Workers, section 39.
    """
    if form not in FORMS:
        raise ValueError(f"form must be one of {', '.join(FORMS)}, got {form!r}")
    if not 0 <= null < 1:
        raise ValueError(f"the null ICC must lie in [0, 1), got {null}")
    ratings = checked_ratings(ratings)
    if FORMS[form].model == "one-way random":
        return _of_one_way(ratings, FORMS[form], clusters, settings, null)
    return _of_two_way(ratings, FORMS[form], clusters, settings, null)


def icc_one_way(
    ratings: FloatArray, clusters: Clusters | None = None, settings: Settings = DEFAULT
) -> Estimate:
    """ICC(1,1): single score, readers exchangeable, each case read by its own readers.

    Args:
        ratings: (n, readers) numbers, NaN where missing; as ``icc``.
        clusters: independent units; None means every case is its own.
        settings: level, draws, seed.

    Example:
        >>> round(icc_one_way(np.array([[1.0, 2], [3, 4], [5, 6]])).value, 4)
        0.8824

    Source:
        As ``icc``.
    """
    return icc(ratings, "one-way:1", clusters, settings)


def icc_two_way(
    ratings: FloatArray, clusters: Clusters | None = None, settings: Settings = DEFAULT
) -> Estimate:
    """ICC(2,1) = ICC(A,1): single score, absolute agreement, readers a sample of readers.

    Args:
        ratings: (n, readers); a column is one reader throughout; as ``icc``.

    Example:
        >>> round(icc_two_way(np.array([[1.0, 2], [3, 4], [5, 6]])).value, 4)
        0.8889

    Source:
        As ``icc``.
    """
    return icc(ratings, "random:agreement:1", clusters, settings)


def _of_one_way(
    ratings: FloatArray, form: Form, clusters: Clusters | None, settings: Settings, null: float
) -> Estimate:
    scores = (~np.isnan(ratings)).sum(axis=1)
    used = scores >= 2
    n = int(used.sum())
    if n < 2:
        reason = "Not estimated: fewer than two cases have two scores."
        return undefined("icc", reason, n=n, convention=form.convention)
    own = _own(clusters, used)
    rows = one_way_rows(ratings[used])
    parts = one_way(rows.sum(axis=0)[None, :])
    single = _one_way_icc(parts)
    value = float(_averaged(single, parts.k)[0] if form.average else single[0])
    if not np.isfinite(value):
        return undefined("icc", _flat(parts.between[0], parts.within[0]), n=n,
                         convention=form.convention)  # fmt: skip
    if own.each_alone:
        low, high = _one_way_f(parts, settings.level)
        if form.average:
            low, high = (_average(end, float(parts.k[0])) for end in (low, high))
        even = scores[used].min() == scores[used].max()
        method = "F distribution" if even else "F distribution, mean number of scores"
        test = _test(parts.between, parts.within, float(parts.k[0]), form, null,
                     float(parts.scores[0] - parts.cases[0]), n)  # fmt: skip
        return _estimate(value, low, high, n, own, form, method, settings, None, test)
    left = _one_way_icc(one_way(left_out_sums(own.sums(rows))))
    return _of_clusters(value, float(single[0]), left, float(parts.k[0]), n, own, form, settings)


def _of_two_way(
    ratings: FloatArray, form: Form, clusters: Clusters | None, settings: Settings, null: float
) -> Estimate:
    used = ~np.asarray(np.isnan(ratings).any(axis=1))
    n, readers = int(used.sum()), ratings.shape[1]
    convention = f"{form.convention}, complete cases"
    if n < 2 or readers < 2:
        reason = "Not estimated: fewer than two cases were scored by every reader."
        return undefined("icc", reason, n=n, convention=convention)
    own = _own(clusters, used)
    rows = two_way_rows(ratings if n == ratings.shape[0] else ratings[used])
    parts = two_way(rows.sum(axis=0)[None, :], readers)
    single = _two_way_icc(parts, form.definition)
    value = float(_averaged(single, readers)[0] if form.average else single[0])
    if not np.isfinite(value):
        return undefined("icc", _flat(parts.rows[0], parts.error[0]), n=n, convention=convention)
    if own.each_alone:
        low, high = _two_way_f(parts, float(single[0]), form.definition, settings.level)
        if form.average:
            low, high = (_average(end, readers) for end in (low, high))
        test = _test(parts.rows, parts.error, readers, form, null,
                     float((n - 1) * (readers - 1)), n, parts, float(single[0]))  # fmt: skip
        return _estimate(value, low, high, n, own, form, "F distribution", settings, None, test)
    left = _two_way_icc(two_way(left_out_sums(own.sums(rows)), readers), form.definition)
    return _of_clusters(value, float(single[0]), left, readers, n, own, form, settings)


def _of_clusters(
    value: float, single: float, left: FloatArray, k: float, n: int, own: Clusters, form: Form,
    settings: Settings,
) -> Estimate:  # fmt: skip
    """Jackknife on Fisher's scale of an ICC, half the logarithm of (1 + (k-1) ICC) / (1 - ICC)."""
    scale = Turned(
        lambda at: np.log((1 + (k - 1) * at) / (1 - at)) / 2,
        lambda at: np.expm1(2 * at) / (np.expm1(2 * at) + k),
        ", Fisher's z of an ICC",
    )
    reach = jackknife_interval(single, left, own, settings.level, turned=scale)
    low, high = reach.low, reach.high
    if form.average and low is not None and high is not None:
        low, high = _average(low, k), _average(high, k)
    return _estimate(value, low, high, n, own, form, reach.method, settings, reach.reason, {})


def _own(clusters: Clusters | None, used: BoolArray) -> Clusters:
    return checked_clusters(clusters, used.size).where(np.flatnonzero(used))


def _flat(between: float, within: float) -> str:
    if between <= 0 and within <= 0:
        return _FLAT
    if between <= 0:
        return "Not estimated: the means of all cases are equal, so an average has no reliability."
    return "Not estimated: the variance of an average is estimated as zero or less."


def _estimate(
    value: float, low: float | None, high: float | None, n: int, own: Clusters, form: Form,
    method: str, settings: Settings, reason: str | None, test: dict[str, JsonValue],
) -> Estimate:  # fmt: skip
    if low is not None and high is not None and not np.isfinite([low, high]).all():
        of_average = np.isfinite(high)
        low = high = None
        method, reason = "", "No interval: the scores of each case are equal."
        if form.model != "one-way random":
            reason = f"{reason[:-1]}, but for a constant of each reader."
        if of_average:
            reason = "No interval: a single score may be so unreliable that no average has a value."
    elif low is not None and high is not None:
        reach = interval_between(low, high, method)
        low, high, method, reason = reach.low, reach.high, reach.method, reach.reason or reason
    convention = form.convention + ("" if form.model == "one-way random" else ", complete cases")
    return Estimate(
        "icc", value, low, high, settings.level, n, convention=convention, method=method,
        reason=reason, extra={**own.extra, **test},
    )  # fmt: skip


def _one_way_icc(parts: OneWay) -> FloatArray:
    room = parts.between + (parts.k - 1) * parts.within
    return ratio(parts.between - parts.within, room)


def _two_way_icc(parts: TwoWay, definition: Definition) -> FloatArray:
    k = parts.readers
    room = parts.rows + (k - 1) * parts.error
    if definition == "agreement":
        room = room + k * (parts.columns - parts.error) / parts.cases
    return ratio(parts.rows - parts.error, room)


def _averaged(single: FloatArray, k: FloatArray | float) -> FloatArray:
    """Spearman-Brown: the reliability of the mean of k scores."""
    return ratio(k * single, 1 + (k - 1) * single, least=_UNBOUNDED)


def _average(single: float, k: float) -> float:
    return float(_averaged(np.array([single]), k)[0])


def _one_way_f(parts: OneWay, level: float) -> tuple[float, float]:
    k = float(parts.k[0])
    df = float(parts.scores[0] - parts.cases[0])
    return _consistency_f(parts.between, parts.within, k, float(parts.cases[0]), df, level)


def _consistency_f(
    between: FloatArray, within: FloatArray, k: float, n: float, df: float, level: float
) -> tuple[float, float]:
    if within[0] <= 0:
        return float("nan"), float("nan")
    f, upper = float(between[0] / within[0]), (1 + level) / 2
    low, high = f / _f_quantile(n - 1, df, upper), f * _f_quantile(df, n - 1, upper)
    return (low - 1) / (low + k - 1), (high - 1) / (high + k - 1)


def _f_quantile(df1: float, df2: float, level: float) -> float:
    return float(special.fdtri(df1, df2, level))


def _two_way_f(
    parts: TwoWay, single: float, definition: Definition, level: float
) -> tuple[float, float]:
    n, k = float(parts.cases[0]), parts.readers
    if definition == "consistency":
        return _consistency_f(parts.rows, parts.error, k, n, (n - 1) * (k - 1), level)
    rows, columns, error = (float(x[0]) for x in (parts.rows, parts.columns, parts.error))
    if error <= 0 or single >= 1:
        return float("nan"), float("nan")
    df = _satterthwaite(parts, single)
    f_low = _f_quantile(n - 1, df, (1 + level) / 2)
    f_high = _f_quantile(df, n - 1, (1 + level) / 2)
    rest = k * columns + (k * n - k - n) * error
    return (
        n * (rows - f_low * error) / (f_low * rest + n * rows),
        n * (f_high * rows - error) / (rest + n * f_high * rows),
    )


def _satterthwaite(parts: TwoWay, single: float) -> float:
    """Degrees of freedom of the denominator, from the ICC of a single score."""
    n, k = float(parts.cases[0]), parts.readers
    a, b = _shares(single, n, k)
    columns, error = a * float(parts.columns[0]), b * float(parts.error[0])
    room = columns**2 / (k - 1) + error**2 / ((n - 1) * (k - 1))
    return (columns + error) ** 2 / room if room > 0 else float("nan")


def _shares(single: float, n: float, k: float) -> tuple[float, float]:
    return k * single / (n * (1 - single)), 1 + k * single * (n - 1) / (n * (1 - single))


def _test(
    between: FloatArray, within: FloatArray, k: float, form: Form, null: float, df: float, n: int,
    parts: TwoWay | None = None, single: float = 0.0,
) -> dict[str, JsonValue]:  # fmt: skip
    """F test of ICC <= null; nothing where the denominator is 0."""
    single_null = null / (k - (k - 1) * null) if form.average else null
    error = float(within[0])
    agreement = parts is not None and form.definition == "agreement"
    if agreement and parts is not None:
        a, b = _shares(single_null, n, k)
        error = a * float(parts.columns[0]) + b * error
    else:
        error *= (1 + (k - 1) * single_null) / (1 - single_null)
    if error <= 0:
        return {}
    f = float(between[0]) / error
    p = float(special.fdtrc(n - 1, df, f))
    found: dict[str, JsonValue] = {"f": f, "df1": n - 1, "df2": df, "p": p, "null": null}
    if agreement and parts is not None and single < 1:
        approximate = _satterthwaite(parts, single)
    if agreement and parts is not None and single < 1 and np.isfinite(approximate):
        found["df2_satterthwaite"] = approximate
        found["p_satterthwaite"] = float(special.fdtrc(n - 1, approximate, f))
    return found
