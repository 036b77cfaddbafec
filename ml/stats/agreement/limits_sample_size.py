"""How many cases it takes to show that two methods agree within an accepted difference."""

import numpy as np
from scipy import stats

from ml.stats.asked import SMALLEST, checked_count, checked_number, checked_share

_MOST = 10_000_000
_QUANTILES = (np.arange(2000) + 0.5) / 2000  # of the SD, each as likely


def limits_power(
    n: int,
    mean: float,
    sd: float,
    accepted: float,
    multiplier: float = 1.96,
    level: float = 0.95,
) -> float:
    """Probability that the intervals of both limits of agreement lie within +- accepted.

    Args:
        n: cases, two or more.
        mean, sd: of the differences, as they are thought to be.
        accepted: largest difference that is accepted, in the same unit.
        multiplier: SDs between the mean and a limit.
        level: of the intervals of the limits (Bland and Altman's approximate ones).

    Raises:
        ValueError: for n below 2 or not whole, or an SD or accepted difference not above 0.

    Example:
        >>> round(limits_power(144, 0, 3.3, 8), 3)
        0.802

    Source:
        The question is that of Lu, Zhong, Liu, Li, Chen, et al. (2016), International Journal of
        Biostatistics 12(2):20150039. Their answer by a noncentral t takes the SD to be known
        where it widens the limits; here the mean is averaged over what the SD may come out as,
        which is exact for differences from a normal distribution.
    """
    checked_count("n", n, 2, 10 * _MOST)
    checked_number("mean", mean)
    for name, one in (("sd", sd), ("accepted", accepted)):
        checked_number(name, one, above=SMALLEST)
    checked_number("multiplier", multiplier, above=0, most=100)
    checked_share("level", level)
    t = float(stats.t.ppf((1 + level) / 2, n - 1))
    reach = multiplier + t * np.sqrt(1 / n + multiplier**2 / (2 * (n - 1)))
    spreads = sd * np.sqrt(stats.chi2.ppf(_QUANTILES, n - 1) / (n - 1))
    room, error = accepted - reach * spreads, sd / np.sqrt(n)
    held = stats.norm.cdf((room - mean) / error) - stats.norm.cdf((-room - mean) / error)
    return float(np.maximum(held, 0.0).mean())


def limits_size(
    mean: float,
    sd: float,
    accepted: float,
    power: float = 0.8,
    multiplier: float = 1.96,
    level: float = 0.95,
) -> int | None:
    """Cases for a power to show agreement within +- accepted.

    Args:
        mean, sd, accepted, multiplier, level: as ``limits_power``.
        power: the probability asked for.

    Returns:
        None when the limits themselves do not lie within the accepted difference, or no number of
        cases up to ten million is enough.

    Raises:
        ValueError: as ``limits_power``; for a power outside 0..1.

    Example:
        >>> limits_size(0, 3.3, 8)
        144

    Source:
        As ``limits_power``.
    """
    checked_share("power", power)

    def lacks(n: int) -> float:
        return limits_power(n, mean, sd, accepted, multiplier, level) - power

    if abs(mean) + multiplier * sd >= accepted:
        limits_power(2, mean, sd, accepted, multiplier, level)  # refuses what cannot be asked
        return None
    low, high = 1, 2
    while lacks(high) < 0:
        low, high = high, 2 * high
        if high > _MOST:
            return None
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if lacks(middle) < 0 else (low, middle)
    return high
