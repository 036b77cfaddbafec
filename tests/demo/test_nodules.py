import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from demo.nodules import components, distances, link


def at(*millimetres):
    """One-point outlines along a line."""
    return [np.array([[x, 0.0, 0.0]]) for x in millimetres]


def test_joins_what_is_within_one_slice():
    assert link(at(0, 2.5, 10), slice_thickness_mm=2.5).nodule.tolist() == [0, 0, 1]


def test_a_distance_of_just_one_slice_does_not_hang_on_the_last_bit():
    assert 1.6 - 1.0 > 0.6

    assert link(at(1.0, 1.6), slice_thickness_mm=0.6).nodule.tolist() == [0, 0]


def test_joins_through_a_third():
    assert link(at(0, 2, 4), slice_thickness_mm=2).nodule.tolist() == [0, 0, 0]


def test_numbers_nodules_by_first_appearance():
    assert link(at(50, 0, 51, 100, 1), slice_thickness_mm=2).nodule.tolist() == [0, 1, 0, 2, 1]


def test_the_nearest_points_count_not_the_centres():
    long = np.array([[0.0, 0, 0], [100.0, 0, 0]])
    near_its_end = np.array([[101.0, 0, 0]])

    assert link([long, near_its_end], slice_thickness_mm=1).nodule.tolist() == [0, 0]


def test_four_may_stay_together():
    linkage = link(at(0, 1, 2, 3), slice_thickness_mm=1)

    assert linkage.nodule.tolist() == [0, 0, 0, 0]
    assert linkage.tolerance_mm == 1


def test_more_than_four_shrink_the_tolerance_until_they_part():
    linkage = link(at(0, 1, 2, 4.2, 5.2), slice_thickness_mm=2.5)

    assert linkage.nodule.tolist() == [0, 0, 0, 1, 1]
    assert linkage.tolerance_mm == pytest.approx(2.5 * 0.9**2)  # 2.25 still joins 2.2, 2.025 not


def test_shrinks_for_the_whole_scan():
    crowd, pair_elsewhere = at(0, 1, 2, 4.2, 5.2), at(100, 102.1)

    assert link(pair_elsewhere, slice_thickness_mm=2.5).nodule.tolist() == [0, 0]
    assert link(crowd + pair_elsewhere, 2.5).nodule.tolist() == [0, 0, 0, 1, 1, 2, 3]


def test_ends_when_no_tolerance_parts_them():
    linkage = link(at(0, 0, 0, 0, 0), slice_thickness_mm=1)

    assert linkage.nodule.tolist() == [0] * 5
    assert linkage.tolerance_mm < 0.1


def test_a_scan_without_annotations_has_no_nodules():
    assert link([], slice_thickness_mm=1).nodule.tolist() == []


def test_refuses_a_slice_without_thickness():
    with pytest.raises(ValueError, match="more than 0"):
        link(at(0), slice_thickness_mm=0)


coordinates = st.lists(
    st.lists(st.tuples(*[st.integers(0, 12)] * 3), min_size=1, max_size=5), min_size=1, max_size=7
)


@given(coordinates, st.sampled_from([0.6, 1.25, 2.5, 5.0]))
def test_distances_are_those_of_all_pairs_of_points(points, within_mm):
    outlines = [np.array(each, dtype=float) for each in points]

    found = distances(outlines, within_mm)

    for i, a in enumerate(outlines):
        for j, b in enumerate(outlines):
            direct = np.linalg.norm(a[:, None] - b[None], axis=2).min() if i != j else 0.0
            if direct <= within_mm:
                assert found[i, j] == pytest.approx(direct)
            else:
                assert found[i, j] == np.inf


@given(coordinates)
def test_a_smaller_tolerance_only_parts(points):
    distance_mm = distances([np.array(each, dtype=float) for each in points], within_mm=5.0)
    wide, narrow = components(distance_mm, 5.0), components(distance_mm, 2.0)

    for number in set(narrow.tolist()):
        assert len(set(wide[narrow == number].tolist())) == 1
