import numpy as np
import pytest

from ml.stats.clusters import Clusters, checked_clusters, too_few

# Three patients of 1, 3 and 2 rows, mixed.
MIXED = Clusters.of(np.array([40, 7, 99, 7, 99, 7]), "patient")


def test_clusters_say_their_number():
    assert Clusters.of(np.array([3, 3, 1]), "patient").words == "2 patients"
    assert Clusters.of(np.array([3, 3]), "group").words == "1 group"
    assert Clusters.singles(1200).words == "1,200 cases"
    assert Clusters.of(np.array([3, 1]), "scan").words == "2 scans"


def test_sorted_codes_number_the_units():
    assert MIXED.codes.tolist() == [1, 0, 2, 0, 2, 0]
    assert MIXED.count == 3
    assert MIXED.extra == {"n_clusters": 3, "cluster_kind": "patient"}
    assert Clusters.of(np.array([])).count == 0


def test_rows_are_alone_whatever_their_numbers():
    assert Clusters.singles(4).each_alone
    assert Clusters.of(np.array([9, 2, 5])).each_alone
    assert not MIXED.each_alone


@pytest.mark.parametrize("chosen", [np.array([2, 0, 4]), np.array([1, 0, 1, 0, 1, 0], bool)])
def test_some_rows_have_only_their_own_units(chosen):
    some = MIXED.where(chosen)

    assert (some.count, some.kind) == (2, "patient")
    same = MIXED.codes[chosen][:, None] == MIXED.codes[chosen]
    assert ((some.codes[:, None] == some.codes) == same).all()


def test_sums_are_of_each_unit():
    rows = np.array([[1.0, 10], [2, 20], [4, 40], [8, 80], [16, 160], [32, 320]])

    assert MIXED.sums(rows).tolist() == [[42.0, 420], [1, 10], [20, 200]]
    assert MIXED.sums(rows[:, 0]).tolist() == [[42.0], [1], [20]]
    assert MIXED.sums(rows[:, :0]).shape == (3, 0)


def test_a_unit_without_rows_keeps_its_place():
    """Of five units, the second and the last have no row here."""
    clusters = checked_clusters(Clusters(np.array([0, 2, 3, 3]), 5), 4)

    assert clusters.sums(np.array([1.0, 2, 4, 8])).ravel().tolist() == [1, 0, 2, 12, 0]
    assert not clusters.each_alone


def test_without_clusters_every_row_is_its_own():
    clusters = checked_clusters(None, 3)

    assert clusters.codes.tolist() == [0, 1, 2]
    assert clusters.codes.dtype == np.int64
    assert checked_clusters(MIXED, 6) is MIXED
    assert checked_clusters(Clusters(np.zeros(0, np.int64), 0), 0).count == 0


@pytest.mark.parametrize("n", [5, 7])
def test_a_cluster_is_needed_for_each_row(n):
    with pytest.raises(ValueError, match=f"each of {n} rows"):
        checked_clusters(MIXED, n)


@pytest.mark.parametrize("codes", [[0, -1, 1], [0, 1, 2], [-1, -1, 0], [2, 2, 2]])
def test_codes_lie_below_the_count(codes):
    with pytest.raises(ValueError, match=r"0\.\.1"):
        checked_clusters(Clusters(np.array(codes), 2), 3)


def test_ten_units_are_enough_and_nine_are_not():
    assert too_few(Clusters.of(np.arange(20) // 2, "patient")) is None
    assert too_few(Clusters.of(np.arange(90) // 10, "patient")) == (
        "No interval: only 9 patients, and at least 10 are needed."
    )
    assert "only 1 patient," in too_few(Clusters.of(np.zeros(50), "patient"))
