import numpy as np
import pytest

from ml.estimate import Estimate, undefined
from ml.stats.subgroups.calls import GroupedCalls, group_rates
from ml.stats.subgroups.gap_interval import gap_interval, level_of_pairs
from ml.stats.subgroups.groups import Groups
from ml.stats.subgroups.pairwise import newcombe


def shares(hits, sizes, level=0.95):
    """The rate of every group, with its Wilson interval."""
    names = [f"g{at}" for at in range(len(sizes))]
    called = np.concatenate([np.arange(n) < k for k, n in zip(hits, sizes, strict=True)])
    calls = GroupedCalls.of(
        called, np.ones(called.size, dtype=bool), Groups.of(list(np.repeat(names, sizes)))
    )
    return list(group_rates(calls, "tpr", level=level_of_pairs(level, len(sizes))).values())


def test_two_groups_have_newcombes_interval():
    assert gap_interval(shares((56, 48), (70, 80))) == pytest.approx(
        newcombe(56 / 70, 70, 48 / 80, 80, 0.95)
    )


def test_a_gap_is_never_below_zero_and_looks_both_ways():
    low, high = gap_interval(shares((50, 49), (100, 100)))
    one, other = newcombe(0.5, 100, 0.49, 100, 0.95)

    assert low == 0
    assert high == pytest.approx(max(other, -one))


def test_the_order_of_groups_does_not_matter():
    there, back = shares((30, 20, 25), (40, 40, 40)), shares((25, 20, 30), (40, 40, 40))

    assert gap_interval(there) == pytest.approx(gap_interval(back))


def test_pairs_share_the_error():
    assert level_of_pairs(0.95, 2) == 0.95
    assert level_of_pairs(0.95, 4) == pytest.approx(1 - 0.05 / 6)
    with pytest.raises(ValueError, match="groups"):
        level_of_pairs(0.95, 1)


def test_it_holds_the_true_gap_as_often_as_it_says(rng):
    """Five groups that are alike, and five of which one is 20 points below."""
    sizes = np.array([15, 26, 30, 40, 40])
    for truth in (np.full(5, 0.75), np.array([0.75, 0.75, 0.75, 0.75, 0.55])):
        held = 0
        for _ in range(300):
            low, high = gap_interval(shares(rng.binomial(sizes, truth), sizes))
            held += low <= np.ptp(truth) <= high
        assert held >= 0.93 * 300


def test_a_bound_alone_is_taken_from_the_value_on():
    perfect = Estimate("auroc", 1.0, 0.9)
    low, high = gap_interval([perfect, Estimate("auroc", 0.6, 0.5, 0.7)])

    assert low == pytest.approx(0.4 - (0.1**2 + 0.1**2) ** 0.5)
    assert high == pytest.approx(0.5)


def test_without_an_interval_there_is_none():
    known = Estimate("x", 0.5, 0.4, 0.6)

    assert gap_interval([known]) is None
    assert gap_interval([known, Estimate("x", 0.5, reason="No interval.")]) is None
    assert gap_interval([known, undefined("x", "Not shown.")]) is None
