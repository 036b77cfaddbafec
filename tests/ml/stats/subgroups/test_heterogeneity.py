import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from ml.estimate import Estimate
from ml.stats.clusters import Clusters
from ml.stats.subgroups.calls import GroupedCalls
from ml.stats.subgroups.groups import Groups
from ml.stats.subgroups.heterogeneity import (
    cochran_q,
    estimates_heterogeneity,
    rate_heterogeneity,
)


def test_chi_squared_against_scipy(random_calls):
    calls = random_calls(300, 4)
    cells = calls.cells
    known = stats.chi2_contingency(cells[:, [3, 2]], correction=False)
    found = rate_heterogeneity(calls, "tpr")

    assert found.value == pytest.approx(known.statistic)
    assert found.extra["p"] == pytest.approx(known.pvalue)
    assert found.extra["df"] == known.dof == 3
    assert found.extra["smallest_expected"] == pytest.approx(known.expected_freq.min())


def test_copies_in_clusters_do_not_make_a_difference():
    called, group = np.arange(80) % 3 == 0, np.arange(80) % 2
    names = Groups.of([f"g{k}" for k in group])
    alone = rate_heterogeneity(GroupedCalls.of(called, np.ones(80), names), "tpr")
    copies = rate_heterogeneity(
        GroupedCalls.of(
            np.repeat(called, 4), np.ones(320), Groups(np.repeat(names.codes, 4), names.names),
            Clusters.of(np.repeat(np.arange(80), 4), "patient"),
        ), "tpr",
    )  # fmt: skip

    assert copies.value == pytest.approx(alone.value * 39 / 40)


def test_the_images_of_one_patient_are_one_case_of_its_group():
    """15 of 30 patients, and 30 of 40 images of one: counts 15 of 30 and 0.75 of 1."""
    called = np.r_[np.arange(30) % 2, np.arange(40) % 4 > 0]
    groups = Groups.of(["a"] * 30 + ["b"] * 40)
    clusters = Clusters.of(np.r_[np.arange(30), np.full(40, 30)], "patient")
    found = rate_heterogeneity(GroupedCalls.of(called, np.ones(70), groups, clusters), "tpr")

    table = np.array([[15, 15], [0.75, 0.25]])
    assert found.value == pytest.approx(stats.chi2_contingency(table, correction=False).statistic)
    assert "Read with care" in found.reason


def test_groups_without_the_rate_are_left_out(calls_of):
    found = rate_heterogeneity(
        calls_of({"a": (5, 5, 5, 15), "b": (5, 5, 15, 5), "c": (9, 1, 0, 0)}), "tpr"
    )

    assert found.extra["df"] == 1
    assert found.extra["groups_left_out"] == 1
    assert found.value == pytest.approx(10.0)  # 40 · (15·15 - 5·5)² / 20⁴


def test_undefined_and_with_care(calls_of):
    same = rate_heterogeneity(calls_of({"a": (0, 0, 0, 9), "b": (0, 0, 0, 9)}), "tpr")
    alone = rate_heterogeneity(calls_of({"a": (0, 0, 4, 9), "b": (3, 3, 0, 0)}), "tpr")
    small = rate_heterogeneity(calls_of({"a": (0, 0, 1, 5), "b": (0, 0, 3, 2)}), "tpr")

    assert "same 0 or 1" in same.reason
    assert "fewer than two groups" in alone.reason
    assert "prefer the permutation test" in small.reason


def test_few_clusters(calls_of):
    calls = GroupedCalls.of(
        np.arange(40) % 2, np.ones(40), Groups.of(["a", "b"] * 20),
        Clusters.of(np.arange(40) // 10, "patient"),
    )  # fmt: skip

    assert rate_heterogeneity(calls, "tpr").reason.startswith("Not estimated: only 4 patients")


def test_q_by_hand():
    """Values 0, 1, 3 with weights 1, 1, 2: mean 7/4; Q = 49/16 + 9/16 + 2·25/16 = 108/16."""
    found = cochran_q(np.array([0.0, 1, 3]), np.array([1.0, 1, 0.5]))

    assert found.value == pytest.approx(6.75)
    assert found.extra["pooled"] == pytest.approx(1.75)
    assert found.extra["i2"] == pytest.approx(1 - 2 / 6.75)
    assert found.extra["p"] == pytest.approx(np.exp(-6.75 / 2))  # chi-squared with 2 df


@given(st.lists(st.floats(-5, 5), min_size=2, max_size=6), st.floats(-3, 3))
def test_q_knows_no_origin_and_no_order(values, shift):
    errors = np.linspace(0.5, 1.5, len(values))
    found = cochran_q(np.array(values), errors)

    assert found.value >= 0
    assert cochran_q(np.array(values) + shift, errors).value == pytest.approx(found.value, abs=1e-8)
    assert cochran_q(np.array(values)[::-1], errors[::-1]).value == pytest.approx(
        found.value, abs=1e-8
    )


def test_q_from_intervals():
    def estimate(value, half):
        return Estimate("auroc", value, value - half, value + half)

    z = stats.norm.ppf(0.975)
    by_group = {"a": estimate(0.8, z * 0.1), "b": estimate(0.6, z * 0.1),
                "c": Estimate("auroc", 0.9, 0.8, None)}  # fmt: skip
    found = estimates_heterogeneity(by_group, "auroc")

    assert found.value == pytest.approx(2.0)
    assert found.extra["groups_left_out"] == 1
    assert estimates_heterogeneity({"a": by_group["a"]}, "auroc").value is None


@pytest.mark.parametrize("variances", [[0.0, 1.0], [np.nan, 1.0], [1.0]])
def test_malformed(variances):
    with pytest.raises(ValueError, match=r"expected two|must be finite"):
        cochran_q(np.array([0.1, 0.2]), np.array(variances))


def test_a_bound_is_no_standard_error():
    """An AUROC of 1 has the interval of a one-sided bound up to 1."""
    found = {
        name: Estimate("auroc", v, v - 0.1, v + 0.1, n=50) for name, v in (("a", 0.6), ("b", 0.8))
    }
    bounds = {
        "c": Estimate("auroc", 1.0, 0.97, 1.0, n=9),
        "d": Estimate("auroc", 0.0, 0.0, 0.2, n=9),
    }
    q = estimates_heterogeneity(found | bounds, "auroc")

    assert q.value == pytest.approx(estimates_heterogeneity(found, "auroc").value)
    assert q.extra["groups_left_out"] == 2
