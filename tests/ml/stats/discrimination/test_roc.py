import numpy as np
import pytest
from hypothesis import given
from sklearn.metrics import auc
from sklearn.metrics import roc_curve as sklearn_roc_curve

from ml.stats.bootstrap import Settings, draw_counts
from ml.stats.clusters import Clusters
from ml.stats.discrimination.roc import roc_band, roc_curve
from tests.ml.stats.discrimination.test_auroc import labelled_scores


@given(labelled_scores)
def test_encloses_the_same_area_as_scikit_learn(data):
    scores, present = data
    curve = roc_curve(scores, present)
    fpr, tpr, _ = sklearn_roc_curve(present, scores)

    assert auc(curve.false_positive_rate, curve.true_positive_rate) == pytest.approx(auc(fpr, tpr))
    assert (np.diff(curve.false_positive_rate) >= 0).all()
    assert (np.diff(curve.true_positive_rate) >= 0).all()
    assert curve.false_positive_rate[[0, -1]].tolist() == [0, 1]
    assert curve.true_positive_rate[[0, -1]].tolist() == [0, 1]


def test_points_on_a_line_are_left_out():
    curve = roc_curve(np.array([0.9, 0.8, 0.2, 0.1]), np.array([1, 1, 0, 0]))

    assert curve.true_positive_rate.tolist() == [0, 1, 1]


def test_band_surrounds_the_curve(rng):
    present = np.arange(200) % 2
    scores = rng.normal(size=200) + present
    clusters = Clusters.of(np.arange(200) // 2, "patient")

    grid, low, high = roc_band(scores, present, clusters, Settings(draws=400))

    curve = roc_curve(scores, present)
    at_grid = np.interp(grid, curve.false_positive_rate, curve.true_positive_rate)
    inside = (low <= at_grid) & (at_grid <= high)
    assert inside[5:-5].all()
    assert (low <= high).all()


def test_band_is_that_of_cases_drawn_one_by_one(rng):
    present = np.arange(60) % 2
    scores = (rng.normal(size=60) + present).round(1)
    clusters, settings = Clusters.of(np.arange(60) // 3, "patient"), Settings(draws=80)
    curves = []
    for drawn in np.concatenate(list(draw_counts(20, settings))):
        rows = np.repeat(np.arange(60), drawn[clusters.codes].astype(int))
        curve = roc_curve(scores[rows], present[rows])
        curves.append(
            np.interp(np.linspace(0.013, 0.93, 7), curve.false_positive_rate,
                      curve.true_positive_rate)
        )  # fmt: skip

    _, low, high = roc_band(scores, present, clusters, settings, grid=np.linspace(0.013, 0.93, 7))

    assert np.array([low, high]) == pytest.approx(np.quantile(curves, (0.025, 0.975), axis=0))


def test_no_band_from_few_patients(rng):
    clusters = Clusters.of(np.arange(20) // 10, "patient")

    assert roc_band(rng.random(20), np.arange(20) % 2, clusters) is None


def test_refuses_one_class():
    with pytest.raises(ValueError, match="with and without"):
        roc_curve(np.array([0.1, 0.2]), np.array([1, 1]))


def test_no_band_where_replicates_show_none():
    scores = np.arange(30.0)

    assert roc_band(scores, (scores > 14).astype(int), settings=Settings(draws=100)) is None
    # A third of the replicates draws the only case with the finding not once.
    assert roc_band(scores, (scores == 14).astype(int), settings=Settings(draws=100)) is None
    with pytest.raises(ValueError, match="rise inside"):
        roc_band(scores, np.arange(30) % 2, grid=np.array([0.5, 1.5]))
