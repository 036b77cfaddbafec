"""How many cases a study of discrimination needs."""

import math
from dataclasses import dataclass
from typing import Literal

from scipy import special, stats

from ml.stats.asked import checked_number, checked_share
from ml.stats.proportion import wilson

_RARE = 1e-9  # of a class beside the other; beyond, no study is planned
Variance = Literal["obuchowski", "binormal"]


@dataclass(frozen=True)
class SampleSize:
    """Cases of either class, rounded up."""

    n_present: int
    n_absent: int
    convention: str

    @property
    def total(self) -> int:
        return self.n_present + self.n_absent


def variance_per_present(
    auroc: float, absent_per_present: float = 1.0, kind: Variance = "obuchowski"
) -> float:
    """Variance of an AUROC times the number of present cases, for normal scores.

    Args:
        auroc: expected, 0.5 to below 1.
        absent_per_present: cases without the finding for each with it, above 0.
        kind: "obuchowski" is the approximation in common use, made for ratings of readers; for
            continuous scores and high AUROCs it is too large (by half at 0.85), which is the
            safe side. "binormal" is the large-sample variance of continuous scores, normal with
            equal spread in both classes.

    Raises:
        ValueError: for values outside.

    Example:
        >>> round(variance_per_present(0.8), 4)
        0.1194

    Source:
        Obuchowski (1994), Computing sample size for receiver operating characteristic studies,
        Investigative Radiology 29:238-243. Binormal: Hanley, McNeil (1982), Radiology
        143:29-36, with Q1 = Q2 from the bivariate normal distribution (Owen's T).
    """
    if kind not in ("obuchowski", "binormal"):
        raise ValueError(f"kind must be obuchowski or binormal, got {kind!r}")
    if not 0.5 <= auroc < 1:
        raise ValueError(f"the expected AUROC must be from 0.5 to below 1, got {auroc}")
    absent_per_present = checked_number(
        "absent_per_present", absent_per_present, above=_RARE, most=1 / _RARE
    )
    if kind == "binormal":
        both = auroc - 2 * float(special.owens_t(stats.norm.ppf(auroc), 3**-0.5))
        return (both - auroc**2) * (1 + 1 / absent_per_present)
    a2 = 2 * float(stats.norm.ppf(auroc)) ** 2
    return 0.0099 * math.exp(-a2 / 2) * (5 * a2 + 8 + (a2 + 8) / absent_per_present)


def for_auroc_width(
    auroc: float,
    half_width: float,
    absent_per_present: float = 1.0,
    *,
    level: float = 0.95,
    variance: Variance = "obuchowski",
) -> SampleSize:
    """Cases for an interval of an AUROC of ± half_width (Wald).

    Args:
        auroc, absent_per_present: as for ``variance_per_present``.
        half_width: wanted, between 0 and 0.5.
        level: of the interval.
        variance: see ``variance_per_present``.

    Raises:
        ValueError: for values outside.

    Example:
        >>> for_auroc_width(0.8, 0.05).n_present
        184

    Source:
        Obuchowski (1994).
    """
    _between("half_width", half_width, 0.5)
    n = (_z((1 + checked_share("level", level)) / 2) / half_width) ** 2 * variance_per_present(
        auroc, absent_per_present, variance
    )
    return _size(n, absent_per_present, f"AUROC, Wald interval, {variance} variance")


def for_auroc_difference(
    auroc_a: float,
    auroc_b: float,
    correlation: float = 0.0,
    absent_per_present: float = 1.0,
    *,
    alpha: float = 0.05,
    power: float = 0.8,
    variance: Variance = "obuchowski",
) -> SampleSize:
    """Cases for a two-sided test of two AUROCs of the same cases.

    Args:
        auroc_a, auroc_b: expected, different.
        correlation: between the two estimated AUROCs, -1..1, from a pilot (covariance over the
            standard errors of ``delong.compare_paired``); 0 for two sets of cases, each of the
            size given.
        absent_per_present: as for ``variance_per_present``.
        alpha, power: of the test.
        variance: see ``variance_per_present``.

    Returns:
        With the variance under no difference taken at the mean of the two.

    Raises:
        ValueError: for values outside, or equal AUROCs.

    Example:
        >>> for_auroc_difference(0.85, 0.8, correlation=0.5).n_present
        344

    Source:
        Obuchowski, McClish (1997). Sample size determination for diagnostic accuracy studies
        involving binormal ROC curve indices. Statistics in Medicine 16:1529-1542.
    """
    _between("alpha", alpha, 1)
    _between("power", power, 1)
    if not -1 <= correlation <= 1:
        raise ValueError(f"correlation must lie in -1..1, got {correlation}")
    if auroc_a == auroc_b:
        raise ValueError("equal AUROCs need no sample to be told apart: expect a difference")
    a, b, mean = (
        variance_per_present(value, absent_per_present, variance)
        for value in (auroc_a, auroc_b, (auroc_a + auroc_b) / 2)
    )
    null = 2 * mean * (1 - correlation)
    other = a + b - 2 * correlation * (a * b) ** 0.5
    reach = _z(1 - alpha / 2) * null**0.5 + _z(power) * other**0.5
    n = (reach / (auroc_a - auroc_b)) ** 2
    words = (
        f"two AUROCs, two-sided test at {alpha:g}, power {power:g}, correlation "
        f"{correlation:g}, {variance} variance"
    )
    return _size(n, absent_per_present, words)


def for_sensitivity_width(
    sensitivity: float, width: float, prevalence: float, *, level: float = 0.95
) -> SampleSize:
    """Cases for a Wilson interval of a sensitivity no wider than ``width``.

    Args:
        sensitivity: expected, 0..1.
        width: of the whole interval, between 0 and 1.
        prevalence: of the cases to be collected, between 0 and 1.
        level: of the interval.

    Returns:
        The least number with the finding, and those without that come along with them.

    Raises:
        ValueError: for values outside.

    Example:
        >>> for_sensitivity_width(0.9, 0.1, prevalence=0.2).n_present
        141

    Source:
        Wilson (1927), JASA 22:209-212, inverted.
    """
    if not 0 <= sensitivity <= 1:
        raise ValueError(f"sensitivity must lie in 0..1, got {sensitivity}")
    _between("width", width, 1)
    level = checked_share("level", level)
    _between("prevalence", prevalence, 1)

    def enough(n: int) -> bool:
        low, high = wilson(sensitivity, n, level)
        return high - low <= width

    high = 1
    while not enough(high):
        high *= 2
    low = high // 2
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if enough(middle) else (middle, high)
    return SampleSize(
        high, math.ceil(high * (1 - prevalence) / prevalence),
        f"Wilson interval of {sensitivity:g} no wider than {width:g}",
    )  # fmt: skip


def _z(share: float) -> float:
    return float(stats.norm.ppf(share))


def _between(name: str, value: float, top: float) -> None:
    if not checked_share(name, value) < top:
        raise ValueError(f"{name} must be between 0 and {top:g}, got {value}")


def _size(n: float, absent_per_present: float, convention: str) -> SampleSize:
    return SampleSize(
        max(2, math.ceil(n)), max(2, math.ceil(n * absent_per_present)), convention
    )  # fmt: skip
