import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ml.stats.bootstrap import Settings
from ml.stats.clusters import Clusters
from ml.stats.subgroups.calls import GroupedCalls
from ml.stats.subgroups.gaps import (
    demographic_parity,
    difference_to_overall,
    equal_opportunity,
    equalized_odds,
    max_gap,
)
from ml.stats.subgroups.groups import Groups

FEW = Settings(draws=400)


def test_of_compas(compas):
    """Rates from the published table: selection .5882 / .3480, TPR .7201 / .5228, FPR as cited."""
    assert demographic_parity(compas, FEW).value == pytest.approx(0.24020, abs=1e-5)
    assert demographic_parity(compas, FEW, kind="ratio").value == pytest.approx(0.59164, abs=1e-5)
    assert equal_opportunity(compas, FEW).value == pytest.approx(0.19737, abs=1e-5)
    assert equalized_odds(compas, FEW).value == pytest.approx(0.21392, abs=1e-5)
    assert equalized_odds(compas, FEW, aggregate="mean").value == pytest.approx(0.20565, abs=1e-5)
    gap = max_gap(compas, "tpr", FEW)
    assert (gap.extra["lowest"], gap.extra["highest"]) == ("White", "Black")


def test_never_from_a_group_without_the_finding(calls_of):
    calls = calls_of({"A": (100, 20, 10, 70), "B": (15, 5, 0, 0)})

    for found in (
        equalized_odds(calls, FEW), equalized_odds(calls, FEW, aggregate="mean"),
        equal_opportunity(calls, FEW),
    ):  # fmt: skip
        assert found.value is None
        assert "share of no case in B" in found.reason
    assert demographic_parity(calls, FEW).value == pytest.approx(0.2)


def test_interval_of_a_clear_gap_is_that_of_a_difference(compas):
    """One group far above the other: the maximum never changes hands, so Newcombe's is close."""
    gap = max_gap(compas, "tpr", Settings(draws=4000))

    assert (gap.low, gap.high) == pytest.approx((0.1598596, 0.2345587), abs=0.003)
    assert abs(gap.extra["bootstrap_bias"]) < 0.002


def test_the_bias_of_many_alike_groups_is_shown(calls_of):
    """12 groups with 25 of 50 each: the range of 12 normal draws is 3.26 SD, an SD is 0.0707."""
    gap = max_gap(calls_of({f"g{k}": (0, 0, 25, 25) for k in range(12)}), "tpr", FEW)

    assert gap.value == 0
    assert gap.extra["bootstrap_bias"] == pytest.approx(3.26 * 0.0707, abs=0.02)
    assert "above 0 even where all groups are alike" in gap.extra["remark"]
    assert gap.low == 0


def test_interval_is_percentiles_recentred(random_calls):
    calls = random_calls(200, 3)
    drawn = calls.replicates(FEW)
    rates = (drawn[..., 1] + drawn[..., 3]) / drawn.sum(axis=2)
    gaps = np.ptp(rates, axis=1)
    found = demographic_parity(calls, FEW)
    low, high = np.quantile(gaps - gaps.mean() + found.value, (0.025, 0.975))

    assert (found.low, found.high) == pytest.approx((max(low, 0), high))


def test_difference_to_overall(compas):
    """Overall TPR 1874 / 2867 = .65365."""
    found = difference_to_overall(compas, "tpr", FEW)

    assert found["Black"].value == pytest.approx(1369 / 1901 - 1874 / 2867)
    assert found["White"].value == pytest.approx(505 / 966 - 1874 / 2867)
    assert found["White"].low < found["White"].value < found["White"].high < 0


def test_difference_to_overall_with_clusters_is_by_hand(random_calls):
    calls = random_calls(180, 2, per_cluster=3)
    drawn = calls.replicates(FEW)
    tpr = drawn[..., 3] / drawn[..., 2:].sum(axis=2)
    whole = drawn[..., 3].sum(axis=1) / drawn[..., 2:].sum(axis=(1, 2))
    low, high = np.quantile(tpr[:, 0] - whole, (0.025, 0.975))
    found = difference_to_overall(calls, "tpr", FEW)["g0"]

    assert (found.low, found.high) == pytest.approx((low, high))
    assert "60 patients" in found.method


def test_one_group_has_no_gap():
    calls = GroupedCalls.of([1, 0], [1, 1], Groups.of(["a", "a"]))

    assert max_gap(calls, "tpr", FEW).reason == "Not estimated: a gap needs two groups."


@pytest.mark.parametrize("names", [(), ("a", "b")])
def test_no_case_at_all(names):
    calls = GroupedCalls.of([], [], Groups(np.zeros(0, dtype=np.int64), names))

    assert all(found.value is None for found in difference_to_overall(calls, "tpr", FEW).values())
    for found in (demographic_parity(calls, FEW), equalized_odds(calls, FEW)):
        assert found.value is None


def test_a_ratio_of_zeros():
    calls = GroupedCalls.of([0] * 4, [1] * 4, Groups.of(list("aabb")))
    found = demographic_parity(calls, FEW, kind="ratio")

    assert found.value is None
    assert "largest rate is 0" in found.reason
    assert demographic_parity(calls, FEW).value == 0


def test_few_clusters_give_no_interval():
    clusters = Clusters.of(np.arange(40) // 10, "patient")
    calls = GroupedCalls.of(
        np.arange(40) % 3 == 0, np.ones(40), Groups.of(["a"] * 20 + ["b"] * 20), clusters
    )
    found = max_gap(calls, "tpr", FEW)

    assert found.value is not None
    assert "only 4 patients" in found.reason


@pytest.mark.parametrize("kind", ["share", ""])
def test_unknown_options(compas, kind):
    with pytest.raises(ValueError, match="difference or ratio"):
        max_gap(compas, "tpr", FEW, kind=kind)
    with pytest.raises(ValueError, match="worst_case or mean"):
        equalized_odds(compas, FEW, aggregate=kind)


_tables = st.lists(st.tuples(*[st.integers(0, 6)] * 4), min_size=1, max_size=4)


@settings(max_examples=40, deadline=None)
@given(_tables, st.randoms())
def test_order_and_names_do_not_matter(tables, random):
    cell = np.concatenate([np.repeat(np.arange(4), counts) for counts in tables])
    label = np.concatenate(
        [np.full(sum(counts), at) for at, counts in enumerate(tables)] or [np.zeros(0)]
    ).astype(int)
    order = list(range(cell.size))
    random.shuffle(order)
    other = ["x", "z", "y", "w"]

    def both(rows, names):
        calls = GroupedCalls.of(
            cell[rows] % 2, cell[rows] // 2, Groups.of([names[k] for k in label[rows]])
        )
        return [
            found.value
            for found in (
                demographic_parity(calls, Settings(draws=200)),
                equalized_odds(calls, Settings(draws=200)),
                max_gap(calls, "ppv", Settings(draws=200), kind="ratio"),
            )
        ]

    plain, shuffled = both(np.arange(cell.size), list("abcd")), both(order, other)
    assert plain == shuffled
    assert all(value is None or 0 <= value <= 1 for value in plain)
