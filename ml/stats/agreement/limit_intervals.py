"""Factors of exact intervals of limits of agreement, from the non-central t distribution."""

from functools import lru_cache

import numpy as np
from scipy import optimize, special, stats

from ml.stats.asked import checked_count, checked_number, checked_share

_NODES = 96  # of Gauss-Legendre; twice as many change no factor in its tenth digit


def limit_factors(n: int, multiplier: float, level: float = 0.95) -> tuple[float, float]:
    """SDs from the mean to both ends of the exact interval of one limit, mean + multiplier * SD.

    Args:
        n: independent differences.
        multiplier: the limit asked about, in SDs of the population, e.g. 1.96.
        level: coverage of the interval, two-sided.

    Returns:
        Inner and outer factor; the interval of the lower limit is the mirror image.

    Raises:
        ValueError: with fewer than two differences.

    Example:
        >>> [round(factor, 4) for factor in limit_factors(10, 1.96)]
        [1.1632, 3.801]

    Source:
        Carkeet (2015), Optometry and Vision Science 92:e71-e80; Carkeet, Goh (2018),
        Statistical Methods in Medical Research 27:1559-1574.
    """
    checked_count("n", n, 2)
    checked_number("multiplier", multiplier, most=100)
    checked_share("level", level)
    tails = [(1 - level) / 2, (1 + level) / 2]
    inner, outer = stats.nct.ppf(tails, n - 1, multiplier * np.sqrt(n)) / np.sqrt(n)
    return float(inner), float(outer)


@lru_cache(maxsize=256)
def tolerance_factor(n: int, coverage: float = 0.95, confidence: float = 0.95) -> float:
    """SDs on either side of the mean that hold a share of the population, with confidence.

    Exact for normal differences: both limits together, not one at a time. Carkeet's outer
    interval of the pair of limits takes a confidence of 97.5 %, the inner one 2.5 %.

    Args:
        n: independent differences.
        coverage: share of the population within, 0..1.
        confidence: probability that the share is at least that.

    Raises:
        ValueError: with fewer than two differences, or shares outside (0, 1).

    Example:
        >>> round(tolerance_factor(10, 0.95, 0.95), 3)
        3.393

    Source:
        Odeh (1978), Communications in Statistics B 7:183-201; ISO 16269-6:2014, annex E.
    """
    checked_count("n", n, 2)
    checked_share("coverage", coverage)
    checked_share("confidence", confidence)
    nodes, weights = np.polynomial.legendre.leggauss(_NODES)
    nodes, weights = 4.25 * (nodes + 1), 4.25 * weights  # the mean, 0 to 8.5 standard errors away
    density = 2 * weights * stats.norm.pdf(nodes)
    # Half-width around a mean off by z that still holds the share of the population.
    room = stats.ncx2.ppf(coverage, 1, nodes**2 / n)

    def lacks(factor: float) -> float:
        held = special.chdtrc(n - 1, (n - 1) * room / factor**2)
        return float(density @ held) - confidence

    low = high = float(np.sqrt(special.chdtri(1, 1 - coverage)))
    while lacks(low) > 0:
        low /= 2
    while lacks(high) < 0:
        high *= 2
    return float(optimize.brentq(lacks, low, high, xtol=1e-12, rtol=1e-12))
