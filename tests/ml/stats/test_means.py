import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ml.stats.bootstrap import Settings, draw_counts
from ml.stats.clusters import Clusters
from ml.stats.means import case_mean, case_median

FEW = Settings(draws=200)
numbers = st.lists(st.one_of(st.floats(-100, 100), st.just(float("nan"))), min_size=0, max_size=30)


@pytest.mark.parametrize(("measure", "by_hand"), [(case_mean, np.mean), (case_median, np.median)])
def test_the_interval_is_that_of_drawn_clusters(measure, by_hand, rng):
    values, cluster = rng.normal(size=60), rng.integers(0, 20, 60)
    clusters = Clusters.of(cluster, "patient")
    found = measure("x", values, clusters, FEW)
    drawn = [
        by_hand(np.repeat(values, counts[clusters.codes].astype(int)))
        for block in draw_counts(clusters.count, FEW)
        for counts in block
    ]

    assert found.value == pytest.approx(by_hand(values))
    assert (found.low, found.high) == pytest.approx(tuple(np.quantile(drawn, (0.025, 0.975))))
    assert found.extra["n_clusters"] == clusters.count


@pytest.mark.parametrize(
    ("measure", "by_hand"), [(case_mean, np.nanmean), (case_median, np.nanmedian)]
)
@given(values=numbers)
def test_cases_without_a_number_enter_nothing(measure, by_hand, values):
    array = np.array(values)
    found = measure("x", array, settings=Settings(draws=20))
    if np.isnan(array).all():
        assert found.value is None
        assert found.reason
        return
    assert found.value == pytest.approx(by_hand(array))
    assert found.n == (~np.isnan(array)).sum()


@pytest.mark.parametrize("measure", [case_mean, case_median])
def test_infinity_is_refused(measure):
    with pytest.raises(ValueError, match="finite"):
        measure("x", np.array([1.0, np.inf]))
