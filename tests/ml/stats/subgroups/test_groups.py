import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ml.stats.clusters import Clusters
from ml.stats.discrimination.auroc import auroc
from ml.stats.subgroups.groups import Groups, binned, by_group, withheld


def test_texts_and_their_absence():
    groups = Groups.of(["b", "", None, "a", "b"])

    assert groups.names == ("a", "b")
    assert groups.sizes.tolist() == [1, 2]
    assert groups.rows(1).tolist() == [0, 4]
    assert groups.known.tolist() == [True, False, False, True, True]


def test_a_cut_belongs_to_the_upper_group():
    groups = binned(np.array([49.9, 50, 64, 65, np.nan]), (50, 65))

    assert groups.codes.tolist() == [0, 1, 1, 2, -1]
    assert groups.names == ("< 50", "50 to < 65", "≥ 65")


def test_tertiles_hold_a_third_each():
    assert binned(np.arange(300.0)).sizes.tolist() == [100, 100, 100]


@pytest.mark.parametrize("values", [np.zeros(5), np.full(3, np.nan), np.zeros(0)])
def test_nothing_to_cut(values):
    groups = binned(values)

    assert groups.names == ("all",)
    assert groups.sizes.tolist() == [int(np.isfinite(values).sum())]


def test_many_equal_numbers_make_fewer_groups():
    groups = binned(np.array([0.0] * 8 + [1.0, 2.0]))

    assert groups.count == 1
    assert binned(np.array([0.0, 1.0] * 5)).names == ("< 1", "≥ 1")


@pytest.mark.parametrize("cuts", [(2, 1), (1, 1), (np.nan,)])
def test_cuts_that_do_not_rise(cuts):
    with pytest.raises(ValueError, match="must be finite and rise"):
        binned(np.arange(3.0), cuts)


@given(st.lists(st.floats(-1e6, 1e6), max_size=40))
def test_every_number_has_a_group(values):
    groups = binned(np.array(values))

    assert groups.sizes.sum() == len(values)
    assert groups.codes.max(initial=0) < groups.count


@pytest.mark.parametrize(
    ("n", "events", "needs", "said"),
    [
        (9, 9, "cases", "only 9 cases in this group, and at least 10"),
        (10, 4, "present", "only 4 cases with the finding"),
        (10, 6, "absent", "only 4 cases without the finding"),
        (10, 6, "both", "only 4 cases without the finding"),
        (10, 5, "both", None),
        (10, 0, "cases", None),
        (10, None, "present", None),
    ],
)
def test_groups_too_small(n, events, needs, said):
    reason = withheld(n, events, needs)

    assert reason is None if said is None else said in reason


def test_any_measure_by_group_with_its_clusters(rng):
    scores, present = rng.random(200), np.arange(200) % 2
    groups = Groups.of(["a"] * 100 + ["b"] * 92 + ["tiny"] * 8)
    clusters = Clusters.of(np.arange(200) // 2, "patient")

    found = by_group(
        lambda rows: auroc(scores[rows], present[rows], clusters.where(rows)),
        groups, present, needs="both",
    )  # fmt: skip

    assert [estimate.id for estimate in found.values()] == ["auroc:a", "auroc:b", "auroc:tiny"]
    assert found["a"].value == auroc(scores[:100], present[:100]).value
    assert "50 patients" in found["a"].method
    assert found["tiny"].value is None
    assert (found["tiny"].n, found["tiny"].n_events) == (8, 4)
    assert "at least 10" in found["tiny"].reason


def test_cuts_alike_in_six_digits_give_groups_of_different_names():
    groups = binned(np.array([1.0, 2.00000001, 3.0, 4.0]), (2.00000001, 2.00000002, 2.5))

    assert len(set(groups.names)) == groups.count == 4


def test_one_case_is_no_cases():
    assert withheld(1) == "Not shown: only 1 case in this group, and at least 10 are needed."
    assert withheld(40, 1) == (
        "Not shown: only 1 case with the finding in this group, and at least 5 are needed."
    )
