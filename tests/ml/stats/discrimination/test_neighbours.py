"""Shares among nearest neighbours, held against one case at a time."""

import numpy as np
import pytest

from ml.stats.clusters import Clusters
from ml.stats.discrimination import neighbours as module
from ml.stats.discrimination.neighbours import cross_fitted_neighbours
from ml.stats.discrimination.ridge_logistic import cross_fitted_logistic, dealt_folds


@pytest.fixture
def planted():
    rng = np.random.default_rng(4)
    present = rng.random(120) < 0.4
    columns = np.column_stack([rng.integers(0, 6, 120), rng.random(120) + present])
    return columns.astype(float), present, Clusters.of(np.arange(120) // 2)


@pytest.mark.parametrize("block", [1, 7, 512])
def test_is_the_share_among_those_no_farther_than_the_last(planted, block, monkeypatch):
    monkeypatch.setattr(module, "_ROWS", block)
    columns, present, clusters = planted
    found = cross_fitted_neighbours(columns, present, clusters, neighbours=7, seed=3)
    fold = dealt_folds(present, clusters, seed=3)
    below = (columns[:, None] > columns).sum(axis=1)
    equal = (columns[:, None] == columns).sum(axis=1) - 1
    ranks = (below + equal / 2) / (len(columns) - 1)
    for at in range(len(columns)):
        others = np.flatnonzero(fold != fold[at])
        apart = ((ranks[others] - ranks[at]) ** 2).sum(axis=1)
        near = others[apart <= np.sort(apart)[6] + 1e-12]
        assert found[at] == pytest.approx(present[near].mean())


def test_no_unit_is_judged_by_its_own(planted):
    columns, present, clusters = planted
    fold = dealt_folds(present, clusters, seed=1)
    assert all(np.unique(fold[clusters.codes == one]).size == 1 for one in range(clusters.count))
    assert (cross_fitted_logistic(columns, present, clusters, seed=1).fold == fold).all()
    # A column that names the unit gives its label away only to itself.
    of_units = np.random.default_rng(0).random(60) < 0.5
    named, labels = clusters.codes[:, None].astype(float), of_units[clusters.codes]
    apart = cross_fitted_neighbours(named, labels, clusters, neighbours=1)
    together = cross_fitted_neighbours(named, labels, neighbours=1)
    assert ((together > 0.5) == labels).mean() > 0.9
    assert ((apart > 0.5) == labels).mean() < 0.75


def test_order_and_scale_of_the_cases_change_nothing(planted):
    columns, present, _ = planted
    found = cross_fitted_neighbours(columns, present, seed=2)
    assert (cross_fitted_neighbours(np.exp(columns), present, seed=2) == found).all()


def test_a_missing_number_counts_as_the_middle(planted):
    columns, present, _ = planted
    lost = columns.copy()
    lost[:5, 1] = np.nan
    assert np.isfinite(cross_fitted_neighbours(lost, present)).all()


def test_refuses_in_words(planted):
    columns, present, _ = planted
    with pytest.raises(ValueError, match="expected"):
        cross_fitted_neighbours(columns[:5], present)
    with pytest.raises(ValueError, match="neighbours"):
        cross_fitted_neighbours(columns, present, neighbours=110)
    with pytest.raises(ValueError, match="units"):
        cross_fitted_neighbours(columns, np.zeros(120, dtype=bool))
