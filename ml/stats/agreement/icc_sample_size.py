"""How many cases an agreement study needs, for a test of the ICC or for a narrow interval."""

import math

from scipy import stats

from ml.stats.asked import checked_count, checked_number, checked_share


def icc_test_size(
    expected: float, least: float, readers: int, alpha: float = 0.05, power: float = 0.8
) -> int:
    """Cases to show that the one-way ICC of a single score is above a least value.

    Args:
        expected: the ICC that is thought to hold.
        least: the ICC under the null, below ``expected``.
        readers: scores per case, two or more.
        alpha: of the one-sided test.
        power: probability of showing it.

    Raises:
        ValueError: for values outside their ranges.

    Example:
        >>> icc_test_size(0.8, 0.6, readers=2)
        39

    Source:
        Walter, Eliasziw, Donner (1998), Statistics in Medicine 17:101-110, equation 13.
    """
    checked_count("readers", readers, 2)
    if not -1 / (readers - 1) < least < expected < 1:
        raise ValueError(f"expected {least=} below {expected=}, both below 1")
    checked_share("alpha", alpha)
    checked_share("power", power)
    ratio = (1 + readers * least / (1 - least)) / (1 + readers * expected / (1 - expected))
    z = float(stats.norm.isf(alpha) + stats.norm.ppf(power))
    return math.ceil(1 + 2 * z**2 * readers / (math.log(ratio) ** 2 * (readers - 1)) - 1e-9)


def icc_width_size(expected: float, width: float, readers: int, level: float = 0.95) -> int:
    """Cases for an interval of the ICC of a given full width.

    Args:
        expected: the ICC that is thought to hold.
        width: of the whole interval, above a millionth and 2 at most.
        readers: scores per case, two or more. With two readers and an ICC of 0.7 or more
            Bonett's correction, five times the ICC, is added.
        level: coverage of the interval.

    Raises:
        ValueError: for values outside their ranges.

    Example:
        >>> icc_width_size(0.8, 0.2, readers=3)
        36

    Source:
        Bonett (2002), Statistics in Medicine 21:1331-1335.
    """
    checked_count("readers", readers, 2)
    checked_number("width", width, above=1e-6, most=2)
    checked_share("level", level)
    if not -1 / (readers - 1) < expected < 1:
        raise ValueError(f"the ICC must lie between -1/(readers - 1) and 1, got {expected}")
    z = float(stats.norm.ppf((1 + level) / 2))
    k = readers
    cases = 8 * z**2 * (1 - expected) ** 2 * (1 + (k - 1) * expected) ** 2
    cases = cases / (k * (k - 1) * width**2) + 1
    if k == 2 and expected >= 0.7:
        cases += 5 * expected
    return max(math.ceil(cases - 1e-9), 2)
