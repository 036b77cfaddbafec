import numpy as np
import pytest

from ml.stats.bootstrap import (
    Clusters,
    Settings,
    draw_counts,
    percentile_interval,
    replicate_sums,
)


def test_each_replicate_draws_as_many_units_as_there_are():
    counts = np.concatenate(list(draw_counts(25, Settings(draws=300))))

    assert counts.shape == (300, 25)
    assert (counts.sum(axis=1) == 25).all()
    assert counts.mean() == pytest.approx(1)


def test_same_seed_same_draws_other_seed_other_draws():
    def first(seed):
        return next(draw_counts(40, Settings(draws=10, seed=seed))).tolist()

    assert first(1) == first(1)
    assert first(1) != first(2)


def test_sums_follow_the_draws():
    sums = np.arange(12.0).reshape(6, 2)
    counts = np.concatenate(list(draw_counts(6, Settings(draws=50))))

    assert replicate_sums(sums, Settings(draws=50)) == pytest.approx(counts @ sums)


def test_percentiles_by_hand():
    """Of 0..200, the 2.5 % and 97.5 % quantiles are 5 and 195."""
    interval = percentile_interval(
        np.arange(201.0), Clusters.singles(50), Settings(draws=201, seed=3)
    )

    assert (interval.low, interval.high) == pytest.approx((5, 195))
    assert interval.method == "bootstrap over 50 cases, percentile, 201 draws, seed 3"


def test_recentring_moves_the_interval_only():
    replicates, clusters = np.arange(201.0), Clusters.singles(50)
    interval = percentile_interval(replicates, clusters, Settings(draws=201), centre=10.0)

    assert (interval.low, interval.high) == pytest.approx((-85, 105))
    assert "recentred" in interval.method


@pytest.mark.parametrize(("lost", "has_interval"), [(10, True), (11, False)])
def test_up_to_a_tenth_of_the_replicates_may_be_undefined(lost, has_interval):
    replicates = np.linspace(0, 1, 100)
    replicates[:lost] = np.nan

    interval = percentile_interval(replicates, Clusters.singles(50), Settings(draws=100))

    assert (interval.low is not None) == has_interval
    assert f"{lost}" in (interval.method if has_interval else interval.reason)


def test_clusters_say_their_number():
    assert Clusters.of(np.array([3, 3, 1]), "patient").words == "2 patients"
    assert Clusters.of(np.array([3, 3]), "group").words == "1 group"
    assert Clusters.singles(1200).words == "1,200 cases"
