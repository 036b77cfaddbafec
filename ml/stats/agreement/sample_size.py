"""How many cases two readers must answer to test a kappa."""

from dataclasses import dataclass
from math import ceil, sqrt

import numpy as np
from scipy import stats

from ml.stats.agreement.cohen import kappa_spread
from ml.stats.asked import checked_number, checked_share

_MOST = 1e15  # cases that a plan may name


@dataclass(frozen=True)
class SampleSize:
    """Number of cases, and under which assumptions."""

    n: int
    exact: float  # before rounding up
    convention: str


def kappa_sample_size_gof(
    kappa_null: float,
    kappa: float,
    prevalence: float,
    *,
    power: float = 0.8,
    significance: float = 0.05,
    two_sided: bool = True,
) -> SampleSize:
    """Cases for the goodness-of-fit test of an intraclass kappa, two readers, two answers.

    Args:
        kappa_null: kappa to be refuted, kappa: kappa expected; 0..1, different.
        prevalence: share of positive answers, the same for both readers, between 0 and 1.
        power, significance: between 0 and 1.
        two_sided: test.

    Raises:
        ValueError: for arguments outside these ranges, or so many cases that none can be named.

    Example:
        >>> kappa_sample_size_gof(0.4, 0.7, 0.3).n
        85

    Source:
        Donner, Eliasziw (1987), Statistics in Medicine 6:441-448; Donner, Eliasziw (1992), A
        goodness-of-fit approach to inference procedures for the kappa statistic. Statistics in
        Medicine 11:1511-1519.
    """
    _check(kappa_null, kappa, power, significance)
    checked_share("prevalence", prevalence)
    if not 0 <= kappa_null < 1:
        raise ValueError(f"kappa_null must lie in 0..1, below 1, got {kappa_null}")
    room = prevalence * (1 - prevalence)
    moved = (room * (kappa - kappa_null)) ** 2
    per_case = (
        moved / (prevalence**2 + room * kappa_null)
        + 4 * moved / (2 * room * (1 - kappa_null))
        + moved / ((1 - prevalence) ** 2 + room * kappa_null)
    )
    z = _z(significance, two_sided) + float(stats.norm.ppf(power))
    exact = checked_number("the number of cases", z**2 / max(per_case, 1e-300), most=_MOST)
    return SampleSize(ceil(exact - 1e-9), exact, _words("goodness of fit", two_sided))


def kappa_sample_size(
    kappa_null: float,
    kappa: float,
    prevalences: tuple[float, float],
    *,
    power: float = 0.8,
    significance: float = 0.05,
    two_sided: bool = False,
) -> SampleSize:
    """Cases for the test of Cohen's kappa, two readers with shares of their own, two answers.

    Args:
        kappa_null, kappa: as for ``kappa_sample_size_gof``; kappa_null may be negative.
        prevalences: share of positive answers of each reader, between 0 and 1.
        power, significance, two_sided: as for ``kappa_sample_size_gof``.

    Raises:
        ValueError: also where the readers' shares do not allow such a kappa.

    Example:
        >>> kappa_sample_size(0.4, 0.7, (0.3, 0.35)).n
        56

    Source:
        Cantor (1996), Sample-size calculations for Cohen's kappa. Psychological Methods
        1:150-153; variance: Fleiss, Cohen, Everitt (1969).
    """
    _check(kappa_null, kappa, power, significance)
    for share in prevalences:
        checked_share("prevalence", share)
    spreads = [_spread(one, *prevalences) for one in (kappa_null, kappa)]
    reach = _z(significance, two_sided) * sqrt(spreads[0])
    reach += float(stats.norm.ppf(power)) * sqrt(spreads[1])
    exact = (reach / (kappa - kappa_null)) ** 2
    checked_number("the number of cases", exact, most=_MOST)
    return SampleSize(ceil(exact - 1e-9), exact, _words("Cohen's kappa", two_sided))


def _spread(kappa: float, first: float, second: float) -> float:
    """Variance of kappa times the number of cases, from margins and kappa."""
    chance = first * second + (1 - first) * (1 - second)
    observed = chance + kappa * (1 - chance)
    both = (observed - 1 + first + second) / 2
    cells = np.array([[both, first - both], [second - both, 1 - first - second + both]])
    if cells.min() < -1e-12:
        raise ValueError(f"readers with shares {first} and {second} cannot reach kappa {kappa}")
    return kappa_spread(cells.clip(0.0), np.eye(2))[0]


def _z(significance: float, two_sided: bool) -> float:
    return float(stats.norm.isf(significance / 2 if two_sided else significance))


def _words(what: str, two_sided: bool) -> str:
    return f"{what}, {'two' if two_sided else 'one'}-sided, normal approximation"


def _check(kappa_null: float, kappa: float, power: float, significance: float) -> None:
    if not -1 <= kappa_null <= 1 or not -1 <= kappa <= 1 or kappa_null == kappa:
        raise ValueError(f"expected two different kappas in -1..1, got {kappa_null} and {kappa}")
    checked_share("power", power)
    checked_share("significance", significance)
