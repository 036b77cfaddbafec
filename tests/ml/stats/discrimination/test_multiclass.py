import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import accuracy_score, roc_auc_score

from ml.stats.bootstrap import Settings, draw_counts
from ml.stats.clusters import Clusters
from ml.stats.discrimination.multiclass import (
    hand_till,
    macro_ovr_auroc,
    multiclass_auto_direction,
    top_1_accuracy,
)

FEW = Settings(draws=100)


def made(seed, n=60, k=4, decimals=1):
    rng = np.random.default_rng(seed)
    truth = np.r_[np.arange(k), rng.integers(0, k, n - k)]
    raw = (rng.random((n, k)) + 0.6 * np.eye(k)[truth]).round(decimals) + 0.05
    return raw / raw.sum(axis=1, keepdims=True), truth


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10_000))
def test_equal_scikit_learn(seed):
    scores, truth = made(seed)

    assert hand_till(scores, truth, settings=FEW).value == pytest.approx(
        roc_auc_score(truth, scores, multi_class="ovo"), abs=1e-12
    )
    assert macro_ovr_auroc(scores, truth, settings=FEW).value == pytest.approx(
        roc_auc_score(truth, scores, multi_class="ovr"), abs=1e-12
    )
    assert top_1_accuracy(scores, truth).value == pytest.approx(
        accuracy_score(truth, scores.argmax(axis=1))
    )


@pytest.mark.parametrize("measure", [hand_till, macro_ovr_auroc])
def test_classes_and_cases_may_be_renumbered(measure, rng):
    scores, truth = made(3)
    order, names = rng.permutation(truth.size), np.array([2, 0, 3, 1])
    renamed = np.empty_like(scores)
    renamed[:, names] = scores

    moved = measure(renamed[order], names[truth][order], settings=FEW)

    assert moved.value == pytest.approx(measure(scores, truth, settings=FEW).value, abs=1e-13)


def test_two_classes_are_the_auroc(rng):
    truth = rng.integers(0, 2, 50)
    one = rng.random(50)
    scores = np.column_stack([1 - one, one])

    for measure in (hand_till, macro_ovr_auroc):
        assert measure(scores, truth, settings=FEW).value == pytest.approx(
            roc_auc_score(truth, one), abs=1e-12
        )


def test_interval_is_that_of_cases_drawn_one_by_one():
    scores, truth = made(5, n=80, k=3)
    clusters = Clusters.of(np.arange(80) // 2, "patient")
    estimate = hand_till(scores, truth, clusters, FEW)
    values = []
    for drawn in np.concatenate(list(draw_counts(40, FEW))):
        rows = np.repeat(np.arange(80), drawn[clusters.codes].astype(int))
        values.append(roc_auc_score(truth[rows], scores[rows], multi_class="ovo"))

    assert [estimate.low, estimate.high] == pytest.approx(np.quantile(values, [0.025, 0.975]))
    assert "40 patients" in estimate.method


@pytest.mark.parametrize("measure", [hand_till, macro_ovr_auroc])
def test_a_class_without_a_case_is_undefined(measure):
    scores, truth = made(1)
    estimate = measure(scores[truth != 2], truth[truth != 2])

    assert estimate.value is None
    assert "class 2" in estimate.reason


@pytest.mark.parametrize("measure", [hand_till, macro_ovr_auroc, top_1_accuracy])
def test_empty_and_single_cases_are_answered(measure):
    for n in (0, 1):
        estimate = measure(np.zeros((n, 3)), np.zeros(n, int))
        assert estimate.value is not None or estimate.reason


def test_perfect_scores_have_no_interval_of_a_point():
    truth = np.arange(30) % 3
    estimate = hand_till(np.eye(3)[truth], truth)

    assert estimate.value == 1.0
    assert not estimate.has_interval
    assert estimate.reason


def test_ties_at_the_top_are_counted():
    estimate = top_1_accuracy(np.array([[0.5, 0.5], [0.2, 0.8]]), np.array([0, 1]))

    assert estimate.value == 1.0
    assert estimate.extra["tied"] == 1


def test_auto_direction_flips_each_pair_and_says_so():
    """Middle class lowest: two of three pairs would be below one half unflipped."""
    score, truth = np.array([3.0, 4, 1, 2, 5, 6]), np.array([0, 0, 1, 1, 2, 2])
    estimate = multiclass_auto_direction(score, truth)

    assert estimate.value == 1.0
    assert "optimistic" in estimate.convention


def test_auto_direction_of_the_published_example(reference):
    case = reference("discr-pROC-aSAH")
    estimate = multiclass_auto_direction(
        np.array(case.input["scores"]["s100b"]), np.array(case.input["gos6"])
    )

    assert estimate.value == pytest.approx(0.6540, abs=5e-5)


@pytest.mark.parametrize(
    ("scores", "truth", "message"),
    [
        (np.zeros((3, 1)), np.zeros(3), "two or more"),
        (np.zeros((3, 2)), np.zeros(2), "codes"),
        (np.full((2, 2), np.nan), np.zeros(2), "finite"),
        (np.zeros((2, 2)), np.array([0, 2]), "0..1"),
        (np.zeros((2, 2)), np.array([0, 0.5]), "whole"),
    ],
)
def test_refuses(scores, truth, message):
    with pytest.raises(ValueError, match=message):
        hand_till(scores, truth)
