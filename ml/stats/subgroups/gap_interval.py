"""The interval of the largest gap between groups, from all pairs of them at once."""

from collections.abc import Sequence
from itertools import permutations

from ml.estimate import Estimate
from ml.stats.asked import checked_count, checked_share


def level_of_pairs(level: float, groups: int) -> float:
    """The level of each group's interval, so that the gaps of all pairs hold together.

    Args:
        level: of the interval of the largest gap.
        groups: how many are compared, two or more.

    Returns:
        1 - (1 - level) / pairs (Bonferroni).

    Raises:
        ValueError: for a level that is not between 0 and 1, or fewer than two groups.

    Example:
        >>> level_of_pairs(0.95, 2), round(level_of_pairs(0.95, 5), 4)
        (0.95, 0.995)

    Source:
        Dunn (1961), JASA 56:52-64.
    """
    level, groups = checked_share("level", level), checked_count("groups", groups, 2)
    return 1 - (1 - level) / (groups * (groups - 1) / 2)


def gap_interval(groups: Sequence[Estimate]) -> tuple[float, float] | None:
    """Ends of the largest true difference between any two groups.

    The largest of several noisy gaps is above 0 where all groups are alike, and an interval
    around it inherits that. The interval of a pair does not: the lower end is that of the pair
    which is surest to differ (0 where none is), the upper end that of the pair which may differ
    most. It holds for the largest true gap, however that was found.

    Args:
        groups: one estimate a group, of different cases, with the interval of each at
            ``level_of_pairs``. One bound alone is taken where the value is at its other end.

    Returns:
        (low, high), or None where a group has no value or no interval, or there are not two.

    Example:
        >>> one, two = Estimate("x", 0.8, 0.6962, 0.8781), Estimate("x", 0.6, 0.4904, 0.6995)
        >>> [round(end, 3) for end in gap_interval([one, two])]
        [0.056, 0.335]

    Source:
        Zou, Donner (2008), Statistics in Medicine 27:1693-1702 (difference from two intervals;
        for shares with Wilson's that is Newcombe 1998, method 10).
    """
    ends: list[tuple[float, float, float]] = []
    for one in groups:
        if one.value is None or not one.has_interval:
            return None
        low = one.value if one.low is None else one.low
        high = one.value if one.high is None else one.high
        ends.append((one.value, low, high))
    if len(ends) < 2:
        return None
    # Every pair in both directions: the smaller may be the larger in truth.
    lower, upper = 0.0, 0.0
    for (a, low_a, high_a), (b, low_b, high_b) in permutations(ends, 2):
        lower = max(lower, a - b - ((a - low_a) ** 2 + (high_b - b) ** 2) ** 0.5)
        upper = max(upper, a - b + ((high_a - a) ** 2 + (b - low_b) ** 2) ** 0.5)
    return lower, upper
