import numpy as np
import pytest

from ml.stats.bootstrap import Settings
from ml.stats.subgroups.calls import GroupedCalls, overall_rate, rate_of
from ml.stats.subgroups.groups import Groups
from ml.stats.subgroups.worst import cvar_of_groups, worst_group

FEW = Settings(draws=400)


def test_the_worst_of_compas(compas):
    miss, hit = worst_group(compas, "fnr", FEW), worst_group(compas, "tpr", FEW)

    assert miss.extra["group"] == hit.extra["group"] == "White"
    assert miss.value == pytest.approx(461 / 966)
    assert hit.value == pytest.approx(505 / 966)
    assert (hit.low, hit.high) == pytest.approx((1 - miss.high, 1 - miss.low))
    assert worst_group(compas, "fpr", FEW).extra["group"] == "Black"


def test_cvar_by_hand(calls_of):
    """Error rates .5 of 20, .3 of 10, .1 of 70; the worst 25 of 100 cases: 20 · .5 + 5 · .3."""
    calls = calls_of({"a": (5, 5, 5, 5), "b": (7, 3, 0, 0), "c": (63, 7, 0, 0)})

    assert cvar_of_groups(calls, "error_rate", 0.25, FEW).value == pytest.approx(11.5 / 25)
    assert cvar_of_groups(calls, "accuracy", 0.25, FEW).value == pytest.approx(1 - 11.5 / 25)
    assert cvar_of_groups(calls, "error_rate", 0.1, FEW).value == 0.5
    whole = cvar_of_groups(calls, "error_rate", 1.0, FEW)
    assert whole.value == pytest.approx(overall_rate(calls, "error_rate").value)


def test_cvar_falls_with_its_share(random_calls):
    calls = random_calls(200, 5)
    values = [
        cvar_of_groups(calls, "fnr", share, FEW).value for share in (0.05, 0.2, 0.5, 0.8, 1.0)
    ]

    assert values == sorted(values, reverse=True)
    assert values[0] == pytest.approx(worst_group(calls, "fnr", FEW).value)


def test_interval_is_recentred_percentiles(random_calls):
    calls = random_calls(200, 4)
    found = worst_group(calls, "accuracy", FEW)
    lowest = rate_of("accuracy", calls.replicates(FEW)).min(axis=1)
    ends = np.quantile(lowest - lowest.mean() + found.value, (0.025, 0.975))

    assert (found.low, found.high) == pytest.approx(tuple(ends))
    assert found.extra["bootstrap_bias"] == pytest.approx(lowest.mean() - found.value)
    assert found.extra["bootstrap_bias"] < 0


def test_groups_without_the_rate(calls_of):
    calls = calls_of({"a": (5, 5, 5, 5), "b": (7, 3, 0, 0)})

    assert "share of no case in b" in worst_group(calls, "tpr", FEW).reason
    assert cvar_of_groups(calls, "tpr", 0.5, FEW).value == 0.5
    nobody = calls_of({"a": (5, 5, 0, 0)})
    assert cvar_of_groups(nobody, "tpr", 0.5, FEW).value is None
    assert worst_group(GroupedCalls.of([], [], Groups.of([])), "tpr", FEW).value is None


@pytest.mark.parametrize("share", [0, -0.1, 1.1])
def test_malformed(compas, share):
    with pytest.raises(ValueError, match="share must be"):
        cvar_of_groups(compas, "tpr", share)
    with pytest.raises(ValueError, match="no better or worse"):
        worst_group(compas, "selection_rate")
