import numpy as np
import pytest
from scipy import stats

from ml.stats.clusters import Clusters
from ml.stats.subgroups.calls import GroupedCalls, group_rates
from ml.stats.subgroups.shrinkage import beta_prior, shrunken_rates


def test_the_prior_is_found_again(rng):
    """2,000 groups from Beta(6, 2): mean .75, weight 8."""
    sizes = rng.integers(5, 60, 2000)
    hits = rng.binomial(sizes, rng.beta(6, 2, 2000))
    mean, weight = beta_prior(hits, sizes)

    assert mean == pytest.approx(0.75, abs=0.01)
    assert weight == pytest.approx(8, rel=0.1)


def test_prior_by_hand():
    """8, 2 and 5 of 10: between .9, within .2111, correlation .6889 / (.9 + 9 · .2111)."""
    mean, weight = beta_prior(np.array([8, 2, 5, 0]), np.array([10, 10, 10, 0]))

    assert mean == 0.5
    correlation = (0.9 - 5.7 / 27) / (0.9 + 9 * 5.7 / 27)
    assert weight == pytest.approx((1 - correlation) / correlation)


def test_shrunken_rates_err_less(rng):
    sizes = rng.integers(3, 20, 400)
    true = rng.beta(6, 2, 400)
    hits = rng.binomial(sizes, true)
    mean, weight = beta_prior(hits, sizes)
    shrunken = (hits + weight * mean) / (sizes + weight)

    assert ((shrunken - true) ** 2).mean() < 0.6 * ((hits / sizes - true) ** 2).mean()


def test_a_small_group_is_drawn_further(calls_of):
    calls = calls_of(
        {"big": (0, 0, 10, 90), "small": (0, 0, 0, 4), "low": (0, 0, 60, 40), "none": (1, 1, 0, 0)}
    )
    raw, found = group_rates(calls, "tpr"), shrunken_rates(calls, "tpr")

    moved = {name: abs(found[name].value - raw[name].value) for name in ("big", "small", "low")}
    assert moved["small"] > 3 * max(moved["big"], moved["low"])
    assert found["small"].extra["raw"] == 1
    assert found["none"].value is None
    big = found["big"]
    a = 90 + big.extra["prior_weight"] * big.extra["prior_mean"]
    b = 10 + big.extra["prior_weight"] * (1 - big.extra["prior_mean"])
    assert (big.value, big.low) == pytest.approx((a / (a + b), stats.beta.ppf(0.025, a, b)))


def test_alike_groups_take_the_common_rate(calls_of):
    found = shrunken_rates(calls_of({"a": (0, 0, 5, 5), "b": (0, 0, 10, 10)}), "tpr")

    assert found["a"].value == found["b"].value == 0.5
    assert found["a"].reason.startswith("No interval: groups vary no more")


def test_all_of_one_and_none_of_the_other(calls_of):
    found = shrunken_rates(calls_of({"a": (0, 0, 0, 9), "b": (0, 0, 9, 0)}), "tpr")

    assert [estimate.value for estimate in found.values()] == [1, 0]
    assert found["a"].reason == "No interval: the groups leave no spread to borrow."


def test_a_single_group_borrows_from_nobody(calls_of):
    assert "two groups" in shrunken_rates(calls_of({"a": (0, 0, 5, 5)}), "tpr")["a"].reason
    with pytest.raises(ValueError, match="two groups"):
        beta_prior(np.array([1]), np.array([2]))


def test_copies_in_clusters_do_not_make_a_group_large(random_calls):
    alone = random_calls(n=60, groups=3)
    thrice = np.repeat(np.arange(60), 3)
    copies = GroupedCalls.of(
        alone.called[thrice], alone.present[thrice], alone.groups.where(thrice), Clusters.of(thrice)
    )
    few = GroupedCalls.of(
        alone.called, alone.present, alone.groups, Clusters.of(np.arange(60) % 4)
    )  # fmt: skip

    for name, one in shrunken_rates(alone, "tnr").items():
        copied = shrunken_rates(copies, "tnr")[name]
        assert copied.value == pytest.approx(one.value, abs=0.01)
        assert copied.n == 3 * one.n
        assert copied.has_interval == one.has_interval
        if one.has_interval:
            assert copied.high - copied.low == pytest.approx(one.high - one.low, rel=0.05)
        assert not shrunken_rates(few, "tnr")[name].has_interval
