"""Estimates and tests from a value, its standard error and degrees of freedom."""

import math
from dataclasses import dataclass

from scipy import stats

from ml.estimate import Estimate, JsonValue, undefined
from ml.stats.mrmc.components import ZERO


@dataclass(frozen=True)
class Test:
    """A test that all modalities are equal; ``p`` None comes with a reason."""

    kind: str  # "F" | "chi2"
    statistic: float | None
    df1: float
    df2: float | None  # None for chi2, and where the denominator has no error
    p: float | None
    numerator: float | None
    denominator: float | None
    reason: str | None = None


def f_test(numerator: float, denominator: float, df1: float, df2: float) -> Test:
    """F test of two mean squares.

    Example:
        >>> round(f_test(4.4563187, 1.0, 1, 15.2596746).p, 5)
        0.05167
    """
    if not denominator > ZERO or not df2 > 0:
        reason = "Not tested: the mean square in the denominator is not above 0."
        return Test("F", None, df1, None, None, numerator, denominator, reason)
    f = numerator / denominator
    if math.isinf(df2):  # a variance known without error
        return Test("F", f, df1, None, float(stats.chi2.sf(df1 * f, df1)), numerator, denominator)
    return Test("F", f, df1, df2, float(stats.f.sf(f, df1, df2)), numerator, denominator)


def chi2_test(numerator: float, denominator: float, df: float) -> Test:
    """Chi-squared test of a mean square against its known error.

    Example:
        >>> round(chi2_test(5.475953, 1.0, 1).p, 4)
        0.0193
    """
    if not denominator > ZERO:
        reason = "Not tested: the variance in the denominator is not above 0."
        return Test("chi2", None, df, None, None, numerator, denominator, reason)
    x2 = df * numerator / denominator
    return Test("chi2", x2, df, None, float(stats.chi2.sf(x2, df)), numerator, denominator)


def quantile(level: float, df: float | None) -> float:
    """Two-sided quantile of t, or of the normal without degrees of freedom.

    Args:
        level: coverage, between 0 and 1.
        df: degrees of freedom above 0, or None.

    Example:
        >>> round(quantile(0.95, None), 2), round(quantile(0.95, 10), 3)
        (1.96, 2.228)
    """
    at = (1 + level) / 2
    return float(stats.norm.ppf(at) if df is None else stats.t.ppf(at, df))


def two_sided(statistic: float, df: float | None) -> float:
    """Two-sided p of t, or of z without degrees of freedom.

    Args:
        statistic: of either sign.
        df: degrees of freedom above 0, or None.

    Example:
        >>> round(two_sided(-1.96, None), 3), round(two_sided(2.228, 10), 3)
        (0.05, 0.05)
    """
    size = abs(statistic)
    return 2 * float(stats.norm.sf(size) if df is None else stats.t.sf(size, df))


def wald(
    measure: str,
    value: float,
    variance: float,
    df: float | None,
    level: float,
    *,
    n: int,
    n_events: int,
    convention: str,
    method: str,
    clip: bool = False,
    null: float | None = None,
) -> Estimate:
    """An estimate with its Wald interval, and the test against ``null`` in ``extra``.

    Args:
        variance: of the value; 0 or below gives no interval and no p.
        df: of t; None for the normal.
        clip: cut the interval to 0..1, for figures that cannot lie outside.
        null: tested value; None for no test.

    Example:
        >>> got = wald("d", 2.0, 1.0, None, 0.95, n=9, n_events=4, convention="", method="z",
        ...            null=0.0)
        >>> round(got.low, 3), round(got.extra["p"], 4)
        (0.04, 0.0455)
    """
    if not math.isfinite(value):
        undone = "Not estimated: a reader has no figure of merit."
        return undefined(measure, undone, n=n, n_events=n_events, convention=convention)
    finite = math.isfinite(variance)
    extra: dict[str, JsonValue] = {"variance": variance if finite else None, "se": None}
    reason: str | None = None
    if not finite:
        reason = "No interval: the variance cannot be estimated from so few cases."
    elif variance < -ZERO:
        reason = "No interval: the estimated variance is negative."
    elif variance <= ZERO:
        reason = "No interval: the estimated variance is zero."
    elif df is not None and not df > 0:
        reason = "No interval: the degrees of freedom are undefined."
    if reason is not None:
        return Estimate(
            measure, value, level=None, n=n, n_events=n_events, convention=convention,
            reason=reason, extra={**extra, "df": None, "statistic": None, "p": None},
        )  # fmt: skip
    if df is not None and math.isinf(df):
        df = None
    se = math.sqrt(variance)
    half = quantile(level, df) * se
    low, high = value - half, value + half
    if clip:
        low, high = max(low, 0.0), min(high, 1.0)
    statistic = None if null is None else (value - null) / se
    extra |= {
        "se": se, "df": df, "statistic": statistic,
        "p": None if statistic is None else two_sided(statistic, df),
    }  # fmt: skip
    return Estimate(measure, value, low, high, level, n, n_events, convention, method, extra=extra)
