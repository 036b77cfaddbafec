"""How large a gap between two groups would have to be for these numbers to show it."""

from scipy import optimize, stats

from ml.estimate import Estimate, undefined
from ml.stats.asked import checked_number, checked_share

_MOST = 1e12  # cases; more than there are people


def power_of_difference(
    share_a: float, n_a: float, share_b: float, n_b: float, level: float = 0.95
) -> float:
    """Power of the two-sided test of two shares (pooled variance under the null).

    Args:
        share_a, share_b: true shares, 0..1.
        n_a, n_b: cases, or effective sizes, above 0.
        level: 1 - size of the test.

    Raises:
        ValueError: for numbers outside.

    Example:
        >>> round(power_of_difference(0.9, 100, 0.75, 100), 2)
        0.8

    Source:
        Fleiss, Levin, Paik (2003), Statistical Methods for Rates and Proportions, section 4.2.
    """
    if not (0 <= share_a <= 1 and 0 <= share_b <= 1):
        raise ValueError(f"shares must lie in 0..1, got {share_a} and {share_b}")
    n_a, n_b = _checked_sizes(n_a, n_b)
    level = checked_share("level", level)
    pooled = (share_a * n_a + share_b * n_b) / (n_a + n_b)
    under_null = (pooled * (1 - pooled) * (1 / n_a + 1 / n_b)) ** 0.5
    in_truth = (share_a * (1 - share_a) / n_a + share_b * (1 - share_b) / n_b) ** 0.5
    gap = abs(share_a - share_b)
    reach = float(stats.norm.ppf((1 + level) / 2)) * under_null
    if in_truth == 0:
        return float(gap > reach)
    return float(stats.norm.cdf((gap - reach) / in_truth))


def _checked_sizes(n_a: float, n_b: float) -> tuple[float, float]:
    return (
        checked_number("n_a", n_a, above=0, most=_MOST),
        checked_number("n_b", n_b, above=0, most=_MOST),
    )


def detectable_difference(
    n_a: float, n_b: float, base: float, *, power: float = 0.8, level: float = 0.95
) -> Estimate:
    """Smallest drop below a base rate that a comparison of two groups would probably show.

    Args:
        n_a: cases that the rate is a share of in the group with the base rate.
        n_b: the same of the other group; effective sizes where cases cluster.
        base: the rate of the first group, 0..1.
        power: wanted, above (1 - level) / 2.
        level: of the comparison.

    Returns:
        The drop, 0..1. Undefined where even a drop to 0 would not be shown that surely.

    Raises:
        ValueError: for sizes not above 0, or a rate or power outside 0..1.

    Example:
        >>> round(detectable_difference(100, 100, 0.9).value, 3)
        0.15

    Source:
        As ``power_of_difference``, solved for the second share.
    """
    n_a, n_b = _checked_sizes(n_a, n_b)
    power, level = checked_share("power", power), checked_share("level", level)
    if not 0 <= base <= 1:
        raise ValueError(f"base must lie in 0..1, got {base}")
    if power <= (1 - level) / 2:
        raise ValueError(f"power must be above {(1 - level) / 2:g}, got {power}")
    convention = f"drop below {base:g}, power {power:g}, two-sided test at {1 - level:g}"
    n = round(n_a + n_b)

    def short(gap: float) -> float:
        return power_of_difference(base, n_a, base - gap, n_b, level) - power

    if base == 0 or short(base) < 0:
        reason = (
            f"Not estimated: with {n_a:g} and {n_b:g} cases not even a drop to 0 would be shown "
            f"with a power of {power:g}."
        )
        return undefined("detectable_difference", reason, n=n, convention=convention)
    # Power rises with the gap wherever it passes a wanted power above one half the level.
    value = float(optimize.brentq(short, 1e-9 * base, base, xtol=1e-10))
    return Estimate(
        "detectable_difference", value, n=n, convention=convention, method="normal approximation",
        reason="No interval: a size of study, not an estimate of one.",
        extra={"n_a": float(n_a), "n_b": float(n_b), "base": base, "power": power},
    )  # fmt: skip
