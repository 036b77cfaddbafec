import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from sklearn.metrics import roc_auc_score

from ml.stats.discrimination.placements import (
    delong_covariance,
    delong_variance,
    placements,
)

two_classes = st.integers(2, 40).flatmap(
    lambda n: st.tuples(
        hnp.arrays(float, n, elements=st.sampled_from([0.0, 0.1, 0.25, 0.5, 0.75, 0.9, 1.0])),
        hnp.arrays(int, n, elements=st.integers(0, 1)).filter(lambda y: 0 < y.sum() < y.size),
    )
)


def naive(scores, present):
    """Every pair looked at: 1 won, 1/2 tied."""
    x, y = scores[present == 1], scores[present == 0]
    won = (x[:, None] > y[None, :]) + 0.5 * (x[:, None] == y[None, :])
    return won.mean(axis=1), won.mean(axis=0)


@settings(max_examples=60, deadline=None)
@given(two_classes)
def test_every_pair_with_ties(data):
    scores, present = data
    placed = placements(scores, present)
    of_present, of_absent = naive(scores, present)

    assert placed.of_present == pytest.approx(of_present, abs=1e-15)
    assert placed.of_absent == pytest.approx(of_absent, abs=1e-15)
    assert placed.value == pytest.approx(roc_auc_score(present, scores), abs=1e-14)


def test_every_pair_without_ties(rng):
    scores, present = rng.normal(size=301), rng.integers(0, 2, 301)
    placed = placements(scores, present)
    of_present, of_absent = naive(scores, present)

    assert placed.of_present == pytest.approx(of_present, abs=1e-15)
    assert placed.of_absent == pytest.approx(of_absent, abs=1e-15)


@settings(max_examples=30, deadline=None)
@given(two_classes, st.randoms(use_true_random=False))
def test_cases_keep_their_order(data, random):
    scores, present = data
    order = list(range(scores.size))
    random.shuffle(order)
    whole = np.empty(scores.size)
    moved = np.empty(scores.size)
    placed, shuffled = placements(scores, present), placements(scores[order], present[order])
    whole[present == 1], whole[present == 0] = placed.of_present, placed.of_absent
    moved[present[order] == 1] = shuffled.of_present
    moved[present[order] == 0] = shuffled.of_absent

    assert moved.tolist() == whole[order].tolist()
    assert shuffled.value == placed.value


@settings(max_examples=30, deadline=None)
@given(two_classes)
def test_only_ranks_matter(data):
    scores, present = data

    assert placements(np.exp(3 * scores), present).value == placements(scores, present).value


def test_variance_and_covariance_by_every_pair(rng):
    present = rng.integers(0, 2, 60)
    scores = [rng.integers(0, 6, 60).astype(float) for _ in range(3)]
    placed = [placements(one, present) for one in scores]
    pairs = [naive(one, present) for one in scores]
    expected = sum(
        np.cov(np.array([pair[side] for pair in pairs])) / pairs[0][side].size for side in (0, 1)
    )

    assert delong_covariance(placed) == pytest.approx(expected, abs=1e-15)
    assert delong_variance(placed[0]) == pytest.approx(expected[0, 0], abs=1e-15)


def test_large_samples_do_not_overflow():
    """pROC once multiplied 32-bit counts: 100,000 x 100,000 pairs are ten milliards."""
    present = np.arange(200_000) % 2
    placed = placements(np.arange(200_000.0), present)

    assert placed.value == pytest.approx(0.5 + 0.5 / 100_000, abs=1e-12)
    assert placed.of_present.max() == 1.0


def test_constant_scores_are_all_half():
    placed = placements(np.zeros(5), np.array([0, 1, 1, 0, 0]))

    assert placed.of_present.tolist() == [0.5, 0.5]
    assert placed.of_absent.tolist() == [0.5, 0.5, 0.5]
    assert delong_variance(placed) == 0


@pytest.mark.parametrize(
    ("scores", "present", "message"),
    [
        ([], [], "two classes"),
        ([0.1, 0.2], [1, 1], "2 present and 0 absent"),
        ([np.nan, 0.2], [1, 0], "finite"),
        ([0.1, 0.2], [1, 2], "0 or 1"),
        ([0.1], [1, 0], "two"),
    ],
)
def test_refuses(scores, present, message):
    with pytest.raises(ValueError, match=message):
        placements(np.array(scores, float), np.array(present, int))


def test_single_case_of_a_class_has_no_variance():
    with pytest.raises(ValueError, match="single case"):
        delong_variance(placements(np.array([0.1, 0.2, 0.3]), np.array([0, 0, 1])))


def test_covariance_needs_the_same_cases():
    one = placements(np.arange(4.0), np.array([0, 0, 1, 1]))
    other = placements(np.arange(5.0), np.array([0, 0, 0, 1, 1]))

    with pytest.raises(ValueError, match="same cases"):
        delong_covariance([one, other])
